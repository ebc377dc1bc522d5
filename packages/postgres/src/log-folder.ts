/**
 * Reads the lines that are appended to the files of a folder, through rotation.
 *
 * A file is known by its first line, which no other has (time, process, number), and not by its name or inode: it stays
 * the same one when it is renamed, and when it is copied and truncated, while another that takes its name or its inode
 * is another. Of two copies the longer one counts. Files are read in the order in which they were last written.
 *
 * A line is read when its end is there. The last line of a file that will not grow any more is read without one: the
 * server was killed while it wrote.
 */
import { createHash } from "node:crypto";
import { open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { logTextOf, type LogText } from "./log-line.ts";

/** How far each file is read, by its first line. */
export type LogPosition = Readonly<Record<string, FilePosition>>;

interface FilePosition {
  readonly offset: number;
  /** Its length when it was last seen. */
  readonly size: number;
  readonly name: string;
}

export interface LogPiece {
  readonly lines: readonly LogText[];
  readonly position: LogPosition;
  /** Files that are gone, with bytes that were never read. */
  readonly lost: readonly FilePosition[];
}

interface LogFile {
  readonly key: string;
  readonly name: string;
  readonly size: number;
  readonly mtimeMs: number;
}

const newline = 0x0a;
const firstBytesMax = 4096;
const pieceBytes = 1024 * 1024;
/** A longer line is cut: a statement is never that long, a file of another kind may be. */
const lineBytesMax = 64 * 1024 * 1024;
const logFileName = /\.json(?:[.-][^/]*)?$/;
const packedName = /\.(?:gz|bz2|xz|zst|lz4|tmp)$/;

/** The next lines of the folder: at most about a mebibyte of one file. */
export async function readLogFolder(folder: string, position: LogPosition): Promise<LogPiece> {
  const files = await logFiles(folder);
  const kept = Object.fromEntries(
    files.flatMap((file) => {
      const known = position[file.key];
      if (known === undefined) return [];
      // One that was cut short begins again: what the log has of it, it recognises.
      const offset = known.offset > file.size ? 0 : known.offset;
      return [[file.key, { offset, size: file.size, name: file.name }]];
    }),
  );
  const lost = Object.entries(position)
    .filter(([key, { offset, size }]) => !Object.hasOwn(kept, key) && size > offset)
    .map(([, gone]) => gone);
  for (const [i, file] of files.entries()) {
    const offset = kept[file.key]?.offset ?? 0;
    if (offset >= file.size) continue;
    const { bytes, next } = await readPiece(folder, file, offset, i < files.length - 1);
    if (next === offset) continue;
    const { name, size } = file;
    const lines = linesOf(bytes);
    return { lines, position: { ...kept, [file.key]: { offset: next, size, name } }, lost };
  }
  return { lines: [], position: kept, lost };
}

/** Oldest first. A file whose first line is not whole yet is not there yet, unless a newer one is. */
async function logFiles(folder: string): Promise<LogFile[]> {
  const names = (await readdir(folder)).filter(
    (name) => logFileName.test(name) && !packedName.test(name),
  );
  const found: (Omit<LogFile, "key"> & { first: Buffer })[] = [];
  for (const name of names) {
    // It may be renamed or removed meanwhile: the next look finds it.
    const file = await open(join(folder, name), "r").catch(() => undefined);
    if (file === undefined) continue;
    try {
      const { size, mtimeMs } = await file.stat();
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(firstBytesMax),
        0,
        firstBytesMax,
        0,
      );
      if (bytesRead > 0) found.push({ name, size, mtimeMs, first: buffer.subarray(0, bytesRead) });
    } finally {
      await file.close();
    }
  }
  // Where both were written in the same tick of the file system, their first lines tell: they begin with their time.
  found.sort((a, b) => a.mtimeMs - b.mtimeMs || Buffer.compare(a.first, b.first));
  const files = new Map<string, LogFile>();
  for (const [i, { name, size, mtimeMs, first }] of found.entries()) {
    const end = first.indexOf(newline);
    const isWhole = end >= 0 || first.length === firstBytesMax;
    if (!isWhole && i === found.length - 1) continue;
    const line = end < 0 ? first : first.subarray(0, end);
    const key = createHash("sha256").update(line).digest("hex").slice(0, 32);
    const longer = files.get(key);
    if (longer === undefined || longer.size < size) files.set(key, { key, name, size, mtimeMs });
  }
  return [...files.values()];
}

async function readPiece(
  folder: string,
  { name, size }: LogFile,
  offset: number,
  isLast: boolean,
): Promise<{ bytes: Buffer; next: number }> {
  const nothing = { bytes: Buffer.alloc(0), next: offset };
  const file = await open(join(folder, name), "r").catch(() => undefined);
  if (file === undefined) return nothing;
  try {
    for (let length = pieceBytes; ; length *= 2) {
      const bytes = await readAt(file, offset, Math.min(length, size - offset));
      const end = bytes.lastIndexOf(newline);
      if (end >= 0) return { bytes: bytes.subarray(0, end), next: offset + end + 1 };
      const isAll = offset + bytes.length >= size;
      if ((isAll && isLast) || bytes.length >= lineBytesMax) {
        return { bytes, next: offset + bytes.length };
      }
      if (isAll || bytes.length === 0) return nothing;
    }
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

function linesOf(bytes: Buffer): LogText[] {
  const lines: LogText[] = [];
  for (let start = 0; start < bytes.length;) {
    const at = bytes.indexOf(newline, start);
    const end = at < 0 ? bytes.length : at;
    if (end > start) lines.push(logTextOf(bytes.subarray(start, end)));
    start = end + 1;
  }
  return lines;
}

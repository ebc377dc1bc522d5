/**
 * What is known of one path: its kind, hash, mode and owner. A file is read again only when its inode, size or one of
 * its times changed. `ctime` is among them, which the kernel sets with every change and no program can set back.
 */
import { createHash } from "node:crypto";
import { constants, type BigIntStats } from "node:fs";
import { lstat, open, readlink, type FileHandle } from "node:fs/promises";
import { hex, parseDecimal } from "@cairnlog/core";

export interface FileState {
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Permission bits, octal: `0644`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Of a file. */
  readonly byteLength?: number;
  readonly sha256?: string;
  /** Of a symbolic link. */
  readonly target?: string;
  /** It could not be read: `EACCES`. */
  readonly unreadable?: string;
  /** Device and inode: what stays when a file is renamed. */
  readonly inode: string;
  /** Whether it has to be read again. */
  readonly stamp: string;
}

export interface ReadFile {
  readonly state: FileState;
  /** Of a file that was read now, if it is no larger than was asked for. */
  readonly content?: Uint8Array;
}

/** Only the bits that `chmod` sets. */
const modeBits = 0o7777n;
const pieceBytes = 256 * 1024;
/**
 * Of a file that was written to while it was read: what was read may never have been there. It is read again; and one
 * that is written to all the time is taken as it comes, and looked at again the next time.
 */
const unsteady = "unsteady";
const attemptsMax = 3;

/** Undefined where there is nothing. `known` is what was there before. */
export async function readState(
  path: string,
  known: FileState | undefined,
  contentBytesMax: number,
): Promise<ReadFile | undefined> {
  const stats = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (stats === undefined) return undefined;
  const base = baseOf(stats);
  if (known !== undefined && known.stamp === base.stamp) return { state: known };
  try {
    if (stats.isSymbolicLink()) return { state: { ...base, target: await readlink(path) } };
    if (!stats.isFile()) return { state: base };
    for (let attempt = 1; ; attempt++) {
      const read = await readFile(path, base, contentBytesMax);
      if (read.state.stamp !== unsteady || attempt === attemptsMax) return read;
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    return { state: { ...base, unreadable: codeOf(error) } };
  }
}

function baseOf(stats: BigIntStats): FileState {
  const { uid, gid, dev, ino, size, mtimeNs, ctimeNs } = stats;
  // A directory's size and times change with what is in it, which is seen there.
  const times = stats.isDirectory() ? [ctimeNs] : [size, mtimeNs, ctimeNs];
  return {
    kind: kindOf(stats),
    mode: (stats.mode % (modeBits + 1n)).toString(8).padStart(4, "0"),
    uid: parseDecimal(uid.toString(), "uid"),
    gid: parseDecimal(gid.toString(), "gid"),
    inode: `${dev}:${ino}`,
    stamp: [dev, ino, ...times].join(":"),
  };
}

async function readFile(path: string, base: FileState, contentBytesMax: number): Promise<ReadFile> {
  // What is a pipe by now must not keep us waiting, nor a link lead us elsewhere.
  const file = await open(path, constants.O_RDONLY + constants.O_NOFOLLOW + constants.O_NONBLOCK);
  try {
    const before = await file.stat({ bigint: true });
    const { sha256, byteLength, content } = await hashOf(file, contentBytesMax);
    const after = await file.stat({ bigint: true });
    const own = baseOf(before);
    const stamp = own.stamp === baseOf(after).stamp ? own.stamp : unsteady;
    const state = { ...own, kind: base.kind, stamp, byteLength, sha256 };
    return content === undefined ? { state } : { state, content };
  } finally {
    await file.close();
  }
}

async function hashOf(
  file: FileHandle,
  contentBytesMax: number,
): Promise<{ sha256: string; byteLength: number; content: Uint8Array | undefined }> {
  const hash = createHash("sha256");
  const room = Buffer.allocUnsafe(pieceBytes);
  let kept: Buffer[] | undefined = [];
  let byteLength = 0;
  for (;;) {
    const { bytesRead } = await file.read(room, 0, room.length, byteLength);
    if (bytesRead === 0) break;
    const piece = room.subarray(0, bytesRead);
    hash.update(piece);
    byteLength += bytesRead;
    if (byteLength > contentBytesMax) kept = undefined;
    kept?.push(Buffer.from(piece));
  }
  const content = kept === undefined ? undefined : Buffer.concat(kept);
  return { sha256: hex(hash.digest()), byteLength, content };
}

function kindOf(stats: BigIntStats): FileState["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return String(error);
}

/**
 * A file that is there whole or not at all: written under another name, synced, and only then given its own. Who is
 * killed meanwhile leaves a `.partial` file behind, and never half of what was asked for.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { randomUUID } from "node:crypto";
import { dirname } from "node:path";
import { CairnError } from "@cairnlog/core";

const pieceBytes = 64 * 1024 * 1024;

/** "usage" for a file that is there, or whose folder is not. Before any work is done for it. */
export function checkOutFile(path: string, isForced: boolean): void {
  if (!isForced && existsSync(path)) throw taken(path);
  if (existsSync(dirname(path))) return;
  throw new CairnError("usage", `--out: there is no folder ${dirname(path)}`, { place: { path } });
}

/** Durable by the time it returns. Only the user may read it: events are nobody else's business. */
export function writeOutFile(path: string, isForced: boolean, bytes: Uint8Array): void {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    const file = openSync(partial, "wx", 0o600);
    try {
      writeAll(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    giveName(partial, path, isForced);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** The same, of what comes piece by piece; returns how many bytes that were. Where it throws, no file is left. */
export async function writeOutPieces(
  path: string,
  isForced: boolean,
  pieces: AsyncIterable<Uint8Array>,
): Promise<number> {
  const partial = `${path}.${randomUUID()}.partial`;
  let byteLength = 0;
  try {
    const file = openSync(partial, "wx", 0o600);
    try {
      for await (const piece of pieces) {
        writeAll(file, piece);
        byteLength += piece.length;
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    giveName(partial, path, isForced);
    return byteLength;
  } finally {
    rmSync(partial, { force: true });
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(file, bytes, at, Math.min(pieceBytes, bytes.length - at));
  }
}

function giveName(partial: string, path: string, isForced: boolean): void {
  try {
    if (isForced) renameSync(partial, path);
    else linkSync(partial, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") throw taken(path);
    throw error;
  }
  syncFolder(dirname(path));
}

/** Not every system lets a folder be opened; then its own habits must do. */
function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function taken(path: string): CairnError {
  return new CairnError("usage", `--out: ${path} is there already; --force replaces it`, {
    place: { path },
  });
}

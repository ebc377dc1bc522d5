/**
 * A small file of the data folder that is only ever replaced whole: API keys, sources. Its unfinished successor is the
 * lock that keeps two commands from overwriting each other's changes. It holds secrets or decides who may do what, so
 * it is for its owner alone.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { CairnError } from "@cairnlog/core";

// A command that was killed leaves the lock behind; no living one holds it for longer than this.
const staleLockMs = 10_000;

/** The file's text; undefined where there is none. */
export function readWhole(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Replaces the file by what `change` makes of it. `what` names its content in messages ("the API keys"). "conflict"
 * while another command does the same, "storage_full"; then the file is what it was.
 */
export function replaceWhole(
  path: string,
  what: string,
  change: (text: string | undefined) => string,
): void {
  const next = `${path}.next`;
  const file = lockNext(next, what);
  try {
    writeSync(file, change(readWhole(path)));
    fsyncSync(file);
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    const isFull = ["ENOSPC", "EDQUOT", "EFBIG"].includes(String(errorCode(error)));
    if (!isFull) throw error;
    throw new CairnError("storage_full", `no room for ${what}: ${String(error)}`, {
      cause: error,
      place: { path },
    });
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}

function lockNext(next: string, what: string): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return openSync(next, "wx", 0o600);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      const made = statSync(next, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      if (attempt > 0 || Date.now() - made < staleLockMs) {
        throw new CairnError(
          "conflict",
          `another command is changing ${what} (${basename(next)} is there): try again`,
        );
      }
      rmSync(next, { force: true });
    }
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

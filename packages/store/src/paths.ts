/**
 * Names inside a data folder: which are allowed, which are the store's own, how a tail file is called.
 */
import { assert, CairnError } from "@cairnlog/core";

const logName = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const segment = /^[a-z0-9_-][a-z0-9._-]*$/;
const temporary = /\.tmp-[0-9]+$/;
const tailName = /^tail\/[0-9]{16}$/;

/** The file that holds the ring of commit records. Not an object: read through `commits()` alone. */
export const ringPath = "commits";
/** The file whose lock says who writes. */
export const lockPath = "LOCK";

/** Refuses what cannot be the name of a log: it would become a path. */
export function checkLogName(name: string): void {
  if (isLogName(name)) return;
  throw new CairnError(
    "usage",
    `not a log's name: ${JSON.stringify(name.slice(0, 80))}; use 1 to 64 of a-z 0-9 . _ -, ` +
      "beginning with a letter or digit",
  );
}

export function isLogName(name: string): boolean {
  return logName.test(name);
}

/** Paths are made by our own code, never taken from outside: another shape is a broken invariant. */
export function checkPath(path: string): void {
  const isPath = path.split("/").every((each) => segment.test(each)) && !temporary.test(path);
  assert(isPath && path !== ringPath, `a path inside a log: ${JSON.stringify(path)}`);
}

/** The same for what `put`, `begin` and `replace` write: tails have calls of their own. */
export function checkObjectPath(path: string): void {
  checkPath(path);
  assert(!tailName.test(path), `tail files are written by appendTail: ${path}`);
}

/** The same for a folder; "" is the log's own. */
export function checkFolder(folder: string): void {
  if (folder !== "") checkPath(folder);
}

/** Where an unfinished object lies until it has its name. */
export function temporaryPath(path: string, n: number): string {
  return `${path}.tmp-${n}`;
}

export function isTemporary(name: string): boolean {
  return temporary.test(name);
}

/** The path of the tail file that begins with entry `first`. */
export function tailPath(first: number): string {
  assert(Number.isSafeInteger(first) && first >= 0, `first seq of a tail: ${first}`);
  return `tail/${String(first).padStart(16, "0")}`;
}

/** Where the full tile `index` of C2SP level `level` (2 or above) lies. */
export function treeTilePath(level: number, index: number): string {
  return `tree/${level}/${String(index).padStart(16, "0")}`;
}

/** The seq in the path of a tail file, or undefined for another path. */
export function findTailFirst(path: string): number | undefined {
  if (!tailName.test(path)) return undefined;
  const first = Number.parseInt(path.slice("tail/".length), 10);
  // The round trip refuses what is beyond 2^53.
  return Number.isSafeInteger(first) && tailPath(first) === path ? first : undefined;
}

/** The folder that `path` lies in, "" at the top. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** Paths in order: by code unit, which for their alphabet is by byte. */
export function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

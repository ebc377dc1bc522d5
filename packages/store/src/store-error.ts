/**
 * From what a file system reports to what a user reads: which path, what was tried, what to do now.
 */
import { CairnError } from "@cairnlog/core";

/** The POSIX code of a failure ("ENOENT"), or SQLite's; undefined where it has neither. */
export function failureCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const { code } = error;
  return typeof code === "string" && /^(E[A-Z0-9]+|ERR_SQLITE_ERROR)$/.test(code)
    ? code
    : undefined;
}

const advice: Readonly<Record<string, string>> = {
  EACCES: "give the user that runs this process access to the folder",
  EPERM: "give the user that runs this process access to the folder",
  EROFS: "mount the file system so that it can be written to",
  EMFILE: "raise this process's limit of open files (ulimit -n)",
  ENFILE: "raise the system's limit of open files",
  EIO: "the medium reports an error: look at the system's log, then open the log anew",
  ENOTDIR: "a file lies where a folder should be: choose another data folder",
};

const fullCodes: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const sqliteFull = 13;

/** SQLite's primary result code of a failure, or undefined where it is not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode % 256 : undefined;
}

/** True if a failure means that there is no room left. */
export function isFull(error: unknown): boolean {
  return fullCodes.has(failureCode(error) ?? "") || sqliteCode(error) === sqliteFull;
}

/**
 * What a failed call on the disk becomes. `doing` is what was tried ("write", "sync"); `path` is shown. What is
 * not a failure of the disk passes as it is: a CairnError, and a broken invariant, which nobody may dress up.
 */
export function storeError(error: unknown, doing: string, log: string, path: string): unknown {
  const posix = failureCode(error);
  if (posix === undefined || !(error instanceof Error)) return error;
  const todo = isFull(error)
    ? "free some room on the disk, or raise the quota"
    : (advice[posix] ?? "look at the system's log for the cause");
  return new CairnError(
    isFull(error) ? "storage_full" : "unavailable",
    `cannot ${doing} ${path} (${error.message}): ${todo}`,
    { cause: error, place: log === "" ? { path } : { log, path } },
  );
}

/** Runs `work`; what the disk reports in it becomes a CairnError. */
export async function reporting<T>(
  doing: string,
  log: string,
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, doing, log, path);
  }
}

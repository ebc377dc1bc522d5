/**
 * One writer per log. The lock is what SQLite holds on the file `LOCK` in exclusive mode: POSIX record locks on
 * Unix, share modes on Windows. The system frees it when the process ends, however it ends; there is nothing to
 * clean up. The file's content does not matter, save that its header names the holder: `PRAGMA user_version` is
 * the pid, a u32be at offset 60 of SQLite's format, which anyone may read without touching the lock.
 *
 * The trap: a process that closes any descriptor of a file loses all POSIX locks it holds on it. So nothing here
 * opens LOCK except through SQLite, which knows the trap, unless the lock is known to be held by another process;
 * and a registry refuses a second taker in the same process before any file is touched.
 */
import fs from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isMainThread } from "node:worker_threads";
import { CairnError } from "@cairnlog/core";
import { lockPath } from "./paths.ts";
import { failureCode, sqliteCode, storeError } from "./store-error.ts";

export interface HeldLock {
  release(): void;
}

/** Takes the lock of the log `log` in `folder`, at once or never: "locked" where another holds it. */
export type LockStrategy = (folder: string, log: string) => HeldLock;

const pidAt = 60;
const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteNotDatabase = 26;

function locked(log: string, holder: string): CairnError {
  return new CairnError(
    "locked",
    `the log ${JSON.stringify(log)} is locked for writing by ${holder}`,
    {
      place: { log, path: lockPath },
    },
  );
}

/** Folders whose lock this thread holds, by device and inode: another path to the same folder is the same. */
const heldFolders = new Set<string>();

function folderKey(folder: string): string {
  const { dev, ino } = fs.statSync(folder, { bigint: true });
  return `${dev}:${ino}`;
}

/** Descriptors of LOCK files that were read for their holder's pid: kept for ever, never closed (see above). */
const readDescriptors = new Map<string, number>();

/** Who holds the lock, for the message. To be called only when SQLite said that another one does. */
function holderOf(path: string, key: string): string {
  // The holder may be the main thread of this very process, and a thread's descriptors close when it ends.
  if (!isMainThread) return "another thread or process";
  try {
    const descriptor = readDescriptors.get(key) ?? fs.openSync(path, "r");
    readDescriptors.set(key, descriptor);
    const header = new Uint8Array(pidAt + 4);
    const pid =
      fs.readSync(descriptor, header, 0, header.length, 0) === header.length
        ? new DataView(header.buffer).getUint32(pidAt)
        : 0;
    if (pid === process.pid) return `another thread of this process (${pid})`;
    return pid === 0 ? "another process" : `process ${pid}`;
  } catch {
    // The refusal matters, the pid in it is a courtesy.
    return "another process";
  }
}

function createLockFile(path: string): void {
  try {
    // SQLite would let everybody read it. An existing file is not opened: closing it could free a lock.
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    if (failureCode(error) !== "EEXIST") throw error;
  }
}

function takeDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // In this mode a lock, once taken, is held until the connection closes. The content need not survive
    // anything, so no journal file and no sync.
    database.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF",
    );
    database.exec(`BEGIN EXCLUSIVE; PRAGMA user_version=${process.pid}; COMMIT`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** As `takeDatabase`; a file that a power loss left as garbage is emptied and tried once more. */
function takeOrRepair(path: string): DatabaseSync {
  try {
    return takeDatabase(path);
  } catch (error) {
    const code = sqliteCode(error);
    if (code !== sqliteNotDatabase && code !== sqliteCorrupt) throw error;
    // SQLite could look at the content, so nobody held the lock. Emptying the file in place frees nobody's lock
    // even if somebody took it since: the second try then finds it held.
    fs.truncateSync(path, 0);
    return takeDatabase(path);
  }
}

/** The lock of the files store on a real disk. */
export const sqliteLock: LockStrategy = (folder, log) => {
  const path = `${folder}/${lockPath}`;
  const key = folderKey(folder);
  if (heldFolders.has(key)) throw locked(log, `this process (process ${process.pid})`);
  let database: DatabaseSync;
  try {
    createLockFile(path);
    database = takeOrRepair(path);
  } catch (error) {
    if (sqliteCode(error) === sqliteBusy) throw locked(log, holderOf(path, key));
    throw storeError(error, "lock", log, lockPath);
  }
  heldFolders.add(key);
  return {
    release() {
      database.close();
      heldFolders.delete(key);
    },
  };
};

/**
 * A lock among the users of one strategy object, for disks and memory that no other process can reach. A restart
 * of the simulated machine takes a fresh one.
 */
export function processLock(): LockStrategy {
  const held = new Set<string>();
  return (folder, log) => {
    if (held.has(folder)) throw locked(log, `this process (process ${process.pid})`);
    held.add(folder);
    return {
      release() {
        held.delete(folder);
      },
    };
  };
}

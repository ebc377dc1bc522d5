/**
 * Logs as folders of files on one disk: the embedded default. Layout and formats: docs/spec/files.md.
 *
 * A log exists once its ring of commit records does: `create` makes the folder, takes the lock, and gives the
 * ring its name last. Folders are their owner's alone (0700), and so is every file in them.
 */
import { assert, CairnError } from "@cairnlog/core";
import { commitSlotByteLength, commitSlotCount } from "./commit-slot.ts";
import type { Disk } from "./disk.ts";
import { FilesLog } from "./files-log.ts";
import { entriesOf, FilesReader } from "./files-reader.ts";
import { sqliteLock, type HeldLock, type LockStrategy } from "./lock.ts";
import { nodeDisk } from "./node-disk.ts";
import { makeFolders } from "./object-files.ts";
import {
  checkLogName,
  comparePaths,
  isLogName,
  isTemporary,
  lockPath,
  ringPath,
  temporaryPath,
} from "./paths.ts";
import { failureCode, reporting } from "./store-error.ts";
import type { LogReader, LogStore, Store } from "./store.ts";

export interface FilesStoreOptions {
  /** Absolute path of the data folder. Made with the first log. */
  readonly folder: string;
  readonly disk?: Disk;
  readonly lock?: LockStrategy;
}

export function filesStore(options: FilesStoreOptions): Store {
  return new FilesStore(options);
}

class FilesStore implements Store {
  readonly location: string;
  readonly #disk: Disk;
  readonly #lock: LockStrategy;

  constructor({ folder, disk = nodeDisk, lock = sqliteLock }: FilesStoreOptions) {
    assert(folder.length > 1, "the data folder is a path below the root");
    this.location = folder.replace(/\/+$/, "");
    this.#disk = disk;
    this.#lock = lock;
  }

  async logs(): Promise<string[]> {
    return reporting("list", "", this.location, async () => {
      const names: string[] = [];
      for (const { name, isFolder } of await entriesOf(this.#disk, this.location)) {
        if (isFolder && isLogName(name) && (await this.#isTaken(name))) names.push(name);
      }
      return names.sort(comparePaths);
    });
  }

  async create(name: string): Promise<LogStore> {
    checkLogName(name);
    const folder = this.#folderOf(name);
    return reporting("create", name, folder, async () => {
      if (await this.#isTaken(name)) throw taken(name);
      await makeFolders(this.#disk, folder);
      return this.#holding(folder, name, async (lock) => {
        // Again, now that nobody else can answer the question differently.
        if (await this.#isTaken(name)) throw taken(name);
        await this.#makeLog(folder);
        return FilesLog.open(this.#disk, folder, name, lock, this.#workerFolder(folder));
      });
    });
  }

  async open(name: string): Promise<LogStore> {
    checkLogName(name);
    const folder = this.#folderOf(name);
    return reporting("open", name, folder, async () => {
      if (!(await this.#isTaken(name))) throw notFound(name, this.location);
      return this.#holding(folder, name, (lock) =>
        FilesLog.open(this.#disk, folder, name, lock, this.#workerFolder(folder)),
      );
    });
  }

  async openReader(name: string): Promise<LogReader> {
    checkLogName(name);
    const folder = this.#folderOf(name);
    return reporting("open", name, folder, async () => {
      if (!(await this.#isTaken(name))) throw notFound(name, this.location);
      return new FilesReader(this.#disk, folder, name);
    });
  }

  #folderOf(name: string): string {
    return `${this.location}/${name}`;
  }

  /** A worker thread can open the real disk by itself, and no other. */
  #workerFolder(folder: string): string | undefined {
    return this.#disk === nodeDisk ? folder : undefined;
  }

  async #holding<T>(
    folder: string,
    name: string,
    work: (lock: HeldLock) => Promise<T>,
  ): Promise<T> {
    const lock = this.#lock(folder, name);
    try {
      return await work(lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * True if the folder holds anything but what a `create` that did not come to its end leaves. A log whose ring
   * was deleted is still a log, so that the loss is noticed instead of taken for an empty place.
   */
  async #isTaken(name: string): Promise<boolean> {
    const entries = await entriesOf(this.#disk, this.#folderOf(name));
    return entries.some(({ name: entry }) => entry !== lockPath && !isTemporary(entry));
  }

  async #makeLog(folder: string): Promise<void> {
    const temporary = `${folder}/${temporaryPath(ringPath, 0)}`;
    try {
      await this.#disk.unlink(temporary);
    } catch (error) {
      if (failureCode(error) !== "ENOENT") throw error;
    }
    const ring = await this.#disk.open(temporary, "create");
    try {
      await ring.write(new Uint8Array(commitSlotByteLength * commitSlotCount), 0);
      await ring.datasync();
    } finally {
      await ring.close();
    }
    await this.#disk.rename(temporary, `${folder}/${ringPath}`);
    await this.#disk.syncFolder(folder);
    await this.#disk.syncFolder(this.location);
  }
}

function taken(name: string): CairnError {
  return new CairnError("conflict", `there is a log ${JSON.stringify(name)} already`, {
    place: { log: name },
  });
}

function notFound(name: string, location: string): CairnError {
  return new CairnError("not_found", `there is no log ${JSON.stringify(name)} in ${location}`, {
    place: { log: name },
  });
}

/**
 * One log's files, held for writing: the reader, the tail files, the ring of commit records and the objects
 * behind one `LogStore`.
 */
import { CairnError } from "@cairnlog/core";
import {
  commitSlotByteLength,
  commitSlotCount,
  encodeCommitSlot,
  readCommitRing,
} from "./commit-slot.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { FilesReader, readSome } from "./files-reader.ts";
import type { HeldLock } from "./lock.ts";
import { makeFolder, ObjectFiles } from "./object-files.ts";
import { checkPath, findTailFirst, ringPath } from "./paths.ts";
import { Poison } from "./poison.ts";
import { failureCode, reporting, storeError } from "./store-error.ts";
import type { Commit, LogStore, ObjectWriter, StoredObject, TailPart } from "./store.ts";
import { TailFiles } from "./tail-files.ts";

/** What a FilesLog is made of. */
interface FilesLogParts {
  readonly disk: Disk;
  readonly lock: HeldLock;
  readonly ring: DiskFile;
  readonly lastNumber: number;
  readonly objects: ObjectFiles;
  readonly workerFolder: string | undefined;
}

export class FilesLog implements LogStore {
  readonly name: string;
  readonly location: string;
  readonly workerFolder: string | undefined;
  readonly #disk: Disk;
  readonly #lock: HeldLock;
  readonly #ring: DiskFile;
  readonly #objects: ObjectFiles;
  readonly #reader: FilesReader;
  readonly #tails: TailFiles;
  readonly #poison: Poison;
  #lastNumber: number;
  /** Writes under way. A descriptor is closed only when none is: its number would be another file's. */
  readonly #running = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  private constructor(location: string, name: string, parts: FilesLogParts) {
    this.name = name;
    this.location = location;
    this.workerFolder = parts.workerFolder;
    this.#disk = parts.disk;
    this.#lock = parts.lock;
    this.#ring = parts.ring;
    this.#objects = parts.objects;
    this.#lastNumber = parts.lastNumber;
    this.#poison = new Poison(name);
    this.#reader = new FilesReader(parts.disk, location, name);
    this.#tails = new TailFiles(parts.disk, location, name, this.#poison);
  }

  /** Opens the log in `location`. The lock is held already; it is this log's from success on. */
  static async open(
    disk: Disk,
    location: string,
    name: string,
    lock: HeldLock,
    workerFolder: string | undefined,
  ): Promise<FilesLog> {
    const objects = new ObjectFiles(disk, location, name);
    await objects.settleLeftovers();
    const ring = await openRing(disk, location, name);
    try {
      // A copy of a log may have come without its empty folders.
      await makeFolder(disk, `${location}/tail`);
      const commits = readCommitRing(await readSome(ring, 0, await ring.byteLength()));
      const lastNumber = commits[0]?.number ?? 0;
      const parts = { disk, lock, ring, lastNumber, objects, workerFolder };
      return new FilesLog(location, name, parts);
    } catch (error) {
      await ring.close();
      throw error;
    }
  }

  get(path: string): Promise<Uint8Array | undefined> {
    return this.#reader.get(path);
  }

  read(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.#reader.read(path, offset, length);
  }

  byteLength(path: string): Promise<number | undefined> {
    return this.#reader.byteLength(path);
  }

  list(folder: string): Promise<StoredObject[]> {
    return this.#reader.list(folder);
  }

  commits(): Promise<Commit[]> {
    return this.#reader.commits();
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    await this.#run(() => this.#objects.put(path, bytes));
  }

  async begin(path: string): Promise<ObjectWriter> {
    this.#reader.checkOpen();
    return this.#objects.begin(path);
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#run(() => this.#objects.replace(path, bytes));
  }

  async remove(path: string): Promise<void> {
    checkPath(path);
    await this.#run(async () => {
      const first = findTailFirst(path);
      if (first !== undefined) await this.#tails.forget(first);
      await this.#objects.remove(path);
    });
  }

  async reserveTail(first: number, byteLength: number): Promise<void> {
    await this.#run(() => this.#tails.reserve(first, byteLength));
  }

  async appendTail(parts: readonly TailPart[], isBusy = false): Promise<void> {
    await this.#run(() => this.#tails.append(parts, isBusy));
  }

  async clearTail(first: number, byteLength: number): Promise<void> {
    await this.#run(() => this.#tails.clear(first, byteLength));
  }

  async commit(commit: Commit, isBusy = false): Promise<void> {
    await this.#run(() => this.#commit(commit, isBusy));
  }

  async freeBytes(): Promise<number | undefined> {
    this.#reader.checkOpen();
    return reporting("ask for the free room of", this.name, this.location, () =>
      this.#disk.freeBytes(this.location),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #commit(commit: Commit, isBusy: boolean): Promise<void> {
    this.#poison.check();
    if (commit.number !== this.#lastNumber + 1) {
      throw new CairnError(
        "conflict",
        `commit ${commit.number} does not follow the last one, ${this.#lastNumber}`,
        { place: { log: this.name, path: ringPath } },
      );
    }
    const slot = encodeCommitSlot(commit);
    // Claimed before the first wait: a second call with the same number is refused, not written over the first.
    this.#lastNumber = commit.number;
    try {
      const at = (commit.number % commitSlotCount) * commitSlotByteLength;
      await this.#ring.writeDurably(slot, at, isBusy);
    } catch (error) {
      this.#poison.set(error);
      throw storeError(error, "write", this.name, ringPath);
    }
    // The tail that this commit makes count may have failed meanwhile.
    this.#poison.check();
  }

  async #run(work: () => Promise<void>): Promise<void> {
    this.#reader.checkOpen();
    const run = work();
    this.#running.add(run);
    try {
      await run;
    } finally {
      this.#running.delete(run);
    }
  }

  async #close(): Promise<void> {
    await this.#reader.close();
    await Promise.allSettled(this.#running);
    try {
      await this.#objects.close();
      await this.#tails.close();
      await this.#ring.close();
    } finally {
      this.#lock.release();
    }
  }
}

async function openRing(disk: Disk, location: string, name: string): Promise<DiskFile> {
  try {
    return await disk.open(`${location}/${ringPath}`, "write");
  } catch (error) {
    if (failureCode(error) !== "ENOENT") throw storeError(error, "open", name, ringPath);
    throw new CairnError(
      "tampered",
      `the file ${ringPath} is gone: without its commit records nobody knows where the log ended`,
      { cause: error, place: { log: name, path: ringPath } },
    );
  }
}

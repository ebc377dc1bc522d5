/**
 * Logs in memory: for tests, and for an embedded log that may end with its process. The same promises as files,
 * save durability, which lasts as long as the store object does.
 */
import { assert, CairnError, isSameBytes } from "@cairnlog/core";
import { commitSlotCount } from "./commit-slot.ts";
import { processLock, type HeldLock } from "./lock.ts";
import {
  checkFolder,
  checkLogName,
  checkObjectPath,
  checkPath,
  comparePaths,
  folderOf,
  tailPath,
} from "./paths.ts";
import type {
  Commit,
  LogReader,
  LogStore,
  ObjectWriter,
  Store,
  StoredObject,
  TailPart,
} from "./store.ts";

export function memoryStore(): Store {
  return new MemoryStore();
}

/** What there is of one log. */
interface MemoryLog {
  readonly files: Map<string, GrowingBytes>;
  /** Newest first, at most as many as a ring holds. */
  commits: readonly Commit[];
}

/** Bytes that grow at the end, doubling their room. */
class GrowingBytes {
  #room = new Uint8Array(1024);
  length = 0;

  static of(bytes: Uint8Array): GrowingBytes {
    const made = new GrowingBytes();
    made.write(bytes, 0);
    return made;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.growTo(offset + bytes.length);
    this.#room.set(bytes, offset);
  }

  /** Zeros up to `length`; never cuts. */
  growTo(length: number): void {
    if (length > this.#room.length) {
      const room = new Uint8Array(Math.max(length, 2 * this.#room.length));
      room.set(this.#room.subarray(0, this.length));
      this.#room = room;
    }
    this.length = Math.max(this.length, length);
  }

  clearFrom(offset: number): void {
    this.#room.fill(0, offset, Math.max(offset, this.length));
  }

  /** A copy. */
  read(offset: number, length: number): Uint8Array {
    return this.#room.slice(Math.min(offset, this.length), Math.min(offset + length, this.length));
  }
}

class MemoryStore implements Store {
  readonly location = "memory";
  readonly #logs = new Map<string, MemoryLog>();
  readonly #lock = processLock();

  async logs(): Promise<string[]> {
    return [...this.#logs.keys()].sort(comparePaths);
  }

  async create(name: string): Promise<LogStore> {
    checkLogName(name);
    if (this.#logs.has(name)) {
      throw new CairnError("conflict", `there is a log ${JSON.stringify(name)} already`, {
        place: { log: name },
      });
    }
    const lock = this.#lock(name, name);
    const log: MemoryLog = { files: new Map(), commits: [] };
    this.#logs.set(name, log);
    return new MemoryLogStore(name, log, lock);
  }

  async open(name: string): Promise<LogStore> {
    const log = this.#find(name);
    return new MemoryLogStore(name, log, this.#lock(name, name));
  }

  async openReader(name: string): Promise<LogReader> {
    return new MemoryReader(name, this.#find(name));
  }

  #find(name: string): MemoryLog {
    checkLogName(name);
    const log = this.#logs.get(name);
    if (log !== undefined) return log;
    throw new CairnError("not_found", `there is no log ${JSON.stringify(name)} in memory`, {
      place: { log: name },
    });
  }
}

class MemoryReader implements LogReader {
  readonly name: string;
  readonly location = "memory";
  protected readonly log: MemoryLog;
  #isClosed = false;

  constructor(name: string, log: MemoryLog) {
    this.name = name;
    this.log = log;
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    return this.read(path, 0, Number.MAX_SAFE_INTEGER);
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    checkPath(path);
    this.checkOpen();
    return this.log.files.get(path)?.read(offset, length);
  }

  async byteLength(path: string): Promise<number | undefined> {
    checkPath(path);
    this.checkOpen();
    return this.log.files.get(path)?.length;
  }

  async list(folder: string): Promise<StoredObject[]> {
    checkFolder(folder);
    this.checkOpen();
    return [...this.log.files]
      .filter(([path]) => folderOf(path) === folder)
      .map(([path, bytes]) => ({ path, byteLength: bytes.length }))
      .sort((a, b) => comparePaths(a.path, b.path));
  }

  async commits(): Promise<Commit[]> {
    this.checkOpen();
    return this.log.commits.map(copyOf);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  protected checkOpen(): void {
    if (!this.#isClosed) return;
    throw new CairnError("unavailable", `the log ${JSON.stringify(this.name)} was closed`, {
      place: { log: this.name },
    });
  }
}

class MemoryLogStore extends MemoryReader implements LogStore {
  readonly workerFolder = undefined;
  readonly #lock: HeldLock;
  #isHeld = true;

  constructor(name: string, log: MemoryLog, lock: HeldLock) {
    super(name, log);
    this.#lock = lock;
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    checkObjectPath(path);
    this.checkOpen();
    const taken = this.log.files.get(path);
    if (taken === undefined) {
      this.log.files.set(path, GrowingBytes.of(bytes));
    } else if (!isSameBytes(taken.read(0, taken.length), bytes)) {
      throw new CairnError("conflict", `${path} holds other bytes already; it is written once`, {
        place: { log: this.name, path },
      });
    }
  }

  async begin(path: string): Promise<ObjectWriter> {
    checkObjectPath(path);
    this.checkOpen();
    return new MemoryObjectWriter(path, (bytes) => this.put(path, bytes));
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    checkObjectPath(path);
    this.checkOpen();
    this.log.files.set(path, GrowingBytes.of(bytes));
  }

  async remove(path: string): Promise<void> {
    checkPath(path);
    this.checkOpen();
    this.log.files.delete(path);
  }

  async reserveTail(first: number, byteLength: number): Promise<void> {
    this.checkOpen();
    this.#tail(first).growTo(byteLength);
  }

  async appendTail(parts: readonly TailPart[]): Promise<void> {
    this.checkOpen();
    for (const { first, offset, bytes } of parts) this.#tail(first).write(bytes, offset);
  }

  async clearTail(first: number, byteLength: number): Promise<void> {
    this.checkOpen();
    const path = tailPath(first);
    const tail = this.log.files.get(path);
    if (tail === undefined) {
      throw new CairnError("not_found", `there is no ${path}`, { place: { log: this.name, path } });
    }
    tail.clearFrom(byteLength);
  }

  async commit(commit: Commit): Promise<void> {
    this.checkOpen();
    const last = this.log.commits[0]?.number ?? 0;
    if (commit.number !== last + 1) {
      throw new CairnError(
        "conflict",
        `commit ${commit.number} does not follow the last one, ${last}`,
        { place: { log: this.name } },
      );
    }
    assert(commit.root.length === 32, "a commit's root is a hash");
    this.log.commits = [copyOf(commit), ...this.log.commits].slice(0, commitSlotCount);
  }

  async freeBytes(): Promise<number | undefined> {
    this.checkOpen();
    return undefined;
  }

  override async close(): Promise<void> {
    await super.close();
    if (this.#isHeld) this.#lock.release();
    this.#isHeld = false;
  }

  #tail(first: number): GrowingBytes {
    const path = tailPath(first);
    let tail = this.log.files.get(path);
    if (tail === undefined) {
      tail = new GrowingBytes();
      this.log.files.set(path, tail);
    }
    return tail;
  }
}

class MemoryObjectWriter implements ObjectWriter {
  readonly #path: string;
  readonly #put: (bytes: Uint8Array) => Promise<void>;
  readonly #bytes = new GrowingBytes();
  #isOver = false;

  constructor(path: string, put: (bytes: Uint8Array) => Promise<void>) {
    this.#path = path;
    this.#put = put;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    this.#bytes.write(bytes, this.#bytes.length);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#checkOpen();
    return this.#bytes.read(offset, length);
  }

  async finish(): Promise<void> {
    this.#checkOpen();
    await this.#put(this.#bytes.read(0, this.#bytes.length));
    this.#isOver = true;
  }

  async abandon(): Promise<void> {
    this.#isOver = true;
  }

  #checkOpen(): void {
    if (this.#isOver) {
      throw new CairnError("unavailable", `${this.#path} is not being written any more`, {
        place: { path: this.#path },
      });
    }
  }
}

/** Callers may change what they handed in or got. */
function copyOf(commit: Commit): Commit {
  return { ...commit, root: commit.root.slice() };
}

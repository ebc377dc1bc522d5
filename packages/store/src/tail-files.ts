/**
 * The tail files of a log that is held for writing: opened once, kept open, preallocated.
 *
 * Invariants: a file's name is durable before bytes in it count. Zeros are written only beyond `zeroedTo`, and an
 * append beyond it waits for a reservation under way, so that zeros never land on entries. Any failure but a full
 * disk while reserving poisons: a sync that failed for the zeros may have swallowed the report for the entries.
 */
import { CairnError } from "@cairnlog/core";
import type { Disk, DiskFile } from "./disk.ts";
import { tailPath } from "./paths.ts";
import type { Poison } from "./poison.ts";
import { failureCode, isFull, storeError } from "./store-error.ts";
import type { TailPart } from "./store.ts";

const zeros = new Uint8Array(256 * 1024);

interface TailFile {
  readonly path: string;
  readonly file: DiskFile;
  /** Up to here the file is allocated. */
  zeroedTo: number;
  /** The reservation under way; never rejects. */
  reserving: Promise<void> | undefined;
}

export class TailFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #log: string;
  readonly #poison: Poison;
  readonly #open = new Map<number, Promise<TailFile>>();
  /** Those that are open already: an append to one of these begins to write before it returns. */
  readonly #ready = new Map<number, TailFile>();

  constructor(disk: Disk, folder: string, log: string, poison: Poison) {
    this.#disk = disk;
    this.#folder = folder;
    this.#log = log;
    this.#poison = poison;
  }

  async append(parts: readonly TailPart[], isBusy: boolean): Promise<void> {
    this.#poison.check();
    const touched = new Set<TailFile>();
    let path = "tail";
    try {
      for (const { first, offset, bytes } of parts) {
        const tail = this.#ready.get(first) ?? (await this.#tail(first, "create"));
        path = tail.path;
        const end = offset + bytes.length;
        while (end > tail.zeroedTo && tail.reserving !== undefined) await tail.reserving;
        // Claimed before it is written, so that a reservation that starts meanwhile begins behind it.
        tail.zeroedTo = Math.max(tail.zeroedTo, end);
        if (parts.length === 1) await tail.file.writeDurably(bytes, offset, isBusy);
        else {
          await tail.file.write(bytes, offset);
          touched.add(tail);
        }
      }
      for (const tail of touched) {
        path = tail.path;
        await tail.file.datasync();
      }
    } catch (error) {
      this.#poison.set(error);
      throw storeError(error, "append to", this.#log, path);
    }
    // A reservation's sync of the same file may have failed meanwhile, and taken our failure with it.
    this.#poison.check();
  }

  async reserve(first: number, byteLength: number): Promise<void> {
    this.#poison.check();
    let tail: TailFile;
    try {
      tail = await this.#tail(first, "create");
    } catch (error) {
      throw storeError(error, "create", this.#log, tailPath(first));
    }
    while (tail.reserving !== undefined) await tail.reserving;
    if (tail.zeroedTo >= byteLength) return;
    const work = this.#writeZeros(tail, byteLength);
    tail.reserving = work
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        tail.reserving = undefined;
      });
    await work;
  }

  /** Fills everything from `byteLength` on with zeros: what a cut and a new reservation would come to. */
  async clear(first: number, byteLength: number): Promise<void> {
    this.#poison.check();
    const tail = await this.#existingTail(first);
    try {
      while (tail.reserving !== undefined) await tail.reserving;
      for (let at = byteLength; at < tail.zeroedTo; at += zeros.length) {
        await tail.file.write(zeros.subarray(0, Math.min(zeros.length, tail.zeroedTo - at)), at);
      }
      await tail.file.datasync();
    } catch (error) {
      this.#poison.set(error);
      throw storeError(error, "clear", this.#log, tailPath(first));
    }
    this.#poison.check();
  }

  /** Lets go of the file of `first`, before it is removed. */
  async forget(first: number): Promise<void> {
    const tail = this.#open.get(first);
    if (tail === undefined) return;
    this.#open.delete(first);
    this.#ready.delete(first);
    await (await tail).file.close();
  }

  async close(): Promise<void> {
    for (const first of this.#open.keys()) await this.forget(first);
  }

  /** Real zeros, not a hole: a hole would be filled, and synced as such, at the append. */
  async #writeZeros(tail: TailFile, byteLength: number): Promise<void> {
    try {
      while (tail.zeroedTo < byteLength) {
        const count = Math.min(zeros.length, byteLength - tail.zeroedTo);
        await tail.file.write(zeros.subarray(0, count), tail.zeroedTo);
        tail.zeroedTo += count;
      }
    } catch (error) {
      // On a full disk nothing that counts was touched: the log goes on with the room it has.
      if (!isFull(error)) this.#poison.set(error);
      throw storeError(error, "reserve room in", this.#log, tail.path);
    }
    try {
      await tail.file.datasync();
    } catch (error) {
      this.#poison.set(error);
      throw storeError(error, "sync", this.#log, tail.path);
    }
  }

  async #existingTail(first: number): Promise<TailFile> {
    try {
      return await this.#tail(first, "write");
    } catch (error) {
      if (failureCode(error) !== "ENOENT") {
        throw storeError(error, "open", this.#log, tailPath(first));
      }
      throw new CairnError("not_found", `there is no ${tailPath(first)}`, {
        cause: error,
        place: { log: this.#log, path: tailPath(first) },
      });
    }
  }

  /** The open tail file of `first`; with "create" it is made where it is missing. */
  #tail(first: number, mode: "write" | "create"): Promise<TailFile> {
    const open = this.#open.get(first);
    if (open !== undefined) return open;
    const opening = this.#openTail(first, mode);
    this.#open.set(first, opening);
    // A failure is not kept; whoever waits for it hears of it.
    opening.then(
      (tail) => {
        if (this.#open.get(first) === opening) this.#ready.set(first, tail);
      },
      () => {
        if (this.#open.get(first) === opening) this.#open.delete(first);
      },
    );
    return opening;
  }

  async #openTail(first: number, mode: "write" | "create"): Promise<TailFile> {
    const path = tailPath(first);
    const fullPath = `${this.#folder}/${path}`;
    let file: DiskFile;
    try {
      file = await this.#disk.open(fullPath, "write");
    } catch (error) {
      if (failureCode(error) !== "ENOENT" || mode === "write") throw error;
      file = await this.#disk.open(fullPath, "create");
    }
    try {
      // Also where it was there already: whoever created it may have ended before the name was durable.
      await this.#disk.syncFolder(`${this.#folder}/tail`);
      return { path, file, zeroedTo: await file.byteLength(), reserving: undefined };
    } catch (error) {
      // The name may be gone after a crash, and what is appended under it as well.
      this.#poison.set(error);
      await file.close();
      throw error;
    }
  }
}

/**
 * One stream of a spool in a folder of its own, held by this process.
 *
 * Events gather in memory for one turn of the event loop, are written as one block without waiting
 * (the operating system takes them in microseconds), and are synced beside the application. They are
 * read back from the file to be sent, synced before: what was sent keeps its number whatever happens,
 * so that no number ever names two events.
 *
 * In memory are the events of one turn, at most 1 MiB, and the block that is being sent. Numbers go on
 * from the greater of what the segments hold and what the cursor says.
 */
import { closeSync, fdatasync, fsync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { clearImmediate, setImmediate } from "node:timers";
import { promisify } from "node:util";
import { assert, CairnError } from "@cairnlog/core";
import type { SpooledEvent, SpoolStream } from "@cairnlog/client";
import { formatBlock } from "./block.ts";
import { Cursor } from "./cursor.ts";
import {
  endOf,
  findSegments,
  removeSegment,
  SegmentReader,
  segmentPath,
  type Segment,
} from "./segments.ts";
import type { StreamLock } from "./stream-lock.ts";

export interface StreamLimits {
  /** Most bytes on disk. */
  readonly bytesMax: number;
  /** When `spooled` resolves: with the operating system, or on the medium. */
  readonly durability: "os" | "disk";
}

const segmentBytesMax = 8 * 1024 * 1024;
/** A bound is used up by eighths, so that room comes free while the rest waits. */
const segmentsMin = 8;
const gatheredBytesMax = 1024 * 1024;

interface Waiter {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: CairnError) => void;
}

export class FileStream implements SpoolStream {
  readonly id: string;
  onLost: SpoolStream["onLost"] = () => {};
  onDamage: SpoolStream["onDamage"] = () => {};
  readonly #folder: string;
  readonly #lock: StreamLock;
  readonly #limits: StreamLimits;
  readonly #cursor: Cursor;
  readonly #segments: Segment[];
  readonly #reader = new SegmentReader();
  /** The segment that is written to: the last one. Undefined before the first write of this process. */
  #fd: number | undefined;
  /** Descriptors of segments that are full, and not synced yet. */
  readonly #retired: number[] = [];
  /** Segments of a process before this one. It may have died before they were synced. */
  readonly #inherited: Segment[];
  #lines: string[] = [];
  #gatheredBytes = 0;
  #next: number;
  #released: number;
  #fileBytes: number;
  #syncedNumber: number;
  #isFolderSynced = true;
  #turn: NodeJS.Immediate | undefined;
  #syncing: Promise<void> | undefined;
  #removing: Promise<void> = Promise.resolve();
  #waiters: Waiter[] = [];
  /** Nothing can be trusted to this file any more. */
  #failure: CairnError | undefined;
  readonly #onExit = (): void => this.#write();

  /** The folder is locked. */
  constructor(id: string, folder: string, lock: StreamLock, limits: StreamLimits) {
    this.id = id;
    this.#folder = folder;
    this.#lock = lock;
    this.#limits = limits;
    this.#cursor = Cursor.open(join(folder, "cursor"), id);
    this.#segments = findSegments(folder);
    const last = this.#segments.at(-1);
    this.#next = Math.max(this.#cursor.number + 1, last === undefined ? 1 : endOf(last));
    // A segment without a whole block would have the name of the next one.
    if (last?.first === this.#next) {
      this.#segments.pop();
      removeSegment(last);
    }
    this.#released = Math.max(this.#cursor.number, (this.#segments[0]?.first ?? this.#next) - 1);
    this.#fileBytes = this.#segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#syncedNumber = this.#released;
    this.#inherited = [...this.#segments];
    process.on("exit", this.#onExit);
  }

  get nextNumber(): number {
    return this.#next;
  }
  get releasedNumber(): number {
    return this.#released;
  }
  get byteLength(): number {
    return this.#fileBytes + this.#gatheredBytes;
  }

  checkRoom(byteLength: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.byteLength + byteLength <= this.#limits.bytesMax) return;
    throw new CairnError(
      "overloaded",
      `the spool is full: ${this.#next - 1 - this.#released} events wait in ${this.byteLength} of ` +
        `${this.#limits.bytesMax} bytes`,
      { place: { path: this.#folder } },
    );
  }

  append(text: string, byteLength: number): void {
    this.checkRoom(byteLength + 1);
    this.#lines.push(text);
    this.#gatheredBytes += byteLength + 1;
    this.#next++;
    if (this.#gatheredBytes >= this.#gatheredBytesMax) this.#write();
    else this.#turn ??= setImmediate(() => this.#write());
  }

  spooled(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (number <= this.#safeNumber) return resolve();
      this.#waiters.push({ number, resolve, reject });
    });
  }

  async read(after: number, eventsMax: number, bytesMax: number): Promise<readonly SpooledEvent[]> {
    this.#write();
    const end = this.#next;
    if (after + 1 >= end) return [];
    await this.#syncTo(end - 1);
    const taken: SpooledEvent[] = [];
    let bytes = 0;
    for (let number = after + 1; number < end && taken.length < eventsMax;) {
      const events = await this.#eventsFrom(number, end);
      if (events.length === 0) break;
      for (const event of events) {
        bytes += event.byteLength + 1;
        const isOver = taken.length > 0 && bytes > bytesMax;
        if (isOver || taken.length === eventsMax || event.number >= end) return taken;
        taken.push(event);
        number = event.number + 1;
      }
    }
    return taken;
  }

  release(number: number): void {
    if (number <= this.#released) return;
    assert(number < this.#next, "what is let go of was appended");
    this.#released = number;
    this.#cursor.move(number);
    const kept = this.#segments.findIndex((_, i) => this.#lastOf(i) > number);
    if (kept > 0) this.#remove(this.#segments.splice(0, kept));
  }

  async close(): Promise<void> {
    this.#write();
    process.off("exit", this.#onExit);
    try {
      if (this.#released < this.#next - 1) await this.#syncTo(this.#next - 1);
      await this.#removing;
      if (this.#released === this.#next - 1) this.#remove(this.#segments.splice(0));
      await this.#removing;
      await this.#cursor.sync();
    } finally {
      this.#failure ??= new CairnError("usage", "the spool was closed");
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
      this.#reader.close();
      this.#cursor.close();
      await this.#lock.release();
    }
  }

  /** The number up to which events are as safe as was promised. */
  get #safeNumber(): number {
    return this.#limits.durability === "disk" ? this.#syncedNumber : this.#writtenNumber;
  }

  get #segmentBytesMax(): number {
    return Math.min(segmentBytesMax, this.#limits.bytesMax / segmentsMin);
  }

  get #gatheredBytesMax(): number {
    return Math.min(gatheredBytesMax, this.#segmentBytesMax);
  }

  get #writtenNumber(): number {
    return this.#next - 1 - this.#lines.length;
  }

  /** The last number that segment `i` is there for. */
  #lastOf(i: number): number {
    const following = this.#segments[i + 1];
    // The one that is written to stays, even where all in it is let go of.
    if (following === undefined) return Number.POSITIVE_INFINITY;
    return following.first - 1;
  }

  /** Writes what has gathered. Never throws: who waits for it is told. */
  #write(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    if (this.#lines.length === 0 || this.#failure !== undefined) return;
    const first = this.#next - this.#lines.length;
    const block = formatBlock(this.#lines, first);
    let segment: Segment | undefined;
    try {
      segment = this.#segmentFor(first);
      const written = writeSync(this.#fd!, block, 0, block.length, segment.byteLength);
      if (written < block.length) throw new Error(`only ${written} of ${block.length} bytes`);
    } catch (cause) {
      return this.#loseGathered(first, segment, cause);
    }
    segment.byteLength += block.length;
    this.#fileBytes += block.length;
    this.#lines = [];
    this.#gatheredBytes = 0;
    if (this.#limits.durability === "disk") void this.#syncTo(this.#next - 1).catch(() => {});
    else this.#settleWaiters();
  }

  #segmentFor(first: number): Segment {
    const current = this.#fd === undefined ? undefined : this.#segments.at(-1);
    if (current !== undefined && current.byteLength < this.#segmentBytesMax) return current;
    const path = segmentPath(this.#folder, first);
    const fd = openSync(path, "w", 0o600);
    this.#retire();
    this.#fd = fd;
    this.#isFolderSynced = false;
    const segment = { first, path, byteLength: 0 };
    this.#segments.push(segment);
    return segment;
  }

  /** What could not be written was never taken: its numbers are free again. */
  #loseGathered(first: number, segment: Segment | undefined, cause: unknown): void {
    const { code } = cause as NodeJS.ErrnoException;
    const isFull = code === "ENOSPC" || code === "EDQUOT" || code === undefined;
    const error = new CairnError(
      isFull ? "storage_full" : "unavailable",
      `the spool cannot be written: ${String(cause)}. The event is not recorded`,
      { cause, place: { path: this.#folder } },
    );
    this.#next = first;
    this.#lines = [];
    this.#gatheredBytes = 0;
    if (segment !== undefined) this.#endSegment(segment);
    this.onLost(first, error);
    this.#rejectWaiters(first, error);
  }

  /** Leaves the segment in which a write has failed as it was before: the next write begins another. */
  #endSegment(segment: Segment): void {
    try {
      if (segment.byteLength > 0) {
        ftruncateSync(this.#fd!, segment.byteLength);
        return this.#retire();
      }
      closeSync(this.#fd!);
      this.#fd = undefined;
      this.#segments.pop();
      removeSegment(segment);
    } catch {
      // What is left of the block is not whole, and counts as not written.
      this.#retire();
    }
  }

  /** Nothing more is written to the current segment. Its descriptor is closed once it is synced. */
  #retire(): void {
    if (this.#fd !== undefined) this.#retired.push(this.#fd);
    this.#fd = undefined;
  }

  async #syncTo(number: number): Promise<void> {
    while (this.#syncedNumber < number) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#syncing ??= this.#syncOnce().finally(() => (this.#syncing = undefined));
      await this.#syncing;
    }
  }

  /** A sync that failed is never tried again: the system may have dropped the bytes, and say it went well. */
  async #syncOnce(): Promise<void> {
    const written = this.#writtenNumber;
    const retired = this.#retired.splice(0);
    const inherited = this.#inherited.splice(0);
    try {
      for (const segment of inherited) {
        // What was let go of meanwhile may be gone.
        if (this.#segments.includes(segment)) await syncFile(segment.path);
      }
      for (const fd of retired) await syncData(fd);
      if (this.#fd !== undefined) await syncData(this.#fd);
      if (!this.#isFolderSynced) await syncFile(this.#folder);
      this.#isFolderSynced = true;
    } catch (cause) {
      const message = `the spool cannot be synced: ${String(cause)}`;
      const error = new CairnError("unavailable", message, {
        cause,
        place: { path: this.#folder },
      });
      this.#failure = error;
      this.onLost(this.#syncedNumber + 1, error);
      this.#rejectWaiters(0, error);
      throw error;
    } finally {
      for (const fd of retired) closeSync(fd);
    }
    this.#syncedNumber = Math.max(this.#syncedNumber, written);
    this.#settleWaiters();
  }

  #settleWaiters(): void {
    const safe = this.#safeNumber;
    // They came in the order of their numbers.
    const first = this.#waiters.findIndex(({ number }) => number > safe);
    const settled = this.#waiters.splice(0, first === -1 ? this.#waiters.length : first);
    for (const { resolve } of settled) resolve();
  }

  #rejectWaiters(from: number, error: CairnError): void {
    const rejected = this.#waiters.filter(({ number }) => number >= from);
    this.#waiters = this.#waiters.filter(({ number }) => number < from);
    for (const { reject } of rejected) reject(error);
  }

  /** The events of one block, from `number` or from the first one after it that is not damaged. */
  async #eventsFrom(number: number, end: number): Promise<readonly SpooledEvent[]> {
    for (let from = number; from < end;) {
      const i = this.#segments.findLastIndex(({ first }) => first <= from);
      const segment = this.#segments[i];
      const events = segment && (await this.#reader.find(segment, from));
      if (events !== undefined) return events;
      const following = Math.min(this.#segments[i + 1]?.first ?? end, end);
      // Nothing that is written behind damage would be found.
      if (i === this.#segments.length - 1) this.#retire();
      const place = { path: segment?.path ?? this.#folder };
      const what = `the spool's events ${from} to ${following - 1} of ${this.id} are damaged and lost`;
      this.onDamage(new CairnError("unverified", what, { place }));
      from = following;
    }
    return [];
  }

  /** Removes the files once the cursor that speaks of them is safe. */
  #remove(segments: readonly Segment[]): void {
    if (segments.length === 0) return;
    this.#removing = this.#removing
      .then(() => this.#cursor.sync())
      .then(() => {
        for (const segment of segments) {
          removeSegment(segment);
          this.#fileBytes -= segment.byteLength;
        }
      })
      // Then they take room until the next start finds them.
      .catch(() => {});
  }
}

const syncData = promisify(fdatasync);

/** Syncs what another process has written, or the names in a folder. */
async function syncFile(path: string): Promise<void> {
  const fd = openSync(path, "r");
  try {
    await promisify(fsync)(fd);
  } finally {
    closeSync(fd);
  }
}

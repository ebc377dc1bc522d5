/**
 * Copies a log into a bucket under Object Lock, from outside the writer: it reads the sealed files and the published
 * checkpoint, and nothing that the log does ever waits for it.
 *
 * What is copied: log.json, the verifier keys, every sealed file with the blobs that its entries name, and the
 * published checkpoint, at most once per interval (decision 0013 says why not each one). An object counts as copied
 * only when the server has said that it holds these bytes under this lock. One object at a time, in pieces: memory does
 * not depend on how large they are.
 *
 * It keeps no state: after a start it asks the bucket what is there. What is there and differs is an alarm, and is
 * never touched; so is a bucket that remembers more of the log than the log does itself.
 */
import { assert, type Crypto, type Hash } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { sealedPath, segmentEntries, type LogReader } from "@cairnlog/store";
import type { Bucket } from "./bucket.ts";
import { copyBlobs } from "./copy-blobs.ts";
import { contentOf, fileContent } from "./content.ts";
import { compareHistory } from "./compare-history.ts";
import type { WormAlarm, WormAlarmCode, WormStatus } from "./copier-status.ts";
import { keepNote, keepObject, type Kept } from "./keep.ts";
import {
  checkpointsFolder,
  formatBucketPlace,
  numberedKey,
  settingsKey,
  vkeysKey,
} from "./place.ts";

/** The log, as far as a copier looks at it: what `Log` of the log package offers. */
export interface CopiedLog {
  readonly name: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  status(): { readonly size: number; readonly sealedSize: number };
  publishedCheckpoint(): { readonly size: number; readonly root: Hash; readonly note: string };
  root(size: number): Promise<Hash>;
}

/** `systemClock` of the log package is one. */
export interface CopierClock {
  now(): number;
  monotonic(): number;
  setTimer(run: () => void, delayMs: number): { cancel(): void };
}

export interface CopierOptions {
  readonly log: CopiedLog;
  /** The log's files. */
  readonly reader: Pick<LogReader, "get" | "read" | "byteLength">;
  /** Opened at the log's own place. */
  readonly bucket: Bucket;
  readonly clock: CopierClock;
  /** How long each object is locked from the moment it is put. */
  readonly retentionMs: number;
  /** A checkpoint at most this often. Default 60 s. */
  readonly intervalMs?: number;
  readonly onAlarm?: (alarm: WormAlarm) => void;
  /** A try failed; another one follows. Called for the first of a row only. */
  readonly onFailure?: (error: Error) => void;
  readonly crypto?: Crypto;
}

export const checkpointIntervalMs = 60_000;
/** How often the copier looks whether there is something to do. Looking costs no request. */
const pollMs = 1_000;
const backoffFirstMs = 1_000;
const backoffMaxMs = 60_000;
/** How long a closing copier waits for the last checkpoint. */
const farewellMs = 5_000;
const alarmsMax = 50;

export class WormCopier {
  readonly #options: CopierOptions;
  readonly #crypto: Crypto;
  readonly #intervalMs: number;
  readonly #alarms: WormAlarm[] = [];
  #alarmCount = 0;
  #timer: { cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  #isClosing = false;
  #isSurveyed = false;
  #areKeysKept = false;
  #refusal: string | undefined;
  #failure: Error | undefined;
  #failuresInRow = 0;
  /** First seqs of the sealed files that are there as they are here, and of those that are there otherwise. */
  readonly #copied = new Set<number>();
  readonly #disputed = new Set<number>();
  #copiedSize = 0;
  #checkpointSize = 0;
  /** When, on the monotonic clock, the last checkpoint was put; undefined before the first. */
  #checkpointMs: number | undefined;
  /** When everything was copied for the last time. */
  #currentMs: number;
  #objects = 0;
  #bytes = 0;
  #failures = 0;

  constructor(options: CopierOptions) {
    this.#options = options;
    this.#crypto = options.crypto ?? nodeCrypto;
    this.#intervalMs = options.intervalMs ?? checkpointIntervalMs;
    this.#currentMs = options.clock.monotonic();
    assert(options.retentionMs > 0, "a lock has a length");
  }

  /** Begins, and goes on until `close`. */
  start(): void {
    this.#schedule(0);
  }

  /** Tries once more to copy the newest checkpoint, for a few seconds, and ends. */
  async close(): Promise<void> {
    if (this.#isClosing) return this.#running;
    this.#isClosing = true;
    this.#timer?.cancel();
    const { clock } = this.#options;
    const timeUp = Promise.withResolvers<void>();
    const timer = clock.setTimer(timeUp.resolve, farewellMs);
    const farewell = (async () => {
      await this.#running;
      if (this.#isSurveyed && this.#refusal === undefined) await this.#copyCheckpoint();
    })();
    // What could not be copied now is copied after the next start.
    await Promise.race([farewell.catch(() => undefined), timeUp.promise]);
    timer.cancel();
  }

  /** Copies what there is to copy, now; rejects with what went wrong. For a command, and for tests. */
  async copyNow(): Promise<void> {
    await this.#running;
    await this.#copyAll(true);
  }

  /** Resolves when what is being copied right now has been, or has failed. */
  async idle(): Promise<void> {
    await this.#running;
  }

  status(): WormStatus {
    const { log, bucket, clock } = this.#options;
    const { size } = log.status();
    const isCurrent = this.#isCurrent();
    const failure = this.#refusal ?? this.#failure?.message;
    return {
      log: log.name,
      place: formatBucketPlace(bucket.place),
      state: this.#state(isCurrent),
      failure,
      copiedSize: this.#copiedSize,
      entriesBehind: Math.max(0, size - this.#copiedSize),
      checkpointSize: this.#checkpointSize,
      uncoveredEntries: Math.max(0, size - this.#checkpointSize),
      secondsBehind: isCurrent ? 0 : Math.max(0, clock.monotonic() - this.#currentMs) / 1000,
      objects: this.#objects,
      bytes: this.#bytes,
      failures: this.#failures,
      alarms: this.#alarms.slice(),
      alarmCount: this.#alarmCount,
    };
  }

  #state(isCurrent: boolean): WormStatus["state"] {
    if (this.#refusal !== undefined) return "refused";
    if (this.#failure !== undefined) return "failing";
    if (!this.#isSurveyed) return "starting";
    return isCurrent ? "current" : "copying";
  }

  #schedule(delayMs: number): void {
    if (this.#isClosing) return;
    this.#timer = this.#options.clock.setTimer(() => {
      this.#running = this.#round().finally(() => {
        this.#running = undefined;
        this.#schedule(this.#pauseMs());
      });
    }, delayMs);
  }

  #pauseMs(): number {
    const row = this.#failuresInRow;
    return row === 0 ? pollMs : Math.min(backoffMaxMs, backoffFirstMs * 2 ** (row - 1));
  }

  async #round(): Promise<void> {
    try {
      await this.#copyAll(false);
      this.#failuresInRow = 0;
      this.#failure = undefined;
    } catch (error) {
      // A broken invariant is a bug of ours, but no reason to stop a log that is well: it shows as a lag with a reason.
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#failures++;
      this.#failuresInRow++;
      this.#failure = failure;
      if (this.#failuresInRow === 1) this.#options.onFailure?.(failure);
    }
    if (this.#isCurrent()) this.#currentMs = this.#options.clock.monotonic();
  }

  async #copyAll(isAtOnce: boolean): Promise<void> {
    if (this.#refusal !== undefined) return;
    if (!this.#isSurveyed) await this.#survey();
    if (this.#refusal === undefined && !this.#areKeysKept) await this.#copyKeys();
    if (this.#refusal !== undefined) return;
    for (;;) {
      // It is small, and binds all that came before: it does not wait behind a queue of sealed files.
      if (isAtOnce || this.#isCheckpointDue()) await this.#copyCheckpoint();
      const first = this.#nextSealed();
      if (first === undefined || (this.#isClosing && !isAtOnce)) return;
      await this.#copySealed(first);
    }
  }

  async #survey(): Promise<void> {
    const { log, reader, bucket } = this.#options;
    const found = await compareHistory({ log, reader, bucket, crypto: this.#crypto });
    for (const { code, path, message } of found.alarms) this.#alarm(code, path, message);
    for (const first of found.copied) this.#copied.add(first);
    for (const first of found.disputed) this.#disputed.add(first);
    this.#checkpointSize = found.checkpointSize;
    this.#refusal = found.refusal;
    this.#isSurveyed = true;
    this.#moveOn();
  }

  async #copyKeys(): Promise<void> {
    const { log, reader } = this.#options;
    const settings = await reader.get(settingsKey);
    assert(settings !== undefined, "an open log has its settings");
    const vkeys = new TextEncoder().encode(log.vkeys.map((vkey) => `${vkey}\n`).join(""));
    for (const [key, bytes] of [
      [settingsKey, settings],
      [vkeysKey, vkeys],
    ] as const) {
      const kept = await keepObject(this.#parts(), key, contentOf(bytes));
      this.#count(kept, key, bytes.length);
      if (kept.isSame) continue;
      this.#refusal = `${key} in the bucket is another log's: give this one a place of its own`;
      return;
    }
    this.#areKeysKept = true;
  }

  async #copySealed(first: number): Promise<void> {
    const path = sealedPath(first);
    // Before the entries that name them: where those are, their blobs are as well.
    for await (const each of copyBlobs(this.#parts(), this.#options.reader, path)) {
      if (each.kept === undefined) this.#alarm("blob_lost", each.path, each.why);
      else this.#count(each.kept, each.path, each.byteLength);
    }
    const content = await fileContent(this.#options.reader, path);
    const kept = await keepObject(this.#parts(), path, content);
    this.#count(kept, path, content.byteLength);
    (kept.isSame ? this.#copied : this.#disputed).add(first);
    this.#moveOn();
  }

  async #copyCheckpoint(): Promise<void> {
    const { log, clock } = this.#options;
    const published = log.publishedCheckpoint();
    const { size, note } = published;
    if (size === 0 || size <= this.#checkpointSize) return;
    const key = numberedKey(checkpointsFolder, size);
    const kept = await keepNote(this.#parts(), key, published);
    this.#count(kept, key, note.length);
    // What is there otherwise stays so: there is nothing to try again.
    this.#checkpointSize = size;
    this.#checkpointMs = clock.monotonic();
  }

  #parts() {
    const { bucket, log, clock, retentionMs } = this.#options;
    // Whole seconds, because some servers keep no more, and not a moment less than was asked for.
    const untilMs = Math.ceil((clock.now() + retentionMs) / 1000) * 1000;
    return { bucket, log, crypto: this.#crypto, untilMs, minimumMs: clock.now() };
  }

  #count(kept: Kept, path: string, byteLength: number): void {
    if (kept.isNew) {
      this.#objects++;
      this.#bytes += byteLength;
    }
    for (const { code, message } of kept.alarms) this.#alarm(code, path, message);
  }

  #alarm(code: WormAlarmCode, path: string, message: string): void {
    const alarm = { code, path, message, timeMs: this.#options.clock.now() };
    this.#alarmCount++;
    if (this.#alarms.length < alarmsMax) this.#alarms.push(alarm);
    this.#options.onAlarm?.(alarm);
  }

  /** Counts the sealed files that are there from the first one on. */
  #moveOn(): void {
    while (this.#copied.has(this.#copiedSize)) this.#copiedSize += segmentEntries;
  }

  #nextSealed(): number | undefined {
    const { sealedSize } = this.#options.log.status();
    for (let first = this.#copiedSize; first < sealedSize; first += segmentEntries) {
      if (!this.#copied.has(first) && !this.#disputed.has(first)) return first;
    }
    return undefined;
  }

  #isCheckpointDue(): boolean {
    const { log, clock } = this.#options;
    if (log.publishedCheckpoint().size <= this.#checkpointSize) return false;
    const last = this.#checkpointMs;
    return last === undefined || clock.monotonic() - last >= this.#intervalMs;
  }

  #isCurrent(): boolean {
    if (!this.#isSurveyed || !this.#areKeysKept || this.#disputed.size > 0) return false;
    return !this.#isCheckpointDue() && this.#nextSealed() === undefined;
  }
}

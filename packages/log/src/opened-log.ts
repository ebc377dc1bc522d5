/** One open log: the writer, the publisher, the sealer and the history, put together. */
import {
  CairnError,
  checkTreeSize,
  isCairnError,
  parseEntryBundle,
  parseEntryHead,
  tileWidth,
  type Hash,
} from "@cairnlog/core";
import { bundleEntries, type EntryFilter } from "@cairnlog/store";
import { atRestOf, type AtRest, type LogWatcher, type OwnEvent } from "./at-rest.ts";
import type { Blobs } from "./blobs.ts";
import type { Clock } from "./clock.ts";
import type { EventBatch } from "./event-batch.ts";
import type { History } from "./history.ts";
import { checkSource, type LogSettings } from "./identity.ts";
import type {
  Appended,
  CommitTiming,
  Log,
  LogStatus,
  PutBlob,
  SearchedEntries,
  SignedCheckpoint,
  StoredBlob,
  StoredEntry,
} from "./log.ts";
import type { LogTree } from "./log-tree.ts";
import type { LogWitnesses } from "./log-witnesses.ts";
import type { ProvenEntries } from "./proven-entries.ts";
import type { Publisher } from "./publisher.ts";
import { readNdjsonBeside } from "./scan-thread.ts";
import type { Sealer } from "./sealer.ts";
import { ownEvent, systemSource } from "./system-events.ts";
import type { LogSources } from "./sources/log-sources.ts";
import type { SourceWatch } from "./sources/source-watch.ts";
import type { Sources } from "./sources/sources.ts";
import type { TailRoom } from "./tail-room.ts";
import type { Writer } from "./writer.ts";

export interface OpenedLogParts {
  readonly settings: LogSettings;
  readonly tree: LogTree;
  readonly writer: Writer;
  readonly sources: Sources;
  readonly sourceWatch: SourceWatch;
  readonly blobs: Blobs;
  readonly history: History;
  readonly publisher: Publisher;
  readonly sealer: Sealer;
  readonly tailRoom: TailRoom;
  readonly witnesses: LogWitnesses | undefined;
  readonly clock: Clock;
  readonly closeStore: () => Promise<void>;
}

/** A log that closes waits so long for its witnesses. */
const lastRoundMs = 2000;

export class OpenedLog implements Log {
  readonly name: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly isPublic: boolean;
  watcher: LogWatcher | undefined;
  readonly #parts: OpenedLogParts;
  readonly #waiting = new Set<() => void>();
  #closing: Promise<void> | undefined;
  /** Resolves when all batches of `appendNdjson` so far are read and queued. */
  #lastRead: Promise<void> = Promise.resolve();

  constructor(parts: OpenedLogParts) {
    this.#parts = parts;
    const { name, origin, vkeys, isPublic } = parts.settings;
    this.name = name;
    this.origin = origin;
    this.vkeys = vkeys;
    this.isPublic = isPublic;
  }

  get sources(): LogSources {
    return this.#parts.sourceWatch;
  }

  get onCommit(): ((commit: CommitTiming) => void) | undefined {
    return this.#parts.writer.onCommit;
  }

  set onCommit(report: ((commit: CommitTiming) => void) | undefined) {
    this.#parts.writer.onCommit = report;
  }

  async append(batch: EventBatch, source: string): Promise<Appended> {
    checkSource(source, systemSource);
    this.#checkOpen();
    if (batch.withBlobs.length > 0) await this.#parts.blobs.check(batch);
    return this.#append(batch, source);
  }

  async #append(batch: EventBatch, source: string): Promise<Appended> {
    const { writer, witnesses } = this.#parts;
    if (witnesses === undefined) return writer.append(batch, source);
    const refusal = writer.failure ?? witnesses.refusal(batch.accepted);
    if (refusal !== undefined) throw refusal;
    return witnesses.answer(await writer.append(batch, source));
  }

  async appendNdjson(bytes: Uint8Array, source: string): Promise<Appended> {
    checkSource(source, systemSource);
    this.#checkOpen();
    // A large batch is read by a thread, a small one at once: each waits for those before it, to keep the order.
    const started = Promise.all([readNdjsonBeside(bytes), this.#lastRead]).then(async ([batch]) => {
      if (batch.withBlobs.length > 0) await this.#parts.blobs.check(batch);
      return { appended: this.#append(batch, source) };
    });
    this.#lastRead = started.then(
      () => undefined,
      () => undefined,
    );
    return (await started).appended;
  }

  get blobBytesMax(): number {
    return this.#parts.blobs.byteLengthMax;
  }

  putBlob(bytes: Uint8Array): Promise<string> {
    return this.#parts.blobs.putBytes(bytes);
  }

  putBlobStream(
    sha256: string,
    chunks: AsyncIterable<Uint8Array>,
    byteLength?: number,
  ): Promise<PutBlob> {
    return this.#parts.blobs.put(sha256, chunks, byteLength);
  }

  blobByteLength(sha256: string): Promise<number | undefined> {
    return this.#parts.blobs.byteLength(sha256);
  }

  readBlob(sha256: string): Promise<StoredBlob> {
    return this.#parts.blobs.read(sha256);
  }

  status(): LogStatus {
    const { writer, publisher, sealer, tree, tailRoom, witnesses } = this.#parts;
    return {
      size: this.#size,
      sealedSize: Math.min(tree.openFrom, this.#size),
      publishedSize: publisher.published.size,
      queuedEvents: writer.queuedEvents,
      queuedBytes: writer.queuedBytes,
      failure: writer.failure ?? witnesses?.failure ?? tailRoom.shortage() ?? sealer.failure,
      alarms: [...(witnesses?.alarms() ?? []), ...(this.watcher?.alarms() ?? [])],
      scrubbing: this.watcher?.scrubbing(),
      witnesses: witnesses?.health() ?? [],
      quorumFailure: witnesses?.quorumFailure,
      counters: { ...writer.counters(), segmentsSealed: sealer.segmentsSealed },
    };
  }

  atRest(): AtRest {
    const { writer, publisher, tree } = this.#parts;
    return atRestOf(writer.commit, publisher.published, tree, writer.isIdle);
  }

  async tell(event: OwnEvent): Promise<void> {
    this.#checkOpen();
    const { writer, witnesses } = this.#parts;
    const bytes = ownEvent(event);
    // It makes a new size: not before it is known that no witness has seen another log of that size.
    if (witnesses?.isShut === true) {
      await new Promise<void>((resolve) => witnesses.whenOpen(resolve));
    }
    await writer.tell(bytes);
  }

  stop(error: CairnError): void {
    this.#parts.writer.fail(error);
  }

  durableCheckpoint(): Promise<SignedCheckpoint> {
    return Promise.resolve(this.#parts.writer.durable);
  }

  publishedCheckpoint(): SignedCheckpoint {
    return this.#parts.publisher.published;
  }

  publish(): Promise<SignedCheckpoint> {
    return this.#parts.publisher.publish();
  }

  async entry(seq: number): Promise<StoredEntry> {
    this.#checkSeq(seq);
    return this.#parts.history.entry(seq);
  }

  async *search(from: number, to: number, filter: EntryFilter): AsyncGenerator<SearchedEntries> {
    this.#checkSize(to);
    checkTreeSize(from, "seq");
    yield* this.#parts.history.search(from, to, filter);
  }

  async *entries(from: number, to: number): AsyncGenerator<StoredEntry> {
    this.#checkSize(to);
    checkTreeSize(from, "seq");
    for (let seq = from; seq < to;) {
      const index = Math.floor(seq / bundleEntries);
      const begin = index * bundleEntries;
      const end = Math.min(begin + bundleEntries, to);
      const bundle = await this.#parts.history.bundle(index, end - begin);
      const ranges = parseEntryBundle(bundle);
      for (; seq < end; seq++) {
        const range = ranges[seq - begin]!;
        yield { seq, bytes: bundle.subarray(range.begin, range.end) };
      }
    }
  }

  async seqAtTime(timeMs: number): Promise<number> {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { bytes } = await this.#parts.history.entry(middle);
      if (parseEntryHead(bytes).timeMs < timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async leafHash(seq: number): Promise<Hash> {
    this.#checkSeq(seq);
    return this.#parts.history.leafHash(seq);
  }

  async inclusionProof(seq: number, size: number = this.#size): Promise<readonly Hash[]> {
    this.#checkSize(size);
    this.#checkSeq(seq, size);
    return this.#parts.history.inclusionProof(seq, size);
  }

  async consistencyProof(size1: number, size2: number): Promise<readonly Hash[]> {
    this.#checkSize(size2);
    return this.#parts.history.consistencyProof(size1, size2);
  }

  async root(size: number): Promise<Hash> {
    this.#checkSize(size);
    return this.#parts.history.root(size);
  }

  async prove(
    seqs: readonly number[],
    checkpoint: SignedCheckpoint,
    entryBytesMax = Infinity,
  ): Promise<ProvenEntries> {
    const { size, root } = checkpoint;
    this.#checkSize(size);
    for (const seq of seqs) this.#checkSeq(seq, size);
    return this.#parts.history.prove(seqs, size, root, entryBytesMax);
  }

  async tile(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    if (width < 1 || width > tileWidth(level, index, this.#size)) return undefined;
    return this.#parts.history.tile(level, index, width);
  }

  async entryBundle(index: number, width: number): Promise<Uint8Array | undefined> {
    if (width < 1 || width > tileWidth("entries", index, this.#size)) return undefined;
    return this.#parts.history.bundle(index, width);
  }

  waitBeyond(size: number, signal?: AbortSignal): Promise<void> {
    if (this.#size > size || this.#closing !== undefined || signal?.aborted === true) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#size <= size && this.#closing === undefined && signal?.aborted !== true) return;
        this.#waiting.delete(look);
        signal?.removeEventListener("abort", look);
        resolve();
      };
      this.#waiting.add(look);
      signal?.addEventListener("abort", look);
    });
  }

  /** The writer calls this after each durable commit. */
  committed(): void {
    const { publisher, sealer, tailRoom } = this.#parts;
    publisher.committed();
    sealer.kick();
    tailRoom.committed();
    for (const look of this.#waiting) look();
  }

  sealed(): Promise<void> {
    return this.#parts.sealer.settled();
  }

  /** Stops everything at once, without a last word: for a log whose opening failed. */
  async abandon(): Promise<void> {
    const { writer, publisher, sealer, sources, tailRoom } = this.#parts;
    sources.close();
    await this.#parts.sourceWatch.close();
    publisher.close();
    this.#parts.witnesses?.stop(this.#closed());
    await publisher.settled();
    await writer.idle();
    await sealer.close();
    await tailRoom.settled();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { writer, publisher, sealer, tailRoom, closeStore } = this.#parts;
    try {
      await this.#lastRead;
      this.#parts.witnesses?.close();
      await this.#parts.sourceWatch.close();
      await writer.close();
      this.#parts.sources.close();
      publisher.close();
      await this.#lastPublish();
      await publisher.settled();
      await sealer.close();
      await tailRoom.settled();
    } finally {
      await closeStore();
      for (const look of this.#waiting) look();
    }
  }

  /** Where there are witnesses, they get a moment, and no more. */
  async #lastPublish(): Promise<void> {
    const { writer, publisher, witnesses, clock } = this.#parts;
    if (witnesses === undefined) {
      if (writer.failure === undefined) await publisher.publish();
      return;
    }
    const timer = clock.setTimer(() => witnesses.stop(this.#closed()), lastRoundMs);
    try {
      if (writer.failure === undefined && !witnesses.isShut) await publisher.publish();
    } catch (error) {
      if (!isCairnError(error, "unavailable")) throw error;
    } finally {
      timer.cancel();
      witnesses.stop(this.#closed());
    }
  }

  get #size(): number {
    return this.#parts.writer.durable.size;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw this.#closed();
  }

  #closed(): CairnError {
    const place = { log: this.name };
    return new CairnError("unavailable", `the log ${this.name} is closing`, { place });
  }

  #checkSeq(seq: number, size: number = this.#size): void {
    if (Number.isSafeInteger(seq) && seq >= 0 && seq < size) return;
    throw new CairnError(
      "not_found",
      `the log ${this.name} has no entry ${seq}; its entries are 0 to ${size - 1}`,
      { place: { log: this.name } },
    );
  }

  #checkSize(size: number): void {
    checkTreeSize(size);
    if (size <= this.#size) return;
    throw new CairnError(
      "not_found",
      `the log ${this.name} has ${this.#size} entries, not yet ${size}`,
      { place: { log: this.name } },
    );
  }
}

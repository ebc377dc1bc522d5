/**
 * The one writer of a log: group commit.
 *
 * Whoever appends puts a batch into the queue. The writer takes whatever is queued, renders it, makes the tail
 * durable, then the commit record, and only then answers. There is no timer: the next commit starts when the last
 * one is durable, so a lone event waits for one commit and a flood shares it.
 *
 * The order that makes a crash safe: (1) tail written and synced; (2) only then is the checkpoint of the new size
 * signed, because from now on recovery finds exactly these entries, so that no other root can ever be signed for
 * this size; (3) commit record written and synced; (4) only then does anything leave.
 *
 * If (1) or (3) fails nobody knows what the medium holds: the writer fails for good, and opening the log anew
 * (recovery) is the only way on.
 */
import { CairnError, formatLogTime, isCairnError } from "@cairnlog/core";
import { noteBuffers, type Commit } from "@cairnlog/store";
import { AppendQueue, type Pending } from "./append-queue.ts";
import { AppendResult } from "./appended.ts";
import { entryOverheadMax, renderBatch } from "./batch-renderer.ts";
import type { EventBatch } from "./event-batch.ts";
import type { Appended, CommitTiming, LogCounters, SignedCheckpoint } from "./log.ts";
import { clockStepped, systemSource } from "./system-events.ts";
import type { WriterParts } from "./writer-parts.ts";

/** A step of the system's clock beyond this many milliseconds is recorded. */
const clockStepMs = 1000;
/** An overloaded log drains its queue well within this time. */
const overloadRetryMs = 1000;

/**
 * Full segments that may wait for sealing, some 5 MB of memory each. A writer that outruns the sealing for long is
 * told to wait, like one that outruns the commits.
 */
const openSegmentsMax = 20;

export class Writer {
  readonly #parts: WriterParts;
  readonly #queue = new AppendQueue();
  readonly #systemEvents: Uint8Array[] = [];
  /** Wait until the system events that are queued by now are durable. */
  #told: (() => void)[] = [];
  #running: Promise<void> | undefined;
  /** Batches whose candidates are being compared. */
  readonly #settling = new Set<Promise<void>>();
  #closing = false;
  #failure: CairnError | undefined;
  #durable: SignedCheckpoint;
  #commit: Commit;
  #lastTimeMs: number;
  #clockAt: { readonly wall: number; readonly monotonic: number } | undefined;
  readonly #counters = {
    commits: 0,
    entries: 0,
    entryBytes: 0,
    duplicates: 0,
    conflicts: 0,
    refusedForOverload: 0,
  };
  onCommit: ((commit: CommitTiming) => void) | undefined;

  constructor(parts: WriterParts, durable: SignedCheckpoint, commit: Commit, lastTimeMs: number) {
    this.#parts = parts;
    this.#durable = durable;
    this.#commit = commit;
    this.#lastTimeMs = lastTimeMs;
  }

  get durable(): SignedCheckpoint {
    return this.#durable;
  }

  get failure(): CairnError | undefined {
    return this.#failure;
  }

  /** The last commit that is durable. */
  get commit(): Commit {
    return this.#commit;
  }

  /** True if nothing is being written, nor about to be. */
  get isIdle(): boolean {
    return this.#running === undefined && !this.#hasWork();
  }

  get queuedEvents(): number {
    return this.#queue.events;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  counters(): Omit<LogCounters, "segmentsSealed"> {
    return { ...this.#counters };
  }

  append(batch: EventBatch, source: string): Promise<Appended> {
    const refusal = this.#refusalNow(batch);
    if (refusal !== undefined) return Promise.reject(refusal);
    const { idHasher, tree, duplicates } = this.#parts;
    const result = new AppendResult(batch, tree, duplicates.prove);
    if (batch.accepted === 0) return Promise.resolve(result.seal(this.#durable));
    return new Promise((resolve, reject) => {
      const sourceSeed = idHasher.sourceSeed(source);
      this.#queue.push({
        batch,
        source,
        sourceSeed,
        result,
        resolve,
        reject,
        next: 0,
        candidates: [],
        known: undefined,
      });
      this.wake();
    });
  }

  /** Queues one of the log's own events, to be recorded with the next commit. */
  appendSystem(event: Uint8Array): void {
    this.#systemEvents.push(event);
    this.wake();
  }

  /** The same; resolves when it is durable, rejects where the log can no longer record it. */
  async tell(event: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const told = new Promise<void>((resolve) => this.#told.push(resolve));
    this.appendSystem(event);
    await told;
    const { failure } = this;
    if (failure !== undefined) throw failure;
  }

  /** Resolves when all that was accepted is durable and answered. Later appends are refused. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.idle();
  }

  /** Resolves once nothing waits for a commit. */
  async idle(): Promise<void> {
    while (this.#running !== undefined || this.#settling.size > 0) {
      await this.#running;
      await Promise.all(this.#settling);
    }
  }

  /** Stops for good: what waits is refused, and so is everything later. */
  fail(error: CairnError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const pending of this.#queue.drain()) pending.reject(error);
    this.#systemEvents.length = 0;
    for (const tell of this.#told.splice(0)) tell();
    this.#parts.failed(error);
  }

  #refusalNow(batch: EventBatch): CairnError | undefined {
    const { logName, limits, tailRoom, tree } = this.#parts;
    const place = { log: logName };
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closing) {
      return new CairnError("unavailable", `the log ${logName} is closing`, { place });
    }
    const isFull =
      this.#queue.events + batch.accepted > limits.queueEventsMax ||
      this.#queue.bytes + batch.byteLength > limits.queueBytesMax;
    const isBehind = tree.open.length > openSegmentsMax;
    if ((isFull && !this.#queue.isEmpty) || isBehind) {
      this.#counters.refusedForOverload += batch.accepted;
      const what = isBehind ? `${tree.open.length} segments` : `${this.#queue.events} events`;
      return new CairnError(
        "overloaded",
        `${what} of the log ${logName} already wait to be written; nothing of this was recorded`,
        { place, retryAfterMs: overloadRetryMs },
      );
    }
    return tailRoom.shortage();
  }

  /** Makes it look whether there is something to commit. */
  wake(): void {
    if (this.#running !== undefined || this.#failure !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork()) this.wake();
    });
  }

  #hasWork(): boolean {
    if (this.#failure !== undefined) return false;
    if (!this.#queue.isEmpty || this.#systemEvents.length > 0) return true;
    return this.#parts.sources.hasNews;
  }

  async #run(): Promise<void> {
    // Requests that have already arrived are read before this runs, and share the first commit. No time is waited.
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      while (this.#hasWork()) await this.#commitOnce();
    } catch (cause) {
      if (!isCairnError(cause)) throw cause;
      this.fail(cause);
    }
  }

  async #commitOnce(): Promise<void> {
    const { builder, clock } = this.#parts;
    const begun = clock.monotonic();
    const told = this.#told.splice(0);
    builder.begin(formatLogTime(this.#commitTime()));
    this.#renderSystemEvents();
    const finished = this.#queue.takeWhile((pending) =>
      renderBatch(this.#parts, this.#queue, pending, this.#lastTimeMs),
    );
    this.#parts.sources.settle();
    if (builder.entries === 0 && finished.length === 0) {
      await this.#waitForWhatIsMissing();
      return;
    }
    const rendered = clock.monotonic();
    try {
      if (builder.entries > 0) await this.#makeDurable(finished.length > 1);
    } catch (cause) {
      // Not one of ours: an invariant is broken. Nobody catches that, the process stops.
      if (!isCairnError(cause)) throw cause;
      const error = commitFailed(this.#parts.logName, cause);
      for (const pending of finished) pending.reject(error);
      // Who waits for these hears of the failure, as soon as it is known.
      this.#told.push(...told);
      throw error;
    }
    this.onCommit?.({
      entries: builder.entries,
      byteLength: builder.byteLength,
      renderMs: rendered - begun,
      syncMs: clock.monotonic() - rendered,
    });
    for (const pending of finished) this.#answer(pending);
    for (const tell of told) tell();
    // The bodies that the events came in, and the pieces that they were read in.
    noteBuffers(2 * builder.byteLength);
    if (builder.entries > 0) this.#parts.committed();
  }

  /** Never before the entry before it. A step of the clock becomes an entry of this very commit. */
  #commitTime(): number {
    const { clock } = this.#parts;
    const wall = Math.floor(clock.now());
    const monotonic = clock.monotonic();
    const stepMs =
      this.#clockAt === undefined
        ? Math.min(0, wall - this.#lastTimeMs)
        : wall - this.#clockAt.wall - (monotonic - this.#clockAt.monotonic);
    this.#clockAt = { wall, monotonic };
    if (Math.abs(stepMs) > clockStepMs && this.#lastTimeMs > 0) {
      this.#systemEvents.push(clockStepped(stepMs));
    }
    this.#lastTimeMs = Math.max(this.#lastTimeMs, wall);
    return this.#lastTimeMs;
  }

  #renderSystemEvents(): void {
    for (const event of this.#systemEvents.splice(0)) {
      this.#parts.builder.append(systemSource, event, 0, event.length, 0, 0);
    }
    const { builder, sources, tailRoom, tree } = this.#parts;
    sources.render((event) => {
      if (!tailRoom.hasRoomFor(entryOverheadMax + event.length)) return undefined;
      const seq = tree.size;
      builder.append(systemSource, event, 0, event.length, 0, 0);
      return seq;
    });
  }

  /**
   * Nothing of the queue could be taken: it does not fit into what is allocated, or what is known of a stream is not in
   * memory. Waits for it, or refuses what waits.
   */
  async #waitForWhatIsMissing(): Promise<void> {
    const { sources, tailRoom } = this.#parts;
    if (this.#queue.isEmpty) return;
    let refusal: CairnError | undefined;
    if (sources.isWanting) {
      try {
        await sources.load();
      } catch (cause) {
        if (!isCairnError(cause)) throw cause;
        refusal = cause;
      }
    } else refusal = await tailRoom.grown();
    if (refusal !== undefined) this.#refuseWaiting(refusal);
  }

  #refuseWaiting(shortage: CairnError): void {
    for (const pending of this.#queue.drain()) {
      const { batch, result } = pending;
      // Events of the batch that are recorded already stay recorded: only the others are refused.
      for (let i = pending.next; i < batch.count; i++) {
        if (this.#queue.isDue(pending, i)) result.refuse(i, shortage);
      }
      if (result.refused === result.count) pending.reject(shortage);
      else this.#answer(pending);
    }
  }

  /** `isBusy`: several wait for it, and while it lasts more of them will come. */
  async #makeDurable(isBusy: boolean): Promise<void> {
    const { builder, store, tree, sign } = this.#parts;
    const size = tree.size;
    const parts = builder.tailParts();
    const appended = store.appendTail(parts, isBusy);
    // Where the syncs of a slow medium are left to other threads, the tree is hashed meanwhile.
    const root = tree.at(size).root();
    await appended;
    const last = parts.at(-1)!;
    const number = this.#commit.number + 1;
    const tailOffset = last.offset + last.bytes.length;
    // And so is the signature made.
    const commit: Commit = { number, size, root, tailFirst: last.first, tailOffset };
    const recorded = store.commit(commit, isBusy);
    const [note] = await Promise.all([sign(size, root), recorded]);
    this.#commit = commit;
    this.#durable = { size, root, note };
    this.#counters.commits++;
    this.#counters.entries += builder.entries;
    this.#counters.entryBytes += builder.byteLength;
  }

  #answer(pending: Pending): void {
    if (pending.candidates.length === 0) {
      pending.resolve(pending.result.seal(this.#durable));
      return;
    }
    const settling = this.#settle(pending).finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }

  /** Compares the events whose ids were seen with what is recorded under them, beside the commits that go on. */
  async #settle(pending: Pending): Promise<void> {
    const { batch, source, result } = pending;
    const { duplicates } = this.#parts;
    const isNew = new Set<number>();
    let told: Promise<void> | undefined;
    try {
      for (const { i, seq } of pending.candidates.splice(0)) {
        const verdict = await duplicates.judge(batch, i, source, seq);
        if (verdict.kind === "new") isNew.add(i);
        else if (verdict.kind === "duplicate") {
          this.#counters.duplicates++;
          result.duplicate(i, verdict.seq, verdict.leafHash);
        } else {
          // Nothing is told any more once the writer has failed.
          if (this.#failure !== undefined) throw this.#failure;
          this.#counters.conflicts++;
          result.refuse(i, verdict.error);
          this.appendSystem(verdict.event);
          told = new Promise((resolve) => this.#told.push(resolve));
        }
      }
      // Who hears of a conflict can rely on its being recorded.
      await told;
      if (told !== undefined && this.#failure !== undefined) throw this.#failure;
    } catch (error) {
      pending.reject(isCairnError(error) ? error : commitFailed(this.#parts.logName, error));
      return;
    }
    if (isNew.size === 0) {
      pending.resolve(result.seal(this.#durable));
      return;
    }
    if (this.#failure !== undefined) {
      pending.reject(this.#failure);
      return;
    }
    pending.known = isNew;
    pending.next = 0;
    this.#queue.push(pending);
    this.wake();
  }
}

function commitFailed(logName: string, cause: unknown): CairnError {
  if (isCairnError(cause, "tampered")) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CairnError(
    "unavailable",
    `a commit of the log ${logName} failed, so that nobody knows what the disk holds (${why}); ` +
      "open the log anew: recovery finds out",
    { cause, place: { log: logName } },
  );
}

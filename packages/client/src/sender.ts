/**
 * Brings the queued events to the log: one request in flight, so that they are recorded in the
 * order in which they were handed over. While it is under way the next batch gathers; there is no
 * timer unless `lingerMs` asks for one.
 *
 * Every event that was pushed is settled exactly once: with a receipt, or with the error that says
 * why there is none. Until then it is tried again with the same id and bytes, which the log
 * recognises: an event whose answer was lost is not recorded twice.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { attempt, renderBody, type BatchBody, type Outcome } from "./attempt.ts";
import { backoffMs, type BackoffLimits } from "./backoff.ts";
import { EventQueue, type PendingEvent, type QueueLimits } from "./event-queue.ts";
import type { OnError } from "./failure-report.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import { beforeExit, type Clock } from "./platform.ts";
import { LoggedReceipt, type ReceiptFields, type ReceiptSource } from "./receipt.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface SenderOptions {
  /** Path of the log's events. */
  readonly path: string;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly queue: QueueLimits;
  readonly lingerMs: number;
  readonly gzipBytesMin: number;
  readonly backoff: BackoffLimits;
  readonly retryForMs: number;
  readonly exitFlushMs: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly chance: () => number;
  readonly onError: OnError;
  /** Receipts were given under this checkpoint. */
  readonly onCheckpoint: (claim: CheckpointClaim) => void;
  readonly receiptSource: (fields: ReceiptFields, event: string) => ReceiptSource;
}

export interface SenderCounts {
  /** Events whose fate is not known yet, those under way among them, and their bytes. */
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  /** Events that have a receipt. */
  readonly recordedEvents: number;
  /** Events that got an error instead. Each was reported. */
  readonly rejectedEvents: number;
  /**
   * Since when no attempt has succeeded, in milliseconds since 1970. Undefined while all is well.
   */
  readonly failingSinceMs: number | undefined;
  /** Of the last attempt, while failing. */
  readonly lastError: CairnError | undefined;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #transport: Transport;
  readonly #trust: Trust;
  readonly #queue: EventQueue;
  readonly #abort = new AbortController();
  #isRunning = false;
  /** Ends the current wait, for linger or before a retry. */
  #wake = (): void => {};
  #isLingering = false;
  /** True while somebody waits for the queue to empty: then nothing lingers. */
  #isHurried = false;
  #stopped: CairnError | undefined;
  /** What one request was found to hold; lowered when the server says that it was too much. */
  #batchBytesMax: number;
  /** Counts of events that entered and left the queue. */
  #pushed = 0;
  #settled = 0;
  #flushes: { readonly target: number; readonly resolve: () => void }[] = [];
  #recorded = 0;
  #rejected = 0;
  #failingSinceMs: number | undefined;
  #lastError: CairnError | undefined;

  constructor(options: SenderOptions, transport: Transport, trust: Trust) {
    this.#options = options;
    this.#transport = transport;
    this.#trust = trust;
    this.#queue = new EventQueue(options.queue);
    this.#batchBytesMax = options.batchBytesMax;
  }

  get counts(): SenderCounts {
    return {
      queuedEvents: this.#queue.count,
      queuedBytes: this.#queue.byteLength,
      recordedEvents: this.#recorded,
      rejectedEvents: this.#rejected,
      failingSinceMs: this.#failingSinceMs,
      lastError: this.#lastError,
    };
  }

  /**
   * Takes an event, or rejects it with "overloaded" if the queue is full. Never throws, never
   * waits.
   */
  push(event: PendingEvent): void {
    if (this.#stopped !== undefined) return this.reject(event, this.#stopped);
    if (!this.#queue.hasRoom(event.line.byteLength)) {
      return this.reject(event, overloaded(this.#queue, this.#lastError));
    }
    this.#queue.push(event);
    this.#pushed++;
    if (!this.#isRunning) void this.#run();
    if (this.#isLingering && this.#isBatchFull()) this.#wake();
  }

  /** Settles an event that will not be recorded, and reports it. */
  reject(event: Pick<PendingEvent, "reject"> & Partial<PendingEvent>, error: CairnError): void {
    this.#rejected++;
    event.reject(error);
    const id = event.line?.id;
    this.#options.onError(error, {
      willRetry: false,
      ...(id === undefined ? {} : { eventId: id }),
    });
  }

  /** Resolves when everything that was pushed until now is settled. Until then nothing lingers. */
  flush(): Promise<void> {
    const target = this.#pushed;
    if (target === this.#settled) return Promise.resolve();
    this.#isHurried = true;
    if (this.#isLingering) this.#wake();
    // Events are settled in the order in which they were pushed, so counting them is enough.
    return new Promise((resolve) => this.#flushes.push({ target, resolve }));
  }

  /**
   * Gives up: ends the request under way, and rejects all that is queued and all that is pushed
   * later.
   */
  stop(error: CairnError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#abort.abort(error);
    for (const event of this.#queue.takeAll()) this.#settleRejected(event, error);
    this.#wake();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const unhook = beforeExit(() => this.#onExit());
    // What else is handed over in this turn of the event loop shares the first request.
    await Promise.resolve();
    while (this.#queue.waitingCount > 0) {
      await this.#linger();
      const batch = this.#queue.take(this.#options.batchEventsMax, this.#batchBytesMax);
      if (batch.length > 0) await this.#deliver(batch);
    }
    this.#isRunning = false;
    this.#isHurried = false;
    unhook();
  }

  /** Nothing but queued events keeps the process: a bounded time is left to deliver them. */
  #onExit(): void {
    const { clock, exitFlushMs } = this.#options;
    const cancel = clock.after(
      exitFlushMs,
      () => this.stop(unsent("the process ends", this.#lastError)),
      { keepsAlive: true },
    );
    void this.flush().then(cancel);
  }

  async #linger(): Promise<void> {
    const { lingerMs, clock } = this.#options;
    const first = this.#queue.peek();
    if (lingerMs <= 0 || first === undefined || this.#isHurried || this.#isBatchFull()) return;
    this.#isLingering = true;
    await this.#sleep(first.sinceMs + lingerMs - clock.now());
    this.#isLingering = false;
  }

  #isBatchFull(): boolean {
    const { waitingCount, waitingBytes } = this.#queue;
    return waitingCount >= this.#options.batchEventsMax || waitingBytes >= this.#batchBytesMax;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(Math.max(0, ms), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Tries until each event of the batch is settled. Never rejects. */
  async #deliver(batch: readonly PendingEvent[]): Promise<void> {
    let rest = batch;
    let body: BatchBody | undefined;
    for (let failures = 1; this.#stopped === undefined; failures++) {
      let outcome: Outcome;
      try {
        body ??= await renderBody(
          rest.map((event) => event.line),
          this.#options.gzipBytesMin,
        );
        outcome = await this.#attempt(body);
      } catch (cause) {
        outcome = { kind: "refused", error: internal(cause) };
      }
      // Then all of the queue was rejected meanwhile.
      if (this.#stopped !== undefined) return;
      if (outcome.kind === "answered") return this.#settle(rest, outcome);
      if (outcome.kind === "refused") return this.#rejectAll(rest, outcome.error);
      if (outcome.kind === "split") return await this.#split(rest, outcome.error);
      const left = this.#failed(rest, outcome.error);
      if (left.length === 0) return;
      if (left.length < rest.length) body = undefined;
      rest = left;
      const { backoff, chance } = this.#options;
      await this.#sleep(backoffMs(failures, chance(), backoff, outcome.error.retryAfterMs));
    }
  }

  #attempt(body: BatchBody): Promise<Outcome> {
    return attempt(this.#transport, this.#trust, this.#options.path, body, this.#abort.signal);
  }

  async #split(batch: readonly PendingEvent[], error: CairnError): Promise<void> {
    if (batch.length === 1) return this.#rejectAll(batch, error);
    const half = Math.ceil(batch.length / 2);
    const bytes = batch.reduce((sum, event) => sum + event.line.byteLength + 1, 0);
    this.#batchBytesMax = Math.min(this.#batchBytesMax, Math.ceil(bytes / 2));
    await this.#deliver(batch.slice(0, half));
    await this.#deliver(batch.slice(half));
  }

  /**
   * Notes a passing failure. Returns the events that are still to be tried; rejects those that are
   * too old.
   */
  #failed(batch: readonly PendingEvent[], error: CairnError): readonly PendingEvent[] {
    const { clock, retryForMs, onError } = this.#options;
    const now = clock.now();
    this.#lastError = error;
    if (this.#failingSinceMs === undefined) {
      this.#failingSinceMs = now;
      onError(error, { willRetry: true });
    }
    const isOver = (event: PendingEvent): boolean => now - event.sinceMs >= retryForMs;
    const over = batch.filter(isOver);
    if (over.length === 0) return batch;
    this.#rejectAll(over, unsent(`it was tried for ${retryForMs} ms`, error));
    return batch.filter((event) => !isOver(event));
  }

  #settle(batch: readonly PendingEvent[], outcome: Outcome & { kind: "answered" }): void {
    this.#failingSinceMs = undefined;
    this.#lastError = undefined;
    const { answer, claim } = outcome;
    const { onCheckpoint, receiptSource } = this.#options;
    if (claim !== undefined) onCheckpoint(claim);
    for (const [i, event] of batch.entries()) {
      const result = answer.results[i]!;
      if (result instanceof CairnError) this.#settleRejected(event, result);
      else if (this.#leave(event)) {
        this.#recorded++;
        const { origin, note } = claim!;
        const fields = { ...result, origin, checkpoint: note, eventId: event.line.id };
        const { text } = event.line;
        event.resolve(new LoggedReceipt(fields, receiptSource(fields, text)));
      }
    }
  }

  #rejectAll(batch: readonly PendingEvent[], error: CairnError): void {
    for (const event of batch) this.#settleRejected(event, error);
  }

  #settleRejected(event: PendingEvent, error: CairnError): void {
    if (this.#leave(event)) this.reject(event, error);
  }

  /**
   * True the first time: whoever gets it settles the event, before the flushes that wait for it go
   * on.
   */
  #leave(event: PendingEvent): boolean {
    if (!this.#queue.settle(event)) return false;
    this.#settled++;
    while (this.#flushes.length > 0 && this.#flushes[0]!.target <= this.#settled) {
      this.#flushes.shift()!.resolve();
    }
    return true;
  }
}

/**
 * The error of events that were given up. Their last attempt may have been recorded without an
 * answer.
 */
export function unsent(why: string, lastError: CairnError | undefined): CairnError {
  const last = lastError === undefined ? "" : ` (last error: ${lastError.message})`;
  return new CairnError(
    "unavailable",
    `the event is not known to be recorded: ${why}${last}. ` +
      "Sending it again with the same id is safe",
    { cause: lastError },
  );
}

function overloaded(queue: EventQueue, lastError: CairnError | undefined): CairnError {
  const why = lastError === undefined ? "" : `; the log is not taking events: ${lastError.message}`;
  return new CairnError(
    "overloaded",
    `the client's queue is full with ${queue.count} events of ${queue.byteLength} bytes${why}`,
    { cause: lastError },
  );
}

function internal(cause: unknown): CairnError {
  return isCairnError(cause)
    ? cause
    : new CairnError("internal", `the client failed: ${String(cause)}`, { cause });
}

/**
 * Brings the queued events to the log: one request in flight, so that they are recorded in the
 * order in which they were handed over. While it is under way the next batch gathers; there is no
 * timer unless `lingerMs` asks for one.
 *
 * Every event that was pushed is settled exactly once: with a receipt, or with the error that says
 * why there is none. Until then it is tried again with the same id and bytes, which the log
 * recognises: an event whose answer was lost is not recorded twice.
 */
import { CairnError, type Sequence } from "@cairnlog/core";
import type { RecordedResult } from "./batch-answer.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import { Delivery, unsent, type DeliveryOptions } from "./delivery.ts";
import { EventQueue, type PendingEvent, type QueueLimits } from "./event-queue.ts";
import type { Outlet, OutletCounts } from "./outlet.ts";
import { beforeExit } from "./platform.ts";
import { LoggedReceipt, type ReceiptSource } from "./receipt.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface SenderOptions extends DeliveryOptions {
  readonly queue: QueueLimits;
  readonly lingerMs: number;
  readonly retryForMs: number;
  readonly exitFlushMs: number;
  readonly receiptSource: ReceiptSource;
  /** Under which name events are numbered; undefined where they are not. */
  readonly stream: string | undefined;
}

export class Sender implements Outlet {
  readonly #options: SenderOptions;
  readonly #queue: EventQueue;
  readonly #delivery: Delivery<PendingEvent>;
  #isRunning = false;
  #isLingering = false;
  /** True while somebody waits for the queue to empty: then nothing lingers. */
  #isHurried = false;
  #stopped: CairnError | undefined;
  /** Counts of events that entered and left the queue. What is numbered has the first as number. */
  #pushed = 0;
  #settled = 0;
  #flushes: { readonly target: number; readonly resolve: () => void }[] = [];
  #recorded = 0;
  #rejected = 0;

  constructor(options: SenderOptions, transport: Transport, trust: Trust) {
    this.#options = options;
    this.#queue = new EventQueue(options.queue);
    const recipient = {
      isPatient: false,
      recorded: this.#settleRecorded.bind(this),
      refused: this.#settleRejected.bind(this),
      failed: this.#failed.bind(this),
    };
    this.#delivery = new Delivery(options, recipient, transport, trust);
  }

  get counts(): OutletCounts {
    return {
      queuedEvents: this.#queue.count,
      queuedBytes: this.#queue.byteLength,
      recordedEvents: this.#recorded,
      rejectedEvents: this.#rejected,
      failingSinceMs: this.#delivery.failingSinceMs,
      lastError: this.#delivery.lastError,
    };
  }

  get nextSequence(): Sequence | undefined {
    const { stream } = this.#options;
    return stream === undefined ? undefined : { stream, number: this.#pushed + 1 };
  }

  get idleAt(): Sequence | undefined {
    const { stream } = this.#options;
    const isIdle = stream !== undefined && this.#queue.count === 0 && this.#pushed > 0;
    return isIdle ? { stream, number: this.#pushed } : undefined;
  }

  push(event: PendingEvent): void {
    if (this.#stopped !== undefined) return this.reject(event, this.#stopped);
    if (!this.#queue.hasRoom(event.line.byteLength)) {
      return this.reject(event, overloaded(this.#queue, this.#delivery.lastError));
    }
    this.#queue.push(event);
    this.#pushed++;
    if (!this.#isRunning) void this.#run();
    if (this.#isLingering && this.#isBatchFull()) this.#delivery.wake();
  }

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
    if (this.#isLingering) this.#delivery.wake();
    // Events are settled in the order in which they were pushed, so counting them is enough.
    return new Promise((resolve) => this.#flushes.push({ target, resolve }));
  }

  async close(timeoutMs: number): Promise<void> {
    let late: CairnError | undefined;
    const giveUp = (): void => {
      const { lastError } = this.#delivery;
      late = new CairnError(
        "unavailable",
        `closed with ${this.#queue.count} events that are not known to be recorded`,
        { cause: lastError },
      );
      this.stop(unsent("the client was closed", lastError));
    };
    const cancel = this.#options.clock.after(timeoutMs, giveUp, { keepsAlive: true });
    await this.flush();
    cancel();
    if (late !== undefined) throw late;
  }

  /**
   * Gives up: ends the request under way, and rejects all that is queued and all that is pushed
   * later.
   */
  stop(error: CairnError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#delivery.stop(error);
    for (const event of this.#queue.takeAll()) this.#settleRejected(event, error);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const unhook = beforeExit(() => this.#onExit());
    // What else is handed over in this turn of the event loop shares the first request.
    await Promise.resolve();
    while (this.#queue.waitingCount > 0) {
      await this.#linger();
      const batch = this.#queue.take(this.#options.batchEventsMax, this.#delivery.batchBytesMax);
      if (batch.length > 0) await this.#delivery.deliver(batch);
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
      () => this.stop(unsent("the process ends", this.#delivery.lastError)),
      { keepsAlive: true },
    );
    void this.flush().then(cancel);
  }

  async #linger(): Promise<void> {
    const { lingerMs, clock } = this.#options;
    const first = this.#queue.peek();
    if (lingerMs <= 0 || first === undefined || this.#isHurried || this.#isBatchFull()) return;
    this.#isLingering = true;
    await this.#delivery.sleep(first.sinceMs + lingerMs - clock.now());
    this.#isLingering = false;
  }

  #isBatchFull(): boolean {
    const { waitingCount, waitingBytes } = this.#queue;
    const { batchBytesMax } = this.#delivery;
    return waitingCount >= this.#options.batchEventsMax || waitingBytes >= batchBytesMax;
  }

  /** Returns the events that are still to be tried; rejects those that are too old. */
  #failed(batch: readonly PendingEvent[], error: CairnError): readonly PendingEvent[] {
    const { clock, retryForMs } = this.#options;
    const now = clock.now();
    const isOver = (event: PendingEvent): boolean => now - event.sinceMs >= retryForMs;
    const over = batch.filter(isOver);
    if (over.length === 0) return batch;
    const late = unsent(`it was tried for ${retryForMs} ms`, error);
    for (const event of over) this.#settleRejected(event, late);
    return batch.filter((event) => !isOver(event));
  }

  #settleRecorded(event: PendingEvent, result: RecordedResult, claim: CheckpointClaim): void {
    if (!this.#leave(event)) return;
    this.#recorded++;
    const { id, text } = event.line;
    const fields = { ...result, origin: claim.origin, checkpoint: claim.note, eventId: id };
    event.resolve(new LoggedReceipt(fields, this.#options.receiptSource, text));
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

function overloaded(queue: EventQueue, lastError: CairnError | undefined): CairnError {
  const why = lastError === undefined ? "" : `; the log is not taking events: ${lastError.message}`;
  return new CairnError(
    "overloaded",
    `the client's queue is full with ${queue.count} events of ${queue.byteLength} bytes${why}`,
    { cause: lastError },
  );
}

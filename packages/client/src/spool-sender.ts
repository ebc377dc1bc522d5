/**
 * Where `log()` puts events if there is a spool: onto the medium first, and from there to the log.
 * What is in the spool is not lost with the process, nor with the server's absence; so nothing that
 * is in it is ever given up. A promise is another matter: it may end before its event's fate is known,
 * and says so.
 *
 * In memory are the promises that wait, at most `awaitedMax`, and one batch. Everything else lies in
 * the spool.
 */
import { assert, CairnError, type Sequence } from "@cairnlog/core";
import type { RecordedResult } from "./batch-answer.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import type { DeliveryOptions } from "./delivery.ts";
import type { PendingEvent } from "./event-queue.ts";
import type { Outlet, OutletCounts } from "./outlet.ts";
import { LoggedReceipt, type ReceiptSource } from "./receipt.ts";
import type { Spool, SpoolStream } from "./spool.ts";
import { StreamSender, type SpooledLine } from "./stream-sender.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

/** Is given the receipts that no promise waits for: of an earlier process, or of a promise that ended. */
export type OnReceipt = (receipt: LoggedReceipt, place: Sequence) => void;

export interface SpoolSenderOptions extends DeliveryOptions {
  readonly spool: Spool;
  /** Most promises that wait for receipts. */
  readonly awaitedMax: number;
  /** After this long a promise ends, and its event stays. */
  readonly retryForMs: number;
  readonly receiptSource: ReceiptSource;
  readonly onReceipt: OnReceipt | undefined;
}

/** How often what others have left behind is looked for. */
const adoptEveryMs = 30_000;

export class SpoolSender implements Outlet {
  readonly #options: SpoolSenderOptions;
  readonly #transport: Transport;
  readonly #trust: Trust;
  readonly #own: SpoolStream;
  readonly #sender: StreamSender;
  /** By number, so in the order in which they began to wait. */
  readonly #awaited = new Map<number, PendingEvent>();
  #adopted: StreamSender | undefined;
  #adopting: Promise<void> = Promise.resolve();
  #cancelAdoption = (): void => {};
  #flushes: { readonly target: number; readonly resolve: () => void }[] = [];
  #recorded = 0;
  #rejected = 0;
  #isClosed = false;
  #crowded: CairnError | undefined;
  /** Set while closing: the log does not answer, and nobody waits for that. */
  #giveUp: (() => void) | undefined;

  constructor(options: SpoolSenderOptions, transport: Transport, trust: Trust) {
    this.#options = options;
    this.#transport = transport;
    this.#trust = trust;
    this.#own = options.spool.own;
    this.#own.onLost = (from, error) => this.#lost(from, error);
    this.#sender = this.#senderOf(this.#own);
    void this.#sender.run();
    this.#adoptSoon(0);
  }

  get counts(): OutletCounts {
    const { nextNumber, releasedNumber, byteLength } = this.#own;
    const lastError = this.#sender.lastError ?? this.#adopted?.lastError;
    return {
      queuedEvents: nextNumber - 1 - releasedNumber,
      queuedBytes: byteLength,
      recordedEvents: this.#recorded,
      rejectedEvents: this.#rejected,
      failingSinceMs: this.#sender.failingSinceMs ?? this.#adopted?.failingSinceMs,
      lastError,
    };
  }

  get nextSequence(): Sequence {
    return { stream: this.#own.id, number: this.#own.nextNumber };
  }

  get idleAt(): Sequence | undefined {
    const { id, nextNumber } = this.#own;
    const isIdle = this.#sender.sentNumber === nextNumber - 1 && nextNumber > 1;
    return isIdle ? { stream: id, number: nextNumber - 1 } : undefined;
  }

  push(event: PendingEvent): void {
    const number = this.#own.nextNumber;
    try {
      if (this.#isClosed) throw new CairnError("usage", "the client was closed");
      this.#own.append(event.line.text, event.line.byteLength);
    } catch (error) {
      return this.reject(event, error as CairnError);
    }
    assert(this.#own.nextNumber === number + 1, "an event in the spool takes one number");
    if (event.onSpooled !== undefined) this.#tellSpooled(event, number);
    else if (this.#awaited.size < this.#options.awaitedMax) this.#awaited.set(number, event);
    else this.#endUnawaited(event, number);
    void this.#sender.run();
  }

  reject(event: Pick<PendingEvent, "reject"> & Partial<PendingEvent>, error: CairnError): void {
    this.#rejected++;
    event.reject(error);
    const { line } = event;
    const report = line === undefined ? {} : { eventId: line.id, event: line.text };
    this.#options.onError(error, { willRetry: false, ...report });
  }

  flush(): Promise<void> {
    const target = this.#own.nextNumber - 1;
    if (this.#sender.sentNumber >= target) return Promise.resolve();
    return new Promise((resolve) => this.#flushes.push({ target, resolve }));
  }

  /**
   * Waits for receipts while the log gives them, and not for a log that does not answer: what is
   * left is in the spool, and goes on from there with the next process. Rejects only where the spool
   * could not be written.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    this.#cancelAdoption();
    if (this.counts.failingSinceMs === undefined) await this.#flushWithin(timeoutMs);
    const closed = new CairnError("unavailable", "the client was closed");
    this.#sender.stop(closed);
    this.#adopted?.stop(closed);
    await Promise.all([this.#sender.run(), this.#adopting]);
    for (const number of this.#awaited.keys()) this.#end(number, "the client was closed");
    await this.#options.spool.close();
  }

  async #flushWithin(timeoutMs: number): Promise<void> {
    const over = new Promise<void>((resolve) => (this.#giveUp = resolve));
    const cancel = this.#options.clock.after(timeoutMs, () => this.#giveUp?.(), {
      keepsAlive: true,
    });
    await Promise.race([this.flush(), over]);
    cancel();
  }

  #senderOf(stream: SpoolStream): StreamSender {
    const recipient = {
      recorded: this.#settleRecorded.bind(this, stream),
      refused: this.#settleRefused.bind(this, stream),
      failed: () => this.#failed(),
      reached: (number: number) => stream === this.#own && this.#reached(number),
    };
    stream.onDamage = (error) => {
      this.#rejected++;
      this.#options.onError(error, { willRetry: false });
    };
    return new StreamSender(this.#options, stream, recipient, this.#transport, this.#trust);
  }

  #tellSpooled(event: PendingEvent, number: number): void {
    this.#own.spooled(number).then(
      () => event.onSpooled?.({ stream: this.#own.id, number }),
      (error: unknown) => this.reject(event, error as CairnError),
    );
  }

  /** More promises wait than are kept. This one ends as soon as it can be said how. */
  #endUnawaited(event: PendingEvent, number: number): void {
    // One error for all: making one, with its stack, costs more than all the rest of `log`.
    const why = `${this.#options.awaitedMax} promises wait for receipts already`;
    this.#crowded ??= staysSpooled(this.#own.id, undefined, why);
    const crowded = this.#crowded;
    this.#own.spooled(number).then(
      () => event.reject(crowded),
      (error: unknown) => this.reject(event, error as CairnError),
    );
  }

  /** A promise ends without its event's fate. Nothing is lost: nobody else is told. */
  #end(number: number, why: string): void {
    const event = this.#awaited.get(number);
    this.#awaited.delete(number);
    event?.reject(staysSpooled(this.#own.id, number, why));
  }

  #lost(from: number, error: CairnError): void {
    for (const [number, event] of this.#awaited) {
      if (number < from) continue;
      this.#awaited.delete(number);
      this.reject(event, error);
    }
  }

  #settleRecorded(
    stream: SpoolStream,
    { number, line }: SpooledLine,
    result: RecordedResult,
    claim: CheckpointClaim,
  ): void {
    this.#recorded++;
    const waiting = stream === this.#own ? this.#awaited.get(number) : undefined;
    const { onReceipt, receiptSource } = this.#options;
    if (waiting === undefined && onReceipt === undefined) return;
    const eventId = waiting?.line.id ?? idOf(line.text);
    const fields = { ...result, origin: claim.origin, checkpoint: claim.note, eventId };
    const receipt = new LoggedReceipt(fields, receiptSource, line.text);
    if (waiting === undefined) return onReceipt?.(receipt, { stream: stream.id, number });
    this.#awaited.delete(number);
    waiting.resolve(receipt);
  }

  #settleRefused(stream: SpoolStream, { number, line }: SpooledLine, error: CairnError): void {
    const waiting = stream === this.#own ? this.#awaited.get(number) : undefined;
    if (waiting !== undefined) this.#awaited.delete(number);
    const { text, byteLength } = line;
    this.reject(waiting ?? { reject() {}, line: { id: idOf(text), text, byteLength } }, error);
  }

  #failed(): void {
    this.#giveUp?.();
    const { clock, retryForMs } = this.#options;
    const before = clock.now() - retryForMs;
    for (const [number, { sinceMs }] of this.#awaited) {
      if (sinceMs > before) break;
      this.#end(number, `it was tried for ${retryForMs} ms`);
    }
  }

  #reached(reached: number): void {
    // Damage has taken what nobody has heard of by now.
    for (const [number, event] of this.#awaited) {
      if (number > reached) break;
      this.#awaited.delete(number);
      const message = "the event was damaged in the spool before it was sent";
      event.reject(new CairnError("unverified", message));
    }
    while (this.#flushes.length > 0 && this.#flushes[0]!.target <= reached) {
      this.#flushes.shift()!.resolve();
    }
  }

  #adoptSoon(ms: number): void {
    this.#cancelAdoption = this.#options.clock.after(ms, () => {
      this.#adopting = this.#adoptAll().finally(() => {
        if (!this.#isClosed) this.#adoptSoon(adoptEveryMs);
      });
    });
  }

  /** One stream after the other, until none is left. Never rejects. */
  async #adoptAll(): Promise<void> {
    try {
      while (!this.#isClosed) {
        const stream = await this.#options.spool.adopt();
        if (stream === undefined) return;
        this.#adopted = this.#senderOf(stream);
        if (!this.#isClosed) await this.#adopted.run();
        this.#adopted = undefined;
        await stream.close();
      }
    } catch (error) {
      this.#adopted = undefined;
      const why = error instanceof Error ? error.message : String(error);
      const failed = new CairnError("unavailable", `what was left in the spool waits: ${why}`);
      this.#options.onError(failed, { willRetry: true });
    }
  }
}

/** How a promise ends whose event goes on without it. */
function staysSpooled(stream: string, number: number | undefined, why: string): CairnError {
  const as = number === undefined ? "" : ` as number ${number}`;
  return new CairnError(
    "unavailable",
    `no receipt yet: ${why}. The event is in the spool${as}, in the stream ${stream}, and will ` +
      "be sent; its receipt goes to `onReceipt`",
  );
}

function idOf(text: string): string {
  return (JSON.parse(text) as { id: string }).id;
}

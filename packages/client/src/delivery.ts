/**
 * Brings batches to the log, one request in flight, and tries until each event's fate is known: the
 * same ids and bytes again after whatever may pass, halves of what was too much, and the server's
 * word for each event to whoever waits for it. Where the events come from, and what becomes of them,
 * is for the courier's owner to say.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { attempt, renderBody, type BatchBody, type Outcome } from "./attempt.ts";
import { backoffMs, type BackoffLimits } from "./backoff.ts";
import type { RecordedResult } from "./batch-answer.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import type { EventLine } from "./event-line.ts";
import type { OnError } from "./failure-report.ts";
import type { Clock } from "./platform.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface DeliveryOptions {
  /** Path of the log's events. */
  readonly path: string;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly gzipBytesMin: number;
  readonly backoff: BackoffLimits;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly chance: () => number;
  readonly onError: OnError;
  /** Receipts were given under this checkpoint. */
  readonly onCheckpoint: (claim: CheckpointClaim) => void;
}

/** Who sent the events, and hears what became of them. */
export interface Recipient<E> {
  recorded(event: E, result: RecordedResult, claim: CheckpointClaim): void;
  refused(event: E, error: CairnError): void;
  /** A passing failure. Returns the events that are still to be tried. */
  failed(events: readonly E[], error: CairnError): readonly E[];
  /**
   * True if a refusal of the whole request, or an answer that must not be believed, is something to
   * wait for the end of. It says nothing about any event: a key was changed, a proxy is in between.
   */
  readonly isPatient: boolean;
}

export class Delivery<E extends { readonly line: Pick<EventLine, "text" | "byteLength"> }> {
  readonly #options: DeliveryOptions;
  readonly #recipient: Recipient<E>;
  readonly #transport: Transport;
  readonly #trust: Trust;
  readonly #abort = new AbortController();
  #wake = (): void => {};
  #isStopped = false;
  /** What one request was found to hold; lowered when the server says that it was too much. */
  #batchBytesMax: number;
  #failingSinceMs: number | undefined;
  #lastError: CairnError | undefined;

  constructor(
    options: DeliveryOptions,
    recipient: Recipient<E>,
    transport: Transport,
    trust: Trust,
  ) {
    this.#options = options;
    this.#recipient = recipient;
    this.#transport = transport;
    this.#trust = trust;
    this.#batchBytesMax = options.batchBytesMax;
  }

  get batchBytesMax(): number {
    return this.#batchBytesMax;
  }
  /** Since when no attempt has succeeded, in milliseconds since 1970. Undefined while all is well. */
  get failingSinceMs(): number | undefined {
    return this.#failingSinceMs;
  }
  /** Of the last attempt, while failing. */
  get lastError(): CairnError | undefined {
    return this.#lastError;
  }
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends the request under way and every wait. What was not settled by then never will be, here. */
  stop(error: CairnError): void {
    this.#isStopped = true;
    this.#abort.abort(error);
    this.#wake();
  }

  /** Ends the current wait, if there is one. */
  wake(): void {
    this.#wake();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(Math.max(0, ms), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Tries until each event of the batch is settled. Never rejects. */
  async deliver(batch: readonly E[]): Promise<void> {
    let rest = batch;
    let body: BatchBody | undefined;
    for (let failures = 1; !this.#isStopped; failures++) {
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
      if (this.#isStopped) return;
      if (outcome.kind === "answered") return this.#settle(rest, outcome);
      if (outcome.kind === "split") return await this.#split(rest, outcome.error);
      if (outcome.kind === "refused" && !this.#recipient.isPatient) {
        return this.#refuseAll(rest, outcome.error);
      }
      const left = this.#failed(rest, outcome.error);
      if (left.length === 0) return;
      if (left.length < rest.length) body = undefined;
      rest = left;
      const { backoff, chance } = this.#options;
      await this.sleep(backoffMs(failures, chance(), backoff, outcome.error.retryAfterMs));
    }
  }

  #attempt(body: BatchBody): Promise<Outcome> {
    return attempt(this.#transport, this.#trust, this.#options.path, body, this.#abort.signal);
  }

  async #split(batch: readonly E[], error: CairnError): Promise<void> {
    if (batch.length === 1) return this.#refuseAll(batch, error);
    const half = Math.ceil(batch.length / 2);
    const bytes = batch.reduce((sum, event) => sum + event.line.byteLength + 1, 0);
    this.#batchBytesMax = Math.min(this.#batchBytesMax, Math.ceil(bytes / 2));
    await this.deliver(batch.slice(0, half));
    await this.deliver(batch.slice(half));
  }

  /** Notes a passing failure, and tells of the first. */
  #failed(batch: readonly E[], error: CairnError): readonly E[] {
    const { clock, onError } = this.#options;
    this.#lastError = error;
    if (this.#failingSinceMs === undefined) {
      this.#failingSinceMs = clock.now();
      onError(error, { willRetry: true });
    }
    return this.#recipient.failed(batch, error);
  }

  #settle(batch: readonly E[], outcome: Outcome & { kind: "answered" }): void {
    this.#failingSinceMs = undefined;
    this.#lastError = undefined;
    const { answer, claim } = outcome;
    if (claim !== undefined) this.#options.onCheckpoint(claim);
    for (let i = 0; i < batch.length; i++) {
      const result = answer.results[i]!;
      if (result instanceof CairnError) this.#recipient.refused(batch[i]!, result);
      else this.#recipient.recorded(batch[i]!, result, claim!);
    }
  }

  #refuseAll(batch: readonly E[], error: CairnError): void {
    for (const event of batch) this.#recipient.refused(event, error);
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

function internal(cause: unknown): CairnError {
  return isCairnError(cause)
    ? cause
    : new CairnError("internal", `the client failed: ${String(cause)}`, { cause });
}

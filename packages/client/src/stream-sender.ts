/**
 * Brings the events of one stream of a spool to the log: in the order of their numbers, one request
 * in flight, so that the log sees the count without a gap. An event stays in the spool until the log
 * has said what became of it; a refusal of the whole request says nothing of the kind.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { backoffMs } from "./backoff.ts";
import type { RecordedResult } from "./batch-answer.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import { Delivery, type DeliveryOptions, type Recipient } from "./delivery.ts";
import type { SpooledEvent, SpoolStream } from "./spool.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

/** What came out of the spool, on its way. */
export interface SpooledLine {
  readonly number: number;
  readonly line: { readonly text: string; readonly byteLength: number };
}

export interface StreamRecipient {
  recorded(event: SpooledLine, result: RecordedResult, claim: CheckpointClaim): void;
  refused(event: SpooledLine, error: CairnError): void;
  /** An attempt has failed; the events stay. */
  failed(error: CairnError): void;
  /** The fate of all events up to this number is known. */
  reached(number: number): void;
}

export class StreamSender {
  readonly #options: DeliveryOptions;
  readonly #stream: SpoolStream;
  readonly #recipient: StreamRecipient;
  readonly #delivery: Delivery<SpooledLine>;
  #sent: number;
  #running: Promise<void> | undefined;

  constructor(
    options: DeliveryOptions,
    stream: SpoolStream,
    recipient: StreamRecipient,
    transport: Transport,
    trust: Trust,
  ) {
    this.#options = options;
    this.#stream = stream;
    this.#recipient = recipient;
    this.#sent = stream.releasedNumber;
    const settling: Recipient<SpooledLine> = {
      isPatient: true,
      recorded: (event, result, claim) => recipient.recorded(event, result, claim),
      refused: (event, error) => recipient.refused(event, error),
      failed(events, error) {
        recipient.failed(error);
        return events;
      },
    };
    this.#delivery = new Delivery(options, settling, transport, trust);
  }

  /** The number up to which the fate of all events is known. */
  get sentNumber(): number {
    return this.#sent;
  }
  get failingSinceMs(): number | undefined {
    return this.#delivery.failingSinceMs;
  }
  get lastError(): CairnError | undefined {
    return this.#delivery.lastError;
  }

  /** Sends what is there. Resolves when nothing is, or it was stopped. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Ends the request under way. What it carried stays in the spool. */
  stop(error: CairnError): void {
    this.#delivery.stop(error);
  }

  get #isEmpty(): boolean {
    return this.#stream.nextNumber - 1 <= this.#sent;
  }

  async #run(): Promise<void> {
    // What else is handed over in this turn of the event loop shares the first request.
    await Promise.resolve();
    for (let failures = 0; !this.#delivery.isStopped && !this.#isEmpty;) {
      try {
        await this.#sendSome();
        failures = 0;
      } catch (error) {
        failures++;
        await this.#pause(error, failures);
      }
    }
    this.#running = undefined;
  }

  async #sendSome(): Promise<void> {
    const { batchEventsMax } = this.#options;
    const target = this.#stream.nextNumber - 1;
    const read = this.#stream.read(this.#sent, batchEventsMax, this.#delivery.batchBytesMax);
    const events = await read;
    const last = events.at(-1)?.number;
    // Then what was there could not be written, or is damaged: its owner has heard of it.
    if (last === undefined) {
      return this.#advance(Math.min(target, this.#stream.nextNumber - 1));
    }
    await this.#delivery.deliver(events.map(lineOf));
    if (!this.#delivery.isStopped) this.#advance(last);
  }

  #advance(number: number): void {
    this.#sent = number;
    this.#stream.release(number);
    this.#recipient.reached(number);
  }

  /** The spool itself cannot be read. */
  async #pause(thrown: unknown, failures: number): Promise<void> {
    const error = isCairnError(thrown)
      ? thrown
      : new CairnError("internal", `the spool failed: ${String(thrown)}`, { cause: thrown });
    if (failures === 1) this.#options.onError(error, { willRetry: true });
    this.#recipient.failed(error);
    const { backoff, chance } = this.#options;
    await this.#delivery.sleep(backoffMs(failures, chance(), backoff));
  }
}

function lineOf({ number, text, byteLength }: SpooledEvent): SpooledLine {
  return { number, line: { text, byteLength } };
}

/**
 * The batches of one connection on their way into the log. They overlap, so that reading, recording and syncing go on
 * side by side; they stay few, and after a failure there are no more.
 */
import type { CapturedEvent } from "@cairnlog/capture";
import type { Budget } from "./budget.ts";
import type { RecordEvents } from "./listener.ts";

const batchesMax = 16;

export class InFlight {
  readonly #record: RecordEvents;
  readonly #source: string;
  readonly #budget: Budget;
  #count = 0;
  readonly #onFailure: () => void;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves when the last batch so far is durable, and those before it. */
  #last: Promise<void> = Promise.resolve();
  #onLess: (() => void) | undefined;

  /** `onFailure` is called at once, for a sender that waits may not send anything more. */
  constructor(record: RecordEvents, source: string, budget: Budget, onFailure: () => void) {
    this.#onFailure = onFailure;
    this.#record = record;
    this.#source = source;
    this.#budget = budget;
  }

  /**
   * Sends a batch off; resolves when there is room for another. `whenDurable` is called in the order of the batches.
   * Throws what a batch before it failed with: then nothing more may be said to be durable.
   */
  async add(
    events: readonly CapturedEvent[],
    byteLength: number,
    whenDurable: () => void = () => {},
  ): Promise<void> {
    await this.#budget.take(byteLength);
    this.#throwFailure();
    this.#count++;
    const recorded = this.#record(events, this.#source);
    this.#last = this.#settle(this.#last, recorded, byteLength, whenDurable);
    while (this.#count >= batchesMax) {
      await new Promise<void>((resolve) => {
        this.#onLess = resolve;
      });
      this.#throwFailure();
    }
  }

  /** What a batch failed with; undefined while all is well. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Resolves when all are durable; throws what one of them failed with. */
  async settled(): Promise<void> {
    await this.#last;
    this.#throwFailure();
  }

  async #settle(
    before: Promise<void>,
    recorded: Promise<void>,
    byteLength: number,
    whenDurable: () => void,
  ): Promise<void> {
    const [, outcome] = await Promise.allSettled([before, recorded]);
    this.#budget.give(byteLength);
    this.#count--;
    if (outcome.status === "rejected" && this.#failure === undefined) {
      this.#failure = { error: outcome.reason };
      this.#onFailure();
    }
    // What comes after a failure may be durable, but nobody is told: the sender sends all of it again.
    if (this.#failure === undefined) whenDurable();
    this.#onLess?.();
    this.#onLess = undefined;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

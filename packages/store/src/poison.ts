/**
 * What remembers that a write to the tail or the ring went wrong. The system reports a failed sync once, may have
 * dropped the bytes, and reports success the next time: only reading everything anew (recovery) tells the truth.
 */
import { CairnError } from "@cairnlog/core";

export class Poison {
  readonly #log: string;
  #cause: unknown;
  #isPoisoned = false;

  constructor(log: string) {
    this.#log = log;
  }

  /** From now on `check` throws. The first cause stays. */
  set(cause: unknown): void {
    if (this.#isPoisoned) return;
    this.#isPoisoned = true;
    this.#cause = cause;
  }

  /** Throws "unavailable" once something went wrong. */
  check(): void {
    if (!this.#isPoisoned) return;
    const why = this.#cause instanceof Error ? this.#cause.message : String(this.#cause);
    throw new CairnError(
      "unavailable",
      `the log takes no more writes until it is opened anew, because an earlier one failed: ${why}`,
      { cause: this.#cause, place: { log: this.#log } },
    );
  }
}

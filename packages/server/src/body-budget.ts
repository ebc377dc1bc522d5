/**
 * The memory that all bodies in flight may take together. Beyond it the next one is "overloaded".
 */
import { CairnError } from "@cairnlog/core";

export class BodyBudget {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#held;
  }

  /** What one request holds; given back with `release`. */
  open(): BodyHold {
    return new BodyHold(this);
  }

  take(bytes: number): void {
    if (this.#held + bytes > this.#bytesMax) {
      throw new CairnError(
        "overloaded",
        "the requests under way hold all the memory that is set aside for bodies",
        { retryAfterMs: 1000 },
      );
    }
    this.#held += bytes;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
  }
}

export class BodyHold {
  readonly #budget: BodyBudget;
  #held = 0;

  constructor(budget: BodyBudget) {
    this.#budget = budget;
  }

  /** Throws "overloaded". */
  take(bytes: number): void {
    this.#budget.take(bytes);
    this.#held += bytes;
  }

  /** May be called again. */
  release(): void {
    this.#budget.giveBack(this.#held);
    this.#held = 0;
  }
}

/** Time in a test: it stands still until the test moves it, and timers run as it passes them. */
interface ManualTimer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** A clock that moves only when it is told to. */
export class ManualClock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<ManualTimer>();

  /** `startMs`: milliseconds since 1970; by default 2026-01-01T00:00:00Z. */
  constructor(startMs = 1_767_225_600_000) {
    this.#nowMs = startMs;
  }

  /** The time of day, in milliseconds since 1970. */
  readonly now = (): number => this.#nowMs;

  /** Milliseconds since some moment; never goes back. */
  readonly monotonic = (): number => this.#monotonicMs;

  /** Time passes. */
  advance(byMs: number): void {
    if (byMs < 0) throw new Error("time does not go back: use step for the clock");
    this.#nowMs += byMs;
    this.#monotonicMs += byMs;
    const due = [...this.#timers].filter((timer) => timer.dueMs <= this.#monotonicMs);
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) {
      if (this.#timers.delete(timer)) timer.run();
    }
  }

  /** Runs once, when `advance` has come that far. */
  readonly setTimer = (run: () => void, delayMs: number): { cancel: () => void } => {
    const timer = { dueMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  };

  /** Somebody sets the clock, forward or back; no time passes. */
  step(byMs: number): void {
    this.#nowMs += byMs;
  }
}

/** Time as the log sees it. It arrives as an argument, so that tests hold the hands of the clock. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch, as the system believes. May step in both directions. */
  now(): number;
  /** Milliseconds since some fixed moment; never steps. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. Does not keep the process alive. */
  setTimer(run: () => void, delayMs: number): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(run, delayMs) {
    const timeout = setTimeout(run, delayMs);
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/**
 * What the client takes from the platform that it runs on: time, chance, and the moment before the
 * process ends.
 *
 * Everything else in this package gets these as arguments, so that the tests run on a clock of
 * their own. Only web interfaces are used; `process` is looked for on `globalThis`, and where there
 * is none nothing is hooked.
 */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Calls `run` once, `ms` from now, unless the returned function was called before. A timer keeps
   * the process alive only where that is asked for.
   */
  after(ms: number, run: () => void, options?: { readonly keepsAlive?: boolean }): () => void;
}

/** Fills `bytes` with random ones. */
export type Random = (bytes: Uint8Array<ArrayBuffer>) => void;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run, options) {
    // A longer delay than 2^31 - 1 would fire at once.
    const timer: unknown = setTimeout(run, Math.min(ms, 0x7fffffff));
    if (options?.keepsAlive !== true) unref(timer);
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};

export const systemRandom: Random = (bytes) => {
  crypto.getRandomValues(bytes);
};

/**
 * Calls `run` each time the process has nothing left to do, until the returned function is called.
 * Does nothing where the platform has no such moment.
 */
export function beforeExit(run: () => void): () => void {
  const process = (globalThis as { process?: Partial<ExitHooks> }).process;
  if (typeof process?.on !== "function" || typeof process.off !== "function") return () => {};
  const hooks = process as ExitHooks;
  hooks.on("beforeExit", run);
  return () => hooks.off("beforeExit", run);
}

interface ExitHooks {
  on(event: "beforeExit", run: () => void): void;
  off(event: "beforeExit", run: () => void): void;
}

/** Node and Bun return an object, browsers and Deno a number that cannot be let go of. */
function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null && "unref" in timer) {
    (timer as { unref(): void }).unref();
  }
}

/**
 * How fast the tour goes: pauses to read in, on a terminal only. Any key ends a pause, `q` and Ctrl-C the tour. What is
 * measured is never within a pause.
 */
import type { Readable } from "node:stream";
import type { Io } from "../io.ts";

interface RawTerminal extends Readable {
  setRawMode(isRaw: boolean): unknown;
}

const interruptKey = "\u0003";

export class Pace {
  /** Aborts when the tour is to end. */
  readonly signal: AbortSignal;
  readonly #isSlow: boolean;
  readonly #quit = new AbortController();
  readonly #terminal: RawTerminal | undefined;
  #skip: () => void = () => undefined;

  constructor(io: Io, isFast: boolean) {
    this.signal = AbortSignal.any([io.interrupted, this.#quit.signal]);
    this.#isSlow = !isFast && io.isTerminal.stdout;
    if (!this.#isSlow || !io.isTerminal.stdin || !isRawTerminal(io.stdin)) return;
    this.#terminal = io.stdin;
    io.stdin.setRawMode(true);
    io.stdin.on("data", this.#onKey);
    io.stdin.resume();
  }

  /** Whether keys are heard. */
  get hasKeys(): boolean {
    return this.#terminal !== undefined;
  }

  /** Waits so long, or until a key. Rejects when the tour is to end. */
  async pause(ms: number): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.#isSlow) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#skip = resolve;
    const timer = setTimeout(resolve, ms);
    this.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.signal.throwIfAborted();
  }

  /** Gives the terminal back. */
  end(): void {
    const terminal = this.#terminal;
    if (terminal === undefined) return;
    terminal.off("data", this.#onKey);
    terminal.setRawMode(false);
    terminal.pause();
  }

  readonly #onKey = (bytes: Buffer | string): void => {
    const key = bytes.toString();
    if (key === interruptKey || key === "q") this.#quit.abort();
    else this.#skip();
  };
}

function isRawTerminal(stdin: Readable): stdin is RawTerminal {
  return "setRawMode" in stdin && typeof stdin.setRawMode === "function";
}

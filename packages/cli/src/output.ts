/**
 * Writing to the two streams: results to standard output, everything else to standard error.
 * Writers wait where the reader is slow, and learn when it has gone (`| head`): then `PipeClosed`
 * ends the command quietly.
 */
import type { Writable } from "node:stream";
import type { Io } from "./io.ts";
import { safeLines } from "./safe-text.ts";

/** The reader of standard output has gone. Not an error: there is nobody left to tell. */
export class PipeClosed extends Error {
  override readonly name = "PipeClosed";
}

export type Style = "good" | "bad" | "warn" | "dim" | "bold";

const styles: Readonly<Record<Style, string>> = {
  good: "32",
  bad: "31",
  warn: "33",
  dim: "2",
  bold: "1",
};
const clearLine = "\r\u001b[K";

export class Output {
  readonly isJson: boolean;
  readonly #io: Io;
  readonly #color: "auto" | "always" | "never";
  readonly #closed = new AbortController();
  #hasProgress = false;

  constructor(io: Io, isJson: boolean, color: "auto" | "always" | "never") {
    this.#io = io;
    this.isJson = isJson;
    this.#color = color;
    io.stdout.on("error", this.#onError);
    io.stderr.on("error", this.#onError);
  }

  /** Aborts when the reader of standard output has gone. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get isTerminal(): boolean {
    return this.#io.isTerminal.stdout;
  }

  /** A line of the result. Hostile parts must be safe already. */
  async line(text: string): Promise<void> {
    await this.raw(`${text}\n`);
  }

  /** Bytes of the result, as they are. */
  async raw(piece: string | Uint8Array): Promise<void> {
    this.#endProgress();
    if (this.#closed.signal.aborted) throw new PipeClosed();
    if (!this.#io.stdout.write(piece)) await drained(this.#io.stdout);
    if (this.#closed.signal.aborted) throw new PipeClosed();
  }

  /** A sentence for people, on standard error. Machines get none. */
  note(text: string): void {
    if (this.isJson) return;
    this.error(text);
  }

  error(text: string): void {
    this.#endProgress();
    this.#io.stderr.write(`${safeLines(text)}\n`);
  }

  /** A line that the next one replaces. Only on a terminal, and only for people. */
  progress(text: string): void {
    if (this.isJson || !this.#io.isTerminal.stderr) return;
    this.#io.stderr.write(`${clearLine}${text}`);
    this.#hasProgress = true;
  }

  /** `text` in colour, where standard output shows colours. */
  paint(style: Style, text: string): string {
    const isPainted =
      this.#color === "always" || (this.#color === "auto" && this.#io.isTerminal.stdout);
    return isPainted ? `\u001b[${styles[style]}m${text}\u001b[0m` : text;
  }

  /** Waits until everything has left, and lets go of the streams. */
  async end(): Promise<void> {
    this.#endProgress();
    for (const stream of [this.#io.stdout, this.#io.stderr]) {
      // A standard stream whose reader has gone is never destroyed, and never drains.
      const isWaiting = !this.#closed.signal.aborted && stream.writableNeedDrain;
      if (!stream.destroyed && isWaiting) await drained(stream);
      stream.off("error", this.#onError);
    }
  }

  #endProgress(): void {
    if (!this.#hasProgress) return;
    this.#io.stderr.write(clearLine);
    this.#hasProgress = false;
  }

  readonly #onError = (): void => this.#closed.abort();
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      stream.off("error", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
    stream.on("error", done);
  });
}

/**
 * What the command knows of the world outside: its streams, its environment, the clock, Ctrl-C.
 * `bin.ts` makes it from `process`; tests make their own. Nothing else in this package reads
 * `process`.
 */
import type { Readable, Writable } from "node:stream";

export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths begin here. */
  readonly cwd: string;
  readonly isTerminal: {
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
  };
  /** The machine's name, for the default origin of a new log. */
  readonly hostName: string;
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Aborts at the first Ctrl-C or SIGTERM. The second one ends the process at once, without asking.
   */
  readonly interrupted: AbortSignal;
  /** What only a process can do. Absent where the command is called like any other function. */
  readonly process?: OwnProcess;
}

export interface OwnProcess {
  /**
   * From now on `listener` is told of each signal that could be caught, however many come, and none
   * of them ends the process any more. Returns the way back.
   */
  takeSignals(listener: (signal: NodeJS.Signals) => void): () => void;
  /** Once the command is done, the process ends as by this signal instead of with a status. */
  endBySignal(signal: NodeJS.Signals): void;
}

/** Exit statuses: 0 good, 1 not proven, 2 usage, 3 unavailable. */
export type Exit = 0 | 1 | 2 | 3;

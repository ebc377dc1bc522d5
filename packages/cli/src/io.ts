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
}

/** Exit statuses: 0 good, 1 not proven, 2 usage, 3 unavailable. */
export type Exit = 0 | 1 | 2 | 3;

/**
 * Something that works beside the logs of a server, such as a copier to write-once media: what it has to say for
 * `/healthz` and `/metrics`. The server knows nothing else about it.
 */

/** One figure for Prometheus, by log. */
export interface Figure {
  readonly name: string;
  readonly help: string;
  readonly kind: "gauge" | "counter";
  readonly values: readonly { readonly log: string; readonly value: number }[];
}

export interface Companion {
  /** What is wrong, in a sentence; undefined while all is well. */
  trouble(): string | undefined;
  /** Always the same names, also while there is no log. */
  figures(): readonly Figure[];
}

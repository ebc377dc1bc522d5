/**
 * Reading and writing a log, wherever it is: through a server, or in a data folder. The commands
 * know only these interfaces; `open-target.ts` chooses.
 */
import type { CairnError } from "@cairnlog/core";
import type { BlobFile } from "./blob-file.ts";

export interface ShownEntry {
  readonly seq: number;
  /** The whole entry, byte for byte as hashed. */
  readonly bytes: Uint8Array;
}

export interface LogDescription {
  readonly name: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly public: boolean;
  readonly size: number;
}

/** Which entries, in order. */
export interface EntryRange {
  readonly from: number | undefined;
  /** The seq to stop before. */
  readonly to: number | undefined;
  /** By the time of their commit, milliseconds since 1970: from this one on … */
  readonly sinceMs: number | undefined;
  /** … and before this one. */
  readonly untilMs: number | undefined;
  /** How many at most. */
  readonly limit: number | undefined;
  /** Goes on with what is recorded from now on, until `signal` aborts. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export interface LogView {
  /** For messages: the URL or the folder. */
  readonly place: string;
  describe(): Promise<LogDescription>;
  entry(seq: number): Promise<ShownEntry>;
  entries(range: EntryRange): AsyncGenerator<ShownEntry, void>;
  /** C2SP tlog-proof with the entry in it. */
  proof(seq: number): Promise<string>;
  /** `{origin, seq, leafHash, proof, checkpoint, entry}` as JSON text. */
  receipt(seq: number): Promise<string>;
  consistency(from: number, to: number | undefined): Promise<ConsistencyProof>;
  /** The published checkpoint: a signed note with all the log's signatures, and its witnesses'. */
  publishedCheckpoint(): Promise<string>;
  /** The bytes of a blob, by the SHA-256 that names it. Not checked. "not_found". */
  blob(sha256: string): AsyncIterable<Uint8Array>;
  /** C2SP tlog-proof under the published checkpoint; waits some seconds, then "unavailable". */
  publishedProof(seq: number): Promise<string>;
}

export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  /** Base64. */
  readonly proof: readonly string[];
}

/** What became of one event. */
export type Outcome = Recorded | { readonly error: CairnError };

export interface Recorded {
  readonly seq: number;
  /** Base64, like the hashes of the proof. */
  readonly leafHash: string;
  readonly duplicate: boolean;
  readonly proof?: readonly string[];
}

export interface Answer {
  /** In the order of the events. */
  readonly outcomes: readonly Outcome[];
  readonly origin: string;
  /** The signed note that covers what was recorded; undefined if nothing was. */
  readonly checkpoint: string | undefined;
}

/** Events on their way: one JSON object, a JSON array, or one a line. */
export interface EventBody {
  readonly form: "one" | "array" | "lines";
  readonly bytes: Uint8Array;
}

export interface LogSink {
  readonly place: string;
  /** Before the event that names it. */
  putBlob(blob: BlobFile): Promise<void>;
  append(body: EventBody, receipt: "full" | "short"): Promise<Answer>;
  close(): Promise<void>;
}

/**
 * What a log offers about those who write to it, to the server and to an app that embeds it: heartbeats, silences that
 * were agreed, refusals to be recorded, and what is known of the streams right now.
 */
import type { Gap } from "./stream-state.ts";

export interface StreamStatus {
  readonly source: string;
  readonly stream: string;
  /** The highest number that was recorded, and the seq of its entry; 0 and -1 where none was. */
  readonly mark: number;
  readonly markSeq: number;
  /** Seqs of the first and the last entry of the stream. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Events that were recorded. */
  readonly count: number;
  /** Numbers that are missing. */
  readonly missing: number;
  /** Which ones, as far as it is remembered; ascending. */
  readonly gaps: readonly Gap[];
}

export interface Heartbeat {
  readonly stream: string;
  /** The last number that the source has given to an event of the stream. 0 where it has given none. */
  readonly number: number;
}

/** A request that was refused before it came to the log. */
export interface RefusedRequest {
  /** Who asked: the id of an API key, a source, or "anonymous". */
  readonly identity: string;
  /** The source that the identity writes as. */
  readonly source?: string;
  /** `CairnErrorCode`, or another short word. */
  readonly code: string;
  /** Events that it held, as far as that is known. Default 1. */
  readonly count?: number;
}

export interface LogSources {
  /** The streams that are in memory: those that spoke lately, and those of which something is to be told. */
  streams(): readonly StreamStatus[];
  /**
   * A source says how far it has counted. Never an entry by itself: if a number that it names has not been recorded
   * when the grace has passed, `source.gap` tells. Also a sign of life. "overloaded" where too much waits already.
   */
  heartbeat(source: string, streams: readonly Heartbeat[]): Promise<void>;
  /**
   * How long each of these sources may say nothing, in milliseconds, before `source.silent` tells; all others as long
   * as they like. Replaces what was agreed before. A source that has never been heard counts from now on.
   */
  agreeSilences(agreed: ReadonlyMap<string, number>): Promise<void>;
  /** Counts a refusal: they are summed for each identity and minute, and become `source.refused`. */
  refused(request: RefusedRequest): void;
}

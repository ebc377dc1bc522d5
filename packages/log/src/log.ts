/**
 * What a log offers to those who write to it and read from it: the server, the command, an app that embeds it.
 *
 * Words: a *commit* is one durable step; the *durable* checkpoint is the one of the last commit, signed with
 * Ed25519, in every receipt; the *published* checkpoint moves at a slower beat and carries all the log's
 * signatures. Nothing that is not covered by a durable commit is ever returned by anything here.
 */
import type { CairnError, Hash } from "@cairnlog/core";
import type { EntryFilter } from "@cairnlog/store";
import type { AtRest, LogWatcher, OwnEvent, Scrubbing } from "./at-rest.ts";
import type { EventBatch } from "./event-batch.ts";
import type { ProvenEntries } from "./proven-entries.ts";
import type { LogSources } from "./sources/log-sources.ts";
import type { WitnessHealth } from "./witness-client.ts";

/** A tree head under the log's signature. `note` is the signed note, verbatim. */
export interface SignedCheckpoint {
  readonly size: number;
  readonly root: Hash;
  readonly note: string;
}

/**
 * What became of a batch. Index `i` is the event's place in the batch, from 0. An event was either recorded, or
 * recognised as one that already was (same source, id and bytes: the first seq again), or refused.
 */
export interface Appended {
  readonly count: number;
  /** Seq of event `i`, or -1 if it was refused. */
  seq(i: number): number;
  /** Leaf hash of event `i` (32 bytes, a view). Only for events that have a seq. */
  leafHash(i: number): Hash;
  /** True if event `i` had been recorded before. */
  isDuplicate(i: number): boolean;
  /** Why event `i` was refused: "conflict" (same id, other bytes), or what its parser or shape check said. */
  refusal(i: number): CairnError | undefined;
  /** How many were refused. */
  readonly refused: number;
  /** Covers every event that has a seq. */
  readonly checkpoint: SignedCheckpoint;
  /** Inclusion proof (RFC 6962 section 2.1.1) of event `i` in the tree of `checkpoint`. */
  inclusionProof(i: number): Promise<readonly Hash[]>;
}

/** A piece of a search. */
export interface SearchedEntries {
  /** So far the entries were read: up to, not including, this one. */
  readonly to: number;
  /** Those that match, of the entries since the piece before. */
  readonly seqs: readonly number[];
}

export interface StoredEntry {
  readonly seq: number;
  /** The entry's bytes as hashed (without the leaf prefix). */
  readonly bytes: Uint8Array;
}

export interface PutBlob {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly byteLength: number;
  /** False where the same blob was there already. */
  readonly isNew: boolean;
}

export interface StoredBlob {
  readonly sha256: string;
  readonly byteLength: number;
  /**
   * Its bytes, to be read once. The last piece comes only after the hash of all of them was found right; of a damaged
   * blob nobody gets the end: "unverified".
   */
  readonly chunks: AsyncGenerator<Uint8Array, void>;
}

/** A snapshot for health checks and metrics. */
export interface LogStatus {
  /** Entries that are durable. */
  readonly size: number;
  /** Entries that are in sealed segments. */
  readonly sealedSize: number;
  /** Size of the published checkpoint. */
  readonly publishedSize: number;
  /** Events that wait for a commit, and their bytes. */
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  /** Why nothing can be appended right now; undefined while all is well. */
  readonly failure: CairnError | undefined;
  /** What somebody must look at although the log goes on: a witness that claims another history. Most often empty. */
  readonly alarms: readonly CairnError[];
  /** How far its files were re-read; undefined where nobody does. */
  readonly scrubbing: Scrubbing | undefined;
  /** How its witnesses are doing, in the order of the policy. Empty for a log without witnesses. */
  readonly witnesses: readonly WitnessHealth[];
  /** Why the last round of witnesses brought no quorum; undefined where it did, or where there are none. */
  readonly quorumFailure: CairnError | undefined;
  readonly counters: LogCounters;
}

/** Totals since the log was opened. */
export interface LogCounters {
  readonly commits: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly refusedForOverload: number;
  readonly segmentsSealed: number;
}

export interface Log {
  readonly name: string;
  readonly origin: string;
  /** Verifier keys of the log: Ed25519 first, then ML-DSA-44. */
  readonly vkeys: readonly string[];
  /** True if the log's tiles may be read by anybody. */
  readonly isPublic: boolean;
  /** Commit timings in milliseconds are reported here (metrics); may be set once. */
  onCommit: ((commit: CommitTiming) => void) | undefined;

  /** Those who write here: heartbeats, silences, refusals, and what is missing from their numbers. */
  readonly sources: LogSources;
  /** Who watches over its files: what it has to say is in `status`. May be set once. */
  watcher: LogWatcher | undefined;
  /** What should be on the medium right now, to compare it with. */
  atRest(): AtRest;
  /**
   * Records one of the log's own events (source `cairn`); resolves when it is durable, without waiting for witnesses.
   */
  tell(event: OwnEvent): Promise<void>;
  /** What it signs from was changed: from now on every append rejects with `error`. Reading goes on. */
  stop(error: CairnError): void;

  /**
   * Records the batch's events in order, durably, under `source` (an alias given by the log, `isSource`). Rejects
   * with "overloaded" (retryAfterMs is set; nothing was recorded), "storage_full", "unavailable" (closing),
   * "tampered". Single events that can't be recorded are refusals in the result, not rejections. Where the log
   * requires its witnesses, resolves when a quorum has cosigned them; "unavailable" where that takes too long: they
   * are recorded. An event that names a blob which is not there is refused: "blob_missing".
   */
  append(batch: EventBatch, source: string): Promise<Appended>;

  /**
   * Records a batch of NDJSON: `append(readNdjson(bytes), source)`, but a large batch is read by another thread. Keep
   * several in flight: then reading, recording and syncing go on side by side. Batches keep their order.
   */
  appendNdjson(bytes: Uint8Array, source: string): Promise<Appended>;

  /** A blob has at most so many bytes. */
  readonly blobBytesMax: number;
  /**
   * Keeps a blob, durably by the time it resolves, and returns its SHA-256 in lower-case hex: the name by which events
   * refer to it. The same bytes again succeed. They must not change meanwhile. "too_large", "storage_full";
   * "unverified" where the blob was there before and has been damaged since. Nothing is ever deleted.
   */
  putBlob(bytes: Uint8Array): Promise<string>;
  /**
   * The same for one that arrives piece by piece and is never held whole. `byteLength`, if it is known, tells early
   * that there is no room. "blob_mismatch" where the bytes have another hash; then nothing of them is left.
   */
  putBlobStream(
    sha256: string,
    chunks: AsyncIterable<Uint8Array>,
    byteLength?: number,
  ): Promise<PutBlob>;
  /** Length in bytes of a blob that is durable; undefined where there is none. Its bytes are not looked at. */
  blobByteLength(sha256: string): Promise<number | undefined>;
  /** "not_found". */
  readBlob(sha256: string): Promise<StoredBlob>;

  status(): LogStatus;
  /** The last durable commit's checkpoint, signed. */
  durableCheckpoint(): Promise<SignedCheckpoint>;
  /** The published checkpoint with all the log's signatures, and the cosignatures of its witnesses. */
  publishedCheckpoint(): SignedCheckpoint;
  /**
   * Publishes now instead of at the next beat; resolves when the durable size is published. "unavailable" where no
   * quorum of the log's witnesses cosigns it.
   */
  publish(): Promise<SignedCheckpoint>;

  /** One entry; "not_found" at or beyond the durable size; "unverified" if what is stored does not verify. */
  entry(seq: number): Promise<StoredEntry>;
  /** Entries of [from, to), in order, `to` at most the durable size. Each is checked against its leaf hash. */
  entries(from: number, to: number): AsyncGenerator<StoredEntry>;
  /** Which of the entries from `from` up to `to` match, piece by piece. As well verified as `entries`, and faster. */
  search(from: number, to: number, filter: EntryFilter): AsyncGenerator<SearchedEntries>;
  /** First seq whose entry has `time` at or after `timeMs` (epoch milliseconds); the size if there is none. */
  seqAtTime(timeMs: number): Promise<number>;
  leafHash(seq: number): Promise<Hash>;
  /** Proof of `seq` in the tree of `size` (default: the durable size). "not_found" beyond it. */
  inclusionProof(seq: number, size?: number): Promise<readonly Hash[]>;
  consistencyProof(size1: number, size2: number): Promise<readonly Hash[]>;
  /**
   * Entries of the tree of a checkpoint, with one proof for all of them. `seqs` ascending, at least one. "not_found"
   * beyond the checkpoint, "unverified" if what is stored does not verify, "too_large" above `entryBytesMax` together.
   */
  prove(
    seqs: readonly number[],
    checkpoint: SignedCheckpoint,
    entryBytesMax?: number,
  ): Promise<ProvenEntries>;
  /** Root of the tree of `size`, at most the durable size. */
  root(size: number): Promise<Hash>;
  /**
   * C2SP tile: `width` hashes from the left. Undefined where the durable tree has no such tile of that width.
   */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  /** C2SP entry bundle: `width` entries, each u16be length || entry. Undefined like `tile`. */
  entryBundle(index: number, width: number): Promise<Uint8Array | undefined>;

  /** Resolves once the durable size is greater than `size`, or when `signal` aborts or the log closes. */
  waitBeyond(size: number, signal?: AbortSignal): Promise<void>;
  /** Resolves when every full segment is sealed. */
  sealed(): Promise<void>;
  /** Commits and answers what was accepted, publishes, and lets go of the lock. Further appends reject. */
  close(): Promise<void>;
}

export interface CommitTiming {
  readonly entries: number;
  readonly byteLength: number;
  readonly renderMs: number;
  readonly syncMs: number;
}

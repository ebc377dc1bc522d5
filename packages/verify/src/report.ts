/**
 * What a verification says in the end. A *problem* makes the verdict bad; a *note* is something that the reader should
 * know and that a healthy log may have (an unacknowledged rest after a crash, a key file that was left at home).
 *
 * Messages may quote what a file holds, which is hostile: whoever prints them on a terminal escapes control characters.
 */
import {
  isCairnError,
  type CairnError,
  type ErrorPlace,
  type EvidenceExport,
} from "@cairnlog/core";

export type FindingCode =
  | "entry" // An entry does not parse, or is not what was committed.
  | "chain" // An entry does not continue the one before it.
  | "order" // A seq or a time is out of order.
  | "root" // The tree does not have a root that was committed, signed or given.
  | "rollback" // Something signed or sealed is larger than the log.
  | "commits" // The ring of commit records is damaged.
  | "checkpoint" // A checkpoint is damaged or not signed as it should be.
  | "sealed" // A sealed file is damaged, misplaced or not signed as it should be.
  | "tail" // A tail file is not as its commits say.
  | "tile" // A tile is not what the entries hash to.
  | "settings" // log.json is damaged, or says other things than entry 0.
  | "keys" // A key is not the expected one.
  | "proof" // A proof, receipt or evidence file is damaged or does not hold.
  | "quorum" // Too few of the policy's witnesses cosigned.
  | "blob" // A blob is not there, or is not what the entry that names it says.
  | "missing" // A file is not there.
  | "derived" // A derived file is damaged; no proof depends on it.
  | "rest" // Bytes that no commit covers.
  | "unknown" // A file that no release of ours writes there.
  | "lock" // A copy in a bucket is not locked, or its lock has ended.
  | "versions" // A copy in a bucket was deleted or written again, over the locked version.
  | "version" // Written in a newer format than this release knows.
  | "unreadable"; // The system would not read it.

export interface Finding {
  readonly code: FindingCode;
  readonly message: string;
  readonly seq?: number;
  /** Relative to the log's folder or address. */
  readonly path?: string;
  readonly byte?: number;
}

/**
 * `verified`: all is well, under keys that were given from outside. `consistent`: all is well, but the keys came from
 * what was verified, so whoever can replace all of it can replace them too. `failed`: there are problems.
 */
export type Verdict = "verified" | "consistent" | "failed";

export interface KeyReport {
  readonly vkey: string;
  /** What people compare: see `fingerprint` in core. */
  readonly fingerprint: string;
}

/** A witness of the policy that cosigned. */
export interface WitnessReport {
  readonly name: string;
  /** When, in seconds since 1970; absent where its key makes no statement about time. */
  readonly timestamp?: number;
}

/** What an evidence file says of itself, besides its entries. */
export interface EvidenceReport extends EvidenceExport {
  /** Whether an entry in the file proves who exported it, why and when: else that is only a claim. */
  readonly isRecorded: boolean;
  /** Seq of the entry that records the export, as the file says. */
  readonly recorded?: number;
  /** The entries in the file, as `5-10,12`. */
  readonly seqs: string;
}

export type TargetKind =
  | "data folder"
  | "log folder"
  | "log address"
  | "bucket"
  | "sealed file"
  | "proof"
  | "evidence"
  | "receipt"
  | "checkpoint";

export interface Report {
  readonly ok: boolean;
  readonly verdict: Verdict;
  readonly kind: TargetKind;
  /** What was verified: a path, an address, or a file's name. */
  readonly target: string;
  /** The verdict in a sentence or two. */
  readonly summary: string;
  readonly origin?: string;
  readonly keys: readonly KeyReport[];
  /** Entries in the log, and how many of them were read and hashed here. */
  readonly size?: number;
  readonly entriesChecked: number;
  readonly filesChecked: number;
  /** Root of the tree of `size`, base64. */
  readonly root?: string;
  /** The checkpoint that was verified, verbatim. */
  readonly checkpoint?: string;
  readonly checkpointSize?: number;
  readonly firstTime?: string;
  readonly lastTime?: string;
  /** Where a policy was given: whose cosignatures count. */
  readonly witnesses?: readonly WitnessReport[];
  readonly evidence?: EvidenceReport;
  /** In the order of what they touch: entries by seq first. */
  readonly problems: readonly Finding[];
  readonly notes: readonly Finding[];
  /** For a data folder: one report for each log. */
  readonly logs: readonly Report[];
}

/** Collects what a verification finds. */
export class Findings {
  readonly #problems: Finding[] = [];
  readonly #notes: Finding[] = [];

  problem(code: FindingCode, message: string, place: ErrorPlace = {}): void {
    this.#problems.push(finding(code, message, place));
  }

  note(code: FindingCode, message: string, place: ErrorPlace = {}): void {
    this.#notes.push(finding(code, message, place));
  }

  /** What was thrown, as a problem; our own bugs are thrown on. */
  caught(error: unknown, code: FindingCode, place: ErrorPlace = {}): void {
    if (!isCairnError(error)) throw error;
    this.problem(codeOf(error, code), error.message, { ...place, ...error.place });
  }

  get hasProblems(): boolean {
    return this.#problems.length > 0;
  }

  problems(): Finding[] {
    return this.#problems.toSorted(compareFindings);
  }

  notes(): Finding[] {
    return this.#notes.slice();
  }
}

/** Version and reading trouble keep their own codes, whatever was being looked at. */
export function codeOf(error: CairnError, otherwise: FindingCode): FindingCode {
  if (error.code === "unsupported_version") return "version";
  return error.code === "unavailable" ? "unreadable" : otherwise;
}

export function verdictOf(isOk: boolean, areKeysFromOutside: boolean): Verdict {
  if (!isOk) return "failed";
  return areKeysFromOutside ? "verified" : "consistent";
}

function finding(code: FindingCode, message: string, place: ErrorPlace): Finding {
  const { seq, path, byte } = place;
  return {
    code,
    message,
    ...(seq === undefined ? {} : { seq }),
    ...(path === undefined ? {} : { path }),
    ...(byte === undefined ? {} : { byte }),
  };
}

function compareFindings(a: Finding, b: Finding): number {
  // What concerns a derived file alone comes last: nothing is lost with it.
  if ((a.code === "derived") !== (b.code === "derived")) return a.code === "derived" ? 1 : -1;
  const bySeq = (a.seq ?? Infinity) - (b.seq ?? Infinity);
  // Both without a seq: Infinity - Infinity is NaN.
  if (bySeq !== 0 && !Number.isNaN(bySeq)) return bySeq;
  // The one that names a byte says more.
  return (a.byte === undefined ? 1 : 0) - (b.byte === undefined ? 1 : 0);
}

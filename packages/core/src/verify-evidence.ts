/**
 * The verdict on an evidence file. Two are possible, whatever else is an error:
 *
 * - "verified": a log and a quorum that the caller's policy names signed a tree that holds exactly these entries at
 *   these places.
 * - "consistent": the same, but of a signer whom only the file names. A forger can make such a file too: compare the
 *   fingerprint with one that came another way.
 *
 * No byte of the file can turn the second into the first: with a policy the file's own keys are not even read.
 *
 * Neither verdict says that the entries are *all* that match the export's query, nor that what an event claims is true.
 */
import { verifyCheckpoint } from "./checkpoint.ts";
import type { Crypto } from "./crypto.ts";
import { base64, parseUtf8, utf8 } from "./encoding.ts";
import { genesisPrev } from "./entry-head.ts";
import { leafHash, type Entry } from "./entry.ts";
import { CairnError } from "./errors.ts";
import { isSameExport, type EvidenceExport } from "./evidence-header.ts";
import { parseEvidence, type ParsedEvidence } from "./evidence.ts";
import { isSameBytes, type Hash, type Sha256 } from "./hash.ts";
import {
  multiProofLength,
  rootFromMultiProof,
  verifyMultiProof,
  type MultiProofClaim,
} from "./multi-proof.ts";
import type { VerifiedSignature } from "./note.ts";
import type { Policy } from "./policy.ts";
import { fingerprint, parseVkey, type Vkey } from "./vkey.ts";
import {
  checkQuorum,
  verifyWitnessedCheckpoint,
  type WitnessCosignature,
} from "./witnessed-checkpoint.ts";

export interface EvidenceOptions {
  /** Seconds since 1970: cosignatures of later times do not count. */
  readonly now?: number;
}

/** A key of the log that signed the checkpoint. */
export interface EvidenceSigner {
  readonly vkey: Vkey;
  /** 64 hex digits, to be compared by eye. */
  readonly fingerprint: string;
}

export interface EvidenceVerdict {
  /** See the file's header. "consistent" is to be shown as "consistent, signer unknown". */
  readonly verdict: "verified" | "consistent";
  readonly evidence: ParsedEvidence;
  /**
   * Keys of the log that signed: the policy's with "verified", the file's own with "consistent" (none if it names
   * none: then no signature was checked at all).
   */
  readonly signers: readonly EvidenceSigner[];
  /** Witnesses of the policy that cosigned. */
  readonly witnesses: readonly WitnessCosignature[];
  /**
   * Whether an entry of the file proves who exported it, why and when. Otherwise that is only what the header says.
   */
  readonly isExportRecorded: boolean;
}

/** The type of the entry that records an export; its `details.export` is the header's `export`. */
export const exportEventType = "system.exported";
/** The source of a log's own entries, which no sender can have. */
const ownSource = "cairn";

/**
 * Checks an evidence file. `policy` comes from outside; undefined if there is none. "malformed" and "unverified" say
 * what is wrong and, where it can be told, name the first bad entry in `place.seq`.
 */
export async function verifyEvidence(
  crypto: Crypto,
  bytes: Uint8Array,
  policy: Policy | undefined,
  options: EvidenceOptions = {},
): Promise<EvidenceVerdict> {
  const evidence = parseEvidence(bytes);
  checkEntries(crypto.sha256, evidence);
  const isExportRecorded = checkExport(evidence);
  const signersOf = (signatures: readonly VerifiedSignature[]): EvidenceSigner[] =>
    signatures.map(({ vkey }) => ({ vkey, fingerprint: fingerprint(crypto.sha256, vkey) }));
  if (policy === undefined) {
    const signers = signersOf(await verifyNamedKeys(crypto, evidence));
    return { verdict: "consistent", evidence, signers, witnesses: [], isExportRecorded };
  }
  const note = utf8(evidence.checkpoint);
  // Its origin is the header's: `parseEvidence` has compared them.
  const witnessed = await verifyWitnessedCheckpoint(crypto, note, policy, options);
  checkQuorum(policy, witnessed);
  const { logKeys, witnesses } = witnessed;
  return {
    verdict: "verified",
    evidence,
    signers: signersOf(logKeys),
    witnesses,
    isExportRecorded,
  };
}

/** Checks the signatures by the keys that the file itself names. That they match says nothing about whose they are. */
async function verifyNamedKeys(
  crypto: Crypto,
  evidence: ParsedEvidence,
): Promise<readonly VerifiedSignature[]> {
  const { keys, origin } = evidence.header;
  if (keys.length === 0) return [];
  const vkeys = keys.map((key) => parseVkey(crypto.sha256, key));
  const stranger = vkeys.find((vkey) => vkey.name !== origin);
  if (stranger !== undefined) {
    throw new CairnError(
      "malformed",
      `not an evidence file: its key ${JSON.stringify(stranger.name)} is not of the log ${JSON.stringify(origin)}`,
    );
  }
  const { verified } = await verifyCheckpoint(crypto, utf8(evidence.checkpoint), vkeys, origin);
  return verified;
}

/** Chain links between neighbours, then the tree: in this order, because a broken link names its entry. */
function checkEntries(sha256: Sha256, evidence: ParsedEvidence): void {
  const { entries, parsed, proof, header, parsedCheckpoint } = evidence;
  const leafHashes = entries.map((entry) => leafHash(sha256, entry));
  const { size } = header;
  const { root } = parsedCheckpoint;
  const claim = { indexes: parsed.map(({ seq }) => seq), size, leafHashes, proof, root };
  const changed = leafHashes.findIndex((hash, i) => !isSameBytes(hash, evidence.leafHashes[i]!));
  if (changed >= 0) throw changedEntry(sha256, evidence, claim, changed);
  checkChain(parsed, leafHashes);
  verifyMultiProof(sha256, claim);
}

/** Says of an entry that does not have its listed leaf hash whether that proves it to be wrong. */
function changedEntry(
  sha256: Sha256,
  evidence: ParsedEvidence,
  claim: MultiProofClaim,
  changed: number,
): CairnError {
  const seq = claim.indexes[changed]!;
  const listed = { ...claim, leafHashes: evidence.leafHashes };
  const isProven =
    multiProofLength(claim.indexes, claim.size) === claim.proof.length &&
    isSameBytes(rootFromMultiProof(sha256, listed), claim.root);
  return new CairnError(
    "unverified",
    `entry ${seq} does not have the leaf hash that the file lists: it is ` +
      `${base64(claim.leafHashes[changed]!)}, not ${base64(evidence.leafHashes[changed]!)}. ` +
      (isProven
        ? "The tree has the listed one there, so the entry is not what the log recorded"
        : "The listed leaf hashes do not lead to the checkpoint's root either, so more was changed"),
    { place: { seq } },
  );
}

function checkChain(parsed: readonly Entry[], leafHashes: readonly Hash[]): void {
  for (const [i, entry] of parsed.entries()) {
    const before = parsed[i - 1];
    const { seq } = entry;
    const place = { place: { seq } };
    const isNext = before !== undefined && before.seq === seq - 1;
    const prev = isNext ? leafHashes[i - 1]! : seq === 0 ? genesisPrev() : undefined;
    if (prev !== undefined && !isSameBytes(prev, entry.prev)) {
      throw new CairnError(
        "unverified",
        `entry ${seq} does not follow the entry before it: its prev is ${base64(entry.prev)}, not ${base64(prev)}`,
        place,
      );
    }
    if (before !== undefined && entry.timeMs < before.timeMs) {
      throw new CairnError(
        "unverified",
        `entry ${seq} is of ${entry.time}, earlier than entry ${before.seq}; a log's time never goes back`,
        place,
      );
    }
  }
}

/** True if the file holds the entry that records its export. "unverified" if that entry says something else. */
function checkExport(evidence: ParsedEvidence): boolean {
  const { recorded } = evidence.header;
  if (recorded === undefined) return false;
  const entry = evidence.parsed.find(({ seq }) => seq === recorded);
  if (entry === undefined) return false;
  if (entry.source === ownSource && isExportEvent(entry.event, evidence.header.export)) return true;
  throw new CairnError(
    "unverified",
    `entry ${recorded} is not the record of this export: the header says who exported the file, why and when, and the ` +
      "log says something else",
    { place: { seq: recorded } },
  );
}

function isExportEvent(event: Uint8Array, expected: EvidenceExport): boolean {
  // The entry was parsed as strict I-JSON, so that JSON.parse has one way to read it.
  const { type, details } = JSON.parse(parseUtf8(event)) as { type?: unknown; details?: unknown };
  if (type !== exportEventType || typeof details !== "object" || details === null) return false;
  return isSameExport((details as { export?: unknown }).export, expected);
}

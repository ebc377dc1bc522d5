/**
 * What the client believes, and why. With pinned keys, a checkpoint counts only under a signature
 * of one of them, and the log must never go back behind one that it gave before. Without pinned
 * keys, checkpoints are read but not verified, and say so (`isVerified`).
 *
 * The cryptography is loaded when it is needed first: a program that only writes starts without it.
 */
import {
  CairnError,
  checkQuorum,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseBase64,
  parseCheckpoint,
  parseEntryHead,
  parseNote,
  parseTlogProof,
  receiptFromJson,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  verifyTlogProof,
  verifyWitnessedCheckpoint,
  verifyWitnessedProof,
  type Crypto,
  type Policy,
  type WitnessedCheckpoint,
} from "@cairnlog/core";
import {
  findFork,
  findRollback,
  type CheckpointClaim,
  type Conflict,
  type Cosigner,
  type PublishedClaim,
} from "./checkpoint-claim.ts";
import { findPinned, readKeys, type Pinned, type PinnedKeys } from "./pinned-keys.ts";
import { isObject } from "./problem.ts";

/**
 * Proof of one event that needs nobody's word but the log's key: to be kept, and shown to others.
 */
export interface FullReceipt {
  readonly origin: string;
  readonly seq: number;
  /** Standard base64, like the hashes of the proof. */
  readonly leafHash: string;
  /** Inclusion proof, from the leaf's sibling up. */
  readonly proof: readonly string[];
  readonly checkpoint: string;
  /** The entry, byte for byte. */
  readonly entry: string;
}

/** What was sent, and what was answered when it was recorded. */
export interface ReceiptExpectation {
  readonly seq: number;
  readonly leafHash: string;
  /** The event's JSON text. */
  readonly event: string;
}

/**
 * Proof of one event that needs nobody's word but the log's key and, where there is a policy, its
 * witnesses': what a receipt becomes.
 */
export interface WitnessedProof {
  readonly origin: string;
  readonly seq: number;
  /** C2SP tlog-proof with the entry in it, to be kept: `cairn verify` checks it. */
  readonly text: string;
  /** Size of the published checkpoint in it, and the signed note, verbatim. */
  readonly size: number;
  readonly checkpoint: string;
  /** Those of the policy's witnesses that cosigned. Empty without a policy. */
  readonly witnesses: readonly Cosigner[];
}

export interface TrustOptions {
  /** The log's own verifier keys, of which any will do; empty to verify no signature. */
  readonly vkeys: readonly string[];
  /** A tlog-policy. Its log keys count like `vkeys`. */
  readonly policy?: string | undefined;
  /** Where no keys are given: finds those to believe from now on. Asked until it has an answer. */
  readonly firstUse?: (() => Promise<Pinned>) | undefined;
  readonly loadCrypto: () => Promise<Crypto>;
  /** Runs once the keys are read, before anything is sent. */
  readonly onLoad?: () => Promise<void>;
  /** Two checkpoints that were given for receipts contradict each other. */
  readonly onConflict?: (conflict: Conflict) => void;
}

export class Trust {
  readonly #options: TrustOptions;
  #pinned: Pinned | undefined;
  #firstUse: Promise<Pinned> | undefined;
  #crypto: Promise<Crypto> | undefined;
  #keysRead: Promise<PinnedKeys> | undefined;
  #newest: CheckpointClaim | undefined;

  /** Throws "usage" for keys that are not of one log. */
  constructor(options: TrustOptions) {
    this.#options = options;
    this.#pinned = findPinned(options.vkeys, options.policy);
  }

  /** True if signatures are verified: keys are pinned, or will be. */
  get isPinned(): boolean {
    return this.#pinned !== undefined || this.#options.firstUse !== undefined;
  }

  /** The origin of the log whose keys are pinned. */
  get origin(): string | undefined {
    return this.#pinned?.origin;
  }

  /** The newest checkpoint that was followed. */
  get newest(): CheckpointClaim | undefined {
    return this.#newest;
  }

  crypto(): Promise<Crypto> {
    this.#crypto ??= this.#options.loadCrypto();
    return this.#crypto;
  }

  /** Reads the pinned keys: "usage" if one is not a key. Called before anything is sent. */
  async load(): Promise<void> {
    const pinned = await this.#findPinned();
    if (pinned === undefined) return;
    await this.#keys(pinned);
    await this.#options.onLoad?.();
  }

  /** Reads a checkpoint, and verifies it if keys are pinned. */
  async checkpoint(note: string): Promise<CheckpointClaim> {
    const bytes = utf8(note);
    const pinned = await this.#findPinned();
    if (pinned === undefined) {
      const { origin, size, root } = parseCheckpoint(parseNote(bytes).text);
      return { origin, size, root, note, isVerified: false };
    }
    const { origin } = pinned;
    const { vkeys } = await this.#keys(pinned);
    const { checkpoint } = await verifyCheckpoint(await this.crypto(), bytes, vkeys, origin);
    return { origin, size: checkpoint.size, root: checkpoint.root, note, isVerified: true };
  }

  /**
   * Reads a published checkpoint under the policy: signed by the log, or "unverified". Whether its
   * witnesses are enough is for the caller to look at. "usage" without pinned keys.
   */
  async published(note: string): Promise<PublishedClaim> {
    const { origin, policy } = await this.#policy();
    const bytes = utf8(note);
    const witnessed = await verifyWitnessedCheckpoint(await this.crypto(), bytes, policy, {
      origin,
    });
    return { ...claimOf(witnessed, note), quorumFailure: quorumFailureOf(policy, witnessed) };
  }

  /** Like `checkpoint`, but "usage" without pinned keys. */
  async pinnedCheckpoint(note: string): Promise<CheckpointClaim> {
    await this.#policy();
    return await this.checkpoint(note);
  }

  /** From here on the log must not go back behind this checkpoint, which was verified. */
  resume(claim: CheckpointClaim): void {
    this.#newest ??= claim;
  }

  /**
   * Notes a verified checkpoint that the log gave after the one before. "unverified" if the log
   * went back, or shows another tree of the same size: then keep both notes, they prove it.
   */
  follow(claim: CheckpointClaim): void {
    if (!claim.isVerified) return;
    const newest = this.#newest;
    const conflict = newest && (findRollback(newest, claim) ?? findFork(newest, claim));
    if (conflict !== undefined) {
      this.#options.onConflict?.(conflict);
      throw conflictError(conflict);
    }
    this.#newest = claim;
  }

  /**
   * Reads `{origin, seq, leafHash, proof, checkpoint, entry}` and verifies all of it against what
   * was sent.
   */
  async receipt(value: unknown, expected: ReceiptExpectation): Promise<FullReceipt> {
    if (!isObject(value) || typeof value["entry"] !== "string") {
      throw new CairnError("malformed", "the server's receipt lacks the entry");
    }
    const { origin, seq, leafHash, proof, checkpoint, entry } = value;
    const receipt = receiptFromJson({ origin, seq, leafHash, proof, checkpoint });
    const refuse = (why: string): CairnError =>
      new CairnError("unverified", why, { place: { seq: expected.seq } });
    if (receipt.seq !== expected.seq) throw refuse(`the receipt is for entry ${receipt.seq}`);
    if (!isSameBytes(receipt.leafHash, parseBase64(expected.leafHash))) {
      throw refuse("the receipt has another leaf hash than the event was given when recorded");
    }
    const { sha256 } = await this.crypto();
    if (!isSameBytes(hashLeaf(sha256, utf8(entry)), receipt.leafHash)) {
      throw refuse("the entry does not have the leaf hash of its receipt");
    }
    if (!isEntryOf(utf8(entry), expected))
      throw refuse("the entry does not hold the event that was sent");
    const claim = await this.checkpoint(receipt.checkpoint);
    if (claim.origin !== origin) throw refuse("the receipt's checkpoint is of another log");
    verifyInclusion(sha256, {
      index: receipt.seq,
      size: claim.size,
      leafHash: receipt.leafHash,
      proof: receipt.proof,
      root: claim.root,
    });
    return {
      origin: claim.origin,
      seq: receipt.seq,
      leafHash: expected.leafHash,
      proof: proof as string[],
      checkpoint: receipt.checkpoint,
      entry,
    };
  }

  /** Verifies a tlog-proof of entry `seq` that carries the entry, if keys are pinned. */
  async tlogProof(text: string, seq: number): Promise<void> {
    const proof = parseTlogProof(utf8(text));
    const { index, extra } = proof;
    if (index !== seq || extra === undefined || parseEntryHead(extra).seq !== seq) {
      throw new CairnError(
        "unverified",
        `the proof is not one of entry ${seq} with the entry in it`,
      );
    }
    const pinned = await this.#findPinned();
    if (pinned === undefined) return;
    const { vkeys } = await this.#keys(pinned);
    const crypto = await this.crypto();
    const leafHash = hashLeaf(crypto.sha256, extra);
    await verifyTlogProof(crypto, proof, { leafHash, vkeys, origin: pinned.origin });
  }

  /**
   * Verifies a tlog-proof under the published checkpoint against what was sent: the event, its
   * place, the hash that its receipt names, the log's signature and the quorum of witnesses.
   */
  async witnessedProof(text: string, expected: ReceiptExpectation): Promise<PublishedClaim> {
    const { origin, policy } = await this.#policy();
    const proof = parseTlogProof(utf8(text));
    const { index, extra, checkpoint } = proof;
    const { seq } = expected;
    const refuse = (why: string): CairnError =>
      new CairnError("unverified", why, { place: { seq } });
    if (index !== seq || extra === undefined) {
      throw refuse(`the proof is not one of entry ${seq} with the entry in it`);
    }
    const crypto = await this.crypto();
    const leafHash = hashLeaf(crypto.sha256, extra);
    if (!isSameBytes(leafHash, parseBase64(expected.leafHash))) {
      throw refuse("the entry has another leaf hash than the event was given when recorded");
    }
    if (!isEntryOf(extra, expected)) {
      throw refuse("the entry does not hold the event that was sent");
    }
    const witnessed = await verifyWitnessedProof(crypto, proof, leafHash, policy, { origin });
    checkQuorum(policy, witnessed);
    return { ...claimOf(witnessed, checkpoint), quorumFailure: undefined };
  }

  async #policy(): Promise<{ origin: string; policy: Policy }> {
    const pinned = await this.#findPinned();
    if (pinned === undefined) {
      throw new CairnError(
        "usage",
        "without the log's keys nothing is proven: give the client `policy` or `vkeys`",
      );
    }
    const { policy } = await this.#keys(pinned);
    return { origin: pinned.origin, policy };
  }

  async #findPinned(): Promise<Pinned | undefined> {
    const { firstUse } = this.#options;
    if (this.#pinned !== undefined || firstUse === undefined) return this.#pinned;
    this.#firstUse ??= firstUse().finally(() => (this.#firstUse = undefined));
    return (this.#pinned = await this.#firstUse);
  }

  #keys(pinned: Pinned): Promise<PinnedKeys> {
    this.#keysRead ??= this.crypto().then((crypto) => readKeys(crypto, pinned));
    return this.#keysRead;
  }
}

/** The error of those who asked for what turned out to be a contradiction. */
export function conflictError({ message, known, shown }: Conflict): CairnError {
  const notes = JSON.stringify([known.note, shown.note]);
  return new CairnError("unverified", `${message}. Keep both: ${notes}`);
}

function claimOf(
  { checkpoint, witnesses }: WitnessedCheckpoint,
  note: string,
): Omit<PublishedClaim, "quorumFailure"> {
  const { origin, size, root } = checkpoint;
  const cosigners = witnesses.map(({ name, timestamp }) => ({ name, timestamp }));
  return { origin, size, root, note, isVerified: true, witnesses: cosigners };
}

function quorumFailureOf(policy: Policy, witnessed: WitnessedCheckpoint): string | undefined {
  try {
    checkQuorum(policy, witnessed);
    return undefined;
  } catch (error) {
    if (isCairnError(error)) return error.message;
    throw error;
  }
}

/** Reads the entry strictly: what it holds as event must be what was sent, byte for byte. */
function isEntryOf(entry: Uint8Array, expected: ReceiptExpectation): boolean {
  const { seq, event } = parseEntryHead(entry);
  return seq === expected.seq && isSameBytes(event, utf8(expected.event));
}

/**
 * What the client believes, and why. With pinned keys, a checkpoint counts only under a signature
 * of one of them, and the log must never go back behind one that it gave before. Without pinned
 * keys, checkpoints are read but not verified, and say so (`isVerified`).
 *
 * The cryptography is loaded when it is needed first: a program that only writes starts without it.
 */
import {
  CairnError,
  hashLeaf,
  isSameBytes,
  parseBase64,
  parseCheckpoint,
  parseEntryHead,
  parseNote,
  parseTlogProof,
  parseVkey,
  receiptFromJson,
  signatureTypes,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  verifyTlogProof,
  type Crypto,
  type Hash,
  type Vkey,
} from "@cairnlog/core";
import { isObject } from "./problem.ts";

export interface CheckpointClaim {
  readonly origin: string;
  /** Entries in the tree. */
  readonly size: number;
  readonly root: Hash;
  /** The signed note, verbatim. */
  readonly note: string;
  /** True if a pinned key signed it. */
  readonly isVerified: boolean;
}

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

interface Pinned {
  readonly origin: string;
  readonly texts: readonly string[];
}

export class Trust {
  readonly #pinned: Pinned | undefined;
  readonly #loadCrypto: () => Promise<Crypto>;
  #crypto: Promise<Crypto> | undefined;
  #vkeys: Promise<readonly Vkey[]> | undefined;
  #newest: CheckpointClaim | undefined;

  /**
   * `vkeys` are the log's own verifier keys, of which any will do; empty to verify no signature.
   */
  constructor(vkeys: readonly string[], loadCrypto: () => Promise<Crypto>) {
    this.#loadCrypto = loadCrypto;
    if (vkeys.length === 0) return;
    const names = vkeys.map((vkey) => /^([^+]+)\+[0-9a-f]{8}\+/.exec(vkey)?.[1]);
    const [origin, ...others] = new Set(names);
    if (origin === undefined || others.length > 0) {
      throw new CairnError(
        "usage",
        "`vkeys` must be verifier keys of one log, all of its name; its description shows them",
      );
    }
    this.#pinned = { origin, texts: vkeys };
  }

  get isPinned(): boolean {
    return this.#pinned !== undefined;
  }

  /** Reads the pinned keys: "usage" if one is not a key. Called before anything is sent. */
  async load(): Promise<void> {
    if (this.#pinned !== undefined) await this.#keys(this.#pinned);
  }

  /** Reads a checkpoint, and verifies it if keys are pinned. */
  async checkpoint(note: string): Promise<CheckpointClaim> {
    const bytes = utf8(note);
    if (this.#pinned === undefined) {
      const { origin, size, root } = parseCheckpoint(parseNote(bytes).text);
      return { origin, size, root, note, isVerified: false };
    }
    const { origin } = this.#pinned;
    const vkeys = await this.#keys(this.#pinned);
    const { checkpoint } = await verifyCheckpoint(await this.#load(), bytes, vkeys, origin);
    return { origin, size: checkpoint.size, root: checkpoint.root, note, isVerified: true };
  }

  /**
   * Notes a verified checkpoint that the log gave after the one before. "unverified" if the log
   * went back, or shows another tree of the same size: then keep both notes, they prove it.
   */
  follow(claim: CheckpointClaim): void {
    if (!claim.isVerified) return;
    const newest = this.#newest;
    const isOther = claim.size === newest?.size && !isSameBytes(claim.root, newest.root);
    if (newest !== undefined && (claim.size < newest.size || isOther)) {
      throw new CairnError(
        "unverified",
        `the log ${claim.origin} was rolled back or forked: it signed a checkpoint of size ` +
          `${newest.size} before, and another of size ${claim.size} now. Keep both: ` +
          JSON.stringify([newest.note, claim.note]),
      );
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
    const { sha256 } = await this.#load();
    if (!isSameBytes(hashLeaf(sha256, utf8(entry)), receipt.leafHash)) {
      throw refuse("the entry does not have the leaf hash of its receipt");
    }
    if (!isEntryOf(entry, expected))
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
    if (this.#pinned === undefined) return;
    const vkeys = await this.#keys(this.#pinned);
    const crypto = await this.#load();
    const leafHash = hashLeaf(crypto.sha256, extra);
    await verifyTlogProof(crypto, proof, { leafHash, vkeys, origin: this.#pinned.origin });
  }

  #load(): Promise<Crypto> {
    this.#crypto ??= this.#loadCrypto();
    return this.#crypto;
  }

  #keys(pinned: Pinned): Promise<readonly Vkey[]> {
    this.#vkeys ??= this.#load().then(({ sha256 }) => {
      let vkeys: Vkey[];
      try {
        vkeys = pinned.texts.map((text) => parseVkey(sha256, text));
      } catch (cause) {
        throw new CairnError("usage", `a pinned key cannot be read: ${String(cause)}`, { cause });
      }
      if (!vkeys.some((vkey) => vkey.type === signatureTypes.ed25519)) {
        throw new CairnError(
          "usage",
          "pin the log's Ed25519 key: it is the one that signs receipts",
        );
      }
      return vkeys;
    });
    return this.#vkeys;
  }
}

/** Reads the entry strictly: what it holds as event must be what was sent, byte for byte. */
function isEntryOf(entry: string, expected: ReceiptExpectation): boolean {
  const { seq, event } = parseEntryHead(utf8(entry));
  return seq === expected.seq && isSameBytes(event, utf8(expected.event));
}

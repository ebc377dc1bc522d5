/**
 * The seal of a segment file: a signed note at its end that says which entries of which log it holds.
 *
 * Its text has exactly these eight lines: `cairnlog/seal/v1`, origin, seq of the first entry, number of entries, base64
 * root of their subtree, base64 SHA-256 of the file's bytes before the note, time of the first and of the last entry.
 *
 * Ed25519 (type 0x01) signs this text. ML-DSA-44 (type 0x06) signs the subtree alone, as tlog-cosignature has it: from
 * the root follows every entry, and from the entries follow the times; only the hash of the file, which says in what
 * bytes they are packed, is left to Ed25519.
 *
 * A seal can never be taken for a checkpoint: `parseCheckpoint` refuses origins that begin like the first line here,
 * and that line is no log's origin (`checkOrigin`).
 */
import type { Crypto } from "./crypto.ts";
import { checkOrigin, sealPrefix, signSubtree } from "./checkpoint.ts";
import { subtreeMessage, type Subtree } from "./cosignature.ts";
import { base64, parseBase64, parseDecimal, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import {
  parseNote,
  verifySignatures,
  type Note,
  type NoteSigner,
  type VerifiedSignature,
} from "./note.ts";
import { parseLogTime } from "./time.ts";
import { signatureTypes, type Vkey } from "./vkey.ts";

export interface Seal {
  readonly origin: string;
  /** Seq of the first entry. */
  readonly first: number;
  /** Number of entries, at least 1. */
  readonly count: number;
  /** Root of the subtree of these entries. */
  readonly root: Hash;
  /** SHA-256 of the file's bytes before the note. */
  readonly fileHash: Hash;
  /** As in the entry: 24 characters, `2026-11-23T05:00:00.123Z`. */
  readonly firstTime: string;
  readonly lastTime: string;
}

export interface VerifiedSeal {
  readonly seal: Seal;
  readonly note: Note;
  /**
   * The keys that signed, each once. Without a type 0x01 among them, `fileHash` and the times are not signed: check
   * the entries against the root, and rely on those.
   */
  readonly verified: readonly VerifiedSignature[];
}

const headerLine = `${sealPrefix}v1`;

/** The note text of a seal. "malformed" for a seal that `parseSeal` would refuse. */
export function formatSeal(seal: Seal): string {
  checkSeal(seal);
  const { origin, first, count, root, fileHash, firstTime, lastTime } = seal;
  return (
    `${headerLine}\n${origin}\n${first}\n${count}\n${base64(root)}\n${base64(fileHash)}\n` +
    `${firstTime}\n${lastTime}\n`
  );
}

/** Reads a seal from a note's text. "malformed" for any other spelling, "unsupported_version" for a later version. */
export function parseSeal(noteText: string): Seal {
  const lines = noteText.split("\n");
  if (lines[0] !== headerLine) {
    if (/^cairnlog\/seal\/v[1-9][0-9]{0,5}$/.test(lines[0]!)) {
      throw new CairnError(
        "unsupported_version",
        `the segment has a seal of version ${JSON.stringify(lines[0])}; known is ${headerLine}`,
      );
    }
    throw refuse(`its first line is not ${headerLine}`);
  }
  if (lines.length !== 9 || lines[8] !== "") throw refuse("its text does not have eight lines");
  const seal = {
    origin: lines[1]!,
    first: parseDecimal(lines[2]!, "first seq of a seal"),
    count: parseDecimal(lines[3]!, "entry count of a seal"),
    root: parseBase64(lines[4]!),
    fileHash: parseBase64(lines[5]!),
    firstTime: lines[6]!,
    lastTime: lines[7]!,
  };
  checkSeal(seal);
  return seal;
}

/** The seal as a signed note, to be appended to the segment's bytes. */
export async function signSeal(signers: readonly NoteSigner[], seal: Seal): Promise<string> {
  const text = formatSeal(seal);
  return text + "\n" + (await signSubtree(signers, text, subtreeOf(seal)));
}

/**
 * Checks a note that should be the seal of a segment of the log `origin`; `vkeys` are that log's own keys.
 * "unverified" if none signed, if one that is named did not sign this, or if the origin is another. That the file has
 * the hash and the entries have the root is for the caller to check.
 */
export async function verifySeal(
  crypto: Crypto,
  bytes: Uint8Array,
  vkeys: readonly Vkey[],
  origin: string,
): Promise<VerifiedSeal> {
  const note = parseNote(bytes);
  const seal = parseSeal(note.text);
  if (seal.origin !== origin) {
    throw new CairnError(
      "unverified",
      `the seal is of the log ${JSON.stringify(seal.origin)}, not of ${JSON.stringify(origin)}`,
    );
  }
  const verified = await verifySignatures(crypto, note, vkeys, (vkey, timestamp) => {
    if (vkey.type === signatureTypes.ed25519) return utf8(note.text);
    // A seal says nothing about time, and type 0x04 signs checkpoints only.
    if (vkey.type !== signatureTypes.mlDsa44Cosignature || timestamp !== 0) return undefined;
    return subtreeMessage(vkey.name, 0, subtreeOf(seal));
  });
  return { seal, note, verified };
}

function checkSeal(seal: Seal): void {
  const { first, count, root, fileHash, firstTime, lastTime } = seal;
  checkOrigin(seal.origin);
  if (!Number.isSafeInteger(first) || first < 0) throw refuse("its first seq is not a seq");
  if (!Number.isSafeInteger(count) || count < 1) throw refuse("it holds no entry");
  if (!Number.isSafeInteger(first + count)) throw refuse("its last seq is above 2^53 - 1");
  // What ML-DSA-44 signs is a subtree in the sense of draft-ietf-plants-merkle-tree-certs: it begins at a multiple of
  // the smallest power of two that is no less than its width. Only such a range has a root that the tree contains.
  let span = 1;
  while (span < count) span *= 2;
  if (first % span !== 0) throw refuse(`entries ${first} to ${first + count - 1} are no subtree`);
  if (root.length !== hashByteLength) throw refuse(`its root has ${root.length} bytes, not 32`);
  if (fileHash.length !== hashByteLength) {
    throw refuse(`its file hash has ${fileHash.length} bytes, not 32`);
  }
  if (parseLogTime(lastTime) < parseLogTime(firstTime))
    throw refuse("its last entry is earlier than its first");
}

function subtreeOf(seal: Seal): Subtree {
  return {
    origin: seal.origin,
    start: seal.first,
    end: seal.first + seal.count,
    hash: seal.root,
  };
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not a seal: ${why}`);
}

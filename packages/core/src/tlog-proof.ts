/**
 * Proofs as text files (C2SP tlog-proof): an entry's index, its inclusion proof and a signed checkpoint, so that one
 * can check alone that the entry is in the log.
 *
 * Our own log puts the entry's bytes into `extra`. Nothing authenticates that line by itself: use it only after the
 * proof verified with the leaf hash of these very bytes.
 */
import type { Crypto } from "./crypto.ts";
import {
  parseCheckpoint,
  verifyCheckpoint,
  type CheckpointOptions,
  type VerifiedCheckpoint,
} from "./checkpoint.ts";
import { base64, parseBase64, parseDecimal, parseUtf8, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import { parseNote } from "./note.ts";
import { verifyInclusion } from "./proof.ts";
import type { Vkey } from "./vkey.ts";

export interface TlogProof {
  /** Anything, at least one byte. Untrusted. */
  readonly extra?: Uint8Array;
  readonly index: number;
  /** From the leaf's sibling up to the child of the root. */
  readonly proof: readonly Hash[];
  /** The signed note, as it is. */
  readonly checkpoint: string;
}

/** What a verifier knows from elsewhere: the entry, and whose log it trusts. */
export interface TlogProofExpectation extends CheckpointOptions {
  readonly leafHash: Hash;
  /** The log's own keys; any of them will do. */
  readonly vkeys: readonly Vkey[];
  readonly origin: string;
}

/** Room for a note of the largest size, and an entry in base64. */
export const tlogProofBytesMax = 1_048_576;
/** A tree of 2^53 leaves has no longer inclusion proof. */
export const inclusionProofLengthMax = 53;

const headerLine = "c2sp.org/tlog-proof@v1";

/** The proof's text. The reverse of `parseTlogProof`. */
export function formatTlogProof(proof: TlogProof): string {
  const { extra, index } = proof;
  let text = `${headerLine}\n`;
  if (extra !== undefined && extra.length > 0) text += `extra ${base64(extra)}\n`;
  text += `index ${index}\n`;
  for (const hash of proof.proof) text += `${base64(hash)}\n`;
  return `${text}\n${proof.checkpoint}`;
}

/** Reads a proof. "malformed" for any other spelling. Checks no signature and no hash. */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  if (bytes.length > tlogProofBytesMax) {
    throw new CairnError(
      "too_large",
      `a proof has at most ${tlogProofBytesMax} bytes, not ${bytes.length}`,
    );
  }
  const whole = parseUtf8(bytes);
  // Nothing before the checkpoint may hold an empty line, so the first one separates.
  const blank = whole.indexOf("\n\n");
  if (blank < 0) throw refuse("no empty line separates proof and checkpoint");
  const lines = whole.slice(0, blank).split("\n");
  if (lines.shift() !== headerLine) throw refuse(`its first line is not ${headerLine}`);
  const extra = lines[0]?.startsWith("extra ") ? parseBase64(lines.shift()!.slice(6)) : undefined;
  const indexLine = lines.shift();
  if (indexLine?.startsWith("index ") !== true) throw refuse("it has no line with the index");
  const index = parseDecimal(indexLine.slice(6), "index of an entry");
  if (lines.length > inclusionProofLengthMax) {
    throw refuse(`it has ${lines.length} hashes; at most ${inclusionProofLengthMax} are possible`);
  }
  const proof = lines.map(parseProofHash);
  const checkpoint = whole.slice(blank + 2);
  parseCheckpoint(parseNote(utf8(checkpoint)).text, { allowExtensions: true });
  const parsed: TlogProof = {
    ...(extra === undefined ? {} : { extra }),
    index,
    proof,
    checkpoint,
  };
  // This refuses an `extra` line that is empty: such a proof is written without it.
  if (formatTlogProof(parsed) !== whole) throw refuse("it has another spelling");
  return parsed;
}

/**
 * Checks that the entry with this leaf hash is in the log, at the proof's index. "unverified" where the checkpoint is
 * not this log's or the path does not lead to its root. Which witnesses also signed is not looked at here.
 */
export async function verifyTlogProof(
  crypto: Crypto,
  proof: TlogProof,
  expected: TlogProofExpectation,
): Promise<VerifiedCheckpoint> {
  const { leafHash, vkeys, origin } = expected;
  const bytes = utf8(proof.checkpoint);
  const verified = await verifyCheckpoint(crypto, bytes, vkeys, origin, expected);
  const { size, root } = verified.checkpoint;
  verifyInclusion(crypto.sha256, {
    index: proof.index,
    size,
    leafHash,
    proof: proof.proof,
    root,
  });
  return verified;
}

function parseProofHash(text: string): Hash {
  const hash = parseBase64(text);
  if (hash.length !== hashByteLength) throw refuse(`a hash has ${hash.length} bytes, not 32`);
  return hash;
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not a tlog-proof: ${why}`);
}

/**
 * Receipts: what a writer gets back for one event. The JSON form of what a tlog-proof says, with the leaf hash:
 *
 *     {"origin":"<origin>","seq":42,"leafHash":"<base64>","proof":["<base64>",…],"checkpoint":"<signed note>"}
 *
 * Whoever keeps receipts can prove that the log acknowledged an event, even where the log later denies it. The origin
 * in a receipt is a claim like the rest of it: which log to trust under which keys comes from the verifier.
 */
import type { Crypto } from "./crypto.ts";
import { parseCheckpoint, verifyCheckpoint, type VerifiedCheckpoint } from "./checkpoint.ts";
import { base64, parseBase64, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, isSameBytes, type Hash } from "./hash.ts";
import { hashLeaf } from "./merkle.ts";
import { plainJsonText } from "./json-text.ts";
import { parseNote } from "./note.ts";
import { verifyInclusion } from "./proof.ts";
import { inclusionProofLengthMax, tlogProofBytesMax } from "./tlog-proof.ts";
import type { Vkey } from "./vkey.ts";

export interface Receipt {
  /** The log's origin. */
  readonly origin: string;
  readonly seq: number;
  readonly leafHash: Hash;
  /** Inclusion proof, from the leaf's sibling up to the child of the root. */
  readonly proof: readonly Hash[];
  /** A signed note of a size above `seq`. */
  readonly checkpoint: string;
}

/** What a verifier knows from elsewhere. */
export interface ReceiptExpectation {
  /** What was recorded: the entry's bytes, or their leaf hash. */
  readonly recorded: { readonly entry: Uint8Array } | { readonly leafHash: Hash };
  /** The log's own keys; any of them will do. */
  readonly vkeys: readonly Vkey[];
  readonly origin: string;
}

const fieldNames = ["origin", "seq", "leafHash", "proof", "checkpoint"];

/** The receipt as JSON text without white space. */
export function formatReceipt(receipt: Receipt): string {
  const proof = receipt.proof.map((hash) => `"${base64(hash)}"`).join(",");
  return (
    `{"origin":${JSON.stringify(receipt.origin)},"seq":${receipt.seq},` +
    `"leafHash":"${base64(receipt.leafHash)}","proof":[${proof}],` +
    `"checkpoint":${JSON.stringify(receipt.checkpoint)}}`
  );
}

/**
 * Reads a receipt from JSON text. "malformed" for any other spelling than that of `formatReceipt`, but for white space
 * between tokens and escapes of characters outside ASCII: a receipt survives a pretty-printer and a server.
 */
export function parseReceipt(text: string): Receipt {
  if (text.length > tlogProofBytesMax) {
    throw new CairnError("too_large", `a receipt has at most ${tlogProofBytesMax} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CairnError("malformed", "not a receipt: it is not JSON", { cause });
  }
  const receipt = receiptFromJson(value);
  // Refuses duplicate names, of which JSON.parse keeps the last, and whatever else two readers could read in two ways.
  if (plainJsonText(text) !== formatReceipt(receipt)) throw refuse("it has another spelling");
  return receipt;
}

/** Takes a receipt from a JSON value that was parsed already, such as the answer to an append. "malformed". */
export function receiptFromJson(value: unknown): Receipt {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse("it is not a JSON object");
  }
  const names = Object.keys(value);
  const strange = names.find((name) => !fieldNames.includes(name));
  if (strange !== undefined) throw refuse(`it has a field ${JSON.stringify(strange.slice(0, 80))}`);
  const fields = value as Readonly<Record<string, unknown>>;
  const { origin, seq, leafHash, proof, checkpoint } = fields;
  if (typeof origin !== "string" || origin === "") throw refuse("`origin` is not an origin");
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0 || Object.is(seq, -0)) {
    throw refuse("`seq` is not a sequence number");
  }
  if (!Array.isArray(proof) || proof.length > inclusionProofLengthMax) {
    throw refuse(`\`proof\` is not an array of at most ${inclusionProofLengthMax} hashes`);
  }
  if (typeof checkpoint !== "string" || !checkpoint.isWellFormed()) {
    throw refuse("`checkpoint` is not a text");
  }
  parseCheckpoint(parseNote(utf8(checkpoint)).text);
  return {
    origin,
    seq,
    leafHash: parseHashField("leafHash", leafHash),
    proof: proof.map((hash) => parseHashField("proof", hash)),
    checkpoint,
  };
}

/**
 * Checks a receipt against what was recorded: same leaf hash, a checkpoint of this log by one of its keys, and an
 * inclusion proof that leads to its root. "unverified" says what does not match. That the entry's head names the
 * same seq is the entry parser's business.
 */
export async function verifyReceipt(
  crypto: Crypto,
  receipt: Receipt,
  expected: ReceiptExpectation,
): Promise<VerifiedCheckpoint> {
  const { recorded, vkeys, origin } = expected;
  const { seq, leafHash, proof } = receipt;
  if (receipt.origin !== origin) {
    throw new CairnError(
      "unverified",
      `the receipt is of the log ${JSON.stringify(receipt.origin.slice(0, 300))}, ` +
        `not of ${JSON.stringify(origin)}`,
    );
  }
  const expectedHash =
    "entry" in recorded ? hashLeaf(crypto.sha256, recorded.entry) : recorded.leafHash;
  if (!isSameBytes(leafHash, expectedHash)) {
    throw new CairnError(
      "unverified",
      `the receipt is for another entry: its leaf hash is ${base64(leafHash)}, ` +
        `that of the entry is ${base64(expectedHash)}`,
      { place: { seq } },
    );
  }
  const verified = await verifyCheckpoint(crypto, utf8(receipt.checkpoint), vkeys, origin);
  const { size, root } = verified.checkpoint;
  verifyInclusion(crypto.sha256, { index: seq, size, leafHash, proof, root });
  return verified;
}

function parseHashField(name: string, value: unknown): Hash {
  if (typeof value !== "string") throw refuse(`\`${name}\` is not base64 of a hash`);
  const hash = parseBase64(value);
  if (hash.length !== hashByteLength) {
    throw refuse(`a hash in \`${name}\` has ${hash.length} bytes, not 32`);
  }
  return hash;
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not a receipt: ${why}`);
}

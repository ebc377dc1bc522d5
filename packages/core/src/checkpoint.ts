/**
 * Checkpoints (C2SP tlog-checkpoint): a log's tree head as a note of three lines, origin, size and root hash.
 *
 * A log of ours never has extension lines: ML-DSA-44 signatures do not cover them. Those of other logs are read
 * only where the caller says so, and then they are handed on uninterpreted.
 *
 * The same keys also sign seals (`seal.ts`). So that no text can be taken for both, no origin begins like a seal.
 */
import type { Crypto } from "./crypto.ts";
import {
  checkpointCosignatureMessage,
  formatTimestampedSignature,
  isCosignableOrigin,
  originBytesMax,
  subtreeMessage,
  type Subtree,
} from "./cosignature.ts";
import { base64, parseBase64, parseDecimal, utf8 } from "./encoding.ts";
import { CairnError, assert } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import {
  parseNote,
  signatureLine,
  verifySignatures,
  type Note,
  type NoteSigner,
  type VerifiedSignature,
} from "./note.ts";
import { isKeyName, signatureTypes, type Vkey } from "./vkey.ts";

export interface Checkpoint {
  /** The log's identity, the same for ever: `example.com/log42`. */
  readonly origin: string;
  /** Entries in the tree. */
  readonly size: number;
  /** RFC 6962 root of the tree of that size. */
  readonly root: Hash;
}

export interface CheckpointOptions {
  /** Accepts extension lines, as other logs may have them. They are authenticated by Ed25519 signatures only. */
  readonly allowExtensions?: boolean;
}

export interface ParsedCheckpoint extends Checkpoint {
  /** Without their newlines. Empty for every log of ours. */
  readonly extensions: readonly string[];
}

export interface VerifiedCheckpoint {
  readonly checkpoint: ParsedCheckpoint;
  readonly note: Note;
  /** The keys that signed, each once. */
  readonly verified: readonly VerifiedSignature[];
}

/** What an origin must not begin with: the first line of every seal's text begins so. */
export const sealPrefix = "cairnlog/seal/";

/**
 * Refuses, as "malformed", what cannot be the origin of a log of ours: it is also the name of the log's keys, so it
 * follows the rules for key names; it has at most 255 bytes, the room in an ML-DSA-44 message; it is no seal's.
 */
export function checkOrigin(origin: string): void {
  if (isKeyName(origin) && isCosignableOrigin(origin) && !origin.startsWith(sealPrefix)) return;
  throw new CairnError(
    "malformed",
    `not a log's origin: ${JSON.stringify(origin.slice(0, 80))}. It has 1 to ${originBytesMax} bytes, ` +
      `no white space, control character or plus sign, and does not begin with ${sealPrefix}; ` +
      "example.com/log42 would do",
  );
}

/** The note text of a checkpoint: three lines. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root } = checkpoint;
  // These hold for whoever has called `checkOrigin` once. They are asked again before each signature because a
  // signature over a broken text cannot be taken back.
  assert(origin !== "" && !origin.includes("\n"), "an origin is one line");
  assert(!origin.startsWith(sealPrefix), "an origin is not that of a seal");
  assert(Number.isSafeInteger(size) && size >= 0, "a size is a safe integer");
  assert(root.length === hashByteLength, "a root has 32 bytes");
  return `${origin}\n${size}\n${base64(root)}\n`;
}

/** Reads a checkpoint from a note's text. "malformed" for any other spelling. */
export function parseCheckpoint(
  noteText: string,
  options: CheckpointOptions = {},
): ParsedCheckpoint {
  const refuse = (why: string): CairnError =>
    new CairnError("malformed", `not a checkpoint: ${why}`);
  const lines = noteText.split("\n");
  if (lines.pop() !== "") throw refuse("its text does not end in a newline");
  const [origin, sizeText, rootText, ...extensions] = lines;
  if (origin === undefined || sizeText === undefined || rootText === undefined) {
    throw refuse(`it has ${lines.length} of the lines origin, size and root hash`);
  }
  if (origin === "") throw refuse("its origin is empty");
  if (origin.startsWith(sealPrefix)) {
    throw refuse("it is the seal of a segment, or something that pretends to be one");
  }
  const size = parseDecimal(sizeText, "tree size");
  const root = parseBase64(rootText);
  if (root.length !== hashByteLength)
    throw refuse(`its root hash has ${root.length} bytes, not 32`);
  if (extensions.includes("")) throw refuse("it has an empty line");
  if (extensions.length > 0 && options.allowExtensions !== true) {
    throw refuse(`it has extension lines, from ${JSON.stringify(extensions[0]!.slice(0, 80))} on`);
  }
  return { origin, size, root, extensions };
}

/**
 * A checkpoint as a signed note: type 0x01 signs the text, type 0x06 the `cosigned_message` with timestamp 0. Nothing
 * is parsed or copied twice: with one Ed25519 key it costs that one signature and a few microseconds.
 */
export async function signCheckpoint(
  signers: readonly NoteSigner[],
  checkpoint: Checkpoint,
): Promise<string> {
  const text = formatCheckpoint(checkpoint);
  return text + "\n" + (await signSubtree(signers, text, subtreeOf(checkpoint)));
}

/**
 * Checks a note that should be a checkpoint of the log `origin`. `vkeys` are that log's own keys, any of which will
 * do: do not put keys of witnesses among them, as a witness would then vouch for a log alone.
 * "unverified" if none signed, if one that is named did not sign this, or if the origin is another.
 */
export async function verifyCheckpoint(
  crypto: Crypto,
  bytes: Uint8Array,
  vkeys: readonly Vkey[],
  origin: string,
  options: CheckpointOptions = {},
): Promise<VerifiedCheckpoint> {
  const note = parseNote(bytes);
  const checkpoint = parseCheckpoint(note.text, options);
  if (checkpoint.origin !== origin) {
    throw new CairnError(
      "unverified",
      `the checkpoint is of the log ${JSON.stringify(checkpoint.origin.slice(0, 300))}, ` +
        `not of ${JSON.stringify(origin)}`,
    );
  }
  const verified = await verifyCheckpointSignatures(crypto, note, checkpoint, vkeys);
  return { checkpoint, note, verified };
}

/** Checks who among `vkeys`, log or witnesses, signed a checkpoint that was parsed from `note`. */
export function verifyCheckpointSignatures(
  crypto: Crypto,
  note: Note,
  checkpoint: Checkpoint,
  vkeys: readonly Vkey[],
): Promise<VerifiedSignature[]> {
  return verifySignatures(crypto, note, vkeys, (vkey, timestamp) => {
    if (vkey.type === signatureTypes.ed25519) return utf8(note.text);
    if (vkey.type === signatureTypes.ed25519Cosignature) {
      return checkpointCosignatureMessage(timestamp, note.text);
    }
    if (!isCosignableOrigin(checkpoint.origin)) return undefined;
    return subtreeMessage(vkey.name, timestamp, subtreeOf(checkpoint));
  });
}

/**
 * The signature lines for a text that stands for a subtree: a checkpoint's or a seal's. Type 0x01 signs the text, type
 * 0x06 the subtree with timestamp 0. Type 0x04 is for witnesses, and refused: it says that time was looked at.
 */
export async function signSubtree(
  signers: readonly NoteSigner[],
  text: string,
  subtree: Subtree,
): Promise<string> {
  assert(signers.length > 0, "a note has at least one signature");
  const textBytes = utf8(text);
  const lines = await Promise.all(
    signers.map(async ({ vkey, signer }) => {
      if (vkey.type === signatureTypes.ed25519) {
        return signatureLine(vkey.name, vkey.id, await signer.sign(textBytes));
      }
      assert(
        vkey.type === signatureTypes.mlDsa44Cosignature,
        "a log signs with types 0x01 and 0x06",
      );
      const signature = await signer.sign(subtreeMessage(vkey.name, 0, subtree));
      const blob = formatTimestampedSignature({ timestamp: 0, signature });
      return signatureLine(vkey.name, vkey.id, blob);
    }),
  );
  return lines.join("");
}

function subtreeOf(checkpoint: Checkpoint): Subtree {
  return { origin: checkpoint.origin, start: 0, end: checkpoint.size, hash: checkpoint.root };
}

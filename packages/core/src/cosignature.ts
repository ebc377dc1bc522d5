/**
 * The messages and signature blobs of C2SP tlog-cosignature: type 0x04 (Ed25519, over a checkpoint's text) and
 * type 0x06 (ML-DSA-44, over a structure that names cosigner, origin and subtree).
 *
 * Both blobs are a `timestamped_signature`: u64 seconds since 1970 || signature. A timestamp of zero makes no
 * statement about time; it is the only one that a log's own ML-DSA-44 signatures have.
 */
import { utf8 } from "./encoding.ts";
import { CairnError, assert } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import { cosignerNameBytesMax } from "./vkey.ts";

/** The entries from `start` up to, not including, `end` of a log, by their root hash. A checkpoint starts at 0. */
export interface Subtree {
  readonly origin: string;
  readonly start: number;
  readonly end: number;
  readonly hash: Hash;
}

export interface TimestampedSignature {
  /** Seconds since 1970, or 0. */
  readonly timestamp: number;
  readonly signature: Uint8Array;
}

/** Bytes of an origin that fits into a `cosigned_message`. */
export const originBytesMax = 255;

const labelBytes = utf8("subtree/v1\n\0");
const timestampByteLength = 8;

/**
 * The `cosigned_message` that an ML-DSA-44 key signs: label || u8 length || cosigner name || u64 timestamp ||
 * u8 length || origin || u64 start || u64 end || hash.
 */
export function subtreeMessage(name: string, timestamp: number, subtree: Subtree): Uint8Array {
  const nameBytes = utf8(name);
  const originBytes = utf8(subtree.origin);
  assert(nameBytes.length >= 1 && nameBytes.length <= cosignerNameBytesMax, "a name fits a u8");
  assert(originBytes.length >= 1 && originBytes.length <= originBytesMax, "an origin fits a u8");
  assert(subtree.hash.length === hashByteLength, "a hash has 32 bytes");
  // tlog-cosignature: "If start is not zero, timestamp MUST be zero."
  assert(subtree.start === 0 || timestamp === 0, "an inner subtree is signed without a timestamp");
  const message = new Uint8Array(
    labelBytes.length + 1 + nameBytes.length + 8 + 1 + originBytes.length + 16 + hashByteLength,
  );
  const view = new DataView(message.buffer);
  let at = labelBytes.length;
  message.set(labelBytes);
  message[at++] = nameBytes.length;
  message.set(nameBytes, at);
  at = writeUint64(view, at + nameBytes.length, timestamp);
  message[at++] = originBytes.length;
  message.set(originBytes, at);
  at = writeUint64(view, at + originBytes.length, subtree.start);
  at = writeUint64(view, at, subtree.end);
  message.set(subtree.hash, at);
  return message;
}

/** The message that an Ed25519 cosigner (type 0x04) signs: two header lines and the checkpoint's whole text. */
export function checkpointCosignatureMessage(timestamp: number, noteText: string): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timestamp}\n${noteText}`);
}

/** Puts a `timestamped_signature` together. */
export function formatTimestampedSignature(parts: TimestampedSignature): Uint8Array {
  const blob = new Uint8Array(timestampByteLength + parts.signature.length);
  writeUint64(new DataView(blob.buffer), 0, parts.timestamp);
  blob.set(parts.signature, timestampByteLength);
  return blob;
}

/**
 * Takes a `timestamped_signature` apart. "malformed" if it is too short, or if its timestamp is above 2^53 - 1: that
 * is 285 million years away, and beyond what this code can say exactly.
 */
export function parseTimestampedSignature(blob: Uint8Array): TimestampedSignature {
  if (blob.length <= timestampByteLength) {
    throw new CairnError("malformed", `a cosignature of ${blob.length} bytes has no signature`);
  }
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const timestamp = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  if (!Number.isSafeInteger(timestamp)) {
    throw new CairnError("malformed", "the timestamp of a cosignature is above 2^53 - 1");
  }
  return { timestamp, signature: blob.slice(timestampByteLength) };
}

/** True if `origin` has a place in a `cosigned_message`. */
export function isCosignableOrigin(origin: string): boolean {
  return origin !== "" && utf8(origin).length <= originBytesMax;
}

function writeUint64(view: DataView, at: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a u64 is a safe integer here");
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
  return at + 8;
}

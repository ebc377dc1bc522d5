/**
 * The id hashes of a sealed segment, kept so that opening a log need not read its entries again: `index/ids/<first>`.
 * Derived, and not part of any proof: a lost or damaged one is made again from the entries.
 *
 * Layout: 16 bytes `cairn-ids-v1` and zeros; the segment's first seq, u64be; 65,536 pairs of u32be (high, low), both
 * zero where an entry has no id; SHA-256 of all before it.
 */
import { isSameBytes, type Sha256 } from "@cairnlog/core";
import { segmentEntries } from "./segment-format.ts";

const magic = "cairn-ids-v1";
const headerLength = 24;
const digestLength = 32;
/** Bytes of every sidecar. */
export const idSidecarByteLength = headerLength + 8 * segmentEntries + digestLength;

export function idSidecarPath(first: number): string {
  return `index/ids/${String(first).padStart(16, "0")}`;
}

/** `idHashes`: high and low of each entry, in order. */
export function formatIdSidecar(sha256: Sha256, first: number, idHashes: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(idSidecarByteLength);
  const view = new DataView(bytes.buffer);
  bytes.set(header(first));
  for (let i = 0; i < idHashes.length; i++) view.setUint32(headerLength + 4 * i, idHashes[i]!);
  const digestAt = idSidecarByteLength - digestLength;
  bytes.set(sha256(bytes.subarray(0, digestAt)), digestAt);
  return bytes;
}

/** The id hashes, or undefined if the bytes are not a whole sidecar of that segment. */
export function readIdSidecar(
  sha256: Sha256,
  first: number,
  bytes: Uint8Array,
): Uint32Array | undefined {
  if (bytes.length !== idSidecarByteLength) return undefined;
  const digestAt = idSidecarByteLength - digestLength;
  if (!isSameBytes(bytes.subarray(0, headerLength), header(first))) return undefined;
  if (!isSameBytes(bytes.subarray(digestAt), sha256(bytes.subarray(0, digestAt)))) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const idHashes = new Uint32Array(2 * segmentEntries);
  for (let i = 0; i < idHashes.length; i++) idHashes[i] = view.getUint32(headerLength + 4 * i);
  return idHashes;
}

function header(first: number): Uint8Array {
  const bytes = new Uint8Array(headerLength);
  bytes.set(new TextEncoder().encode(magic));
  const view = new DataView(bytes.buffer);
  view.setUint32(16, Math.floor(first / 2 ** 32));
  view.setUint32(20, first % 2 ** 32);
  return bytes;
}

/**
 * The 64-bit hash of an event's id together with its source, under the log's random key: nobody can prepare ids that
 * collide. Not a cryptographic hash, and never an answer by itself.
 */
export class IdHasher {
  /** Halves of the last hash that was made; never both zero. */
  high = 0;
  low = 0;
  readonly #seed1: number;
  readonly #seed2: number;
  readonly #sources = new Map<string, number>();

  /** `key`: 8 random bytes, fixed for the life of the log. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#seed1 = view.getUint32(0);
    this.#seed2 = view.getUint32(4);
  }

  /** A number for `source`, to be handed to `hash`. Sources are few, so that they are kept. */
  sourceSeed(source: string): number {
    let seed = this.#sources.get(source);
    if (seed === undefined) {
      const bytes = new TextEncoder().encode(source);
      this.hash(0, bytes, 0, bytes.length);
      seed = this.high | 0;
      if (this.#sources.size < 10_000) this.#sources.set(source, seed);
    }
    return seed;
  }

  /** Hashes the id at [start, end): two multiply-and-rotate lanes (as in MurmurHash3) over each byte. */
  hash(sourceSeed: number, bytes: Uint8Array, start: number, end: number): void {
    let a = this.#seed1 ^ sourceSeed;
    let b = this.#seed2 + Math.imul(sourceSeed, 0x9e3779b1);
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      a = Math.imul(a ^ byte, 0x85ebca6b);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b + byte, 0xc2b2ae35);
      b = (b << 15) | (b >>> 17);
    }
    a ^= end - start;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
    a ^= a >>> 13;
    b = Math.imul(b ^ (b >>> 15) ^ a, 0xc2b2ae35);
    b ^= b >>> 16;
    this.high = a >>> 0;
    this.low = b >>> 0;
    if (this.high === 0 && this.low === 0) this.low = 1;
  }
}

/**
 * The id hashes of a sealed segment, kept so that opening a log need not read its entries again: `index/ids/<first>`.
 * Derived, and not part of any proof: a lost or damaged one is made again from the entries.
 *
 * Layout: 16 bytes `cairn-ids-v1` and zeros; the segment's first seq, u64be; 65,536 pairs of u32be (high, low), both
 * zero where an entry has no id; SHA-256 of all before it.
 */
import { isSameBytes, type Sha256 } from "@cairnlog/core";
import { segmentEntries } from "@cairnlog/store";

const magic = "cairn-ids-v1";
const headerLength = 24;
const digestLength = 32;
const sidecarLength = headerLength + 8 * segmentEntries + digestLength;

export function idSidecarPath(first: number): string {
  return `index/ids/${String(first).padStart(16, "0")}`;
}

/** `idHashes`: high and low of each entry, in order. */
export function formatIdSidecar(sha256: Sha256, first: number, idHashes: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(sidecarLength);
  const view = new DataView(bytes.buffer);
  bytes.set(header(first));
  for (let i = 0; i < idHashes.length; i++) view.setUint32(headerLength + 4 * i, idHashes[i]!);
  const digestAt = sidecarLength - digestLength;
  bytes.set(sha256(bytes.subarray(0, digestAt)), digestAt);
  return bytes;
}

/** The id hashes, or undefined if the bytes are not a whole sidecar of that segment. */
export function readIdSidecar(
  sha256: Sha256,
  first: number,
  bytes: Uint8Array,
): Uint32Array | undefined {
  if (bytes.length !== sidecarLength) return undefined;
  const digestAt = sidecarLength - digestLength;
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

/**
 * Hashes as the core sees them. The core computes none by itself: a `Sha256` arrives as an argument, so that the
 * same code runs on the platform's own cryptography in Node and on a library in a browser.
 */

/** A SHA-256 digest: 32 bytes. Never changed after it was made. */
export type Hash = Uint8Array;

/**
 * SHA-256 (FIPS 180-4) of `bytes`; the result is a fresh array of 32 bytes. What stands beside it are faster ways to
 * the same bytes, for those who hash very much; where a platform has none, the plain way is taken.
 */
export interface Sha256 {
  (bytes: Uint8Array): Hash;
  /** Writes the hash of `bytes` into `out` at `at`: no array is made for it. */
  readonly into?: (bytes: Uint8Array, out: Uint8Array, at: number) => void;
  /**
   * Hashes tree nodes, SHA-256(0x01 || left || right): those from `begin` up to, not including, `end` of `parents`,
   * each from the two that lie at twice its index in `children`. Both are runs of hashes on a word boundary, and may
   * be the same run, so nodes are written in rising order. No node depends on another one: a platform with many lanes
   * does several at once.
   */
  readonly parents?: (
    children: Uint8Array,
    parents: Uint8Array,
    begin: number,
    end: number,
  ) => void;
}

export const hashByteLength = 32;

/** Writes SHA-256 of `bytes` into `out` at `at`. */
export function hashInto(sha256: Sha256, bytes: Uint8Array, out: Uint8Array, at: number): void {
  if (sha256.into === undefined) out.set(sha256(bytes), at);
  else sha256.into(bytes, out, at);
}

/** True if both hold the same bytes. Not constant-time: for public values only. */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

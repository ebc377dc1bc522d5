/**
 * Hashes as the core sees them. The core computes none by itself: a `Sha256` arrives as an argument, so that the
 * same code runs on the platform's own cryptography in Node and on a library in a browser.
 */

/** A SHA-256 digest: 32 bytes. Never changed after it was made. */
export type Hash = Uint8Array;

/** SHA-256 (FIPS 180-4) of `bytes`; the result is a fresh array of 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Hash;

export const hashByteLength = 32;

/** True if both hold the same bytes. Not constant-time: for public values only. */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

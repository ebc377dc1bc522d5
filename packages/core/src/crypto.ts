/**
 * What the core asks of a platform's cryptography. `@cairnlog/crypto` has one implementation on `node:crypto` and
 * one for browsers; both pass the same tests.
 */
import type { Sha256 } from "./hash.ts";

export type KeyAlgorithm = "ed25519" | "ml-dsa-44";

/** Sizes in bytes (RFC 8032, FIPS 204). */
export const keySizes = {
  ed25519: { publicKey: 32, signature: 64, seed: 32 },
  "ml-dsa-44": { publicKey: 1312, signature: 2420, seed: 32 },
} as const satisfies Record<KeyAlgorithm, object>;

export interface Crypto {
  readonly sha256: Sha256;
  /**
   * True if `signature` over `message` is by `publicKey` (raw encoding). Resolves false for keys and signatures
   * of the wrong size; never rejects because of what it was given.
   */
  verify(
    algorithm: KeyAlgorithm,
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean>;
}

/** A private key in use. The key itself is not readable through it. */
export interface Signer {
  readonly algorithm: KeyAlgorithm;
  /** Raw encoding: 32 bytes (Ed25519) or 1,312 bytes (ML-DSA-44). */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/**
 * Private keys in Node: made, read, written, used. Every key here is a 32-byte seed (RFC 8032; FIPS 204 algorithm 6),
 * and a key file is the PKCS#8 PEM of that seed, so that `openssl pkey` (3.5 or later for ML-DSA) reads it.
 *
 * A `Signer` does not show its key; `exportSeed` and `privateKeyPem` do, and exist for writing key files.
 *
 * ML-DSA-44 is pure ML-DSA with an empty context (FIPS 204 section 5.2), hedged: two signatures over the same message
 * differ. Ed25519 signatures do not.
 */
import {
  createPrivateKey,
  createPublicKey,
  randomBytes,
  sign as nodeSign,
  type KeyObject,
} from "node:crypto";
import { CairnError, assert, keySizes, type KeyAlgorithm, type Signer } from "@cairnlog/core";
import { derOf, pkcs8Prefixes, spkiPrefixes } from "./der.ts";
import { plainBytes } from "./node.ts";

export interface SignerOptions {
  /**
   * Where signing happens: "here" blocks the calling thread, "pool" uses a thread of libuv's pool.
   * Default: "here" for Ed25519, "pool" for ML-DSA-44, which takes ten times as long. Measured for
   * Ed25519, one at a time: 47 µs here, 116 µs by way of the pool, of which the calling thread is
   * busy for 46 µs all the same.
   */
  readonly where?: "here" | "pool";
}

const privateKeys = new WeakMap<Signer, KeyObject>();

/** A new key from the system's generator. */
export function generateSigner(algorithm: KeyAlgorithm, options: SignerOptions = {}): Signer {
  return signerFromSeed(algorithm, randomBytes(keySizes[algorithm].seed), options);
}

/** The key of a 32-byte seed, always the same one. */
export function signerFromSeed(
  algorithm: KeyAlgorithm,
  seed: Uint8Array,
  options: SignerOptions = {},
): Signer {
  const { seed: seedBytes } = keySizes[algorithm];
  if (seed.length !== seedBytes) {
    throw new CairnError("malformed", `a seed has ${seedBytes} bytes, not ${seed.length}`);
  }
  const key = derOf(pkcs8Prefixes[algorithm], seed);
  return signerOf(algorithm, createPrivateKey({ key, format: "der", type: "pkcs8" }), options);
}

/**
 * The key in a PEM file, as written by `privateKeyPem` or by openssl. "malformed" where it is none, is encrypted, or is
 * of another algorithm.
 */
export function signerFromPem(pem: string, options: SignerOptions = {}): Signer {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: "pem" });
  } catch (cause) {
    throw new CairnError(
      "malformed",
      "not a private key: expected unencrypted PKCS#8 in PEM, which begins -----BEGIN PRIVATE KEY-----",
      { cause },
    );
  }
  const algorithm = key.asymmetricKeyType as string | undefined;
  if (algorithm !== "ed25519" && algorithm !== "ml-dsa-44") {
    throw new CairnError(
      "malformed",
      `the private key is of type ${algorithm}; known are ed25519 and ml-dsa-44`,
    );
  }
  return signerOf(algorithm, key, options);
}

/** The content of a key file: PKCS#8 PEM that holds the seed alone, the same text for the same key. */
export function privateKeyPem(signer: Signer): string {
  const der = derOf(pkcs8Prefixes[signer.algorithm], exportSeed(signer)).toString("base64");
  const lines = der.match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/** The seed itself: whoever has it can sign. "unavailable" for a key file that was written without its seed. */
export function exportSeed(signer: Signer): Uint8Array {
  const key = privateKeys.get(signer);
  assert(key !== undefined, "the signer was made here");
  try {
    const jwk = key.export({ format: "jwk" }) as { readonly d?: string; readonly priv?: string };
    const seed = Buffer.from(
      (signer.algorithm === "ed25519" ? jwk.d : jwk.priv) ?? "",
      "base64url",
    );
    assert(seed.length === keySizes[signer.algorithm].seed, "a private key has its seed");
    return plainBytes(seed);
  } catch (cause) {
    throw new CairnError(
      "unavailable",
      "the private key was written without its seed; make the key file anew from the seed",
      { cause },
    );
  }
}

function signerOf(algorithm: KeyAlgorithm, key: KeyObject, options: SignerOptions): Signer {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = plainBytes(spki.subarray(spkiPrefixes[algorithm].length));
  assert(publicKey.length === keySizes[algorithm].publicKey, "a public key has its length");
  const where = options.where ?? (algorithm === "ed25519" ? "here" : "pool");
  const signer: Signer = {
    algorithm,
    publicKey,
    sign: where === "here" ? (message) => signHere(key, message) : (m) => signInPool(key, m),
  };
  privateKeys.set(signer, key);
  return signer;
}

async function signHere(key: KeyObject, message: Uint8Array): Promise<Uint8Array> {
  return plainBytes(nodeSign(null, message, key));
}

function signInPool(key: KeyObject, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    nodeSign(null, message, key, (error, signature) => {
      if (error === null) resolve(plainBytes(signature));
      else reject(error);
    });
  });
}

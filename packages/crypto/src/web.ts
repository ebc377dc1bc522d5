/**
 * The core's cryptography in browsers: SHA-256 and ML-DSA-44 from noble, Ed25519 from WebCrypto. It verifies; it holds
 * no private keys. Nothing here is of Node, though it runs there too.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { CairnError, keySizes, type Crypto, type KeyAlgorithm } from "@cairnlog/core";

/** The core's cryptography where there is no `node:crypto`. */
export const webCrypto: Crypto = { sha256: (bytes) => sha256(bytes), verify };

/** The same name as behind the door for Node. */
export { webCrypto as platformCrypto };

async function verify(
  algorithm: KeyAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const sizes = keySizes[algorithm];
  if (publicKey.length !== sizes.publicKey || signature.length !== sizes.signature) return false;
  if (algorithm === "ml-dsa-44") return ml_dsa44.verify(signature, message, publicKey);
  return verifyEd25519(publicKey, message, signature);
}

async function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  // Where it cannot be checked, "false" would call a good signature bad. So this rejects.
  const subtle = globalThis.crypto?.subtle as typeof globalThis.crypto.subtle | undefined;
  if (subtle === undefined) {
    throw new CairnError(
      "unavailable",
      "no Ed25519 here: browsers offer WebCrypto only to pages from https or localhost",
    );
  }
  try {
    const raw = new Uint8Array(publicKey);
    const key = await subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    return await subtle.verify(
      { name: "Ed25519" },
      key,
      new Uint8Array(signature),
      new Uint8Array(message),
    );
  } catch (cause) {
    // A public key that is no point of the curve: some implementations refuse to import it.
    if (cause instanceof Error && cause.name === "DataError") return false;
    throw new CairnError(
      "unavailable",
      "this browser's WebCrypto has no Ed25519; Chrome 137, Firefox 129 and Safari 17 have",
      { cause },
    );
  }
}

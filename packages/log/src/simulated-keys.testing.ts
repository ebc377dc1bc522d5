/**
 * Signatures that cost a hash: for simulations, where thousands of logs sign and nothing is to depend on threads.
 * Whoever knows the public key can forge them. It also keeps the list of all checkpoints that were ever signed, so
 * that a simulation sees what never left the log.
 */
import {
  isCairnError,
  keySizes,
  parseCheckpoint,
  parseUtf8,
  type Crypto,
  type KeyAlgorithm,
  type Signer,
} from "@cairnlog/core";
import { nodeCrypto, signerFromPem } from "@cairnlog/crypto";

const { sha256 } = nodeCrypto;

/** `length` bytes that follow from `parts`. */
function expanded(length: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const digest = sha256(Buffer.concat(parts));
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += digest.length) {
    bytes.set(digest.subarray(0, Math.min(digest.length, length - at)), at);
  }
  return bytes;
}

function signature(
  algorithm: KeyAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return expanded(keySizes[algorithm].signature, publicKey, message);
}

export const simulatedCrypto: Crypto = {
  sha256,
  verify: (algorithm, publicKey, message, given) =>
    Promise.resolve(Buffer.compare(signature(algorithm, publicKey, message), given) === 0),
};

/** Reading a key file takes as long as a whole short history. */
const knownKeys = new Map<string, Pick<Signer, "algorithm" | "publicKey">>();

/** A reader of key files whose keys tell `signed` of every checkpoint. */
export function simulatedKeys(
  signed: (size: number, root: Uint8Array) => void,
): (pem: string) => Signer {
  return (pem) => {
    const { algorithm, publicKey } = knownKeys.get(pem) ?? signerFromPem(pem);
    knownKeys.set(pem, { algorithm, publicKey });
    return {
      algorithm,
      publicKey,
      sign(message) {
        const checkpoint = algorithm === "ed25519" ? findCheckpoint(message) : undefined;
        if (checkpoint !== undefined) signed(checkpoint.size, checkpoint.root);
        return Promise.resolve(signature(algorithm, publicKey, message));
      },
    };
  };
}

/** What an Ed25519 key signs as a checkpoint is its text; a seal has another form. */
function findCheckpoint(message: Uint8Array): { size: number; root: Uint8Array } | undefined {
  try {
    return parseCheckpoint(parseUtf8(message));
  } catch (error) {
    if (isCairnError(error)) return undefined;
    throw error;
  }
}

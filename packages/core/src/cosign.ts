/**
 * Making cosignatures: what a witness says of a checkpoint (C2SP tlog-cosignature). Checking them is for
 * `witnessed-checkpoint.ts` and `add-checkpoint.ts`.
 *
 * A cosignature is a promise that no larger tree of the log was seen, and that this one continues whatever was: who
 * calls here has checked that, and lets the cosignature out only when the new size is durable.
 */
import {
  checkpointCosignatureMessage,
  formatTimestampedSignature,
  isCosignableOrigin,
  subtreeMessage,
} from "./cosignature.ts";
import type { Signer } from "./crypto.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { CairnError, assert } from "./errors.ts";
import type { Sha256 } from "./hash.ts";
import type { NoteSignature, NoteSigner } from "./note.ts";
import { makeVkey, signatureTypes } from "./vkey.ts";

/** The key of a witness: type 0x04 for Ed25519, 0x06 for ML-DSA-44. */
export function cosigner(sha256: Sha256, name: string, signer: Signer): NoteSigner {
  const type =
    signer.algorithm === "ed25519"
      ? signatureTypes.ed25519Cosignature
      : signatureTypes.mlDsa44Cosignature;
  return { vkey: makeVkey(sha256, { name, type, publicKey: signer.publicKey }), signer };
}

/**
 * The cosignatures of a checkpoint's text by these keys of a witness, in their order. `timestamp` is in seconds since
 * 1970 and never 0: add-checkpoint must not leave it out. "malformed" for a text that is no checkpoint, or whose origin
 * has no room in the message of type 0x06.
 */
export async function cosignCheckpoint(
  cosigners: readonly NoteSigner[],
  noteText: string,
  timestamp: number,
): Promise<NoteSignature[]> {
  assert(Number.isSafeInteger(timestamp) && timestamp > 0, "a cosignature has a timestamp");
  const { origin, size, root } = parseCheckpoint(noteText, { allowExtensions: true });
  return Promise.all(
    cosigners.map(async ({ vkey, signer }) => {
      assert(vkey.type !== signatureTypes.ed25519, "a witness signs with types 0x04 and 0x06");
      let message: Uint8Array;
      if (vkey.type === signatureTypes.ed25519Cosignature) {
        message = checkpointCosignatureMessage(timestamp, noteText);
      } else if (isCosignableOrigin(origin)) {
        const subtree = { origin, start: 0, end: size, hash: root };
        message = subtreeMessage(vkey.name, timestamp, subtree);
      } else {
        throw new CairnError("malformed", "an origin of more than 255 bytes cannot be cosigned");
      }
      const signature = formatTimestampedSignature({
        timestamp,
        signature: await signer.sign(message),
      });
      return { name: vkey.name, keyId: vkey.id, signature };
    }),
  );
}

/**
 * Verifier keys of C2SP signed-note: `<name>+<key id in hex>+<base64(signature type || public key)>`.
 *
 * A *key name* says whose key it is, a *signature type* what exactly the key signs, and the *key ID* is a short
 * hash of both and of the key. The ID only tells keys apart; it is far too short to trust. To compare a key by
 * eye, use its fingerprint.
 *
 * A `Vkey` always has the ID that its name, type and public key give, and a public key of the right length:
 * it is made here only.
 */
import { keySizes, type KeyAlgorithm } from "./crypto.ts";
import { base64, hex, parseBase64, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import type { Sha256 } from "./hash.ts";

/** The signature types in use here, by what they sign (signed-note, tlog-cosignature). */
export const signatureTypes = {
  /** An Ed25519 signature over the note's text. */
  ed25519: 0x01,
  /** A timestamped Ed25519 cosignature of a checkpoint. */
  ed25519Cosignature: 0x04,
  /** A timestamped ML-DSA-44 cosignature of a checkpoint or subtree. */
  mlDsa44Cosignature: 0x06,
} as const;

export type SignatureType = (typeof signatureTypes)[keyof typeof signatureTypes];

const algorithms: ReadonlyMap<number, KeyAlgorithm> = new Map([
  [signatureTypes.ed25519, "ed25519"],
  [signatureTypes.ed25519Cosignature, "ed25519"],
  [signatureTypes.mlDsa44Cosignature, "ml-dsa-44"],
]);

export interface VkeyParts {
  readonly name: string;
  readonly type: SignatureType;
  /** Raw encoding: 32 bytes (Ed25519) or 1,312 bytes (ML-DSA-44). */
  readonly publicKey: Uint8Array;
}

export interface Vkey extends VkeyParts {
  /** The first four bytes of the key's hash, as an unsigned big-endian integer. */
  readonly id: number;
}

/** Bytes of a name that fits into the message of an ML-DSA-44 cosignature. */
export const cosignerNameBytesMax = 255;

/** The algorithm that makes signatures of this type. */
export function algorithmOf(type: SignatureType): KeyAlgorithm {
  return algorithms.get(type)!;
}

/**
 * True if `text` may name a key: not empty, no Unicode white space, no plus sign (signed-note), and nothing that
 * could not stand in a note (control characters, lone surrogates).
 */
export function isKeyName(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return text !== "" && text.isWellFormed() && !/[\p{White_Space}+\u0000-\u001f]/u.test(text);
}

/** SHA-256(name || 0x0A || type || public key)[:4], as an unsigned big-endian integer. */
export function keyId(
  sha256: Sha256,
  name: string,
  type: SignatureType,
  publicKey: Uint8Array,
): number {
  const nameBytes = utf8(name);
  const input = new Uint8Array(nameBytes.length + 2 + publicKey.length);
  input.set(nameBytes);
  input[nameBytes.length] = 0x0a;
  input[nameBytes.length + 1] = type;
  input.set(publicKey, nameBytes.length + 2);
  const digest = sha256(input);
  return new DataView(digest.buffer, digest.byteOffset, digest.byteLength).getUint32(0);
}

/** A verifier key with its ID. "malformed" for an impossible name or a public key of the wrong length. */
export function makeVkey(sha256: Sha256, parts: VkeyParts): Vkey {
  const { name, type, publicKey } = parts;
  if (!isKeyName(name)) {
    throw new CairnError(
      "malformed",
      `not a key name: ${JSON.stringify(name.slice(0, 80))}. ` +
        "It is not empty and has no white space, control character or plus sign",
    );
  }
  if (type === signatureTypes.mlDsa44Cosignature && utf8(name).length > cosignerNameBytesMax) {
    throw new CairnError(
      "malformed",
      `the name of an ML-DSA-44 key has at most ${cosignerNameBytesMax} bytes; shorten it`,
    );
  }
  const byteLength = keySizes[algorithmOf(type)].publicKey;
  if (publicKey.length !== byteLength) {
    throw new CairnError(
      "malformed",
      `the public key of ${name} has ${publicKey.length} bytes; ` +
        `one of type ${typeText(type)} has ${byteLength}`,
    );
  }
  return { name, type, publicKey, id: keyId(sha256, name, type, publicKey) };
}

/** The key's text, in its only spelling. */
export function formatVkey(vkey: Vkey): string {
  return `${vkey.name}+${formatKeyId(vkey.id)}+${base64(typedKey(vkey))}`;
}

/** Reads a verifier key. "malformed" for any other spelling, an unknown type, or an ID that is not the key's. */
export function parseVkey(sha256: Sha256, text: string): Vkey {
  const refuse = (why: string): CairnError =>
    new CairnError(
      "malformed",
      `not a verifier key (${why}): ${JSON.stringify(text.slice(0, 80))}`,
    );
  const nameEnd = text.indexOf("+");
  const idEnd = text.indexOf("+", nameEnd + 1);
  // The base64 part may itself hold plus signs, so only the first two separate.
  if (nameEnd < 0 || idEnd < 0) throw refuse("it has the form <name>+<key ID>+<base64 key>");
  const bytes = parseBase64(text.slice(idEnd + 1));
  const type = bytes[0];
  if (type === undefined) throw refuse("the key is empty");
  if (!isSignatureType(type)) {
    throw refuse(`signature type ${typeText(type)} is unknown; known are 0x01, 0x04 and 0x06`);
  }
  const vkey = makeVkey(sha256, { name: text.slice(0, nameEnd), type, publicKey: bytes.slice(1) });
  const id = text.slice(nameEnd + 1, idEnd);
  if (id !== formatKeyId(vkey.id)) {
    throw refuse(`its ID is ${formatKeyId(vkey.id)}, so a part of it was changed or mistyped`);
  }
  return vkey;
}

/** Eight lower-case hex digits. */
export function formatKeyId(id: number): string {
  return id.toString(16).padStart(8, "0");
}

/**
 * What people compare: lower-case hex of SHA-256(type || public key), 64 digits. It does not depend on the name, so
 * the same key under two names shows the same fingerprint.
 */
export function fingerprint(sha256: Sha256, vkey: VkeyParts): string {
  return hex(sha256(typedKey(vkey)));
}

function typedKey(vkey: VkeyParts): Uint8Array {
  const typed = new Uint8Array(1 + vkey.publicKey.length);
  typed[0] = vkey.type;
  typed.set(vkey.publicKey, 1);
  return typed;
}

function isSignatureType(type: number): type is SignatureType {
  return algorithms.has(type);
}

function typeText(type: number): string {
  return `0x${type.toString(16).padStart(2, "0")}`;
}

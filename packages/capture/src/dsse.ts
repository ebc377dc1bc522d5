/**
 * DSSE 1.0: envelopes whose payload is signed together with its type, so that neither can be taken for another. Keys
 * are public keys in PEM, Ed25519 or ECDSA on P-256 with SHA-256 (signatures
 * in DER, or r and s one after the other, as the specification's own test vector has them).
 *
 * `keyid` is a hint that nobody signed: it decides nothing here. What was verified is what is returned: nobody reads
 * the payload from the envelope a second time.
 */
import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { CairnError, parseBase64, utf8 } from "@cairnlog/core";
import { at, textAt, type Json } from "./foreign-json.ts";

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly { readonly keyid: string; readonly signature: Uint8Array }[];
}

export interface PublicKey {
  readonly key: KeyObject;
  /** SHA-256 of the SubjectPublicKeyInfo in lower-case hex: the key's name in what we record. */
  readonly fingerprint: string;
}

const signaturesMax = 32;
const rawP256Length = 64;
const pem = /-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/g;

/** "malformed" where a required member is missing or is no base64. */
export function parseEnvelope(value: Json): Envelope {
  const payload = at(value, "payload");
  const payloadType = at(value, "payloadType");
  const signatures = at(value, "signatures");
  if (
    typeof payload !== "string" ||
    typeof payloadType !== "string" ||
    !Array.isArray(signatures)
  ) {
    throw new CairnError(
      "malformed",
      "no DSSE envelope: expected payload, payloadType, signatures",
    );
  }
  if (signatures.length > signaturesMax) {
    throw new CairnError("malformed", `an envelope has at most ${signaturesMax} signatures`);
  }
  return {
    payloadType,
    payload: parseEitherBase64(payload),
    signatures: signatures.map((one: Json) => {
      const sig = at(one, "sig");
      if (typeof sig !== "string") throw new CairnError("malformed", "a signature has no sig");
      return { keyid: textAt(one, "keyid") ?? "", signature: parseEitherBase64(sig) };
    }),
  };
}

/** The specification's standard or URL-safe alphabet; padding may be missing only with the latter. */
function parseEitherBase64(text: string): Uint8Array {
  const isUrlSafe = /[-_]/.test(text) || text.length % 4 !== 0;
  // Never a mixture of both: what is no base64 at all, the strict reader refuses.
  if (!isUrlSafe || /[+/]/.test(text)) return parseBase64(text);
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return parseBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="));
}

/** PAE(type, body): what is signed. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return Buffer.concat([
    utf8(`DSSEv1 ${type.length} `),
    type,
    utf8(` ${payload.length} `),
    payload,
  ]);
}

/** The different keys that signed the envelope, in their own order. */
export function verifiedBy(envelope: Envelope, keys: readonly PublicKey[]): readonly PublicKey[] {
  const signed = preAuthenticationEncoding(envelope.payloadType, envelope.payload);
  return keys.filter(({ key }) =>
    envelope.signatures.some(({ signature }) => isSigned(signed, key, signature)),
  );
}

function isSigned(signed: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  const isEd25519 = key.asymmetricKeyType === "ed25519";
  const isRaw = !isEd25519 && signature.length === rawP256Length;
  try {
    if (isEd25519) return verify(null, signed, key, signature);
    return (
      verify("sha256", signed, key, signature) ||
      (isRaw && verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature))
    );
  } catch {
    // What is no signature at all can make the platform throw.
    return false;
  }
}

/** The keys in a text of PEM blocks, each once. "usage" where one of them cannot be used. */
export function parsePublicKeys(text: string): readonly PublicKey[] {
  const blocks = text.match(pem) ?? [];
  const rest = text.replaceAll(pem, "").trim();
  if (rest !== "") throw unusable("there is something else besides PEM blocks of public keys");
  const keys = blocks.map(parsePublicKey);
  return keys.filter(
    ({ fingerprint }, i) => keys.findIndex((key) => key.fingerprint === fingerprint) === i,
  );
}

function parsePublicKey(block: string): PublicKey {
  let key: KeyObject;
  try {
    key = createPublicKey(block);
  } catch (cause) {
    throw unusable("a block is no public key", cause);
  }
  const isEd25519 = key.asymmetricKeyType === "ed25519";
  const isP256 = key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  if (!isEd25519 && !isP256) throw unusable("a key is neither Ed25519 nor ECDSA on P-256");
  const spki = key.export({ type: "spki", format: "der" });
  return { key, fingerprint: createHash("sha256").update(spki).digest("hex") };
}

function unusable(why: string, cause?: unknown): CairnError {
  return new CairnError("usage", `the source's public keys: ${why}`, { cause });
}

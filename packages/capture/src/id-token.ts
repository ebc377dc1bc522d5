/**
 * The ID token of a CI system: a JWT (RFC 7519) in compact form, signed with RS256 or ES256, checked against a set of
 * public keys (RFC 7517) that the source was given.
 *
 * `jose`, which verifies by promises, cannot be asked here: who a delivery is from is decided at once, before it is
 * taken in. Signatures are the platform's; what stands here is the reading of the token, one spelling only, and the
 * claims. `id-token.test.ts` holds it against `jose`: this one must never take what that one refuses.
 *
 * What must hold: the algorithm is the key's, never the token's choice; a key of a kind that can also make signatures
 * (`oct`) is no key here; a claim that is missing is as good as wrong.
 */
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { CairnError, isCairnError, parseBase64, utf8 } from "@cairnlog/core";
import { notAuthenticated } from "./authentication.ts";
import {
  at,
  isObject,
  parseForeignJson,
  parseForeignText,
  textAt,
  type Json,
} from "./foreign-json.ts";
import { lookUp } from "./pointers.ts";
import { parseJsonObject, type JsonObject } from "./webhook-body.ts";

export interface IdToken {
  readonly claims: JsonObject;
  /** The public key that verified it. Kept with the event: the issuer shows its keys for a while only. */
  readonly key: Json;
}

export interface Expected {
  readonly issuer: string;
  /** Any of them. */
  readonly audiences: readonly string[];
  readonly nowMs: number;
}

interface PublicKey {
  readonly jwk: JsonObject;
  readonly key: KeyObject;
  readonly algorithm: string;
}

const tokenLengthMax = 16 * 1024;
const keysMax = 32;
const clockSkewSeconds = 60;
const rsaBitsMin = 2048;

/** "unauthenticated", whatever is wrong with it. */
export function verifyIdToken(token: string, jwks: string, expected: Expected): IdToken {
  const opened = openIdToken(token, jwks);
  if (!areExpected(opened.claims, expected)) throw notAuthenticated();
  return opened;
}

/** Whose signature it has, and no more: it may be old, and meant for others. "unauthenticated" */
export function openIdToken(token: string, jwks: string): IdToken {
  try {
    const [header, payload, signature, signed] = partsOf(token);
    const key = parseJwks(jwks).find((one) => isSignedBy(one, header, signed, signature));
    if (key === undefined) throw notAuthenticated();
    return { claims: parseJsonObject(payload, "the token's claims"), key: key.jwk };
  } catch (error) {
    if (isCairnError(error, "malformed") || isCairnError(error, "usage")) throw notAuthenticated();
    throw error;
  }
}

type Parts = readonly [
  header: Json,
  payload: Uint8Array,
  signature: Uint8Array,
  signed: Uint8Array,
];

function partsOf(token: string): Parts {
  const parts = token.length <= tokenLengthMax ? token.split(".") : [];
  const [header, payload, signature, ...more] = parts;
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw new CairnError("malformed", "a token has three parts");
  }
  return [
    parseForeignJson(parseBase64Url(header), "the token's header").value,
    parseBase64Url(payload),
    parseBase64Url(signature),
    utf8(`${header}.${payload}`),
  ];
}

/** RFC 4648, section 5, without padding and without another spelling of the same bytes. */
function parseBase64Url(text: string): Uint8Array {
  if (/[+/=]/.test(text)) throw new CairnError("malformed", "not base64url");
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return parseBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="));
}

/** The keys of a set that can be used here. "usage", "malformed" where it is no set. */
function parseJwks(text: string): readonly PublicKey[] {
  const keys = at(parseForeignText(text, "the set of keys").value, "keys");
  if (!Array.isArray(keys) || keys.length > keysMax) {
    throw new CairnError("usage", `expected a JSON Web Key Set of at most ${keysMax} keys`);
  }
  return (keys as readonly Json[]).flatMap((jwk) => (isObject(jwk) ? usableKey(jwk) : []));
}

const algorithms: Readonly<Record<string, string>> = { RSA: "RS256", EC: "ES256" };
const publicMembers = ["kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"];

function usableKey(full: JsonObject): PublicKey[] {
  // Only what is public of it: whoever pastes a private key here does not get it recorded.
  const jwk = Object.fromEntries(
    publicMembers.filter((name) => name in full).map((name) => [name, full[name]!]),
  );
  const algorithm = lookUp(algorithms, textAt(jwk, "kty"));
  const isForOther = (textAt(jwk, "use") ?? "sig") !== "sig";
  if (algorithm === undefined || isForOther || (textAt(jwk, "alg") ?? algorithm) !== algorithm) {
    return [];
  }
  try {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const { modulusLength = rsaBitsMin, namedCurve = "prime256v1" } =
      key.asymmetricKeyDetails ?? {};
    const isStrong = modulusLength >= rsaBitsMin && namedCurve === "prime256v1";
    return isStrong ? [{ jwk, key, algorithm }] : [];
  } catch {
    // A key that the platform cannot read verifies nothing; the others may.
    return [];
  }
}

function isSignedBy(
  { jwk, key, algorithm }: PublicKey,
  header: Json,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  const keyId = textAt(header, "kid");
  const isOther = keyId !== undefined && textAt(jwk, "kid") !== keyId;
  // What is critical and unknown must be refused (RFC 7515, section 4.1.11); nothing is known here.
  const isCritical = at(header, "crit") !== undefined;
  if (isOther || isCritical || textAt(header, "alg") !== algorithm) return false;
  return verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature);
}

function areExpected(claims: JsonObject, { issuer, audiences, nowMs }: Expected): boolean {
  const now = nowMs / 1000;
  const { aud, exp, iat, nbf = 0 } = claims;
  const named = Array.isArray(aud) ? (aud as readonly Json[]) : [aud];
  const isForUs = named.some((one) => typeof one === "string" && audiences.includes(one));
  const isTime = (value: Json | undefined): value is number => typeof value === "number";
  if (!isTime(exp) || !isTime(iat) || !isTime(nbf)) return false;
  const isNow = exp > now - clockSkewSeconds && Math.max(iat, nbf) <= now + clockSkewSeconds;
  return claims["iss"] === issuer && issuer !== "" && isForUs && isNow;
}

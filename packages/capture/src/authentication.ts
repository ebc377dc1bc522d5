/**
 * How a delivery proves its sender: a token that travels with it, or an HMAC over its raw bytes. For adapters to build
 * their `authenticate` of.
 *
 * What must hold: every comparison with a secret takes the same time wherever the first difference lies, whatever its
 * length; every secret of the source is tried, so that one can be replaced without a gap; nothing said in a refusal
 * tells a wrong secret from an unknown one.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import {
  CairnError,
  isCairnError,
  parseBase64,
  parseDecimal,
  parseUtf8,
  utf8,
} from "@cairnlog/core";
import type { Delivery, SourceSettings } from "./adapter.ts";

type Headers = Delivery["headers"];
type Secrets = Pick<SourceSettings, "secrets">;

/** As the Standard Webhooks library has it: a delivery that somebody overheard cannot be sent again for long. */
export const signedAgeMsMax = 5 * 60_000;
/** One delivery carries at most so many signatures: each costs a comparison with each secret. */
const signaturesMax = 8;

/** Why a delivery was not let in. The same words for a wrong secret, a missing header and an unknown source. */
export function notAuthenticated(): CairnError {
  return new CairnError(
    "unauthenticated",
    "nothing proves that this delivery is of a source of this log: check its address, its secret, and the sender's clock",
  );
}

/**
 * True if both are the same text. Both are hashed first, so that neither the place of the first difference nor the
 * secret's length shows in the time.
 */
export function isSameSecret(sent: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  // An empty secret would let everybody in who sends an empty header.
  return timingSafeEqual(digest(sent), digest(secret)) && secret !== "";
}

/** True if `sent` is one of the secrets. All of them are compared, whichever it is. */
export function isOneOf(sent: string, secrets: readonly string[]): boolean {
  let isFound = false;
  for (const secret of secrets) if (isSameSecret(sent, secret)) isFound = true;
  return isFound;
}

/** `Authorization: <scheme> <secret>`; the scheme in any case (RFC 9110, section 11.1). */
export function requireBearer(headers: Headers, source: Secrets, scheme = "Bearer"): void {
  requireToken(findCredentials(headers.authorization, scheme), source);
}

/** `Authorization: <secret>`, with or without a scheme before it: for senders that send the header as it was typed. */
export function requireAuthorization({ authorization }: Headers, source: Secrets): void {
  requireToken(findCredentials(authorization, "Bearer") ?? authorization, source);
}

/** `<name>: <secret>`; `name` in lower case. */
export function requireHeaderToken(headers: Headers, name: string, source: Secrets): void {
  requireToken(headers[name], source);
}

/** `Authorization: Basic`, with the secret as the password. Whose name stands before it is asked only with `user`. */
export function requireBasic(headers: Headers, source: Secrets, user?: string): void {
  const pair = basicPair(findCredentials(headers.authorization, "Basic"));
  const colon = pair.indexOf(":");
  if (colon < 0 || (user !== undefined && pair.slice(0, colon) !== user)) throw notAuthenticated();
  requireToken(pair.slice(colon + 1), source);
}

/** One of the headers named, else the password of Basic, else a bearer token: whatever a sender can be made to send. */
export function requireAnyToken(
  headers: Headers,
  source: Secrets,
  headerNames: readonly string[] = [],
): void {
  const name = headerNames.find((one) => headers[one] !== undefined);
  if (name !== undefined) requireHeaderToken(headers, name, source);
  else if (findCredentials(headers.authorization, "Basic") === undefined) {
    requireBearer(headers, source);
  } else requireBasic(headers, source);
}

/** What follows `scheme` in an Authorization header; undefined where there is none, or one of another scheme. */
export function findCredentials(
  authorization: string | undefined,
  scheme: string,
): string | undefined {
  const [, name, credentials] = /^([!-~]+) +([!-~]+)$/.exec(authorization ?? "") ?? [];
  return name?.toLowerCase() === scheme.toLowerCase() ? credentials : undefined;
}

function requireToken(sent: string | undefined, { secrets }: Secrets): void {
  if (sent === undefined || !isOneOf(sent, secrets)) throw notAuthenticated();
}

function basicPair(credentials: string | undefined): string {
  try {
    return parseUtf8(parseBase64(credentials ?? ""));
  } catch (cause) {
    if (!isCairnError(cause, "malformed")) throw cause;
    throw notAuthenticated();
  }
}

export interface HmacScheme {
  /** As the sender writes it, without what stands before it (`sha256=`). Several where it signs with several keys. */
  readonly sent: string | readonly string[] | undefined;
  /** The parts of the message, one after another: `[delivery.body]`, or `[id, ".", timestamp, ".", body]`. */
  readonly message: readonly (string | Uint8Array)[];
  /** `hex` is taken in either case. */
  readonly encoding: "hex" | "base64";
  readonly algorithm?: "sha256" | "sha512" | "sha1";
  /** The key's bytes, where the secret's own UTF-8 bytes are not it. Undefined: a secret of another kind, left out. */
  readonly keyOf?: (secret: string) => Uint8Array | undefined;
}

/** HMAC (RFC 2104) over the raw bytes, under one of the source's secrets. */
export function requireHmac(scheme: HmacScheme, source: Secrets): void {
  if (!isHmac(scheme, source)) throw notAuthenticated();
}

/** The same, for schemes that have another way besides. */
export function isHmac(scheme: HmacScheme, { secrets }: Secrets): boolean {
  const { sent = [], encoding, message, algorithm = "sha256", keyOf = utf8 } = scheme;
  const candidates = typeof sent === "string" ? [sent] : sent;
  let isFound = false;
  for (const secret of secrets) {
    const key = secret === "" ? undefined : keyOf(secret);
    if (key === undefined || key.length === 0) continue;
    const hmac = createHmac(algorithm, key);
    for (const part of message) hmac.update(part);
    const signature = hmac.digest(encoding);
    for (const one of candidates.slice(0, signaturesMax)) {
      if (isSameSecret(encoding === "hex" ? one.toLowerCase() : one, signature)) isFound = true;
    }
  }
  return isFound;
}

/** Refuses what was signed more than `ageMsMax` away from now, before or after. `seconds` is Unix time, as sent. */
export function requireRecent(
  seconds: string | undefined,
  nowMs: number,
  ageMsMax: number = signedAgeMsMax,
): void {
  if (seconds === undefined || !/^[1-9][0-9]{0,11}$/.test(seconds)) throw notAuthenticated();
  const ageMs = nowMs - parseDecimal(seconds, "Unix time") * 1000;
  if (Math.abs(ageMs) > ageMsMax) throw notAuthenticated();
}

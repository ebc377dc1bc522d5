/**
 * Who acts, out of what an application knows once it has checked it. Nothing here checks anything: a
 * token's signature, a password, a certificate's chain and a session are the application's to verify,
 * before it hands their claims over. What is itself a secret (a session's id, a password, a token)
 * never gets into an actor.
 */
import { createHash } from "node:crypto";
import { CairnError, parseBase64, utf8 } from "@cairnlog/core";

export interface Actor {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** Whoever did not say who they are. A request of nobody is an event too. */
export const anonymous: Actor = { id: "anonymous", type: "anonymous" };

/** Claims of a JWT (RFC 7519, OpenID Connect Core) that the application has verified. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * Of verified claims: `id` is the claim `claim` (default: `sub`), with the issuer, the name, the
 * client and the session (`sid`) beside it. "usage" where the claim is not there: a token without a
 * subject is nobody.
 */
export function actorOfClaims(claims: Claims, claim = "sub"): Actor {
  const id = claims[claim];
  if (typeof id !== "string" || id === "") {
    throw new CairnError("usage", `the claim ${JSON.stringify(claim)} is not a text`);
  }
  const text = (name: string): string | undefined => {
    const value = claims[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  // RFC 9068 and Keycloak: what acts for itself is a client, and has no user's name.
  const client = text("azp") ?? text("client_id");
  return defined({
    id,
    type: "user",
    issuer: text("iss"),
    subject: claim === "sub" ? undefined : text("sub"),
    name: text("preferred_username") ?? text("name"),
    email: text("email"),
    client,
    session: text("sid"),
  });
}

/** What is used of a TLS socket of Node. */
export interface TlsPeer {
  readonly authorized: boolean;
  getPeerCertificate(): {
    readonly subject?: { readonly CN?: string | string[] };
    readonly issuer?: { readonly CN?: string | string[] };
    readonly subjectaltname?: string | undefined;
    readonly serialNumber?: string;
    readonly fingerprint256?: string;
  };
}

/**
 * Of a connection's client certificate (mTLS): its URI (as SPIFFE writes it), else its common name.
 * Undefined where the peer showed none that the server's authorities signed.
 */
export function actorOfCertificate(socket: object): Actor | undefined {
  const peer = socket as Partial<TlsPeer>;
  if (peer.authorized !== true || peer.getPeerCertificate === undefined) return undefined;
  const { subject, issuer, subjectaltname, serialNumber, fingerprint256 } =
    peer.getPeerCertificate();
  const id = uriOf(subjectaltname ?? "") ?? oneOf(subject?.CN);
  if (id === undefined) return undefined;
  const certificate = defined({
    issuer: oneOf(issuer?.CN),
    serial: serialNumber,
    sha256: fingerprint256,
  });
  return { id, type: "service", certificate };
}

/**
 * The name in an `Authorization: Basic` header (RFC 7617) whose password the application has
 * checked. Undefined for any other header. The password is let go of.
 */
export function actorOfBasic(header: string | undefined): Actor | undefined {
  const credentials = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(header ?? "")?.[1];
  if (credentials === undefined) return undefined;
  try {
    const bytes = parseBase64(credentials);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const colon = text.indexOf(":");
    return colon < 1 ? undefined : { id: text.slice(0, colon), type: "user" };
  } catch {
    return undefined;
  }
}

/**
 * A user and the session they are in. Whoever reads a session's id could take the session over, so
 * what is recorded is a digest, which ties the events of one session together all the same.
 */
export function actorOfSession(user: Actor, sessionId: string): Actor {
  const digest = createHash("sha256")
    .update(utf8(`cairn/session/v1\0${sessionId}`))
    .digest("hex");
  return { type: "user", ...user, session: digest.slice(0, 32) };
}

/**
 * The first URI in Node's text of a certificate's alternative names, as `DNS:a, URI:spiffe://b/c`.
 * A name that holds a comma or a quote is quoted as in JSON: it must not pass for two.
 */
function uriOf(names: string): string | undefined {
  const name = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  for (let found = name.exec(names); found !== null; found = name.exec(names)) {
    const [, kind, value] = found;
    if (kind === "URI" && value !== "" && !value!.startsWith('"')) return value;
  }
  return undefined;
}

function oneOf(value: string | readonly string[] | undefined): string | undefined {
  const one = typeof value === "string" ? value : value?.[0];
  return one === "" ? undefined : one;
}

function defined<T extends object>(members: T): T {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as T;
}

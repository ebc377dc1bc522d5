/**
 * Standard Webhooks 1.0.0: what Svix, Supabase, Clerk, OpenAI and many others send. A delivery is signed over
 * `<webhook-id>.<webhook-timestamp>.<body>`: with HMAC-SHA256 (v1, secret `whsec_…`) or Ed25519 (v1a, public key
 * `whpk_…`). The body is whatever the sender likes; the recommended `{type, timestamp, data}` is read, and a mapping
 * can say more.
 */
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { CairnError, isCairnError, parseBase64, utf8 } from "@cairnlog/core";
import { isHmac, notAuthenticated, requireRecent } from "./authentication.ts";
import { withOriginal } from "./captured-event.ts";
import { safeId } from "./event-fields.ts";
import { at, parseForeignJson, textAt, wellFormed, type ForeignJson } from "./foreign-json.ts";
import { findMapping, mapQuestion } from "./json.ts";
import { applyMapping, emptyMapping } from "./mapping.ts";
import type { Adapter, Captured, Delivery, SourceSettings } from "./adapter.ts";

const signatureHeaders = ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type"];
/** As in the specification's own libraries: old and new key, and a few more. */
const signaturesMax = 8;
const publicKeyPrefix = "whpk_";
const ed25519KeyLength = 32;

export const standardWebhooksAdapter: Adapter = {
  kind: "standard-webhooks",
  title: "Standard Webhooks",
  basis: "Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec)",
  known: [
    {
      kind: "webhook",
      type: "api.event, or `type` of the mapping",
      actor: "the source, or `actor` of the mapping",
      action: "/type, else `webhook`",
      targets: "`targets` of the mapping",
      outcome: "`outcome` of the mapping",
    },
  ],
  setup: {
    questions: [mapQuestion],
    secret: "given",
    instructions: ({ url }) =>
      [
        `Register this address as a webhook endpoint: \`${url}\``,
        "",
        "The secret is the one that the sender shows for the endpoint: `whsec_…`, or its public key `whpk_…`.",
      ].join("\n"),
  },
  authenticate,
  capture,
};

function authenticate(delivery: Delivery, source: SourceSettings, nowMs: number): void {
  const { headers, body } = delivery;
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (id === undefined || timestamp === undefined) throw notAuthenticated();
  const signatures = (headers["webhook-signature"] ?? "").split(" ").slice(0, signaturesMax);
  const ofVersion = (version: string): string[] =>
    signatures
      .filter((each) => each.startsWith(`${version},`))
      .map((each) => each.slice(version.length + 1));
  const message = [id, ".", timestamp, ".", body];
  const isProven =
    isHmac({ sent: ofVersion("v1"), message, encoding: "base64", keyOf: hmacKey }, source) ||
    isSigned(ofVersion("v1a"), message, source.secrets);
  if (!isProven) throw notAuthenticated();
  requireRecent(timestamp, nowMs);
}

/** The key's bytes are the base64 behind the prefix; some senders leave the prefix away. */
function hmacKey(secret: string): Uint8Array | undefined {
  if (secret.startsWith(publicKeyPrefix)) return undefined;
  return findBase64(secret.replace(/^whsec_/, ""));
}

function isSigned(
  signatures: readonly string[],
  message: readonly (string | Uint8Array)[],
  secrets: readonly string[],
): boolean {
  if (signatures.length === 0) return false;
  const bytes = Buffer.concat(
    message.map((part) => (typeof part === "string" ? utf8(part) : part)),
  );
  return secrets.some((secret) => {
    const key = publicKey(secret);
    return (
      key !== undefined &&
      signatures.some((text) => {
        const signature = findBase64(text);
        return signature !== undefined && verify(null, bytes, key, signature);
      })
    );
  });
}

function publicKey(secret: string): KeyObject | undefined {
  if (!secret.startsWith(publicKeyPrefix)) return undefined;
  const raw = findBase64(secret.slice(publicKeyPrefix.length));
  if (raw?.length !== ed25519KeyLength) return undefined;
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

function findBase64(text: string): Uint8Array | undefined {
  try {
    return parseBase64(text);
  } catch (error) {
    if (isCairnError(error, "malformed")) return undefined;
    throw error;
  }
}

function capture(delivery: Delivery, source: SourceSettings): Captured {
  const { value } = bodyOf(delivery);
  const id = safeId(delivery.headers["webhook-id"]);
  const defaults = {
    id,
    type: "api.event",
    time: at(value, "timestamp"),
    actor: { id: source.name, type: "source" },
    action: textAt(value, "type") ?? "webhook",
  };
  const mapped = applyMapping(findMapping(source) ?? emptyMapping, value, defaults);
  // The id is the one that the sender repeats when it tries again, whatever the mapping says.
  const event = id === undefined ? mapped : { ...mapped, id };
  return { events: [withOriginal({ event }, delivery, signatureHeaders)] };
}

/** Nearly always JSON; the standard asks for no more than bytes. */
function bodyOf({ body, headers }: Delivery): ForeignJson {
  const isJson = /^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(headers["content-type"] ?? "");
  try {
    return parseForeignJson(body);
  } catch (error) {
    if (isJson || !isCairnError(error, "malformed")) throw error;
  }
  if (body.length === 0) throw new CairnError("malformed", "the webhook has no body");
  const text = wellFormed(new TextDecoder().decode(body));
  return { value: { text }, isAltered: true };
}

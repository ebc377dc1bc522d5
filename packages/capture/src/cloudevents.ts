/**
 * CloudEvents 1.0 over HTTP: structured, binary and batched, in JSON. The event is kept as the JSON event format spells
 * it, whichever way it came; `data` that is no JSON is kept as text, or as base64.
 *
 * Who acted is told by the extensions of the specification itself (`authid`, `authtype`), or by a mapping; what
 * triggered it by `traceparent`.
 */
import { CairnError } from "@cairnlog/core";
import { isOneOf, requireAnyToken } from "./authentication.ts";
import { safeId } from "./event-fields.ts";
import {
  isObject,
  parseForeignJson,
  textAt,
  wellFormed,
  type ForeignJson,
  type Json,
} from "./foreign-json.ts";
import { findMapping, mapQuestion } from "./json.ts";
import { applyMapping, emptyMapping } from "./mapping.ts";
import type {
  Adapter,
  Answer,
  Captured,
  CapturedEvent,
  Delivery,
  SourceSettings,
} from "./adapter.ts";

type Attributes = { readonly [name: string]: Json };

export const cloudeventsAdapter: Adapter = {
  kind: "cloudevents",
  title: "CloudEvents",
  basis: "CloudEvents 1.0.2: HTTP protocol binding, JSON event format, HTTP webhook, auth context",
  known: [
    {
      kind: "event",
      type: "api.event, or `type` of the mapping",
      actor: "authid with authtype, else source; or `actor` of the mapping",
      action: "type",
      targets: "subject at source",
      outcome: "`outcome` of the mapping",
    },
  ],
  setup: {
    questions: [mapQuestion],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        `Send CloudEvents to \`${url}\` with POST, in any of the three modes.`,
        "",
        `Header: \`Authorization: Bearer ${secret}\``,
        "",
        `A sender that cannot set a header: \`${url}?access_token=${secret}\` (proxies may log it).`,
      ].join("\n"),
  },
  authenticate({ headers, query }, source) {
    // CloudEvents' own webhook specification, section 3.2, asks for this way as well.
    const token = query.get("access_token");
    const isInQuery = token !== null && headers["authorization"] === undefined;
    if (!isInQuery || !isOneOf(token, source.secrets)) requireAnyToken(headers, source);
  },
  capture,
};

function capture(delivery: Delivery, source: SourceSettings): Captured {
  if (delivery.method === "OPTIONS") return { events: [], answer: permission(delivery) };
  const type = (delivery.headers["content-type"] ?? "").toLowerCase().trim();
  const media = type.split(";", 1)[0]!.trim();
  const one = (attributes: Attributes, isAltered: boolean): CapturedEvent =>
    captured(attributes, isAltered, delivery, source);
  if (media.startsWith("application/cloudevents-batch")) {
    requireJson(media, "application/cloudevents-batch+json");
    const { value, isAltered } = parseForeignJson(delivery.body);
    if (!Array.isArray(value)) throw new CairnError("malformed", "a batch is a JSON array");
    const events: CapturedEvent[] = [];
    const refused: string[] = [];
    for (const [i, each] of value.entries()) {
      const why = whyNot(each as Json);
      if (why === undefined) events.push(one(each as Attributes, isAltered));
      else refused.push(`event ${i}: ${why}`);
    }
    return refused.length === 0 ? { events } : { events, refused };
  }
  const { value, isAltered } = media.startsWith("application/cloudevents")
    ? structured(media, delivery)
    : binary(delivery);
  const why = whyNot(value);
  if (why !== undefined) throw new CairnError("malformed", why);
  return { events: [one(value as Attributes, isAltered)] };
}

/** HTTP webhook, section 4: some senders ask first whether they may send, and how much. */
function permission({ headers }: Delivery): Answer {
  const origin = headers["webhook-request-origin"];
  if (origin === undefined || !/^[A-Za-z0-9.*-]{1,253}$/.test(origin)) {
    throw new CairnError("malformed", "an OPTIONS request has the header WebHook-Request-Origin");
  }
  return {
    status: 200,
    headers: {
      allow: "POST",
      "webhook-allowed-origin": origin,
      "webhook-allowed-rate": "*",
    },
  };
}

function structured(media: string, { body }: Delivery): ForeignJson {
  requireJson(media, "application/cloudevents+json");
  return parseForeignJson(body);
}

function requireJson(media: string, expected: string): void {
  if (media === expected) return;
  throw new CairnError("unsupported_media", `of CloudEvents' formats only ${expected} is taken`);
}

function binary({ headers, body }: Delivery): ForeignJson {
  const attributes: Record<string, Json> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("ce-") || value === undefined) continue;
    attributes[name.slice("ce-".length)] = headerText(name, value);
  }
  const type = headers["content-type"];
  if (type !== undefined) attributes["datacontenttype"] = wellFormed(type);
  if (body.length === 0) return { value: attributes, isAltered: false };
  const isJson = type === undefined || /^[^;]*[/+]json\b/i.test(type);
  if (isJson) {
    const { value, isAltered } = parseForeignJson(body);
    return { value: { ...attributes, data: value }, isAltered };
  }
  return { value: { ...attributes, ...textOrBase64(body) }, isAltered: false };
}

/** Section 3.1.3.2: first the quotes, then the percent signs. */
function headerText(name: string, value: string): string {
  const unquoted = /^".*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
  try {
    return wellFormed(decodeURIComponent(unquoted.replaceAll(/%(?![0-9A-Fa-f]{2})/g, "%25")));
  } catch (cause) {
    throw new CairnError("malformed", `the header ${name} is not percent-encoded UTF-8`, { cause });
  }
}

function textOrBase64(body: Uint8Array): { readonly [name: string]: Json } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    if (wellFormed(text) === text) return { data: text };
  } catch {
    // No text: as the JSON event format does it.
  }
  return { data_base64: Buffer.from(body).toString("base64") };
}

/** The attributes that every CloudEvent must have (section 3.1 of the specification). */
function whyNot(value: Json): string | undefined {
  if (!isObject(value)) return "a CloudEvent is an object";
  if (value["specversion"] !== "1.0") return 'its specversion is not "1.0"';
  for (const name of ["id", "source", "type"]) {
    if (textAt(value, name) === undefined) return `it has no ${name}`;
  }
  return undefined;
}

function captured(
  attributes: Attributes,
  isAltered: boolean,
  { body }: Delivery,
  source: SourceSettings,
): CapturedEvent {
  const text = (name: string): string | undefined => textAt(attributes, name);
  const from = text("source")!;
  const subject = text("subject");
  const authType = text("authtype");
  const event = applyMapping(findMapping(source) ?? emptyMapping, attributes, {
    // An id is unique within its source only.
    id: safeId(`${from} ${text("id")!}`),
    type: "api.event",
    time: attributes["time"],
    actor: {
      id: text("authid") ?? from,
      type: authType ?? "system",
    },
    action: text("type")!,
    targets: [{ type: "cloudevents", id: subject === undefined ? from : `${from} ${subject}` }],
    trace: text("traceparent"),
  });
  if (!isAltered) return { event };
  return { event, blobs: [{ bytes: body, mediaType: "application/json", role: "original" }] };
}

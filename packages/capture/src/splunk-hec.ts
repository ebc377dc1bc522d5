/**
 * Splunk's HTTP Event Collector, spoken by GitHub's audit log streaming, Vector, Fluent Bit, Docker and many more.
 *
 * Ids of events. GitHub's records have their own. Others get one made of the body's SHA-256 and their place in it where
 * they say when they happened: a batch that is sent again is recognised, and two batches that only look alike are two.
 */
import { createHash } from "node:crypto";
import { CairnError, isCairnError, type CairnEvent } from "@cairnlog/core";
import { findCredentials, isOneOf, notAuthenticated, requireBasic } from "./authentication.ts";
import { asDetails } from "./captured-event.ts";
import { timeFrom } from "./event-fields.ts";
import { at, parseForeignJson, textAt, type Json } from "./foreign-json.ts";
import { githubAuditEvent, isGithubAuditRecord } from "./github-audit-log.ts";
import { findMapping, mapQuestion } from "./json.ts";
import { isKeycloakLine, keycloakEvent } from "./keycloak.ts";
import { applyMapping, parseMapping } from "./mapping.ts";
import { ackIdOf, isAckId } from "./splunk-hec-ack.ts";
import { readEnvelopes, readLines, type Envelope, type HecRecords } from "./splunk-hec-body.ts";
import { answerError, refusal, reply, replyTo } from "./splunk-hec-replies.ts";
import { keptIf } from "./webhook-body.ts";
import type {
  Adapter,
  Answer,
  Captured,
  CapturedEvent,
  Delivery,
  SourceSettings,
} from "./adapter.ts";

/** Where Splunk has it; a source's own address has it below. */
const base = "/services/collector";
const channelHeader = "x-splunk-request-channel";
const ackIdsMax = 100_000;

/** Of records that no other adapter knows; a source's own mapping goes before it. */
const common = parseMapping({
  type: "security.log",
  "actor.id": [
    "$.event.actor.id",
    "$.event.actor.name",
    "$.event.actor",
    "$.event.user.name",
    "$.event.user.id",
    "$.event.user.email",
    "$.event.user",
    "$.event.username",
    "$.event.user_name",
    "$.event.userName",
    "$.event.user_id",
    "$.event.userId",
    "$.event.principal",
    "$.event.src_user",
    "$.event.email",
    "$.fields.user",
  ],
  "actor.ip": [
    "$.event.actor.ip",
    "$.event.src_ip",
    "$.event.client_ip",
    "$.event.clientIp",
    "$.event.remote_addr",
    "$.event.ip",
  ],
  "actor.session": ["$.event.session_id", "$.event.sessionId"],
  action: [
    "$.event.action",
    "$.event.event_type",
    "$.event.eventType",
    "$.event.event_name",
    "$.event.eventName",
    "$.event.event",
    "$.event.type",
    "$.sourcetype",
    "log",
  ],
  outcome: ["$.event.outcome", "$.event.result", "$.event.status"],
  trace: ["$.event.traceparent", "00-{$.event.trace_id}-{$.event.span_id}-01"],
});

export const splunkHecAdapter: Adapter = {
  kind: "splunk-hec",
  title: "Splunk HTTP Event Collector (GitHub audit log, Vector, Fluent Bit, Docker)",
  basis:
    "Splunk Enterprise 9.4 (docs.splunk.com: HTTP Event Collector, REST endpoints and error codes)",
  known: [
    {
      kind: "event",
      type: "security.log, or `type` of the mapping",
      actor: "/event/actor, user, username, user_id, principal, email …, else /host",
      action: "/event/action, event_type, event, type …, else /sourcetype",
      targets: "/source, or `targets` of the mapping",
      outcome: "/event/outcome, result or status",
    },
    {
      kind: "github_audit",
      type: "as the category of /event/action says",
      actor: "/event/actor",
      action: "/event/action",
      targets: "/event/repo, user, team, org …",
      outcome: "/event/action: denied and failed ones say so",
    },
    {
      kind: "keycloak",
      type: "as keycloak's",
      actor: "as keycloak's",
      action: "as keycloak's",
      targets: "as keycloak's",
      outcome: "as keycloak's",
    },
    {
      kind: "raw",
      type: "security.log, or `type` of the mapping",
      actor: "the same, of lines that are JSON objects; else ?host=, else the source",
      action: "the same; else ?sourcetype=, else `log`",
      targets: "?source=",
      outcome: "the same",
    },
  ],
  setup: {
    questions: [
      mapQuestion,
      {
        name: "queryToken",
        text: "Take the token from the address too (?token=…)? Addresses end up in logs: yes or no",
        default: "no",
        pattern: /^(?:yes|no)$/,
      },
    ],
    secret: "token",
    instructions: ({ url, secret }) => {
      const { origin } = new URL(url);
      return [
        `Address: \`${origin}\` (senders add \`${base}\`, \`${base}/event\` or \`${base}/raw\`)`,
        "",
        `Token: \`${secret}\``,
        "",
        "- GitHub: enterprise **Settings > Audit log > Log streaming > Splunk**: domain, port, token.",
        "- Vector: sink `splunk_hec_logs` with `endpoint`, `default_token`. Fluent Bit: output `splunk` with",
        "  `Host`, `Port`, `Splunk_Token`, `TLS On`. Docker: `--log-driver=splunk` with `splunk-url`, `splunk-token`.",
        "",
        `Where several logs are served, the token says which source it is. \`${url}\` works as the address too.`,
      ].join("\n");
    },
  },
  authenticate,
  capture,
  answerError,
};

function authenticate({ headers, query }: Delivery, source: SourceSettings): void {
  const { secrets, options } = source;
  const sent = findCredentials(headers.authorization, "Splunk");
  if (sent !== undefined) {
    if (!isOneOf(sent, secrets)) throw notAuthenticated();
    return;
  }
  if (headers.authorization !== undefined) {
    requireBasic(headers, source);
    return;
  }
  const token = options["queryToken"] === "yes" ? query.get("token") : null;
  if (token === null || !isOneOf(token, secrets)) throw notAuthenticated();
}

function capture(delivery: Delivery, source: SourceSettings): Captured {
  const { method, body, query } = delivery;
  const path = delivery.path.replace(base, "").replace(/\/1\.0$|\/$/, "");
  if (path === "/health" || method === "GET" || method === "OPTIONS") {
    return { events: [], answer: reply("HEC is healthy") };
  }
  const channel = channelOf(delivery);
  if (path === "/ack") return { events: [], answer: acknowledged(body, channel, source) };
  const read = path === "/raw" ? readLines(body, sharedBy(query)) : readHecEvents(path, body);
  if (read.envelopes.length === 0) {
    const [first] = read.unread;
    throw first === undefined ? refusal("No data") : refusal(first.text, first.number);
  }
  return capturedOf(read, delivery, source, channel);
}

function readHecEvents(path: string, body: Uint8Array): HecRecords {
  if (path === "" || path === "/event") return readEnvelopes(body);
  throw new CairnError("not_found", `the collector has no ${path.slice(0, 80)}`);
}

function capturedOf(
  { envelopes, unread }: HecRecords,
  { body }: Delivery,
  source: SourceSettings,
  channel: string | undefined,
): Captured {
  const digest = createHash("sha256").update(body).digest();
  const prefix = digest.toString("hex").slice(0, 48);
  const events = envelopes.map((envelope): CapturedEvent => {
    const event = eventOf(envelope, source, `${prefix}-${envelope.number}`);
    return keptIf(envelope.isAltered, { event }, body);
  });
  const ackId = channel === undefined ? {} : { ackId: ackIdOf(digest, channel, source.secrets) };
  const refused = unread.map(({ number, text }) => `${text}: event number ${number}`);
  return {
    events,
    ...(refused.length === 0 ? {} : { refused }),
    answer: reply("Success", ackId),
    // Splunk, too, says "no" to the whole of it and has indexed a part.
    answerRefused: ([first = ""]) => replyTo(first),
  };
}

function eventOf({ value }: Envelope, source: SourceSettings, id: string): CairnEvent {
  const mapping = findMapping(source);
  const known = mapping === undefined ? findKnown(value) : undefined;
  if (known !== undefined) return known;
  const time = hecTime(at(value, "time"));
  const host = textAt(value, "host");
  const from = textAt(value, "source");
  const event = applyMapping(mapping ?? common, value, {
    type: "security.log",
    time,
    actor: host === undefined ? { id: source.name, type: "source" } : { id: host, type: "host" },
    action: "log",
    targets: from === undefined ? [] : [{ type: "log", id: from }],
  });
  return event.id === undefined && event.time !== undefined ? { ...event, id } : event;
}

/**
 * A record that has an adapter of its own, whoever passes it on; beside it what the sender was configured to say. Not
 * the envelope's time and host: sent again by another machine of the sender it is to be the same event.
 */
function findKnown(value: Envelope["value"]): CairnEvent | undefined {
  const { event: record = null, time: _time, host: _host, ...hec } = value;
  const isGithub = isGithubs(value, record);
  if (!isGithub && !isKeycloakLine(record)) return undefined;
  const event = isGithub ? githubAuditEvent(record) : keycloakEvent(record);
  if (Object.keys(hec).length === 0) return event;
  return { ...event, details: { ...asDetails(event.details), hec } };
}

/** GitHub's streams name themselves; a record passed on by somebody else is known by GitHub's own id of it. */
function isGithubs(envelope: Json, record: Json): boolean {
  const names = [textAt(envelope, "sourcetype"), textAt(envelope, "source")];
  const isNamed = names.some((name) => name !== undefined && /github/i.test(name));
  return isGithubAuditRecord(record) && (isNamed || textAt(record, "_document_id") !== undefined);
}

/** Epoch seconds with a fraction, as number or text; other units and RFC 3339 as `timeFrom` reads them. */
function hecTime(value: Json | undefined): string | undefined {
  const text = typeof value === "number" ? String(value) : value;
  const [, seconds, fraction = ""] =
    /^([0-9]{1,11})\.([0-9]{1,9})[0-9]*$/.exec(typeof text === "string" ? text : "") ?? [];
  if (seconds === undefined) return timeFrom(value);
  const whole = timeFrom(seconds);
  return whole === undefined ? undefined : `${whole.slice(0, 19)}.${fraction.padEnd(3, "0")}Z`;
}

/** What a raw body has no room for. */
function sharedBy(query: URLSearchParams): Envelope["value"] {
  const names = ["time", "host", "source", "sourcetype", "index"];
  const pairs = names.map((name) => [name, query.get(name)] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== null && value !== ""));
}

/** Splunk asks for a GUID; any name will do here. */
function channelOf({ headers, query }: Delivery): string | undefined {
  const channel = headers[channelHeader] ?? query.get("channel") ?? undefined;
  if (channel !== undefined && !/^[!-~]{1,128}$/.test(channel)) {
    throw refusal("Invalid data channel");
  }
  return channel;
}

function acknowledged(
  body: Uint8Array,
  channel: string | undefined,
  { secrets }: SourceSettings,
): Answer {
  if (channel === undefined) throw refusal("Data channel is missing");
  let ids: Json | undefined;
  try {
    ids = at(parseForeignJson(body).value, "acks");
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  if (!Array.isArray(ids) || ids.length > ackIdsMax) throw refusal("Invalid data format");
  const acks: Record<string, boolean> = {};
  for (const id of ids as readonly Json[]) {
    if (typeof id !== "number") throw refusal("Invalid data format");
    acks[String(id)] = isAckId(id, channel, secrets);
  }
  return { status: 200, body: JSON.stringify({ acks }) };
}

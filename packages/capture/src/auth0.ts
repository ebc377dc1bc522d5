/**
 * Auth0's log streams by custom webhook, in each of their three forms: a JSON array, one object, JSON lines. A record
 * is `{"log_id": …, "data": {…}}`; its `log_id` is the event's id.
 */
import { answerAgainLater } from "./again-later.ts";
import { requireAuthorization } from "./authentication.ts";
import { auth0Codes, findAuth0Code, shownAuth0Codes, type Auth0Code } from "./auth0-codes.ts";
import { eventFrom, typeOf, type ActorDraft, type TargetDraft } from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import { keptIf } from "./webhook-body.ts";
import type { Adapter, Captured, CapturedEvent, Delivery, KnownKind } from "./adapter.ts";

export const auth0Adapter: Adapter = {
  kind: "auth0",
  title: "Auth0 log streams",
  basis: `Auth0 custom webhook log stream; ${auth0Codes.length} codes of auth0/auth0-log-schemas 8b58c73 and of the docs`,
  known: shownAuth0Codes.map(knownKind),
  setup: {
    questions: [],
    secret: "random",
    instructions: ({ url, secret }) =>
      [
        "In the dashboard: **Monitoring > Streams > Create Log Stream > Custom Webhook**",
        "",
        `- Payload URL: \`${url}\``,
        `- Authorization Token: \`${secret}\``,
        "- Content Type: `application/json`",
        "- Content Format: JSON Lines (JSON Array and JSON Object are read as well)",
        "- Filters: none, so that every event category is sent",
        "",
        "Auth0 tries again while the log says that it cannot record; a stream that failed for too long is",
        "disabled by Auth0, and can be started again from where it stopped.",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAuthorization(headers, source),
  capture,
  answerError: answerAgainLater,
};

function knownKind({ code, type, outcome }: Auth0Code): KnownKind {
  return {
    kind: code,
    type,
    actor: "/data/user_name where it is an address, else /data/user_id, else /data/client_id",
    action: type.endsWith("management_api") ? "/data/description" : "/data/type",
    targets: "/data/client_id, /data/connection, /data/organization_id",
    outcome,
  };
}

function capture({ body }: Delivery): Captured {
  const { records, refused } = recordsOf(body);
  const events: CapturedEvent[] = [];
  const others = [...refused];
  for (const [i, { value, isAltered }] of records.entries()) {
    if (!isObject(value)) others.push(`record ${i} is not an object`);
    else events.push(keptIf(isAltered, { event: eventOf(value) }, body));
  }
  return others.length === 0 ? { events } : { events, refused: others };
}

function eventOf(record: Json): CapturedEvent["event"] {
  const inner = at(record, "data");
  const data = isObject(inner) ? inner : record;
  const code = textAt(data, "type") ?? "unknown";
  const known = findAuth0Code(code);
  // What was called through the management API stands in the description alone.
  const call = code.endsWith("api") ? textAt(data, "description") : undefined;
  return eventFrom({
    id: textAt(record, "log_id") ?? textAt(data, "log_id") ?? textAt(data, "_id"),
    type: known?.type ?? typeOf("identity", `auth0_${code}`),
    time: at(data, "date"),
    actor: actorOf(data),
    action: call ?? code,
    targets: targetsOf(data),
    outcome: known?.outcome ?? "unknown",
    details: record,
  });
}

function actorOf(data: Json): ActorDraft {
  const name = textAt(data, "user_name");
  const uid = textAt(data, "user_id");
  const isUser = name !== undefined || uid !== undefined;
  return {
    id: name?.includes("@") === true ? name : (uid ?? name ?? textAt(data, "client_id")),
    type: isUser ? "user" : "application",
    uid,
    name: name ?? textAt(data, "client_name"),
    ip: textAt(data, "ip") ?? textAt(data, "client_ip"),
    userAgent: textAt(data, "user_agent"),
    session: textAt(data, "details", "session_id"),
  };
}

function targetsOf(data: Json): TargetDraft[] {
  return [
    {
      type: "application",
      id: textAt(data, "client_id"),
      name: textAt(data, "client_name"),
      audience: textAt(data, "audience"),
    },
    { type: "connection", id: textAt(data, "connection"), strategy: textAt(data, "strategy") },
    {
      type: "organization",
      id: textAt(data, "organization_id"),
      name: textAt(data, "organization_name"),
    },
    { type: "tenant", id: textAt(data, "tenant_name") },
  ];
}

/**
 * Okta's event hooks. A delivery holds several records of the System Log; each becomes one event under its own `uuid`,
 * by which Okta's second try is recognised. What stands around the records (`eventId`, `eventTime`) belongs to the
 * delivery and differs when it is sent again: it is no part of the events.
 *
 * Before Okta sends anything it asks once, by GET, for a value of a header to be sent back.
 */
import { CairnError } from "@cairnlog/core";
import { answerAgainLater } from "./again-later.ts";
import { requireAuthorization } from "./authentication.ts";
import {
  eventFrom,
  typeOf,
  type ActorDraft,
  type Outcome,
  type TargetDraft,
  type Workflow,
} from "./event-fields.ts";
import { at, isObject, parseForeignJson, textAt, type Json } from "./foreign-json.ts";
import { lookUp } from "./pointers.ts";
import { keptIf } from "./webhook-body.ts";
import type { Adapter, Captured, CapturedEvent, Delivery, KnownKind } from "./adapter.ts";

const challengeHeader = "x-okta-verification-challenge";
const challengeLengthMax = 1024;

/** By the beginning of `/eventType`; the first that fits. */
const workflows: readonly (readonly [string, Workflow])[] = [
  ["user.risk.", "security"],
  ["user.account.report_suspicious_activity", "security"],
  ["user.", "identity"],
  ["group.", "identity"],
  ["iam.", "identity"],
  ["device.", "identity"],
  ["app.oauth2.client.", "change"],
  ["app.oauth2.", "identity"],
  ["app.generic.unauth_app_access_attempt", "identity"],
  ["app.access_request.", "identity"],
  ["application.user_membership.", "identity"],
  ["system.api_token.", "identity"],
  ["security.", "security"],
  ["zone.", "security"],
  ["network_zone.", "security"],
  ["policy.", "security"],
  ["core.concurrency.", "api"],
  ["system.org.rate_limit", "api"],
  ["system.operation.rate_limit", "api"],
];

const outcomes: Readonly<Record<string, Outcome>> = {
  SUCCESS: "success",
  ALLOW: "success",
  FAILURE: "failure",
  ABANDONED: "failure",
  UNANSWERED: "failure",
  DENY: "denied",
  RATE_LIMIT: "denied",
};

/** The ones that an auditor asks for first; any other comes out the same way. */
const shown = [
  "user.session.start",
  "user.session.end",
  "user.authentication.auth_via_mfa",
  "user.authentication.sso",
  "user.account.lock",
  "user.account.reset_password",
  "user.account.update_password",
  "user.account.privilege.grant",
  "user.account.privilege.revoke",
  "user.account.report_suspicious_activity_by_enduser",
  "user.lifecycle.create",
  "user.lifecycle.activate",
  "user.lifecycle.suspend",
  "user.lifecycle.deactivate",
  "user.lifecycle.delete.initiated",
  "user.mfa.factor.activate",
  "user.mfa.factor.deactivate",
  "user.risk.change",
  "group.user_membership.add",
  "group.user_membership.remove",
  "group.privilege.grant",
  "application.user_membership.add",
  "application.user_membership.remove",
  "application.lifecycle.create",
  "application.lifecycle.deactivate",
  "app.oauth2.token.grant.access_token",
  "system.api_token.create",
  "system.api_token.revoke",
  "policy.lifecycle.update",
  "policy.evaluate_sign_on",
  "policy.rule.update",
  "security.threat.detected",
  "zone.update",
];

export const oktaAdapter: Adapter = {
  kind: "okta",
  title: "Okta event hooks",
  basis:
    "Okta event hooks 1.0 (developer.okta.com, concepts/event-hooks); LogEvent of the System Log API v1",
  known: shown.map(knownKind),
  setup: {
    questions: [],
    secret: "random",
    instructions: ({ url, secret }) =>
      [
        "In the Admin Console: **Workflow > Event Hooks > Create Event Hook**",
        "",
        `- Endpoint URL: \`${url}\``,
        "- Authentication field: `Authorization`",
        `- Authentication secret: \`${secret}\``,
        "- Subscribe to events: every one that is offered, in all groups",
        "",
        "**Save & Continue**, then **Verify**: Okta asks the address once, and the log answers.",
        "",
        "Okta tries a delivery that failed once more and then drops it, and it sends only the events that are",
        "eligible for hooks: an unbroken record needs its System Log beside (log streaming).",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAuthorization(headers, source),
  capture,
  answerError: answerAgainLater,
};

function knownKind(kind: string): KnownKind {
  return {
    kind,
    type: typeOfOkta(kind),
    actor: "/actor/alternateId where it is an address, else /actor/id",
    action: "/eventType",
    targets: "/target",
    outcome: "/outcome/result",
  };
}

function typeOfOkta(eventType: string): string {
  const workflow = workflows.find(([start]) => eventType.startsWith(start))?.[1];
  return typeOf(workflow ?? "change", eventType);
}

function capture(delivery: Delivery): Captured {
  if (delivery.method === "GET") return verification(delivery);
  const { value, isAltered } = parseForeignJson(delivery.body);
  const records = at(value, "data", "events");
  if (!Array.isArray(records)) throw new CairnError("malformed", "/data/events is not an array");
  const events: CapturedEvent[] = [];
  const refused: string[] = [];
  for (const [i, record] of (records as readonly Json[]).entries()) {
    if (isObject(record)) events.push(keptIf(isAltered, { event: eventOf(record) }, delivery.body));
    else refused.push(`/data/events/${i} is not an object`);
  }
  // Okta asks for an empty answer.
  const answer = { status: 204, body: "" };
  return refused.length === 0 ? { events, answer } : { events, refused, answer };
}

function verification({ headers }: Delivery): Captured {
  const challenge = headers[challengeHeader] ?? "";
  if (challenge === "" || challenge.length > challengeLengthMax) {
    throw new CairnError("malformed", "a GET must have the header X-Okta-Verification-Challenge");
  }
  const body = JSON.stringify({ verification: challenge });
  const json = { "content-type": "application/json" };
  return { events: [], answer: { status: 200, headers: json, body } };
}

function eventOf(record: Json): CapturedEvent["event"] {
  const eventType = textAt(record, "eventType") ?? "unknown";
  const targets = at(record, "target");
  return eventFrom({
    id: textAt(record, "uuid"),
    type: typeOfOkta(eventType),
    time: at(record, "published"),
    actor: actorOf(record),
    action: eventType,
    targets: Array.isArray(targets) ? targets.map(targetOf) : [],
    outcome: lookUp(outcomes, textAt(record, "outcome", "result")) ?? "unknown",
    details: record,
  });
}

function actorOf(record: Json): ActorDraft {
  return {
    id: nameOf(at(record, "actor")),
    type: textAt(record, "actor", "type")?.toLowerCase(),
    uid: textAt(record, "actor", "id"),
    name: textAt(record, "actor", "displayName"),
    ip: textAt(record, "client", "ipAddress"),
    userAgent: textAt(record, "client", "userAgent", "rawUserAgent"),
    device: textAt(record, "device", "id") ?? textAt(record, "client", "device"),
    session: textAt(record, "authenticationContext", "externalSessionId"),
    transaction: textAt(record, "transaction", "id"),
  };
}

function targetOf(target: Json): TargetDraft {
  return {
    type: textAt(target, "type")?.toLowerCase() ?? "unknown",
    id: nameOf(target),
    uid: textAt(target, "id"),
    name: textAt(target, "displayName"),
  };
}

/** People by the address that other systems know them by as well; all else by Okta's own id. */
function nameOf(entity: Json | undefined): string | undefined {
  const alternate = textAt(entity, "alternateId");
  const isAddress = alternate?.includes("@") === true;
  return isAddress ? alternate : (textAt(entity, "id") ?? alternate);
}

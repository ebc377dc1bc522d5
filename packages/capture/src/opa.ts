/**
 * Open Policy Agent's decision logs: a JSON array of decisions, gzip around it, posted by OPA's decision log service.
 *
 * What a decision means is the policy's business: OPA knows results, no verdicts. Where a result says by convention
 * whether it allows, the event has an outcome; a policy with another form of result is told by the source's setting
 * `allow`. A decision without any result is `unknown`: OPA answered "undefined", and only the caller knows what it
 * made of that.
 *
 * What the operator masked or erased before it left OPA (`masked`, `erased`) stays named; nothing is guessed back.
 */
import { createHash } from "node:crypto";
import { CairnError } from "@cairnlog/core";
import { answerAgainLater } from "./again-later.ts";
import { requireAnyToken } from "./authentication.ts";
import { asDetails } from "./captured-event.ts";
import {
  eventFrom,
  traceOf,
  typeOf,
  type ActorDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import { firstText, lookUp, textAtPointer, type Pointer } from "./pointers.ts";
import { keptIf } from "./webhook-body.ts";
import type {
  Adapter,
  Captured,
  CapturedEvent,
  Delivery,
  KnownKind,
  Paste,
  SourceSettings,
} from "./adapter.ts";

/** In `/input`: who asked, by the names that policies use; the last ones are Envoy's and Kubernetes' own. */
const actors: readonly Pointer[] = [
  "/user",
  "/subject",
  "/principal",
  "/identity",
  "/token/payload/sub",
  "/attributes/source/principal",
  "/request/userInfo/username",
];
/** Where one of those is an object. */
const names: readonly Pointer[] = ["/id", "/name", "/username", "/sub", "/email"];
const addresses: readonly Pointer[] = [
  "/source_ip",
  "/client_ip",
  "/attributes/source/address/socketAddress/address",
];
/** In `/result`: true is success, false is denied. */
const verdicts: readonly Pointer[] = ["/allow", "/allowed", "/response/allowed"];
/** In `/result`, or as the last word of `/path`: what is not empty, or true, is denied. */
const refusals = ["deny", "violation"];

const kinds: Readonly<Record<string, string>> = {
  "result/boolean": "/result: true is success, false is denied",
  "result/allow": "/result/allow: true is success, false is denied",
  "result/allowed": "/result/allowed: true is success, false is denied",
  "result/response/allowed": "/result/response/allowed: true is success, false is denied",
  "result/deny":
    "/result/deny, /result/violation, or /result where /path ends in one of these: denied where it is not empty",
  "result/undefined": "unknown: the policy decided nothing",
  query: "unknown: an ad hoc query",
  error: "failure: /error",
};

export const opaAdapter: Adapter = {
  kind: "opa",
  title: "Open Policy Agent decision logs",
  basis: "Open Policy Agent 1.x (management-decision-logs; EventV1 of v1/plugins/logs/plugin.go)",
  known: Object.entries(kinds).map(([kind, outcome]): KnownKind => ({
    kind,
    type: "api.decision",
    actor: `/input: ${actors.map((one) => one.slice(1)).join(", ")}; else /requested_by, /labels/id`,
    action: kind === "query" ? "/query" : "/path",
    targets: "/path as policy, /input/resource, /labels/id as opa",
    outcome,
  })),
  setup: {
    questions: [
      {
        name: "allow",
        text: "JSON pointer into the result that is true where the policy allows (/authz/permit); empty: by convention",
        default: "",
        pattern: /^(?:\/[^/~]+)*$/,
      },
    ],
    secret: "token",
    instructions: instructionsFor,
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
  answerError: answerAgainLater,
};

function instructionsFor({ url, secret, source }: Paste): string {
  const { origin, pathname } = new URL(url);
  return [
    "In OPA's configuration file, with which OPA is started (`--config-file`):",
    "",
    "```yaml",
    "services:",
    `  ${source}:`,
    `    url: ${origin}`,
    "    credentials:",
    "      bearer:",
    `        token: ${secret}`,
    "# What the policies read from outside (time, HTTP), so that a decision can be made again.",
    "nd_builtin_cache: true",
    "decision_logs:",
    `  service: ${source}`,
    `  resource: ${pathname}`,
    "  reporting:",
    "    # Decisions wait in OPA's memory until they are sent: by default up to ten minutes.",
    "    min_delay_seconds: 1",
    "    max_delay_seconds: 2",
    "    # OPA drops a decision that is larger than this; the default is 32 KiB.",
    "    upload_size_limit_bytes: 1048576",
    "    # With buffer_size_limit_bytes or max_decisions_per_second OPA drops what is beyond them. Without,",
    "    # it keeps in memory what it could not send yet.",
    "```",
    "",
    "What must not be recorded is masked in OPA, by the policy `system.log.mask`: which fields were masked or erased",
    "stays in the event. OPA decides first and reports later: a decision of an OPA that is killed in between is lost.",
  ].join("\n");
}

function capture({ body }: Delivery, source: SourceSettings): Captured {
  const { records, refused } = recordsOf(body);
  if (records.length > 0 && !records.some(({ value }) => isObject(value))) {
    throw new CairnError("malformed", "the body holds no decision: expected a JSON array of them");
  }
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 48);
  const events = records.map(({ value, isAltered }, i): CapturedEvent => {
    const event = eventFrom({
      id: textAt(value, "decision_id") ?? `${digest}-${i}`,
      type: typeFor(value),
      time: at(value, "timestamp"),
      actor: actorOf(value),
      action: textAt(value, "path") ?? textAt(value, "query"),
      targets: targetsOf(value),
      outcome: outcomeOf(value, source.options["allow"] ?? ""),
      trace: traceOf(textAt(value, "trace_id"), textAt(value, "span_id")),
      details: asDetails(value),
    });
    return keptIf(isAltered, { event }, body);
  });
  return refused.length === 0 ? { events } : { events, refused };
}

function typeFor(decision: Json): string {
  const isDecision = ["decision_id", "path", "query", "result"].some(
    (name) => at(decision, name) !== undefined,
  );
  return isDecision ? "api.decision" : typeOf("api", `opa_${textAt(decision, "type") ?? "record"}`);
}

function actorOf(decision: Json): ActorDraft {
  const input = at(decision, "input");
  const requestedBy = textAt(decision, "requested_by");
  const user = userIn(input);
  const instance = textAt(decision, "labels", "id");
  return {
    id: user ?? requestedBy ?? instance,
    type: user === undefined ? (requestedBy === undefined ? "system" : "address") : "user",
    ip: firstText(input, addresses),
    requestedBy,
  };
}

function userIn(input: Json | undefined): string | undefined {
  for (const pointer of actors) {
    const text = textAtPointer(input, pointer);
    const inner = at(input, ...pointer.slice(1).split("/"));
    const found = text ?? (isObject(inner) ? firstText(inner, names) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function targetsOf(decision: Json): TargetDraft[] {
  const input = at(decision, "input");
  const resource = at(input, "resource");
  const path = at(input, "path");
  const asked = Array.isArray(path)
    ? `/${path.map((_part, i) => textAt(path, i) ?? "").join("/")}`
    : textAt(input, "path");
  return [
    { type: "policy", id: textAt(decision, "path") },
    { type: "resource", id: textAt(input, "resource") ?? firstText(resource, names) },
    { type: "url", id: asked, method: textAt(input, "method") },
    {
      type: "opa",
      id: textAt(decision, "labels", "id"),
      version: textAt(decision, "labels", "version"),
      app: textAt(decision, "labels", "app"),
    },
  ];
}

const booleans: Readonly<Record<string, Outcome>> = { true: "success", false: "denied" };

function outcomeOf(decision: Json, allow: string): Outcome {
  const error = at(decision, "error");
  if (error !== undefined && error !== null) return "failure";
  const result = at(decision, "result");
  if (allow !== "") return verdictOf(at(result, ...allow.slice(1).split("/"))) ?? "unknown";
  // An ad hoc query answers with bindings: what is named `allow` in them is nobody's verdict.
  const path = textAt(decision, "path");
  if (path === undefined || result === undefined) return "unknown";
  const isRefusal = refusals.includes(path.split("/").at(-1)!);
  if (isRefusal && !isObject(result)) return isNotEmpty(result) ? "denied" : "success";
  return verdictOf(result) ?? conventionalOutcome(result);
}

function conventionalOutcome(result: Json): Outcome {
  // A refusal counts before a permission: a policy that has both allows only what is not refused.
  const refused = refusals.map((one) => at(result, one)).filter((one) => one !== undefined);
  if (refused.some(isNotEmpty)) return "denied";
  for (const pointer of verdicts) {
    const verdict = verdictOf(at(result, ...pointer.slice(1).split("/")));
    if (verdict !== undefined) return verdict;
  }
  return refused.length > 0 ? "success" : "unknown";
}

function verdictOf(value: Json | undefined): Outcome | undefined {
  return typeof value === "boolean" ? lookUp(booleans, String(value)) : undefined;
}

function isNotEmpty(value: Json | undefined): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== false && value !== null && value !== undefined && value !== "";
}

/**
 * What a log record says of who did what, as the head of an event. The record itself is the event's `details`, with its
 * resource and scope, whole; only what the head says exactly is not said twice: `timeUnixNano` is `time`, all nine
 * digits of it, `traceId`, `spanId` and `flags` are `trace`, `eventName` is `type` where it has the form of one.
 */
import { eventLimits, type CairnEvent } from "@cairnlog/core";
import { conventionsOf, kubernetesKinds, type Find } from "./otlp-conventions.ts";
import type { LogRecord, Resource, Scope } from "./otlp-record.ts";

type Target = NonNullable<CairnEvent["targets"]>[number];

/** What a record may be about. */
type Subject = "database" | "rpc" | "messaging" | "http" | "none";

const types: Readonly<Record<Subject, string>> = {
  database: "database.query",
  rpc: "api.request",
  messaging: "api.message",
  http: "api.request",
  none: "api.log",
};
/** An event of such a name is a call: what was called says more of it than the last word of its name. */
const callName = /^(?:api|http|database|db|rpc|messaging)\./;

const typePattern = /^[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+$/;
const reserved = /^(?:system|source)\./;
/** PERMISSION_DENIED and UNAUTHENTICATED, by number and by name. */
const deniedRpc: ReadonlySet<string> = new Set(["7", "16", "PERMISSION_DENIED", "UNAUTHENTICATED"]);
const errorSeverity = 17;

/** What the records of one scope share. */
export interface RecordContext {
  readonly resource: Resource;
  readonly scope: Scope;
  readonly findInResource: Find;
}

export function contextOf(resource: Resource, scope: Scope): RecordContext {
  return { resource, scope, findInResource: conventionsOf(resource.attributes) };
}

/** `idOf` is given `log.record.uid`, where it can be an id. */
export function eventOf(
  record: LogRecord,
  context: RecordContext,
  idOf: (uid: string | undefined) => string | undefined,
): CairnEvent {
  const find = conventionsOf(record.attributes);
  const subject = subjectOf(find);
  const name = record.eventName ?? find("eventName");
  const type = asType(find("type")) ?? asType(name) ?? types[subject];
  const targets = targetsOf(find);
  const trace = traceOf(record);
  const time = timeOf(record.timeUnixNano) ?? timeOf(record.observedTimeUnixNano);
  const uid = find("uid");
  const id = idOf(uid !== undefined && /^[ !#-[\]-~]{1,128}$/.test(uid) ? uid : undefined);
  // Assigned one by one: with a spread for each member that may be missing this took a third longer.
  const event = {} as { -readonly [Name in keyof CairnEvent]: CairnEvent[Name] };
  if (id !== undefined) event.id = id;
  event.type = type;
  if (time !== undefined) event.time = time;
  event.actor = actorOf(find, context.findInResource);
  event.action = within(eventLimits.action, actionOf(name, subject, find));
  if (targets.length > 0) event.targets = targets;
  event.outcome = outcomeOf(record, find);
  if (trace !== undefined) event.trace = trace;
  event.details = detailsOf(record, context, { type, hasTrace: trace !== undefined });
  return event;
}

function detailsOf(
  record: LogRecord,
  { resource, scope }: RecordContext,
  head: { readonly type: string; readonly hasTrace: boolean },
): object {
  const { observedTimeUnixNano, flags } = record;
  const details: { resource: Resource; scope: Scope } & LogRecord = { resource, scope };
  if (observedTimeUnixNano !== record.timeUnixNano && observedTimeUnixNano !== undefined) {
    details.observedTimeUnixNano = observedTimeUnixNano;
  }
  if (record.severityNumber !== undefined) details.severityNumber = record.severityNumber;
  if (record.severityText !== undefined) details.severityText = record.severityText;
  if (record.body !== undefined) details.body = record.body;
  if (record.attributes !== undefined) details.attributes = record.attributes;
  if (record.droppedAttributesCount !== undefined) {
    details.droppedAttributesCount = record.droppedAttributesCount;
  }
  if (flags !== undefined && (!head.hasTrace || flags > 255)) details.flags = flags;
  if (!head.hasTrace && record.traceId !== undefined) details.traceId = record.traceId;
  if (!head.hasTrace && record.spanId !== undefined) details.spanId = record.spanId;
  if (record.eventName !== undefined && record.eventName !== head.type) {
    details.eventName = record.eventName;
  }
  if (record.unknownFields !== undefined) details.unknownFields = record.unknownFields;
  return details;
}

function subjectOf(find: Find): Subject {
  if (find("dbSystem") !== undefined) return "database";
  if (find("rpcSystem") !== undefined) return "rpc";
  if (find("messagingSystem") !== undefined) return "messaging";
  return find("httpMethod") === undefined ? "none" : "http";
}

function asType(name: string | undefined): string | undefined {
  if (name === undefined || name.length > eventLimits.type) return undefined;
  return typePattern.test(name) && !reserved.test(name) ? name : undefined;
}

function actionOf(name: string | undefined, subject: Subject, find: Find): string {
  const given = find("action");
  if (given !== undefined) return given;
  const operation = operationOf(subject, find);
  if (operation !== undefined && (name === undefined || callName.test(name))) return operation;
  const lastWord = name?.slice(name.lastIndexOf(".") + 1);
  return lastWord === undefined || lastWord === "" ? (operation ?? "log") : lastWord;
}

function operationOf(subject: Subject, find: Find): string | undefined {
  switch (subject) {
    case "database":
      return find("dbOperation");
    case "rpc":
      return find("rpcMethod");
    case "messaging":
      return find("messagingOperation");
    case "http":
      return find("httpMethod");
    case "none":
      return undefined;
  }
}

/** Somebody, else an address, else the service that wrote the record, else its host. */
function actorOf(find: Find, findInResource: Find): CairnEvent["actor"] {
  // An app on somebody's device says who it is for once, in its resource.
  const user = find("user") ?? findInResource("user");
  const ip = find("address");
  const session = find("session");
  const service = findInResource("service");
  const host = findInResource("hostName");
  const [type, id] =
    user !== undefined
      ? ["user", user]
      : ip !== undefined
        ? ["address", ip]
        : service !== undefined
          ? ["service", service]
          : host !== undefined
            ? ["host", host]
            : ["unknown", "unknown"];
  const actor: { id: string; [member: string]: unknown } = {
    id: within(eventLimits.actorId, id),
    type,
  };
  if (ip !== undefined) actor["ip"] = ip;
  if (session !== undefined) actor["session"] = session;
  return actor;
}

function targetsOf(find: Find): Target[] {
  const targets: Target[] = [];
  const add = (type: string | undefined, id: string | undefined, more?: object): void => {
    if (type !== undefined && id !== undefined) targets.push({ type, id, ...more });
  };
  const host = find("host");
  const path = find("path");
  const route = find("route");
  add(find("targetType"), find("targetId"));
  add("http", path ?? route, {
    ...(route === undefined || path === undefined ? {} : { route }),
    ...(host === undefined || find("httpMethod") === undefined ? {} : { host }),
  });
  add(find("dbSystem"), joined(find("dbNamespace"), find("dbCollection")) ?? host);
  add(find("rpcSystem"), joined(find("rpcService"), find("rpcMethod")));
  add(find("messagingSystem"), find("messagingDestination"));
  const namespace = find("kubernetesNamespace");
  const kind = kubernetesKinds.find((each) => find(each) !== undefined);
  if (kind !== undefined) {
    const name = joined(kind, find(kind));
    add("kubernetes", kind === "node" ? name : joined(namespace, name));
  } else add("kubernetes", namespace === undefined ? undefined : `namespace/${namespace}`);
  return targets;
}

function joined(first: string | undefined, second: string | undefined): string | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return `${first}/${second}`;
}

/** What went wrong says so; that nothing did is known only where a status or `event.outcome` tells. */
function outcomeOf(record: LogRecord, find: Find): NonNullable<CairnEvent["outcome"]> {
  const given = find("outcome");
  if (given === "success" || given === "failure" || given === "denied") return given;
  const status = find("httpStatus");
  const rpc = find("rpcStatus");
  if (status === "401" || status === "403") return "denied";
  if (rpc !== undefined && deniedRpc.has(rpc)) return "denied";
  if (find("error") !== undefined) return "failure";
  if (status !== undefined && /^[1-5][0-9]{2}$/.test(status)) {
    return status >= "400" ? "failure" : "success";
  }
  if (rpc !== undefined) return rpc === "0" || rpc === "OK" ? "success" : "failure";
  return (record.severityNumber ?? 0) >= errorSeverity ? "failure" : "unknown";
}

/** The ids of W3C Trace Context; of the flags the eight bits that it has. */
function traceOf({ traceId, spanId, flags = 0 }: LogRecord): string | undefined {
  if (traceId?.length !== 32 || spanId?.length !== 16) return undefined;
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined;
  return `00-${traceId}-${spanId}-${(flags % 256).toString(16).padStart(2, "0")}`;
}

let lastSecond = "";
let lastSecondText = "";

/** Nanoseconds since 1970 as RFC 3339 with nine digits; undefined where nobody knows. */
function timeOf(nanoseconds: number | string | undefined): string | undefined {
  if (nanoseconds === undefined) return undefined;
  const digits = String(nanoseconds).padStart(10, "0");
  const second = digits.slice(0, -9);
  // Records of one delivery are mostly of one second. A pure function's memory of its last answer.
  if (second !== lastSecond) {
    // Digits only: a number of JSON, of at most eleven of them.
    const seconds = JSON.parse(second) as number;
    lastSecondText = new Date(seconds * 1000).toISOString().slice(0, 20);
    lastSecond = second;
  }
  return `${lastSecondText}${digits.slice(-9)}Z`;
}

const encoder = new TextEncoder();

/** A text short enough to be spelled in so many bytes of JSON; the whole is in `details`. */
function within(bytesMax: number, text: string): string {
  // A character takes at most six bytes: \u001f.
  if (text.length * 6 <= bytesMax) return text;
  let short = text.slice(0, bytesMax).toWellFormed();
  while (encoder.encode(JSON.stringify(short)).length - 2 > bytesMax) {
    short = short.slice(0, Math.floor(short.length * 0.9)).toWellFormed();
  }
  return short;
}

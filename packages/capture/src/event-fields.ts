/**
 * From what a sender wrote to fields that every log takes: ids, types, times, traces within their limits.
 *
 * A sender may put anything into a field, by mistake or to make us refuse the event, and an event that is refused is
 * lost. So nothing here throws: what does not fit is cut and marked with its hash, what is no time or no trace is left
 * out. None of it is lost by that, for the sender's record rides along whole under `details`. The limits themselves
 * are core's (`eventLimits`); this file only keeps to them.
 */
import { hash } from "node:crypto";
import {
  eventLimits,
  formatLogTime,
  isSourceTime,
  parseDecimal,
  utf8,
  type CairnEvent,
} from "@cairnlog/core";
import { wellFormed, type Json } from "./foreign-json.ts";

export type Workflow = "identity" | "api" | "database" | "deployment" | "change" | "security";
export type Outcome = NonNullable<CairnEvent["outcome"]>;
type Target = NonNullable<CairnEvent["targets"]>[number];

export interface ActorDraft {
  readonly id?: string | undefined;
  readonly [member: string]: Json | undefined;
}

export interface TargetDraft {
  readonly type: string;
  readonly id?: string | undefined;
  readonly [member: string]: Json | undefined;
}

/** What an adapter found, unchecked. Members that are undefined were not there. */
export interface EventDraft {
  readonly id?: string | undefined;
  /** From `typeOf`, or one that the adapter spells itself. */
  readonly type: string;
  readonly time?: Json | undefined;
  readonly actor?: ActorDraft | undefined;
  readonly action?: string | undefined;
  readonly targets?: readonly (TargetDraft | undefined)[] | undefined;
  readonly outcome?: Outcome | undefined;
  readonly trace?: string | undefined;
  readonly details: unknown;
}

/** What stands where a sender does not say who it was. */
const unknownActor = "unknown";
/** Targets beyond so many bytes stay in `details` only, so that an event's head always fits an entry. */
const targetsBytesMax = 16 * 1024;
const targetIdBytesMax = 1024;
/** Any further string of an actor or target: a name, an address, a user agent. */
const memberBytesMax = 512;

/** The draft as an event that passes `checkEvent`, whatever stood in it. */
export function eventFrom(draft: EventDraft): CairnEvent {
  const { type, details, outcome } = draft;
  const { id: actorId, ...actorMembers } = draft.actor ?? {};
  const { targets, omitted } = safeTargets(draft.targets ?? []);
  return {
    ...given("id", safeId(draft.id)),
    type,
    ...given("time", timeFrom(draft.time)),
    actor: { id: safeActorId(actorId), ...safeMembers(actorMembers) },
    action: safeAction(draft.action ?? type),
    ...given("targets", targets.length > 0 ? targets : undefined),
    ...given("targetsOmitted", omitted > 0 ? omitted : undefined),
    ...given("outcome", outcome),
    ...given("trace", traceFrom(draft.trace)),
    details,
  };
}

/** An object with that member, or none where there is no value: for spreading. */
export function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [member in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [member in Name]?: Value };
}

/**
 * The sender's own id where an event can have it; else its hash, which is the same for the same id. Undefined where
 * there is none.
 */
export function safeId(id: string | undefined): string | undefined {
  if (id === undefined || id === "") return undefined;
  const isSpelledPlainly = JSON.stringify(id).length === id.length + 2;
  const isShort = utf8(id).length <= eventLimits.id;
  const isKept = isSpelledPlainly && isShort && wellFormed(id) === id;
  return isKept ? id : `sha256:${digest(id)}`;
}

/** `<workflow>.<verb>`, whatever the verb: what a type cannot hold becomes `_`. `typeOf("change", "github_Fork")` */
export function typeOf(workflow: Workflow, verb: string): string {
  const words = verb
    .slice(0, 4 * eventLimits.type)
    .toLowerCase()
    .split(".")
    .map((word) => word.replace(/[^a-z0-9_-]+/g, "_").replace(/^_+|_+$/g, ""))
    .filter((word) => word !== "");
  const type = [workflow, ...words].join(".").slice(0, eventLimits.type).replace(/\.$/, "");
  return type.includes(".") ? type : `${workflow}.unknown`;
}

function safeAction(action: string | undefined): string {
  return fitted(action, eventLimits.action) ?? "unknown";
}

export function safeActorId(id: string | undefined): string {
  return fitted(id, eventLimits.actorId) ?? unknownActor;
}

/**
 * The text in at most `bytesMax` bytes as JSON spells it. A longer one is cut and ends in its SHA-256, so that two
 * that differ still do. Undefined where it is empty.
 */
export function fitted(text: string | undefined, bytesMax: number): string | undefined {
  if (text === undefined || text === "") return undefined;
  // The longest spelling of a UTF-16 code unit has six bytes.
  const whole = text.length <= bytesMax ? wellFormed(text) : text;
  if (6 * whole.length <= bytesMax || spelledBytes(whole) <= bytesMax) return whole;
  const mark = `…sha256:${digest(text)}`;
  const room = bytesMax - utf8(mark).length;
  let bytes = 0;
  let cut = "";
  for (const character of wellFormed(text.slice(0, room))) {
    bytes += spelledBytes(character);
    if (bytes > room) break;
    cut += character;
  }
  return cut + mark;
}

/** A W3C traceparent as it is; undefined where it is none. */
export function traceFrom(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined || traceparent.length > eventLimits.trace) return undefined;
  const parts = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[A-Za-z0-9._-]*)?$/.exec(
    traceparent,
  );
  if (parts === null) return undefined;
  const [, version, traceId, spanId, rest] = parts;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  return isZero(traceId!) || isZero(spanId!) ? undefined : traceparent;
}

/** A traceparent of ids that came apart, in any case; undefined where one of them is missing or is none. */
export function traceOf(
  traceId: string | undefined,
  spanId: string | undefined,
  flags = "01",
): string | undefined {
  if (traceId === undefined || spanId === undefined) return undefined;
  return traceFrom(`00-${traceId}-${spanId}-${flags}`.toLowerCase());
}

/**
 * An event's time from how senders write it: RFC 3339, also with a blank for its `T`, `UTC` for its `Z` and an offset
 * without colon; or a number since 1970 (or its digits), whose size tells seconds (before the year 5138),
 * milliseconds, microseconds and nanoseconds apart. Undefined where it is none of these.
 */
export function timeFrom(value: Json | undefined): string | undefined {
  if (typeof value === "number") return timeOfNumber(value);
  if (typeof value !== "string" || value.length > 64) return undefined;
  if (/^[0-9]{1,19}$/.test(value)) return timeOfDigits(value);
  const text = value
    .replace(/^(\d{4}-\d\d-\d\d)[ t]/, "$1T")
    .replace(/ ?(?:UTC|z)$/, "Z")
    .replace(/ ?([+-]\d\d):?(\d\d)$/, "$1:$2")
    .replace(/(\.\d{9})\d+/, "$1");
  const bytes = utf8(text);
  return isSourceTime(bytes, 0, bytes.length) ? text : undefined;
}

function timeOfNumber(value: number): string | undefined {
  if (Number.isSafeInteger(value)) return value < 0 ? undefined : timeOfDigits(String(value));
  const isSecondsWithFraction = value > 0 && value < 1e11;
  return isSecondsWithFraction ? findTime(Math.round(value * 1000)) : undefined;
}

function timeOfDigits(text: string): string | undefined {
  const digits = text.replace(/^0+(?=[0-9])/, "");
  const { length } = digits;
  const fraction = length < 12 ? 0 : length < 15 ? 3 : length < 18 ? 6 : 9;
  const seconds = findTime(parseDecimal(digits.slice(0, length - fraction), "Unix time") * 1000);
  if (seconds === undefined || fraction === 0) return seconds;
  return `${seconds.slice(0, 19)}.${digits.slice(length - fraction)}Z`;
}

function findTime(ms: number): string | undefined {
  // The year 9999 ends here; what is before 1970 was refused.
  return ms <= 253_402_300_799_999 ? formatLogTime(ms) : undefined;
}

function safeTargets(drafts: readonly (TargetDraft | undefined)[]): {
  readonly targets: readonly Target[];
  readonly omitted: number;
} {
  const targets: Target[] = [];
  let bytes = 0;
  let omitted = 0;
  for (const draft of drafts) {
    if (draft === undefined) continue;
    const { type, id, ...members } = draft;
    const fittedId = fitted(id, targetIdBytesMax);
    if (fittedId === undefined) continue;
    const fittedType = fitted(type, memberBytesMax) ?? "unknown";
    const target: Target = { type: fittedType, id: fittedId, ...safeMembers(members) };
    bytes += utf8(JSON.stringify(target)).length;
    if (bytes > targetsBytesMax) omitted++;
    else targets.push(target);
  }
  return { targets, omitted };
}

/** Strings within their limit; members without a value are left out. */
function safeMembers(members: Readonly<Record<string, Json | undefined>>): Record<string, Json> {
  const safe: Record<string, Json> = {};
  for (const [name, value] of Object.entries(members)) {
    const kept = typeof value === "string" ? fitted(value, memberBytesMax) : value;
    if (kept !== undefined && kept !== null) safe[name] = kept;
  }
  return safe;
}

function spelledBytes(text: string): number {
  return utf8(JSON.stringify(text)).length - 2;
}

function digest(text: string): string {
  return hash("sha256", utf8(text), "hex");
}

function isZero(digits: string): boolean {
  return /^0+$/.test(digits);
}

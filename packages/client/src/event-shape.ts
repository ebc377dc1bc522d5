/**
 * What the log will refuse in any case, found before an event takes a number: a number that is
 * refused later is missing from the count, and the log says so to everybody. docs/spec/event.md has
 * the whole shape; what only the log can know is the log's to say.
 */
import { CairnError, eventLimits } from "@cairnlog/core";

const typeForm = /^[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+$/;
const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const traceForm = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/;
const outcomes: readonly unknown[] = ["success", "failure", "denied", "unknown", undefined];

/** Throws "invalid" with the pointer of the first member that is wrong. OCSF events are left alone. */
export function checkShape(event: object): void {
  const { class_uid, type, actor, action, time, trace, outcome, targets } = event as Readonly<
    Record<string, unknown>
  >;
  if (class_uid !== undefined) return;
  if (typeof type !== "string" || !typeForm.test(type)) {
    throw refused("/type", 'expected <workflow>.<verb> of a-z, 0-9, _ and -, as "database.query"');
  }
  if (type.startsWith("system.") || type.startsWith("source.")) {
    throw refused("/type", "system.* and source.* are the log's own");
  }
  checkActor(actor);
  if (!isText(action, eventLimits.action)) {
    throw refused("/action", `expected a text of 1 to ${eventLimits.action} bytes`);
  }
  if (time !== undefined && !(time instanceof Date) && !isOf(timeForm, time)) {
    throw refused("/time", "expected an RFC 3339 time with a zone");
  }
  if (trace !== undefined && !isOf(traceForm, trace)) {
    throw refused("/trace", "expected a W3C traceparent");
  }
  if (!outcomes.includes(outcome)) {
    throw refused("/outcome", "expected success, failure, denied or unknown");
  }
  if (targets !== undefined) checkTargets(targets);
}

/** Where a number is given to each event, what the event says of a number is somebody else's. */
export function refuseNumbered(event: object): void {
  if ((event as Record<string, unknown>)["sequence"] === undefined) return;
  throw refused("/sequence", "this client numbers its events itself; leave `sequence` out");
}

function checkActor(actor: unknown): void {
  const id = (actor as { readonly id?: unknown } | null | undefined)?.id;
  if (isText(id, eventLimits.actorId)) return;
  throw refused(
    "/actor/id",
    "nobody is named as the one who acted: give `actor`, or log within `withContext({ actor }, …)`",
  );
}

function checkTargets(targets: unknown): void {
  if (!Array.isArray(targets)) throw refused("/targets", "expected an array");
  for (const [i, target] of (targets as unknown[]).entries()) {
    const { type, id } = (target ?? {}) as { readonly type?: unknown; readonly id?: unknown };
    if (typeof type === "string" && type !== "" && typeof id === "string" && id !== "") continue;
    throw refused(`/targets/${i}`, "expected an object with the texts `type` and `id`");
  }
}

/** A character has at most three bytes; few are near the limit. */
function isText(value: unknown, byteLengthMax: number): boolean {
  if (typeof value !== "string" || value === "") return false;
  return value.length * 3 <= byteLengthMax || utf8.encode(value).length <= byteLengthMax;
}

const utf8 = new TextEncoder();

function isOf(form: RegExp, value: unknown): boolean {
  return typeof value === "string" && form.test(value);
}

function refused(pointer: string, what: string): CairnError {
  return new CairnError("invalid", `${pointer}: ${what}`, { place: { pointer } });
}

/**
 * What an application gives to `log()`, and the event that becomes of it: the context and the trace
 * of the code that is running go under what the event says itself.
 */
import type { CairnEvent, NamedBlob } from "@cairnlog/core";
import type { CairnContext } from "./context.ts";
import { checkDefined, type EventDefinition } from "./define-event.ts";

/** An event of which the context may supply the actor, and the client id, time and number. */
export interface EventInput {
  readonly id?: string | undefined;
  readonly type: string;
  readonly time?: string | undefined;
  /** Members that it lacks come from the context, where that has the same actor, or it has no `id`. */
  readonly actor?:
    { readonly id?: string | undefined; readonly [member: string]: unknown } | undefined;
  readonly action: string;
  readonly targets?: CairnEvent["targets"] | undefined;
  readonly outcome?: CairnEvent["outcome"] | undefined;
  /** W3C traceparent. Default: of the context, else of OpenTelemetry. */
  readonly trace?: string | undefined;
  readonly details?: unknown;
  readonly blobs?: readonly NamedBlob[] | undefined;
  readonly private?: never;
  readonly [member: string]: unknown;
}

export interface ComposeOptions {
  readonly context: CairnContext | undefined;
  readonly trace: string | undefined;
  /** What the event must be like, where somebody has said so. */
  readonly definition: EventDefinition | undefined;
}

/**
 * The event with what surrounds it. What there is nothing to add to is returned as it is. OCSF
 * events are kept as they are. "invalid" where the definition does not take it.
 */
export function composeEvent(given: object, options: ComposeOptions): object {
  const { context, trace, definition } = options;
  let event = given as Record<string, unknown>;
  if (event["class_uid"] !== undefined) return event;
  if (definition !== undefined) event = checkDefined(event, definition);
  if (context === undefined && trace === undefined) return event;
  const around: Record<string, unknown> = {};
  const actor = actorOf(event["actor"], context);
  if (actor !== event["actor"]) around["actor"] = actor;
  const wholeTrace = event["trace"] ?? context?.trace ?? trace;
  if (wholeTrace !== event["trace"]) around["trace"] = wholeTrace;
  const details = detailsOf(event["details"], context?.details);
  if (details !== event["details"]) around["details"] = details;
  return { ...event, ...around };
}

/** Two actors are never mixed: one's address would stand beside the other's name. */
function actorOf(own: unknown, context: CairnContext | undefined): unknown {
  const around = context?.actor;
  const session = context?.session;
  if (around === undefined && session === undefined) return own;
  if (own !== undefined && !isRecord(own)) return own;
  const isSame = own?.["id"] === undefined || own["id"] === around?.id;
  if (!isSame && around !== undefined) return own;
  const inSession = session === undefined ? {} : { session };
  return { ...around, ...inSession, ...own };
}

function detailsOf(own: unknown, around: CairnContext["details"]): unknown {
  if (around === undefined) return own;
  if (own === undefined) return around;
  return isRecord(own) ? { ...around, ...own } : own;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

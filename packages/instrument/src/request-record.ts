/**
 * One request, from its arrival to the event that tells of it: what the middlewares of all
 * frameworks have in common. A framework shows its request as a `RequestView`, runs the handler
 * within `context`, and calls `end` once.
 *
 * Who acts is asked anew whenever it is needed: authentication usually comes after this, and a login
 * is an event of the one who logged in. Invariants: `end` records once, whatever happens; nothing in
 * here throws into the application, but `start`, which is there to.
 */
import type { CairnContext } from "@cairnlog/client";
import { anonymous, type Actor } from "./actor.ts";
import { handOver, recordDurably, type Recorder } from "./recorder.ts";
import type { MiddlewareSettings } from "./request-options.ts";
import { bounded, boundedText, select } from "./selection.ts";
import { findTraceparent, formatTraceparent, spanWithin, type Traceparent } from "./traceparent.ts";

/** A request as far as it is recorded. What is asked late may have changed since. */
export interface RequestView<Request> {
  readonly request: Request;
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly url: string;
  readonly ip: string | undefined;
  header(name: string): string | undefined;
  /** The pattern of the route that took it, as `/orders/:id`; undefined while, or if, there is none. */
  route(): string | undefined;
  /** Parsed; undefined where nobody has parsed it. */
  body(): unknown;
  /** What the framework or the application calls the request. */
  requestId(): string | undefined;
}

/** How it ended. */
export interface Answer {
  /** Undefined where no answer was begun. */
  readonly status: number | undefined;
  /** The connection was over before the answer was. */
  readonly isAborted?: boolean;
  header?(name: string): unknown;
  readonly body?: unknown;
  /** What the handler threw. */
  readonly error?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The answer where the start could not be recorded, as a problem document (RFC 9457). */
export const notRecorded = {
  status: 503,
  type: "application/problem+json",
  retryAfterS: "5",
  body: JSON.stringify({
    title: "Service Unavailable",
    status: 503,
    detail: "This request cannot be recorded now, so it was not carried out.",
  }),
} as const;

/** A path may have 16 KiB; more than this is not recorded of it. */
const pathMax = 2048;
const actionMax = 80;
/** Bytes as spelled in JSON, of which an odd character takes six. */
const idMax = 2046;
/** Spelled in JSON as it is. */
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

export class RequestRecord<Request> {
  /** For `withContext`. */
  readonly context: CairnContext;
  /** What callers and other services are told. */
  readonly traceparent: string;
  readonly #client: Recorder;
  readonly #settings: MiddlewareSettings<Request>;
  readonly #view: RequestView<Request>;
  readonly #span: Traceparent;
  readonly #caller: Traceparent | undefined;
  readonly #sinceMs = performance.now();
  #isStarted = false;
  #isEnded = false;

  constructor(client: Recorder, settings: MiddlewareSettings<Request>, view: RequestView<Request>) {
    this.#client = client;
    this.#settings = settings;
    this.#view = view;
    // A tracer that is at work has read the header, and its span is this request's.
    const active = settings.findTrace();
    this.#caller = findTraceparent(view.header("traceparent"));
    const span =
      findTraceparent(active) ?? spanWithin(settings.keepsTrace ? this.#caller : undefined);
    this.#span = span;
    this.traceparent = formatTraceparent(span);
    const actor = (): Actor => this.#actor().actor;
    this.context = {
      get actor() {
        return actor();
      },
      trace: this.traceparent,
    };
  }

  /**
   * Resolves once the log holds, durably, that this request is about to be handled. Rejects where
   * that cannot be had, or nobody can say who acts: then it must not be.
   */
  async start(timeoutMs = this.#settings.requiredTimeoutMs): Promise<void> {
    const { actor, fault } = this.#actor();
    if (fault !== undefined) throw fault;
    const event = { ...this.#head("api.started", actor), outcome: "unknown" } as const;
    const details = { ...this.#facts(), ...this.#selected(undefined) };
    await recordDurably(this.#client, { ...event, details }, timeoutMs);
    this.#isStarted = true;
  }

  end(answer: Answer): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const durationMs = Math.round((performance.now() - this.#sinceMs) * 1000) / 1000;
    const { status, isAborted = false, error } = answer;
    const { actor, fault } = this.#actor();
    const details = {
      ...this.#extra(),
      ...this.#facts(),
      status,
      durationMs,
      aborted: isAborted || undefined,
      started: this.#isStarted || undefined,
      error: error === undefined ? undefined : errorName(error),
      actorError: fault === undefined ? undefined : errorName(fault),
      ...answer.details,
      ...this.#selected(answer),
    };
    const outcome = outcomeOf(status, isAborted);
    handOver(this.#client, { ...this.#head("api.called", actor), outcome, details });
  }

  /** What was asked for: the path, without the query. */
  get targets(): readonly { readonly type: string; readonly id: string }[] {
    const { service = "" } = this.#settings;
    return [{ type: "api", id: boundedText(service + this.#path(), pathMax) || "/" }];
  }

  #head(type: string, actor: Actor) {
    const { method } = this.#view;
    const route = this.#view.route();
    const action = boundedText(route === undefined ? method : `${method} ${route}`, actionMax);
    return { type, actor, action, targets: this.targets, trace: this.traceparent } as const;
  }

  #facts(): Record<string, unknown> {
    const view = this.#view;
    const { method } = view;
    const route = view.route();
    const caller = this.#caller;
    const sent = view.header("x-request-id");
    const given = sent !== undefined && idForm.test(sent) ? sent : undefined;
    const requestId = view.requestId() ?? given ?? this.#span.spanId;
    const isKept = caller !== undefined && this.#span.traceId === caller.traceId;
    return {
      method,
      route: route === undefined ? undefined : boundedText(route),
      requestId: boundedText(requestId, 128),
      parentSpan: isKept ? caller.spanId : undefined,
      callerTrace: caller === undefined || isKept ? undefined : formatTraceparent(caller),
    };
  }

  #path(): string {
    const { url } = this.#view;
    const end = url.search(/[?#]/);
    return end < 0 ? url : url.slice(0, end);
  }

  /** `actor` never throws into the application: an event of someone unknown tells of it. */
  #actor(): { readonly actor: Actor; readonly fault?: Error } {
    const { ip, request } = this.#view;
    const around = ip === undefined ? {} : { ip };
    try {
      const given = this.#settings.actor(request);
      if (given === undefined) return { actor: { ...anonymous, ...around } };
      if (typeof given.id !== "string" || given.id === "") {
        throw new TypeError("`actor` gave somebody without an id");
      }
      const id = boundedText(given.id, plainText.test(given.id) ? idMax : idMax / 6);
      return { actor: { ...around, ...given, id } };
    } catch (error) {
      const fault = error instanceof Error ? error : new TypeError("`actor` threw no Error");
      return { actor: { id: "unknown", type: "unknown", ...around }, fault };
    }
  }

  #extra(): object | undefined {
    try {
      return this.#settings.details(this.#view.request);
    } catch (error) {
      return { detailsError: errorName(error) };
    }
  }

  #selected(answer: Answer | undefined): Record<string, unknown> {
    const { request, response } = this.#settings;
    const view = this.#view;
    const selected: Record<string, unknown> = {};
    try {
      if (request.length > 0) {
        const headers = headersOf(request, (name) => view.header(name));
        const { url } = view;
        const query = queryOf(url);
        selected["request"] = select(request, { headers, query, body: view.body() });
      }
      if (response.length > 0 && answer !== undefined) {
        const headers = headersOf(response, (name) => answer.header?.(name));
        selected["response"] = select(response, { headers, body: answer.body });
      }
    } catch (error) {
      // A getter of the application's.
      selected["selectionError"] = errorName(error);
    }
    return selected;
  }
}

const idForm = /^[\x21-\x7e]{1,128}$/;

/** Only those that are asked for. */
function headersOf(
  pointers: readonly (readonly string[])[],
  header: (name: string) => unknown,
): Record<string, unknown> {
  const names = pointers.flatMap(([first, name]) =>
    first === "headers" && name !== undefined ? [name] : [],
  );
  return Object.fromEntries(names.map((name) => [name, header(name)]));
}

function queryOf(url: string): Record<string, unknown> {
  const at = url.indexOf("?");
  const query = new URLSearchParams(at < 0 ? "" : url.slice(at + 1).split("#", 1)[0]);
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => {
      const all = query.getAll(name);
      return [name, all.length === 1 ? all[0] : all];
    }),
  );
}

/** Of an aborted request nobody knows what came of it. */
export function outcomeOf(status: number | undefined, isAborted: boolean): EventOutcome {
  if (isAborted || status === undefined) return "unknown";
  if (status === 401 || status === 403) return "denied";
  return status < 400 ? "success" : "failure";
}

type EventOutcome = "success" | "failure" | "denied" | "unknown";

/** An error's name and code, and not its message: that may hold anything. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return "(no Error)";
  const { code } = error as { code?: unknown };
  const isCode = typeof code === "string" || typeof code === "number";
  return String(bounded(isCode ? `${error.name} ${code}` : error.name));
}

/**
 * Middleware for Hono: one event for each request. Put it first. On Node it records when the answer
 * was sent, or when the connection broke; elsewhere when the handler has answered, because no
 * runtime but Node tells when the last byte has left: a stream may still be running then.
 */
import { withContext } from "@cairnlog/client";
import { onceAnswered, type NodeResponse } from "./node-answer.ts";
import type { Recorder } from "./recorder.ts";
import { settingsOf, type MiddlewareOptions, type MiddlewareSettings } from "./request-options.ts";
import { notRecorded, RequestRecord, type Answer } from "./request-record.ts";

/** What is used of Hono's context. */
export interface HonoContextLike {
  readonly req: {
    readonly method: string;
    readonly url: string;
    readonly routePath: string;
    readonly bodyCache: object;
    header(name: string): string | undefined;
    json(): Promise<unknown>;
  };
  readonly res: Response;
  /** What a handler threw. */
  readonly error: Error | undefined;
  /** What the runtime gives; of `@hono/node-server`, Node's request and response. */
  readonly env: unknown;
  header(name: string, value: string): void;
}

export type HonoHandler<Context> = (
  context: Context,
  next: () => Promise<void>,
) => Promise<Response | void>;

interface NodeBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
  readonly outgoing?: NodeResponse;
}

type Startable = Pick<RequestRecord<unknown>, "start">;

/** By Hono's request, of which there is one for each. */
const records = new WeakMap<object, Startable>();

/** "usage" for options that cannot work. */
export function cairnHono<Context extends HonoContextLike = HonoContextLike>(
  client: Recorder,
  options: MiddlewareOptions<Context> = {},
): HonoHandler<Context> {
  const settings = settingsOf(options);
  return async (context, next) => {
    if (settings.isSkipped(context)) return await next();
    const known = records.get(context.req);
    const isRequired = settings.isRequired?.(context) === true;
    if (known !== undefined) {
      if (isRequired && !(await isStarted(known, settings))) return refusal();
      return await next();
    }
    const late: Late = {};
    const record = new RequestRecord(client, settings, viewOf(context, late));
    records.set(context.req, record);
    if (settings.traceHeader !== undefined) {
      context.header(settings.traceHeader, record.traceparent);
    }
    return await handle({ record, settings, context, late }, next, isRequired);
  };
}

/** What is known once the handler has answered. */
interface Late {
  requestBody?: unknown;
  headers?: Headers;
  body?: unknown;
  error?: unknown;
}

interface Handling<Context> {
  readonly record: RequestRecord<Context>;
  readonly settings: MiddlewareSettings<Context>;
  readonly context: Context;
  readonly late: Late;
}

async function handle<Context extends HonoContextLike>(
  { record, settings, context, late }: Handling<Context>,
  next: () => Promise<void>,
  isRequired: boolean,
): Promise<Response | void> {
  const { outgoing } = bindingsOf(context);
  const end = (answer: Answer): void => {
    record.end({ ...answer, body: late.body, error: late.error });
  };
  const header = (name: string): unknown => late.headers?.get(name) ?? undefined;
  if (outgoing !== undefined) onceAnswered(outgoing, end, header);
  if (isRequired && !(await isStarted(record, settings))) {
    const refused = refusal();
    if (outgoing === undefined) end({ status: refused.status });
    return refused;
  }
  try {
    await withContext(record.context, next);
  } catch (error) {
    // What is no Error goes past Hono's own handler, and out to the server.
    late.error = error;
    if (outgoing === undefined) end({ status: 500 });
    throw error;
  }
  late.error = context.error;
  if (settings.request.some(([first]) => first === "body")) {
    late.requestBody = await readAgain(context);
  }
  if (settings.readsAnswer) late.body = await jsonOf(context.res);
  const { status, headers } = context.res;
  late.headers = headers;
  if (outgoing === undefined) end({ status, header });
}

async function isStarted<Context>(
  record: Startable,
  settings: MiddlewareSettings<Context>,
): Promise<boolean> {
  try {
    await record.start(settings.requiredTimeoutMs);
    return true;
  } catch {
    return false;
  }
}

function viewOf<Context extends HonoContextLike>(context: Context, late: Late) {
  const { req } = context;
  return {
    request: context,
    method: req.method,
    url: req.url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "") || "/",
    ip: bindingsOf(context).incoming?.socket?.remoteAddress,
    header: (name: string) => req.header(name),
    route(): string | undefined {
      // Of middlewares for everything the pattern says nothing.
      const pattern = req.routePath;
      return pattern === "*" || pattern === "/*" ? undefined : pattern;
    },
    body: () => late.requestBody,
    requestId(): string | undefined {
      const id = (context as { get?: (name: string) => unknown }).get?.("requestId");
      return typeof id === "string" && id !== "" ? id : undefined;
    },
  };
}

function bindingsOf(context: HonoContextLike): NodeBindings {
  return context.env ?? {};
}

/** What a handler has read is kept by Hono; what none has read is not read for the log's sake. */
async function readAgain({ req }: HonoContextLike): Promise<unknown> {
  const isRead = Object.keys(req.bodyCache).length > 0;
  if (!isRead || !jsonType.test(req.header("content-type") ?? "")) return undefined;
  try {
    return await req.json();
  } catch {
    return undefined;
  }
}

const jsonType = /^application\/(?:[^;]+\+)?json\b/i;

async function jsonOf(response: Response): Promise<unknown> {
  if (!jsonType.test(response.headers.get("content-type") ?? "")) return undefined;
  try {
    return await response.clone().json();
  } catch {
    return undefined;
  }
}

function refusal(): Response {
  const { status, type, retryAfterS, body } = notRecorded;
  return new Response(body, {
    status,
    headers: { "content-type": type, "retry-after": retryAfterS },
  });
}

/**
 * A plugin for Fastify: one event for each request, refused and unknown ones among them. Register it
 * before what it is to see: hooks run in the order in which they were added.
 *
 * The context is entered twice: Fastify goes on from the callbacks of the stream that it reads a
 * body from, and those belong to the connection.
 */
import { currentContext, withContext } from "@cairnlog/client";
import { onceAnswered, type NodeResponse } from "./node-answer.ts";
import type { Recorder } from "./recorder.ts";
import { settingsOf, type MiddlewareOptions, type MiddlewareSettings } from "./request-options.ts";
import { notRecorded, RequestRecord, type Answer } from "./request-record.ts";

/** What is used of Fastify's request. */
export interface FastifyRequestLike {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly originalUrl: string;
  readonly ip: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: unknown;
  readonly routeOptions: { readonly url?: string | undefined };
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  readonly raw: NodeResponse;
  readonly sent: boolean;
  header(name: string, value: string): unknown;
  getHeader(name: string): unknown;
  code(status: number): unknown;
  type(name: string): unknown;
  send(body: string): unknown;
}

/** What is used of Fastify's instance: its hooks have as many forms as names. */
export interface FastifyLike {
  addHook(name: never, hook: never): unknown;
}

type Plugin = (instance: FastifyLike, options: unknown, done: () => void) => void;
type Done = (error?: Error) => void;

interface Open<Request> {
  readonly record: RequestRecord<Request>;
  answer?: unknown;
  error?: unknown;
}

/** For `app.register`. "usage" for options that cannot work. */
export function cairnFastify<Request extends FastifyRequestLike = FastifyRequestLike>(
  client: Recorder,
  options: MiddlewareOptions<Request> = {},
): Plugin {
  const settings = settingsOf(options);
  const plugin: Plugin = (instance, _, done) => {
    addHooks(instance as never, client, settings);
    done();
  };
  // As fastify-plugin does: hooks of this plugin are those of whoever registers it.
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "cairn",
  });
}

interface Hooks<Request> {
  addHook(
    name: "onRequest" | "preValidation" | "preHandler",
    hook: (request: Request, reply: FastifyReplyLike, done: Done) => void,
  ): void;
  addHook(
    name: "preSerialization",
    hook: (
      request: Request,
      reply: FastifyReplyLike,
      payload: unknown,
      done: (error: null, payload: unknown) => void,
    ) => void,
  ): void;
  addHook(
    name: "onError",
    hook: (request: Request, reply: FastifyReplyLike, error: Error, done: () => void) => void,
  ): void;
}

function addHooks<Request extends FastifyRequestLike>(
  app: Hooks<Request>,
  client: Recorder,
  settings: MiddlewareSettings<Request>,
): void {
  const open = new WeakMap<object, Open<Request>>();
  app.addHook("onRequest", (request, reply, done) => {
    if (settings.isSkipped(request)) return done();
    const own: Open<Request> = { record: new RequestRecord(client, settings, viewOf(request)) };
    open.set(request, own);
    if (settings.traceHeader !== undefined) {
      reply.header(settings.traceHeader, own.record.traceparent);
    }
    const end = (answer: Answer): void => {
      own.record.end({ ...answer, body: own.answer, error: own.error });
    };
    onceAnswered(reply.raw, end, (name) => reply.getHeader(name));
    withContext(own.record.context, done);
  });
  app.addHook("preValidation", (request, _, done) => {
    const context = open.get(request)?.record.context;
    if (context === undefined || currentContext()?.trace === context.trace) return done();
    withContext(context, done);
  });
  if (settings.isRequired !== undefined) addRequired(app, settings, open);
  if (settings.readsAnswer) {
    app.addHook("preSerialization", (request, _, payload, done) => {
      const own = open.get(request);
      if (own !== undefined) own.answer = payload;
      done(null, payload);
    });
  }
  app.addHook("onError", (request, _, error, done) => {
    const own = open.get(request);
    if (own !== undefined) own.error = error;
    done();
  });
}

/** Just before the handler: whoever acts is known by then, and what is invalid was refused. */
function addRequired<Request extends FastifyRequestLike>(
  app: Hooks<Request>,
  settings: MiddlewareSettings<Request>,
  open: WeakMap<object, Open<Request>>,
): void {
  app.addHook("preHandler", (request, reply, done) => {
    const record = open.get(request)?.record;
    if (record === undefined || settings.isRequired?.(request) !== true) return done();
    const refuse = (): void => {
      const { status, type, retryAfterS, body } = notRecorded;
      if (reply.sent) return;
      reply.code(status);
      reply.type(type);
      reply.header("retry-after", retryAfterS);
      reply.send(body);
    };
    const go = (): void => done();
    record.start().then(go, refuse);
  });
}

function viewOf<Request extends FastifyRequestLike>(request: Request) {
  return {
    request,
    method: request.method,
    url: request.originalUrl,
    ip: request.ip,
    header(name: string) {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    },
    route: () => request.routeOptions.url,
    body: () => request.body,
    requestId: () => request.id,
  };
}

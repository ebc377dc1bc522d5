/**
 * Middleware for Express, and for what has its form (Connect, Polka, Restify): one event for each
 * request. Put it first: what comes before it is not recorded. Where it is met again further in, as
 * before one route with `required`, it does not record again, but records the start.
 *
 * Express tells a mounted router's pattern nowhere: the pattern is that of the route, after the path
 * at which its router is mounted, with the values that parameters in it have.
 */
import { withContext } from "@cairnlog/client";
import { onceAnswered, type NodeResponse } from "./node-answer.ts";
import type { Recorder } from "./recorder.ts";
import { settingsOf, type MiddlewareOptions, type MiddlewareSettings } from "./request-options.ts";
import { notRecorded, RequestRecord, type RequestView } from "./request-record.ts";

/** What is used of Express's request. */
export interface ExpressRequest {
  readonly method: string;
  readonly originalUrl: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** What is used of Express's response. */
export interface ExpressResponse extends NodeResponse {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown };
}

/** A handler for `app.use` or a route. */
export type ExpressHandler<Request> = (
  request: Request,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void;

/** Across all middlewares of a process, so that nobody records twice. */
const records = new WeakMap<object, Pick<RequestRecord<unknown>, "start">>();

/** "usage" for options that cannot work. */
export function cairnExpress<Request extends ExpressRequest = ExpressRequest>(
  client: Recorder,
  options: MiddlewareOptions<Request> = {},
): ExpressHandler<Request> {
  const settings = settingsOf(options);
  return (request, response, next) => {
    if (settings.isSkipped(request)) return next();
    const known = records.get(request);
    const opened = known === undefined ? open(client, settings, request, response) : undefined;
    const run = (): void => (opened === undefined ? next() : withContext(opened.context, next));
    const record = known ?? opened;
    if (record === undefined || settings.isRequired?.(request) !== true) return run();
    record.start(settings.requiredTimeoutMs).then(run, () => refuse(response));
  };
}

function open<Request extends ExpressRequest>(
  client: Recorder,
  settings: MiddlewareSettings<Request>,
  request: Request,
  response: ExpressResponse,
): RequestRecord<Request> {
  const record = new RequestRecord(client, settings, viewOf(request));
  records.set(request, record);
  if (settings.traceHeader !== undefined) {
    response.setHeader(settings.traceHeader, record.traceparent);
  }
  const body = settings.readsAnswer ? keepJson(response) : () => undefined;
  onceAnswered(response, (answer) => record.end({ ...answer, body: body() }));
  return record;
}

function viewOf<Request extends ExpressRequest>(request: Request): RequestView<Request> {
  const { ip = request.socket.remoteAddress } = request as { ip?: string | undefined };
  const route = watchRoute(request as Routed);
  return {
    request,
    method: request.method,
    url: request.originalUrl,
    ip,
    header(name) {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    },
    route,
    body: () => (request as { body?: unknown }).body,
    requestId() {
      const { id } = request as { id?: unknown };
      return typeof id === "string" && id !== "" ? id : undefined;
    },
  };
}

interface Routed {
  route?: { readonly path?: string | RegExp | readonly (string | RegExp)[] };
  baseUrl?: string;
  [seen]?: { readonly route: Routed["route"]; readonly pattern: string | undefined };
}

const seen = Symbol("cairn.route");
const watched = new WeakSet<object>();

/**
 * A router sets `route` while `baseUrl` is where it is mounted; after an error was passed on,
 * `baseUrl` is that of the application again. So it is looked at when `route` is set: by an accessor
 * on the prototype that an Express application makes for its requests.
 */
function watchRoute(request: Routed): () => string | undefined {
  const prototype = Object.getPrototypeOf(request) as object;
  const isExpress = Object.hasOwn(prototype, "app");
  if (isExpress && !watched.has(prototype)) {
    watched.add(prototype);
    Object.defineProperty(prototype, "route", {
      configurable: true,
      get(this: Routed) {
        return this[seen]?.route;
      },
      set(this: Routed, route: Routed["route"]) {
        this[seen] = { route, pattern: patternOf(route, this.baseUrl) };
      },
    });
  }
  return () => (isExpress ? request[seen]?.pattern : patternOf(request.route, request.baseUrl));
}

function patternOf(route: Routed["route"], baseUrl = ""): string | undefined {
  return route?.path === undefined ? undefined : baseUrl + String(route.path);
}

/** What is given to `response.json`. */
function keepJson(response: ExpressResponse): () => unknown {
  const own = response as unknown as { json?: (body: unknown) => unknown };
  const { json } = own;
  let kept: unknown;
  if (json === undefined) return () => undefined;
  own.json = function (this: unknown, body: unknown) {
    kept = body;
    return json.call(this, body);
  };
  return () => kept;
}

function refuse(response: ExpressResponse): void {
  const { status, type, retryAfterS, body } = notRecorded;
  // The caller may have gone meanwhile, or a time limit of the application's answered.
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": type, "retry-after": retryAfterS }).end(body);
}

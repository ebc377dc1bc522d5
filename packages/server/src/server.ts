/**
 * The HTTP face of logs: one Fastify, its routes, and its end. What it answers is
 * docs/spec/http.md.
 *
 * It knows no files but the one with the keys, opens and closes no log, and records nothing on its
 * own account: its own requests, refusals and failures are metrics and log lines, never events.
 */
import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from "fastify";
import swagger from "@fastify/swagger";
import { assert, CairnError } from "@cairnlog/core";
import { Access } from "./access.ts";
import { BodyBudget } from "./body-budget.ts";
import type { ServerContext } from "./context.ts";
import { addEntryRoutes } from "./entry-routes.ts";
import { HostCheck } from "./host-check.ts";
import type { KeySource } from "./key-ring.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { addLogRoutes } from "./log-routes.ts";
import { Metrics } from "./metrics.ts";
import { openapiOptions } from "./openapi.ts";
import { addOperationRoutes } from "./operation-routes.ts";
import { answerClientError, sendProblem } from "./problem-answer.ts";
import { addRangeRoute } from "./range-route.ts";
import { addRecordRoute } from "./record-route.ts";
import type { LogRegistry } from "./registry.ts";
import { RouteTable } from "./route-table.ts";
import { sharedSchemas } from "./schemas.ts";
import { addTileRoutes } from "./tile-routes.ts";
import { UnusedConnections } from "./unused-connections.ts";

export interface ServerOptions {
  readonly logs: LogRegistry;
  readonly keys: KeySource;
  /**
   * Host names, with or without a port, that requests may use besides loopback's and the listening
   * address.
   */
  readonly hostNames?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** PEM. Without it the server speaks plain HTTP. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** Where failures of the server are written, as JSON lines. Default: nowhere. */
  readonly logger?: { write(line: string): void };
  /** False until all logs are open; asked for `/readyz`. Default: true. */
  readonly isReady?: () => boolean;
}

export interface CairnServer {
  /** Resolves with the URL once requests are taken. Port 0 is any free one. */
  listen(address: { readonly host: string; readonly port: number }): Promise<string>;
  /**
   * Takes no more requests, answers those that were accepted, closes all connections. The logs stay
   * open. May be called again.
   */
  stop(): Promise<void>;
  /** Method and path pattern of every route. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

export async function createServer(options: ServerOptions): Promise<CairnServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const budget = new BodyBudget(limits.inFlightBytesMax);
  const metrics = new Metrics(options.logs, budget);
  const stopping = new AbortController();
  const context: ServerContext = {
    logs: options.logs,
    access: new Access(options.keys, options.logs, metrics),
    limits,
    budget,
    metrics,
    stopping: stopping.signal,
    isReady: options.isReady ?? (() => true),
  };
  const hosts = new HostCheck(options.hostNames ?? [], options.tls !== undefined);
  const app = Fastify(fastifyOptions(options, limits, metrics));
  const routes = new RouteTable(app);
  addFailures(app, context, routes);
  addAdmission(app, hosts, stopping.signal);
  await app.register(swagger, openapiOptions);
  for (const schema of sharedSchemas) app.addSchema(schema);
  await app.register(async (scope) => addRecordRoute(scope, context));
  await app.register(async (scope) => addMeasuredRoutes(scope, context));
  metrics.watch();
  await app.ready();
  app.server.maxConnections = limits.connectionsMax;
  return new Server(app, hosts, routes, stopping, limits);
}

class Server implements CairnServer {
  readonly #app: FastifyInstance;
  readonly #hosts: HostCheck;
  readonly #routes: RouteTable;
  readonly #stopping: AbortController;
  readonly #limits: Limits;
  readonly #unused: UnusedConnections;
  #stopped: Promise<void> | undefined;

  constructor(
    app: FastifyInstance,
    hosts: HostCheck,
    routes: RouteTable,
    stopping: AbortController,
    limits: Limits,
  ) {
    this.#app = app;
    this.#hosts = hosts;
    this.#routes = routes;
    this.#stopping = stopping;
    this.#limits = limits;
    this.#unused = new UnusedConnections(app.server);
  }

  get routes(): CairnServer["routes"] {
    return this.#routes.routes;
  }

  async listen(address: { readonly host: string; readonly port: number }): Promise<string> {
    const { host, port } = address;
    try {
      const url = await this.#app.listen({ host, port });
      const bound = this.#app.server.address();
      assert(bound !== null && typeof bound !== "string", "the server listens on a port");
      this.#hosts.listensOn(host, bound.port);
      return url.replace(/:[0-9]+$/, `:${bound.port}`);
    } catch (cause) {
      throw new CairnError(
        "unavailable",
        `cannot listen on ${host} port ${port}: ${String(cause)}`,
        {
          cause,
        },
      );
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    const { server } = this.#app;
    const timeout = setTimeout(() => server.closeAllConnections(), this.#limits.stopTimeoutMs);
    try {
      const closed = this.#app.close();
      this.#unused.closeAll();
      await closed;
    } finally {
      clearTimeout(timeout);
    }
  }
}

function fastifyOptions(
  { tls, logger }: ServerOptions,
  limits: Limits,
  metrics: Metrics,
): FastifyServerOptions {
  const timeouts = {
    headersTimeout: limits.headersTimeoutMs,
    // How late a slow client may be found.
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs / 2),
    // Ours to check, and to answer.
    requireHostHeader: false,
  };
  const common = {
    logger: logger === undefined ? false : { level: "info", stream: logger },
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: limits.requestTimeoutMs,
    bodyLimit: 64 * 1024,
    forceCloseConnections: "idle" as const,
    // A request that comes too late is refused by our own hook, with a problem document.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, error, metrics),
    // What was sent is checked, and never changed to fit.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  } satisfies FastifyServerOptions;
  // The types know four kinds of servers by their options; ours serves plain and TLS alike.
  const kind =
    tls === undefined
      ? { http: timeouts }
      : { https: { ...timeouts, ...tls, minVersion: "TLSv1.2" } };
  return { ...common, ...kind };
}

/** Everything that goes wrong ends in a problem document. */
function addFailures(app: FastifyInstance, { metrics }: ServerContext, routes: RouteTable): void {
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, metrics));
  app.setNotFoundHandler((request, reply) => {
    const methods = routes.methodsOf(request.raw.url ?? "");
    if (methods.length === 0) {
      const error = new CairnError("not_found", "there is no such path: see /openapi.json");
      return sendProblem(request, reply, error, metrics);
    }
    void reply.header("allow", methods.join(", "));
    const error = new CairnError("usage", `this path takes ${methods.join(", ")} only`);
    return sendProblem(request, reply, error, metrics, { status: 405 });
  });
}

/** What holds for every request, before its route is looked at. */
function addAdmission(app: FastifyInstance, hosts: HostCheck, stopping: AbortSignal): void {
  app.decorateRequest("principal", undefined);
  app.decorateRequest("auditLog", undefined);
  app.addHook("onRequest", (request, _reply, done) => {
    try {
      const { raw } = request;
      hosts.check(raw.headers.host, raw.socket.localAddress);
      if (stopping.aborted && request.url !== "/readyz") {
        throw new CairnError("unavailable", "the server is stopping");
      }
      // No path of ours needs an escape, so an escaped one is another spelling.
      if (raw.url!.includes("%") && raw.url!.split("?", 1)[0]!.includes("%")) {
        throw new CairnError("not_found", "there is no such path: paths have no escapes here");
      }
    } catch (error) {
      return done(error as Error);
    }
    done();
  });
  app.addHook("onSend", (_request, reply, payload, done) => {
    if (stopping.aborted) void reply.header("connection", "close");
    done(null, payload);
  });
}

/** All routes but the hot path, which does these things by itself. */
function addMeasuredRoutes(app: FastifyInstance, context: ServerContext): void {
  app.removeContentTypeParser("text/plain");
  app.addHook("onRequest", (_request, reply, done) => {
    void reply.header("x-content-type-options", "nosniff");
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: reply.statusCode,
    };
    context.metrics.requests.observe(labels, reply.elapsedTime / 1000);
    done();
  });
  addLogRoutes(app, context);
  addRangeRoute(app, context);
  addEntryRoutes(app, context);
  addTileRoutes(app, context);
  addOperationRoutes(app, context);
}

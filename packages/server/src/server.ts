/**
 * The HTTP face of logs: one Fastify, its routes, and its end. What it answers is
 * docs/spec/http.md.
 *
 * It knows no files but those with keys and senders, opens and closes no log, and records nothing on its
 * own account: its own requests and failures are metrics and log lines, never events. Of refusals the log is told that
 * they were meant for, and sums them.
 */
import {
  createServer as createHttpServer,
  type RequestListener,
  type Server as HttpServer,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from "fastify";
import swagger from "@fastify/swagger";
import type { Adapter } from "@cairnlog/capture";
import { assert, CairnError, HostCheck } from "@cairnlog/core";
import { systemClock, type Clock } from "@cairnlog/log";
import { Access } from "./access.ts";
import { AgreedSilences } from "./agreed-silences.ts";
import { addBlobRoutes } from "./blob-routes.ts";
import { BodyBudget } from "./body-budget.ts";
import type { Companion } from "./companion.ts";
import { addContinuityRoutes } from "./continuity-routes.ts";
import type { ServerContext } from "./context.ts";
import { addEntryRoutes } from "./entry-routes.ts";
import { addEvidenceRoute } from "./evidence-route.ts";
import type { KeySource } from "./key-ring.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { addLogRoutes } from "./log-routes.ts";
import { Metrics } from "./metrics.ts";
import { openapiOptions } from "./openapi.ts";
import { addOperationRoutes } from "./operation-routes.ts";
import { answerClientError, ProblemAnswers } from "./problem-answer.ts";
import { addRangeRoute } from "./range-route.ts";
import { addRecordRoute, takeShortWay } from "./record-route.ts";
import { Recorder } from "./recorder.ts";
import { RefusalNotes } from "./refusal-notes.ts";
import type { LogRegistry } from "./registry.ts";
import { RouteTable } from "./route-table.ts";
import { sharedSchemas } from "./schemas.ts";
import { Quotas } from "./sources/quotas.ts";
import { fixedPaths, type FixedPath } from "./sources/fixed-paths.ts";
import { noSources, type SourceRegistry } from "./sources/source-ring.ts";
import { addSourceRoutes } from "./sources/source-routes.ts";
import { addTileRoutes } from "./tile-routes.ts";
import { UnusedConnections } from "./unused-connections.ts";

export interface ServerOptions {
  readonly logs: LogRegistry;
  readonly keys: KeySource;
  /** Other systems that may deliver. Default: none. */
  readonly sources?: SourceRegistry;
  /** What such systems speak, and which paths their protocols have fixed. Default: all that there are. */
  readonly adapters?: readonly Adapter[];
  readonly fixedPaths?: readonly FixedPath[];
  readonly clock?: Pick<Clock, "now" | "monotonic">;
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
  /** What works beside the logs, and is heard for health and metrics. */
  readonly companions?: readonly Companion[];
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
  const companions = options.companions ?? [];
  const metrics = new Metrics(options.logs, budget, companions);
  const refusals = new RefusalNotes(options.logs);
  const problems = new ProblemAnswers(metrics, refusals);
  const sources = options.sources ?? noSources;
  const silences = new AgreedSilences(options.logs, options.keys, sources);
  const stopping = new AbortController();
  const context: ServerContext = {
    logs: options.logs,
    access: new Access(options.keys, options.logs),
    limits,
    budget,
    metrics,
    problems,
    refusals,
    quotas: new Quotas(options.clock ?? systemClock),
    stopping: stopping.signal,
    isReady: options.isReady ?? (() => true),
    companions,
  };
  const hosts = new HostCheck(options.hostNames ?? [], options.tls !== undefined);
  const app = Fastify({
    ...fastifyOptions(options, problems),
    serverFactory: (framework) =>
      openServer(options, limits, (request, response) => {
        if (takeShortWay(request, response, context, hosts, recorder)) return;
        framework(request, response);
      }),
  });
  // The schemas of answers are for the document: making a serializer of each took a tenth of a second at every start.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  const recorder = new Recorder(context, app.log);
  const routes = new RouteTable(app);
  addFailures(app, context, routes);
  addAdmission(app, hosts, stopping.signal);
  await app.register(swagger, openapiOptions);
  for (const schema of sharedSchemas) app.addSchema(schema);
  await app.register(async (scope) => addRecordRoute(scope, context, recorder));
  await app.register(async (scope) =>
    addSourceRoutes(scope, context, {
      sources,
      adapters: options.adapters,
      fixedPaths: options.fixedPaths ?? fixedPaths,
      clock: options.clock ?? systemClock,
    }),
  );
  await app.register(async (scope) => addMeasuredRoutes(scope, context));
  metrics.watch();
  await app.ready();
  app.server.maxConnections = limits.connectionsMax;
  silences.start();
  stopping.signal.addEventListener("abort", () => silences.stop());
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
      // The framework did not make the server, and does not know that it speaks TLS.
      const { protocol } = this.#hosts;
      return url.replace(/^http:/, protocol).replace(/:[0-9]+$/, `:${bound.port}`);
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

function openServer(
  { tls }: ServerOptions,
  limits: Limits,
  onRequest: RequestListener,
): HttpServer {
  const common = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // How late a slow client may be found.
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs / 2),
    // Ours to check, and to answer.
    requireHostHeader: false,
  };
  return tls === undefined
    ? createHttpServer(common, onRequest)
    : createHttpsServer({ ...common, ...tls, minVersion: "TLSv1.2" }, onRequest);
}

function fastifyOptions({ logger }: ServerOptions, problems: ProblemAnswers): FastifyServerOptions {
  return {
    logger: logger === undefined ? false : { level: "info", stream: logger },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 64 * 1024,
    forceCloseConnections: "idle" as const,
    // A request that comes too late is refused by our own hook, with a problem document.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => void problems.send(request, reply, error),
    // What was sent is checked, and never changed to fit.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  };
}

/** Everything that goes wrong ends in a problem document. */
function addFailures(app: FastifyInstance, { problems }: ServerContext, routes: RouteTable): void {
  app.setErrorHandler((error, request, reply) => problems.send(request, reply, error));
  app.setNotFoundHandler((request, reply) => {
    const methods = routes.methodsOf(request.raw.url ?? "");
    if (methods.length === 0) {
      const error = new CairnError("not_found", "there is no such path: see /openapi.json");
      return problems.send(request, reply, error);
    }
    void reply.header("allow", methods.join(", "));
    const message = `this path takes ${methods.join(", ")} only`;
    const error = new CairnError("method_not_allowed", message);
    return problems.send(request, reply, error);
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
  addEvidenceRoute(app, context);
  void app.register(async (scope) => addBlobRoutes(scope, context));
  addContinuityRoutes(app, context);
  addTileRoutes(app, context);
  addOperationRoutes(app, context);
}

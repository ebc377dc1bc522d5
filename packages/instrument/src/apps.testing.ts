/**
 * Not a test: the same application in Express, Fastify and Hono, on Node's server, as the suite of
 * middlewares asks for it. Who asks says so in `x-user`; what checks that comes after ours.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable, type Duplex } from "node:stream";
import { serve } from "@hono/node-server";
import express, { type NextFunction, type Request, type Response } from "express";
import fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { Hono, type Context } from "hono";
import { stream } from "hono/streaming";
import type { CairnClient } from "@cairnlog/client";
import {
  cairnExpress,
  cairnFastify,
  cairnHono,
  cairnUpgrades,
  type Actor,
  type MiddlewareOptions,
} from "./index.ts";

export interface App {
  readonly url: string;
  readonly server: Server;
  /** Requests that a handler began to handle, by path. */
  readonly handled: string[];
  close(): Promise<void>;
}

export interface AppOptions extends Pick<
  MiddlewareOptions<unknown>,
  "service" | "request" | "response" | "details" | "trace"
> {
  /** What is recorded within a handler. */
  readonly client: CairnClient;
  /** Where the middleware records. */
  readonly recorder?: CairnClient;
  readonly isActorBroken?: boolean;
}

export type StartApp = (options: AppOptions) => Promise<App>;

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Said by a handler, after it had to wait. */
async function note(client: CairnClient, what: string): Promise<void> {
  await tick();
  void client.log({ type: "app.noted", action: what });
}

function actorOf(user: unknown, isBroken: boolean | undefined): Actor | undefined {
  if (isBroken === true) throw new TypeError("no such user");
  return typeof user === "string" ? { id: user, type: "user" } : undefined;
}

const chunks = ["one ", "two ", "three"];

export const startExpress: StartApp = async (options) => {
  const { client, recorder = client, isActorBroken, ...rest } = options;
  const handled: string[] = [];
  type Own = Request & { user?: string };
  const app = express();
  const ours = {
    ...rest,
    actor: (request: Own) => actorOf(request.user, isActorBroken),
    skip: (request: Own) => request.path === "/health",
  };
  app.use(cairnExpress(recorder, ours));
  app.use(express.json());
  app.use((request: Own, response: Response, next: NextFunction) => {
    const user = request.get("x-user");
    if (user === "nobody") return void response.status(401).end();
    if (user !== undefined) request.user = user;
    next();
  });
  app.use((request, _, next) => {
    handled.push(request.path);
    next();
  });
  app.get("/health", (_, response) => void response.end("ok"));
  app.get("/orders/:id", async (request, response) => {
    await note(client, `order ${request.params.id}`);
    response.json({ id: request.params.id, token: "t0ken" });
  });
  app.post("/orders", async (request, response) => {
    const { name } = request.body as { name: string };
    await note(client, `new ${name}`);
    response.status(201).json({ name });
  });
  app.get("/denied", (_, response) => void response.status(403).end());
  app.get("/broken", () => {
    throw new RangeError("s3cr3t");
  });
  app.get("/stream", (_, response) => void Readable.from(chunks).pipe(response));
  app.get("/slow", () => {});
  const mounted = express.Router();
  mounted.get("/items/:item", () => {
    throw new Error("s3cr3t");
  });
  app.use("/api", mounted);
  const required = cairnExpress<Own>(recorder, { ...ours, required: true, requiredTimeoutMs: 250 });
  app.post("/transfer", required, async (_, response) => {
    handled.push("transfer");
    await note(client, "transfer");
    response.json({ done: true });
  });
  app.use((_error: Error, _: Request, response: Response, __: NextFunction) => {
    response.status(500).end("broken");
  });
  return await listening(createServer(app), handled, recorder);
};

export const startFastify: StartApp = async (options) => {
  const { client, recorder = client, isActorBroken, ...rest } = options;
  const handled: string[] = [];
  type Own = FastifyRequest & { user?: string };
  const app = fastify();
  const plugin = cairnFastify(recorder, {
    ...rest,
    actor: (request: Own) => actorOf(request.user, isActorBroken),
    skip: (request: Own) => request.url === "/health",
    required: (request: Own) => request.routeOptions.url === "/transfer",
    requiredTimeoutMs: 250,
  });
  await app.register(plugin);
  app.addHook("onRequest", (request: Own, reply, done) => {
    const user = request.headers["x-user"];
    if (user === "nobody") return void reply.code(401).send();
    if (typeof user === "string") request.user = user;
    done();
  });
  app.addHook("preHandler", (request, _, done) => {
    handled.push(request.url);
    done();
  });
  app.setErrorHandler((_, __, reply: FastifyReply) => void reply.code(500).send("broken"));
  app.get("/health", () => "ok");
  app.get<{ Params: { id: string } }>("/orders/:id", async (request) => {
    await note(client, `order ${request.params.id}`);
    return { id: request.params.id, token: "t0ken" };
  });
  app.post<{ Body: { name: string } }>("/orders", async (request, reply) => {
    await note(client, `new ${request.body.name}`);
    return await reply.code(201).send({ name: request.body.name });
  });
  app.get("/denied", (_, reply) => void reply.code(403).send());
  app.get("/broken", () => {
    throw new RangeError("s3cr3t");
  });
  app.get("/stream", (_, reply) => void reply.send(Readable.from(chunks)));
  app.get("/slow", () => new Promise(() => {}));
  await app.register(
    (mounted, _, done) => {
      mounted.get("/items/:item", () => {
        throw new Error("s3cr3t");
      });
      done();
    },
    { prefix: "/api" },
  );
  app.post("/transfer", async () => {
    handled.push("transfer");
    await note(client, "transfer");
    return { done: true };
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  return await listening(app.server, handled, recorder);
};

export const startHono: StartApp = async (options) => {
  const { client, recorder = client } = options;
  const handled: string[] = [];
  const app = honoApp(options, handled);
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }) as Server;
  return await listening(server, handled, recorder);
};

export function honoApp(options: AppOptions, handled: string[]) {
  const { client, recorder = client, isActorBroken, ...rest } = options;
  type Env = { Variables: { user: string | undefined } };
  const app = new Hono<Env>();
  const ours = {
    ...rest,
    actor: (c: Context<Env>) => actorOf(c.get("user"), isActorBroken),
    skip: (c: Context<Env>) => c.req.path === "/health",
  };
  app.use(cairnHono(recorder, ours));
  app.use(async (c, next) => {
    const user = c.req.header("x-user");
    if (user === "nobody") return c.body(null, 401);
    c.set("user", user);
    handled.push(c.req.path);
    return await next();
  });
  app.get("/health", (c) => c.text("ok"));
  app.get("/orders/:id", async (c) => {
    await note(client, `order ${c.req.param("id")}`);
    return c.json({ id: c.req.param("id"), token: "t0ken" });
  });
  app.post("/orders", async (c) => {
    const { name } = await c.req.json<{ name: string }>();
    await note(client, `new ${name}`);
    return c.json({ name }, 201);
  });
  app.get("/denied", (c) => c.body(null, 403));
  app.get("/broken", () => {
    throw new RangeError("s3cr3t");
  });
  app.get("/stream", (c) =>
    stream(c, async (out) => {
      for (const chunk of chunks) await out.write(chunk);
    }),
  );
  app.get("/slow", () => new Promise<never>(() => {}));
  const mounted = new Hono();
  mounted.get("/items/:item", () => {
    throw new Error("s3cr3t");
  });
  app.route("/api", mounted);
  const required = cairnHono(recorder, { ...ours, required: true, requiredTimeoutMs: 250 });
  app.post("/transfer", required, async (c) => {
    handled.push("transfer");
    await note(client, "transfer");
    return c.json({ done: true });
  });
  app.onError((_, c) => c.text("broken", 500));
  return app;
}

async function listening(server: Server, handled: string[], recorder: CairnClient): Promise<App> {
  cairnUpgrades(recorder, server, {
    actor: (request: IncomingMessage) => actorOf(request.headers["x-user"], false),
  });
  const upgraded: Duplex[] = [];
  server.on("upgrade", (request, socket) => {
    upgraded.push(socket);
    if (request.url === "/refused") return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
    );
    socket.pipe(socket);
  });
  if (!server.listening) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, server, handled, close };
}

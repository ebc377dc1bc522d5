/**
 * What the middleware adds to a request: processor time of the application's thread, with all that becomes of the event
 * there (its queue, its batch, its receipt). The baseline is the same application without it. The log is `cairn serve`
 * in a process of its own.
 *
 * Requests reach Node's HTTP server over a pair of streams in memory. Over loopback, whether the other end happens to
 * sleep and must be woken was worth 50 µs a `writev`, and always to the side that has less to do.
 */
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { serve } from "@hono/node-server";
import { CairnClient } from "@cairnlog/client";
import { cairnExpress, cairnFastify, cairnHono } from "@cairnlog/instrument";
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import express, { type Request } from "express";
import fastify, { type FastifyRequest } from "fastify";
import { Hono, type Context } from "hono";
import type { Benchmark } from "./benchmark.ts";
import { byTurns } from "./measure.ts";
import { startCairn } from "./processes.ts";
import { row, type Row } from "./report.ts";

const connections = 8;

interface App {
  readonly server: Server;
  stop(): Promise<void>;
}

type StartApp = (client: CairnClient | undefined) => Promise<App>;

const apps: Readonly<Record<string, StartApp>> = {
  async Express(client) {
    const app = express();
    const actor = (request: Request) => ({ id: String(request.get("x-user")), type: "user" });
    if (client !== undefined) app.use(cairnExpress(client, { actor }));
    app.get("/orders/:id", (request, response) => void response.json({ id: request.params.id }));
    return await started(createServer(app));
  },
  async Fastify(client) {
    const app = fastify();
    const actor = ({ headers }: FastifyRequest) => ({
      id: String(headers["x-user"]),
      type: "user",
    });
    if (client !== undefined) await app.register(cairnFastify(client, { actor }));
    app.get<{ Params: { id: string } }>("/orders/:id", (request, reply) => {
      void reply.send({ id: request.params.id });
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return await started(app.server);
  },
  async Hono(client) {
    const app = new Hono();
    const actor = (c: Context) => ({ id: String(c.req.header("x-user")), type: "user" });
    if (client !== undefined) app.use(cairnHono(client, { actor }));
    app.get("/orders/:id", (c) => c.json({ id: c.req.param("id") }));
    return await started(serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }) as Server);
  },
};

export const middleware: Benchmark = {
  name: "middleware",
  claim: "middleware: under 50 µs added to a request",
  async run({ isQuick, folder }) {
    const requests = isQuick ? 500 : 4_000;
    const data = join(folder, "data");
    const created = { name: "bench", origin: "example.com/bench" };
    await (await createLog(filesStore({ folder: data }), created)).close();
    const server = await startCairn(data, "bench");
    const url = `http://127.0.0.1:${server.port}`;
    const client = new CairnClient({ url, key: server.token, log: "bench", lingerMs: 5 });
    const rows: Row[] = [];
    try {
      for (const [name, start] of Object.entries(apps)) {
        const [bare, recording] = [await start(undefined), await start(client)];
        const found = await byTurns(isQuick ? 1 : 5, {
          without: () => micros(bare, requests, client),
          with: () => micros(recording, requests, client),
        });
        const baseline = { what: `${name} without it`, values: found.without };
        const added = found.with.map((value, i) => value - found.without[i]!);
        const what = `${name}: a request`;
        rows.push(
          row({ what, unit: "µs", values: found.with, baseline }),
          row({ what: "of which added", unit: "µs", values: added, aim: { atMost: 50 } }),
        );
        await Promise.all([bare.stop(), recording.stop()]);
      }
      const { recordedEvents, rejectedEvents } = client.status();
      if (rejectedEvents > 0) throw new Error(`${rejectedEvents} events are not recorded`);
      return {
        rows,
        notes: [
          `processor time of the app's thread; ${requests} requests a round, ${connections} connections; ` +
            `${recordedEvents} events were recorded`,
        ],
      };
    } finally {
      await client.close();
      await server.stop();
    }
  },
};

/** Of this thread, a request, until its event has a receipt. */
async function micros({ server }: App, requests: number, client: CairnClient): Promise<number> {
  const before = process.threadCpuUsage();
  const each = requests / connections;
  await Promise.all(Array.from({ length: connections }, () => converse(server, each)));
  await client.flush();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / requests;
}

/** One connection, on which the next request follows an answer. */
function converse(server: Server, requests: number): Promise<void> {
  const [theirs, ours] = duplexPair();
  server.emit("connection", theirs);
  let left = requests;
  const ask = (): void => {
    const headers = "host: localhost\r\nx-user: alice@example.com\r\nuser-agent: bench/1\r\n";
    ours.write(`GET /orders/${left--}?page=2 HTTP/1.1\r\n${headers}\r\n`);
  };
  return new Promise((resolve, reject) => {
    let said = "";
    ours.on("data", (piece: Buffer) => {
      said += piece.toString("latin1");
      // The answer's body is the only object of JSON that there is.
      if (!said.endsWith("}")) return;
      if (!said.startsWith("HTTP/1.1 200 ")) return reject(new Error(said));
      said = "";
      if (left > 0) return ask();
      ours.destroy();
      theirs.destroy();
      resolve();
    });
    ask();
  });
}

async function started(server: Server): Promise<App> {
  if (!server.listening) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, stop };
}

/**
 * What the server's tests share: a real server on loopback with a real log in memory, keys of all
 * kinds, and a client that sends exactly what it is told. Has no tests of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { CairnError } from "@cairnlog/core";
import { createLog, systemClock, type Log } from "@cairnlog/log";
import { memoryStore } from "@cairnlog/store";
import {
  apiKeysPath,
  createKey,
  createServer,
  keyRing,
  sourceRing,
  sourcesPath,
  type LogRegistry,
  type NewApiKey,
  type ServerOptions,
} from "./index.ts";

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly server: Awaited<ReturnType<typeof createServer>>;
  readonly log: Log;
  readonly logs: LogRegistry;
  /** Where the keys' file is. */
  readonly folder: string;
  /** A key for every log and scope. */
  readonly key: string;
  readonly newKey: (key: Partial<NewApiKey>) => string;
  readonly send: (sent: Sent) => Promise<Answer>;
}

export interface Sent {
  readonly method?: string;
  readonly path: string;
  /** Default: the key for everything; null for none. */
  readonly key?: string | null;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export type TestServerOptions = Partial<ServerOptions> & {
  /** Stands between the server and the log, for failures. */
  readonly disguise?: (log: Log) => Log;
};

/** Serves the log "main"; all is closed when the test ends. */
export async function serve(t: TestContext, options: TestServerOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "cairn-server-"));
  const store = memoryStore();
  const logs = new Map<string, Log>();
  const open = async (name: string, origin: string, isPublic: boolean): Promise<Log> => {
    if (logs.has(name)) throw new CairnError("conflict", `there is a log ${name} already`);
    const log = await createLog(store, { name, origin, isPublic }, { publishIntervalMs: 10 });
    logs.set(name, log);
    return log;
  };
  const log = await open("main", "example.com/logs/main", false);
  if (options.disguise !== undefined) logs.set("main", options.disguise(log));
  const registry: LogRegistry = {
    get: (name) => logs.get(name),
    list: () => [...logs.values()],
    create: ({ name, origin, public: isPublic }) =>
      open(name, origin ?? `example.com/logs/${name}`, isPublic ?? false),
  };
  const server = await createServer({
    logs: registry,
    keys: keyRing(apiKeysPath(folder), systemClock),
    sources: sourceRing(sourcesPath(folder), systemClock),
    ...options,
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  t.after(async () => {
    await server.stop();
    await Promise.all([...logs.values()].map((each) => each.close()));
    rmSync(folder, { recursive: true });
  });
  const newKey = (key: Partial<NewApiKey>): string =>
    createKey(folder, { source: "test", logs: ["*"], scopes: ["write", "read", "operate"], ...key })
      .token;
  const key = newKey({});
  return {
    url,
    port: Number(new URL(url).port),
    server,
    log,
    logs: registry,
    folder,
    key,
    newKey,
    send: (sent) => sendTo(url, { key, ...sent }),
  };
}

/** Sends one request on a connection of its own. */
export function sendTo(url: string, sent: Sent, ca?: string): Promise<Answer> {
  const { method = "GET", path, key, headers, body } = sent;
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(`${url}${path}`, {
      method,
      agent: false,
      ...(ca === undefined ? {} : { ca }),
      headers: {
        ...(key === undefined || key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined || headers?.["transfer-encoding"] !== undefined
          ? {}
          : { "content-length": body.length }),
        ...headers,
      },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          bytes,
          text: bytes.toString("utf8"),
        });
      });
    });
    request.end(body);
  });
}

export const eventsPath = "/v1/logs/main/events";

/** The text of an event. */
export function eventText(id: string, extra: Record<string, unknown> = {}): string {
  return JSON.stringify({
    id,
    type: "database.query",
    actor: { id: "alice@example.com" },
    action: "SELECT",
    ...extra,
  });
}

export function post(body: string | Uint8Array, headers: OutgoingHttpHeaders = {}): Sent {
  return {
    method: "POST",
    path: eventsPath,
    headers: { "content-type": "application/json", ...headers },
    body,
  };
}

export function postLines(body: string | Uint8Array, headers: OutgoingHttpHeaders = {}): Sent {
  return post(body, { "content-type": "application/x-ndjson", ...headers });
}

/** The log with some of its parts replaced. */
export function disguised(log: Log, parts: Partial<Log>): Log {
  return new Proxy(log, {
    get(target, name) {
      const isReplaced = name in parts;
      const part: unknown = Reflect.get(isReplaced ? parts : target, name, target);
      if (isReplaced || typeof part !== "function") return part;
      return (...values: unknown[]): unknown => Reflect.apply(part, target, values);
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

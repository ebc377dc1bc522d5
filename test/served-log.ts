/**
 * A real log in a folder of its own, served by the real server on loopback; and a proxy before it that lies. For the
 * tests about what others do with a log over HTTP.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CairnError } from "@cairnlog/core";
import { openLog, readNdjson, systemClock, type Log } from "@cairnlog/log";
import { apiKeysPath, createKey, createServer, keyRing, type LogRegistry } from "@cairnlog/server";

export const origin = "audit.example.com/logs/main";

export interface ServedLog {
  readonly log: Log;
  /** Of the server; the log is under `/logs/main` and `/v1/logs/main`. */
  readonly url: string;
  /** An API key for everything. */
  readonly key: string;
  /** Where the log rests. */
  readonly folder: string;
  /** May be called again. */
  close(): Promise<void>;
}

/** A folder of its own under the system's temporary one. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "cairn-test-"));
}

/** Opens the log "main" in `folder`, creates it where there is none, and serves it. */
export async function serveLog(folder: string): Promise<ServedLog> {
  const log = await openLog(folder, "main", { createWith: { origin } });
  const logs: LogRegistry = {
    get: (name) => (name === log.name ? log : undefined),
    list: () => [log],
    create: () => Promise.reject(new CairnError("usage", "this server has one log")),
  };
  const scopes = ["write", "read", "operate"] as const;
  const { token } = createKey(folder, { source: "api", logs: ["*"], scopes });
  const server = await createServer({ logs, keys: keyRing(apiKeysPath(folder), systemClock) });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return {
    log,
    url,
    folder,
    key: token,
    async close() {
      await server.stop();
      await log.close();
    },
  };
}

/** Records `count` events with the ids `<name>-0` and on, and publishes. */
export async function recordEvents(log: Log, name: string, count: number): Promise<void> {
  const perAppend = 1024;
  for (let from = 0; from < count; from += perAppend) {
    const events = Array.from({ length: Math.min(perAppend, count - from) }, (_, i) => ({
      id: `${name}-${from + i}`,
      type: "database.query",
      actor: { id: "alice@example.com" },
      action: "SELECT",
      targets: [{ type: "postgres", id: `orders-prod/public.orders/${(from + i) % 97}` }],
      outcome: "success",
    }));
    const lines = events.map((event) => JSON.stringify(event)).join("\n");
    const appended = await log.append(readNdjson(new TextEncoder().encode(lines)), "api");
    if (appended.refused > 0) throw new Error(`${appended.refused} events were refused`);
  }
  await log.publish();
}

/** Changes what a path of the log answers; undefined leaves it as it is. */
export type Lie = (path: string, body: Buffer) => Buffer | undefined;

export interface LyingServer {
  readonly url: string;
  /** How many answers were changed. */
  readonly lies: number;
  close(): void;
}

/** Passes requests on to `url`, and changes the answers. */
export async function serveLies(url: string, lie: Lie): Promise<LyingServer> {
  let lies = 0;
  const proxy = createHttpServer((request, response) => {
    const { authorization = "" } = request.headers;
    void (async () => {
      const answer = await fetch(url + request.url!, { headers: { authorization } });
      const body = Buffer.from(await answer.arrayBuffer());
      const changed = answer.ok ? lie(request.url!, body) : undefined;
      if (changed !== undefined && !changed.equals(body)) lies++;
      response.writeHead(answer.status).end(changed ?? body);
    })().catch((error: unknown) => response.writeHead(502).end(String(error)));
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    get lies() {
      return lies;
    },
    close() {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

/** Removes a folder that `temporaryFolder` made. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

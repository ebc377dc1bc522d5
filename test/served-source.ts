/** A real log that is served, with a source of one kind that may deliver into it. For tests with senders of others. */
import { CairnError } from "@cairnlog/core";
import { openLog, systemClock, type Log } from "@cairnlog/log";
import {
  addSource,
  apiKeysPath,
  createKey,
  createServer,
  keyRing,
  sourceRing,
  sourcesPath,
} from "@cairnlog/server";
import { origin } from "./served-log.ts";

export interface ServedSource {
  readonly log: Log;
  readonly url: string;
  /** An API key that may write and read. */
  readonly key: string;
  /** Where the source delivers, and what proves it. */
  readonly sourceUrl: string;
  readonly token: string;
  /** The events that were recorded so far, without those of the log itself. */
  events(): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function serveSource(folder: string, kind: string): Promise<ServedSource> {
  const log = await openLog(folder, "main", { createWith: { origin } });
  const { token: key } = createKey(folder, {
    ...{ source: "api", logs: ["*"], scopes: ["write", "read"] },
  });
  const token = "a-token-of-the-source";
  addSource(folder, {
    ...{ name: "sender", kind, log: log.name, secrets: [token], options: {} },
    created: "2026-11-23T05:00:00.000Z",
  });
  const server = await createServer({
    logs: {
      get: (name) => (name === log.name ? log : undefined),
      list: () => [log],
      create: () => Promise.reject(new CairnError("usage", "this server has one log")),
    },
    keys: keyRing(apiKeysPath(folder), systemClock),
    sources: sourceRing(sourcesPath(folder), systemClock),
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return {
    ...{ log, url, key, token, sourceUrl: `${url}/v1/logs/main/sources/sender` },
    async events() {
      const answer = await fetch(`${url}/v1/logs/main/events`, {
        headers: { authorization: `Bearer ${key}` },
      });
      const entries = (await answer.text()).trimEnd().split("\n");
      return entries
        .map((line) => (JSON.parse(line) as { event: Record<string, unknown> }).event)
        .filter(({ type }) => !String(type).startsWith("system."));
    },
    async close() {
      await server.stop();
      await log.close();
    },
  };
}

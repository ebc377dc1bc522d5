/**
 * Not a test: a real log in memory behind the real server, a real client of it, and the events that
 * it holds. Whatever is recorded here has passed every check that there is.
 */
import { CairnClient, type CairnClientOptions, type EventInput } from "@cairnlog/client";
import { CairnError } from "@cairnlog/core";
import { createLog } from "@cairnlog/log";
import { createServer, type Principal } from "@cairnlog/server";
import { memoryStore } from "@cairnlog/store";

export interface RecordedEvent extends EventInput {
  readonly actor: { readonly id: string; readonly [member: string]: unknown };
  readonly details: Readonly<Record<string, unknown>>;
}

export class RecordedLog {
  readonly client: CairnClient;
  readonly url: string;
  /** What was not recorded. */
  readonly errors: unknown[] = [];
  readonly #close: () => Promise<void>;
  #read = 1;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
    this.client = this.connect();
  }

  static async open(): Promise<RecordedLog> {
    const log = await createLog(memoryStore(), { name: "main", origin: "example.com/main" });
    const principal: Principal = {
      ...{ id: "k", source: "app", scopes: new Set(["write", "read"] as const) },
      ...{ coversAll: true, covers: () => true },
    };
    const create = () => Promise.reject(new CairnError("forbidden", "no logs are made here"));
    const server = await createServer({
      logs: { get: (name) => (name === "main" ? log : undefined), list: () => [log], create },
      keys: { authenticate: () => principal },
    });
    const url = await server.listen({ host: "127.0.0.1", port: 0 });
    return new RecordedLog(url, async () => {
      await server.stop();
      await log.close();
    });
  }

  connect(options: Partial<CairnClientOptions> = {}): CairnClient {
    const onError = (error: unknown): void => void this.errors.push(error);
    return new CairnClient({ url: this.url, key: "k", onError, ...options });
  }

  /** What was recorded since this was called last. */
  async events(): Promise<RecordedEvent[]> {
    await this.client.flush();
    const events: RecordedEvent[] = [];
    for await (const { seq, event } of this.client.entries({ from: this.#read })) {
      events.push(JSON.parse(event) as RecordedEvent);
      this.#read = seq + 1;
    }
    return events;
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#close();
  }
}

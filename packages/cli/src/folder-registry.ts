/** The logs of a data folder, open in this process: what a server serves. */
import { CairnError } from "@cairnlog/core";
import { createLog, openLog, type Log, type LogOptions } from "@cairnlog/log";
import type { LogRegistry, RequestedLog } from "@cairnlog/server";
import type { Store } from "@cairnlog/store";
import { defaultOrigin } from "./data-folder.ts";

export class FolderRegistry implements LogRegistry {
  readonly #store: Store;
  readonly #hostName: string;
  readonly #options: LogOptions;
  readonly #logs = new Map<string, Log>();

  constructor(store: Store, hostName: string, options: LogOptions) {
    this.#store = store;
    this.#hostName = hostName;
    this.#options = options;
  }

  /** Opens every log there is. Where one cannot be opened, none stays open. */
  async openAll(): Promise<void> {
    for (const name of await this.#store.logs()) {
      this.#logs.set(name, await openLog(this.#store, name, this.#options));
    }
  }

  get(name: string): Log | undefined {
    return this.#logs.get(name);
  }

  list(): readonly Log[] {
    return [...this.#logs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async create({ name, origin, public: isPublic }: RequestedLog): Promise<Log> {
    if (this.#logs.has(name)) {
      throw new CairnError("conflict", `there is a log ${JSON.stringify(name)} already`, {
        place: { log: name },
      });
    }
    const created = { name, origin: origin ?? defaultOrigin(this.#hostName, name) };
    const log = await createLog(
      this.#store,
      { ...created, isPublic: isPublic ?? false },
      this.#options,
    );
    this.#logs.set(name, log);
    return log;
  }

  /** Commits and answers what was accepted, and lets go of all locks. */
  async closeAll(): Promise<void> {
    const logs = this.list();
    this.#logs.clear();
    const results = await Promise.allSettled(logs.map((log) => log.close()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}

/** The logs of a data folder, open in this process: what a server serves. */
import { CairnError, isCairnError } from "@cairnlog/core";
import { createLog, openLog, type Log, type LogOptions } from "@cairnlog/log";
import type { Scrubber } from "@cairnlog/scrub";
import type { LogRegistry, RequestedLog } from "@cairnlog/server";
import type { Store } from "@cairnlog/store";
import { defaultOrigin } from "./data-folder.ts";

export class FolderRegistry implements LogRegistry {
  readonly #store: Store;
  readonly #hostName: string;
  readonly #options: LogOptions;
  readonly #scrubber: Scrubber | undefined;
  readonly #logs = new Map<string, Log>();

  constructor(store: Store, hostName: string, options: LogOptions, scrubber?: Scrubber) {
    this.#store = store;
    this.#hostName = hostName;
    this.#options = options;
    this.#scrubber = scrubber;
  }

  /**
   * Opens every log there is. A place where the creation of a log was interrupted is passed over, and
   * `tell` says so: nobody was told of that log, and creating it again takes it up. Any other log that
   * cannot be opened is an error; the caller closes those that are open.
   */
  async openAll(tell: (line: string) => void): Promise<void> {
    const watched: Promise<void>[] = [];
    for (const name of await this.#store.logs()) {
      try {
        const log = await openLog(this.#store, name, this.#options);
        this.#logs.set(name, log);
        const watching = this.#watch(log);
        // If one after it cannot be opened, nobody waits for this one.
        watching.catch(() => undefined);
        watched.push(watching);
      } catch (error) {
        if (!isUnborn(error)) throw error;
        tell(`the log ${name} is not served: ${error.message}`);
      }
    }
    await Promise.all(watched);
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
    await this.#watch(log);
    return log;
  }

  async #watch(log: Log): Promise<void> {
    await this.#scrubber?.watch(log, `${this.#store.location}/${log.name}`);
  }

  /** Commits and answers what was accepted, and lets go of all locks. */
  async closeAll(): Promise<void> {
    const logs = this.list();
    this.#logs.clear();
    await this.#scrubber?.close();
    const results = await Promise.allSettled(logs.map((log) => log.close()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}

/** A log that lost a file says which one; a place without a log has none to name. */
function isUnborn(error: unknown): error is CairnError {
  return isCairnError(error, "not_found") && error.place.path === undefined;
}

/**
 * The attacked log, as `cairn serve` runs it: a data folder, a server on loopback, the scrubber where a scene has one.
 * The server outlives a stop of the log, so that whoever was connected finds the same address again, with whatever the
 * attacker has put behind it.
 */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, CairnError } from "@cairnlog/core";
import {
  createLog,
  systemClock,
  type Log,
  type LogOptions,
  type WitnessOptions,
  type WitnessTransport,
} from "@cairnlog/log";
import { Scrubber, type ScrubberOptions } from "@cairnlog/scrub";
import { apiKeysPath, createKey, createServer, keyRing, type CairnServer } from "@cairnlog/server";
import { filesStore } from "@cairnlog/store";
import { verifyDirectory } from "@cairnlog/verify";
import { FolderRegistry } from "../folder-registry.ts";
import { eventLines, PastClock } from "./events.ts";
import type { Act } from "./scene.ts";
import type { Stage } from "./stage.ts";

const logName = "main";
const hourMs = 3_600_000;
const cosignedMs = 20_000;
/** An idle log is cosigned again so often, for those who watch its cosignatures grow old. */
const idleMs = 200;

export interface SiteHistory {
  /** Events, over three hours; each hour is a commit of its own at least. */
  readonly events: number;
  /** Which of them the attacker wants to be rid of. */
  readonly theftAt: number;
  /** Default: one of its own. Of one that is given its witnesses are not told: they may know another log by it. */
  readonly origin?: string;
}

export interface StartOptions {
  /** Default: as the operator has set it up. An attacker may leave them out. */
  readonly isWitnessed?: boolean;
  readonly scrubber?: ScrubberOptions;
  readonly publishIntervalMs?: number;
  readonly transport?: WitnessTransport;
}

export class Site {
  /** Holds the data folder, and what others keep about the log. */
  readonly folder: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly #stage: Stage;
  readonly #key: string;
  #registry: FolderRegistry | undefined;
  #server: CairnServer | undefined;
  #url = "";

  private constructor(
    stage: Stage,
    folder: string,
    log: Pick<Log, "origin" | "vkeys">,
    key: string,
  ) {
    this.#stage = stage;
    this.folder = folder;
    this.origin = log.origin;
    this.vkeys = log.vkeys;
    this.#key = key;
  }

  /** A log with a history, not running yet. */
  static async make(act: Act, stage: Stage, name: string, history: SiteHistory): Promise<Site> {
    const folder = join(stage.folder, name);
    const data = join(folder, "data");
    mkdirSync(folder);
    const clock = new PastClock(Date.now() - 3 * hourMs);
    const { origin = `demo.example/${name}` } = history;
    const store = filesStore({ folder: data });
    const log = await createLog(store, { name: logName, origin, isPublic: true }, { clock });
    await fill(log, clock, history);
    await log.sealed();
    await log.close();
    if (history.origin === undefined) stage.introduce(log.vkeys);
    const created = { source: "payroll", logs: [logName], scopes: ["write", "read"] as const };
    const { token } = createKey(data, created, Date.now());
    const site = new Site(stage, folder, log, token);
    act.defer(() => site.close());
    return site;
  }

  /** A second server with a copy of all files, keys included. The log must be stopped. */
  copy(act: Act, name: string): Site {
    const folder = join(this.#stage.folder, name);
    mkdirSync(folder);
    cpSync(join(this.folder, "data"), join(folder, "data"), { recursive: true });
    const site = new Site(this.#stage, folder, this, this.#key);
    act.defer(() => site.close());
    return site;
  }

  get data(): string {
    return join(this.folder, "data");
  }

  /** The log's own folder. */
  get logFolder(): string {
    return join(this.data, logName);
  }

  get url(): string {
    return this.#url;
  }

  get tiles(): string {
    return `${this.#url}/logs/${logName}/`;
  }

  get key(): string {
    return this.#key;
  }

  get log(): Log {
    const log = this.#registry?.get(logName);
    if (log === undefined) throw new CairnError("unavailable", "the log is not running");
    return log;
  }

  /** Opens the log and serves it. Rejects with "tampered" where it does not start. */
  async start(options: StartOptions = {}): Promise<Log> {
    const { isWitnessed = true, scrubber, publishIntervalMs = 20, transport } = options;
    const witnesses: WitnessOptions = {
      policy: this.#stage.witnessPolicy,
      idleMs: Math.max(idleMs, publishIntervalMs),
      ...(transport === undefined ? {} : { transport }),
    };
    const logOptions: LogOptions = { publishIntervalMs, ...(isWitnessed ? { witnesses } : {}) };
    const store = filesStore({ folder: this.data });
    const watch = scrubber === undefined ? undefined : new Scrubber(scrubber);
    const registry = new FolderRegistry(store, "demo", logOptions, watch);
    this.#registry = registry;
    await registry.openAll(() => undefined);
    if (this.#server === undefined) await this.#serve();
    await this.log.publish();
    return this.log;
  }

  /** Resolves when all that the log has is published with every witness's word: none can be led to another history. */
  async cosigned(): Promise<void> {
    const { size } = await this.log.publish();
    const giveUpAt = performance.now() + cosignedMs;
    const isSo = (): boolean => {
      const { witnesses } = this.log.status();
      const lines = this.log.publishedCheckpoint().note.split("\n— ").length - 1;
      // The log's own keys are two.
      return lines === 2 + witnesses.length && witnesses.every((each) => (each.size ?? 0) >= size);
    };
    while (!isSo()) {
      assert(performance.now() < giveUpAt, "three witnesses on loopback answer");
      await sleep(2);
    }
  }

  /** Stops the log; the address stays. */
  async stop(): Promise<void> {
    const registry = this.#registry;
    this.#registry = undefined;
    await registry?.closeAll();
  }

  /** Whether all on the disk agrees with itself and with the log's real keys. Rejects with "unverified" if not. */
  async verify(): Promise<string> {
    const { ok, verdict, size, problems } = await verifyDirectory(this.logFolder, {
      vkeys: this.vkeys,
    });
    if (!ok) throw new CairnError("unverified", problems[0]!.message);
    return `${verdict}: ${String(size)} entries, whole and signed`;
  }

  /** Nobody answers at the address any more. */
  async close(): Promise<void> {
    await this.#server?.stop();
    await this.stop();
  }

  async #serve(): Promise<void> {
    this.#server = await createServer({
      logs: {
        get: (name) => this.#registry?.get(name),
        list: () => this.#registry?.list() ?? [],
        create: () => Promise.reject(new CairnError("usage", "the tour has one log")),
      },
      keys: keyRing(apiKeysPath(this.data), systemClock),
    });
    this.#url = await this.#server.listen({ host: "127.0.0.1", port: 0 });
  }
}

/** Three hours, each in commits of its own, so that there is a record of where each began. */
async function fill(log: Log, clock: PastClock, { events, theftAt }: SiteHistory): Promise<void> {
  const piece = Math.min(Math.ceil(events / 12), 4096);
  for (let from = 0; from < events; from += piece) {
    const to = Math.min(from + piece, events);
    clock.pass((3 * hourMs * (to - from)) / events);
    await log.appendNdjson(eventLines(from, to, theftAt), "payroll");
  }
}

/** Who watches from outside: a monitor with the auditor's policy, and the application that writes to the log. */
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnClient, type LoggedReceipt } from "@cairnlog/client";
import { nodeCrypto } from "@cairnlog/crypto";
import { Fetcher } from "@cairnlog/verify";
import { Follower, FollowFile, Watch, type WatchAlarm } from "@cairnlog/witness";
import { asciiJson } from "../safe-text.ts";
import { everydayEvent } from "./events.ts";
import type { Act } from "./scene.ts";
import type { Site } from "./site.ts";
import type { Stage } from "./stage.ts";

export interface MonitorOptions {
  /** Where it looks; default: at the site. */
  readonly tiles?: string;
  readonly staleAfterMs?: number;
  readonly unreachableAfterMs?: number;
}

const lookMs = 20;
/** As the SDK comes it is ten seconds. */
const witnessedWithinMs = 500;

/** `cairn monitor`, with shorter intervals. */
export class Monitor {
  /** Where it keeps its memory, and its alarms. */
  readonly folder: string;
  readonly alarms: WatchAlarm[] = [];
  readonly #onChange: (() => void)[] = [];
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  #running: Promise<void> = Promise.resolve();
  #size = 0;
  #standing: readonly string[] = [];
  readonly #last = new Map<WatchAlarm["code"], WatchAlarm>();

  private constructor(folder: string, sceneSignal: AbortSignal) {
    this.folder = folder;
    this.#signal = AbortSignal.any([this.#over.signal, sceneSignal]);
    this.#signal.addEventListener("abort", () => this.#changed());
  }

  /** Watches until the scene is over. Remembers what a monitor of that name has seen. */
  static async open(
    act: Act,
    stage: Stage,
    site: Site,
    name: string,
    options: MonitorOptions = {},
  ): Promise<Monitor> {
    const { tiles = site.tiles, staleAfterMs = 180_000, unreachableAfterMs = 60_000 } = options;
    const monitor = new Monitor(join(stage.folder, name), act.signal);
    mkdirSync(monitor.folder, { recursive: true });
    const signal = monitor.#signal;
    const policy = stage.auditPolicy(site.vkeys);
    const follower = await Follower.open({
      source: new Fetcher(tiles, { signal, attempts: 1 }),
      crypto: nodeCrypto,
      policy,
      memory: new FollowFile(monitor.folder),
      signal,
      now: Date.now,
    });
    const watch = new Watch({
      follower,
      policy,
      target: tiles,
      now: Date.now,
      intervalMs: lookMs,
      staleAfterMs,
      unreachableAfterMs,
      sleep: (ms, until) => sleep(ms, undefined, { signal: until }).catch(() => undefined),
      onAlarm: async (alarm) => {
        appendFileSync(join(monitor.folder, "alarms.ndjson"), `${asciiJson(alarm)}\n`);
        if (alarm.kind === "alarm") {
          monitor.alarms.push(alarm);
          monitor.#last.set(alarm.code, alarm);
        }
        monitor.#changed();
      },
      onLook: ({ size, alarms }) => {
        monitor.#size = size;
        monitor.#standing = alarms;
        monitor.#changed();
      },
    });
    monitor.#running = watch.run(signal);
    // Whoever waits for the monitor hears of its failure when it is stopped.
    monitor.#running.catch(() => undefined);
    act.defer(() => monitor.stop());
    return monitor;
  }

  /** Its memory stays in its folder, for one that comes after it. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  /** Resolves when it has verified so many entries, and nothing is wrong. */
  caughtUp(size: number): Promise<void> {
    return this.#until(() => this.#size >= size && this.#standing.length === 0);
  }

  /** The alarm of this kind, once it is raised: what the monitor says. */
  async alarm(code: WatchAlarm["code"]): Promise<string> {
    const find = (): WatchAlarm | undefined =>
      this.alarms.find((alarm) => alarm.code === code) ??
      (this.#standing.includes(code) ? this.#last.get(code) : undefined);
    await this.#until(() => find() !== undefined);
    return `${code}: ${find()!.message}`;
  }

  /** Alarms from before the attack do not count, but for what stands still. */
  forget(): void {
    this.alarms.length = 0;
  }

  /** A line or two of what it keeps about an alarm. */
  excerpt(code: WatchAlarm["code"]): string[] {
    const alarm = this.alarms.find((each) => each.code === code);
    if (alarm === undefined) return [];
    const { at, message, evidence = [] } = alarm;
    const notes = evidence.map((note) => {
      const [, size, root] = note.split("\n");
      return `signed note: ${String(size)} entries, root ${String(root)}`;
    });
    return [asciiJson({ at, code, message }), ...notes];
  }

  get alarmsFile(): string {
    return join(this.folder, "alarms.ndjson");
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      // A monitor that was stopped says nothing any more.
      this.#signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onChange.push(resolve);
      await promise;
    }
  }

  #changed(): void {
    for (const resolve of this.#onChange) resolve();
    this.#onChange.length = 0;
  }
}

/** An application with the SDK, which was given the log's keys, or the auditor's policy. */
export class Application {
  readonly #client: CairnClient;
  readonly #alarmed = Promise.withResolvers<string>();
  #events = 0;

  constructor(act: Act, site: Site, policy?: string) {
    this.#client = new CairnClient({
      url: site.url,
      key: site.key,
      loadCrypto: () => Promise.resolve(nodeCrypto),
      ...(policy === undefined ? { vkeys: site.vkeys } : { policy }),
      witnessedWithinMs: policy === undefined ? Infinity : witnessedWithinMs,
      onAlarm: ({ code, message }) => this.#alarmed.resolve(`${code}: ${message}`),
      onError: () => undefined,
    });
    act.defer(() => this.#client.close());
  }

  record(): Promise<LoggedReceipt> {
    return this.#client.log(everydayEvent(this.#events++));
  }

  /** The first alarm that the SDK raises by itself: what it says. */
  alarm(): Promise<string> {
    return this.#alarmed.promise;
  }

  /** The tlog-proof that a receipt grows up to, as text. */
  proof(seq: number): Promise<string> {
    return this.#client.proof(seq);
  }
}

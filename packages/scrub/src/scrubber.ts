/**
 * Re-verifies every byte of the logs of this process, all the time, and sees changes to their files at once. One thread
 * for all logs: it reads and hashes, asks the logs here what should be there, and reports what is not.
 *
 * The thread never gets a private key, writes nothing, and believes no file.
 */
import { Worker } from "node:worker_threads";
import { base64, hex, isCairnError, parseBase64, parseEntryHead, parseUtf8 } from "@cairnlog/core";
import { systemClock, type Clock, type Log } from "@cairnlog/log";
import { LogAlarms } from "./log-alarms.ts";
import { untoldRepairs } from "./repair-files.ts";
import { leafHashes } from "./resting-log.ts";
import type { FromScrubThread, Question, ToScrubThread } from "./scrub-messages.ts";
import { Webhook, type Post } from "./webhook.ts";

export interface ScrubberOptions {
  /** At most so many bytes are re-read in a second, of all logs together. Default 6 MiB. */
  readonly bytesPerSecond?: number;
  /** So often all files are looked at. Default 250 ms. */
  readonly lookMs?: number;
  /** A pass over small logs begins no sooner than this after the one before. Default a minute. */
  readonly passMs?: number;
  readonly clock?: Clock;
  /** A line for whoever runs the process. */
  readonly say?: (line: string) => void;
  /** Where alarms go off this host. */
  readonly webhook?: { readonly url: string; readonly secret: string; readonly post?: Post };
}

export const defaultScrubBytesPerSecond = 6 * 1024 * 1024;
const defaultLookMs = 250;
const defaultPassMs = 60_000;
/** What it allocates dies young: a small nursery keeps the process small. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

interface Watched {
  readonly log: Log;
  readonly alarms: LogAlarms;
  readonly watching: PromiseWithResolvers<void>;
  readonly unwatched: PromiseWithResolvers<void>;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #webhook: Webhook | undefined;
  readonly #watched = new Map<number, Watched>();
  #worker: Worker | undefined;
  #ids = 0;
  #waiting = 0;
  #isDirect: boolean | undefined;

  /** "usage" where the webhook's secret is none. */
  constructor(options: ScrubberOptions = {}) {
    this.#options = options;
    const { webhook, clock = systemClock, say = () => undefined } = options;
    if (webhook === undefined) return;
    this.#webhook = new Webhook({
      ...webhook,
      clock,
      onFailure: (why) => say(`cairn: the alarm webhook did not take a message: ${why}`),
    });
  }

  /** Starts its thread now, so that it is there by the time that the first log is open. */
  prepare(): void {
    this.#worker ??= this.#start();
  }

  /** Begins to watch over a log that was just opened. Resolves when changes are seen from now on. */
  async watch(log: Log, folder: string): Promise<void> {
    const { bytesPerSecond = defaultScrubBytesPerSecond, clock = systemClock } = this.#options;
    const worker = (this.#worker ??= this.#start());
    const id = this.#ids++;
    const alarms = new LogAlarms({
      log,
      clock,
      bytesPerSecond,
      isDirect: () => this.#isDirect,
      say: (line) => this.#options.say?.(line),
      send: (type, data) => this.#webhook?.send(type, data),
    });
    const watched: Watched = {
      log,
      alarms,
      watching: Promise.withResolvers<void>(),
      unwatched: Promise.withResolvers<void>(),
    };
    this.#watched.set(id, watched);
    log.watcher = alarms;
    const { name, origin, vkeys } = log;
    const settingsSha256 = await settingsHash(log);
    post(worker, { kind: "watch", id, location: folder, name, origin, vkeys, settingsSha256 });
    await this.#waitFor(worker, watched.watching.promise);
    // Not waited for: a log whose witnesses are silent records nothing for now.
    void this.#tellRepairs(log, folder);
  }

  /** Lets go of a log, before it is closed. */
  async unwatch(log: Log): Promise<void> {
    for (const [id, watched] of this.#watched) {
      const worker = this.#worker;
      if (watched.log !== log || worker === undefined) continue;
      post(worker, { kind: "unwatch", id });
      await this.#waitFor(worker, watched.unwatched.promise);
      await watched.alarms.settled();
      this.#watched.delete(id);
    }
  }

  /** Lets go of all logs, before they are closed. */
  async close(): Promise<void> {
    for (const { log } of this.#watched.values()) await this.unwatch(log);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
    await this.#webhook?.close();
  }

  /** The thread alone does not keep the process alive; somebody who waits for it does. */
  async #waitFor(worker: Worker, answer: Promise<void>): Promise<void> {
    if (this.#waiting++ === 0) worker.ref();
    await answer;
    if (--this.#waiting === 0) worker.unref();
  }

  #start(): Worker {
    const {
      bytesPerSecond = defaultScrubBytesPerSecond,
      lookMs = defaultLookMs,
      passMs = defaultPassMs,
    } = this.#options;
    // Sources run as .ts, the published package as .js.
    const name = import.meta.url.endsWith(".ts") ? "./scrub-worker.ts" : "./scrub-worker.js";
    const worker = new Worker(new URL(name, import.meta.url), { resourceLimits });
    worker.on("message", (message: FromScrubThread) => this.#take(worker, message));
    worker.on("error", (error: Error) => this.#ended(worker, error.message));
    worker.on("exit", () => this.#ended(worker, "the scrubbing thread ended"));
    worker.unref();
    post(worker, { kind: "pace", pace: { bytesPerSecond, lookMs, passMs } });
    return worker;
  }

  /** A log that nobody watches over must not look as if somebody did; but it serves all the same. */
  #ended(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { alarms, watching, unwatched } of this.#watched.values()) {
      alarms.ended(why);
      watching.resolve();
      unwatched.resolve();
    }
  }

  /** Makes an entry of each repair that was made while nobody could record it. */
  async #tellRepairs(log: Log, folder: string): Promise<void> {
    try {
      for (const repair of untoldRepairs(folder)) {
        await log.tell({ type: "system.repaired", action: "repair", details: repair.manifest });
        repair.told();
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.say?.(`cairn: a repair of the log ${log.name} is not recorded yet: ${why}`);
    }
  }

  #take(worker: Worker, message: FromScrubThread): void {
    const watched = this.#watched.get(message.id);
    if (watched === undefined) return;
    switch (message.kind) {
      case "question":
        void answer(worker, watched.log, message.question, message.what);
        return;
      case "watching":
        return watched.watching.resolve();
      case "unwatched":
        return watched.unwatched.resolve();
      case "damaged":
        return watched.alarms.damaged(message.found);
      case "mended":
        return watched.alarms.mended(message.path, message.atMs);
      case "passed":
        this.#isDirect = message.isDirect;
        return watched.alarms.passed(message.pass);
    }
  }
}

async function answer(worker: Worker, log: Log, question: number, what: Question): Promise<void> {
  try {
    post(worker, { kind: "answer", question, value: await valueOf(log, what) });
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const { code, message, place } = error;
    post(worker, { kind: "refusal", question, code, message, place });
  }
}

function valueOf(log: Log, what: Question): Promise<unknown> {
  if (what.ask === "atRest") return Promise.resolve(log.atRest());
  if (what.ask === "tile") return log.tile(what.level, what.index, what.width);
  if (what.ask === "leafHashes") return leafHashes(log, what.from, what.to);
  return log.root(what.size);
}

/** SHA-256 of `log.json` as entry 0 names it, hexadecimal. */
export async function settingsHash(log: Pick<Log, "entry">): Promise<string | undefined> {
  try {
    const { event } = parseEntryHead((await log.entry(0)).bytes);
    const created = JSON.parse(parseUtf8(event)) as { details?: { settings?: unknown } };
    const settings = created.details?.settings;
    if (typeof settings !== "string") return undefined;
    const bytes = parseBase64(settings);
    return base64(bytes) === settings ? hex(bytes) : undefined;
  } catch (error) {
    // Entry 0 is damaged: that is found, and told, as damage of its file.
    if (isCairnError(error)) return undefined;
    throw error;
  }
}

function post(worker: Worker, message: ToScrubThread): void {
  worker.postMessage(message);
}

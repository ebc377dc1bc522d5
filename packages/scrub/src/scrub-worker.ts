/** The inside of the scrubbing thread: `scrubber.ts` says what it is for. One thing at a time, whatever the logs. */
import { parentPort } from "node:worker_threads";
import { assert, CairnError, type Hash } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { systemClock, type AtRest } from "@cairnlog/log";
import { directReads } from "./file-bytes.ts";
import { LogWatch } from "./log-watch.ts";
import { Notifications } from "./notifications.ts";
import type { RestingLog } from "./resting-log.ts";
import type { FromScrubThread, Question, ScrubPace, ToScrubThread } from "./scrub-messages.ts";

const port = parentPort;
assert(port !== null, "this file runs in a thread");

interface Watched {
  readonly id: number;
  readonly watch: LogWatch;
  readonly notifications: Notifications;
  /** When its next pass may begin. */
  passAt: number;
}

interface Asked {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Two looks are at least so far apart, however much is notified. */
const lookGapMs = 20;

class ScrubLoop {
  pace: ScrubPace = { bytesPerSecond: 1, lookMs: 1000, passMs: 60_000 };
  readonly #watched = new Map<number, Watched>();
  readonly #asked = new Map<number, Asked>();
  /** Logs that are let go of as soon as nothing is asked of them. */
  readonly #ending = new Set<number>();
  #questions = 0;
  #wake: (() => void) | undefined;
  /** Bytes that may be read now; negative after a large file. */
  #allowance = 0;
  #allowanceAt = performance.now();
  #turn = 0;

  take(message: ToScrubThread): void {
    if (message.kind === "pace") this.pace = message.pace;
    else if (message.kind === "watch") void this.#begin(message);
    else if (message.kind === "unwatch") {
      this.#ending.add(message.id);
      this.#wake?.();
    } else {
      const asked = this.#asked.get(message.question);
      this.#asked.delete(message.question);
      if (message.kind === "answer") asked?.resolve(message.value);
      else {
        const { code, place } = message;
        asked?.reject(new CairnError(code, message.message, { place }));
      }
    }
  }

  async run(): Promise<never> {
    for (;;) {
      const begun = performance.now();
      for (const id of this.#ending) this.#end(id);
      for (const watched of this.#watched.values()) await this.#look(watched);
      await this.#scrub(begun + this.pace.lookMs);
      const gap = Math.max(0, lookGapMs - (performance.now() - begun));
      if (gap > 0) await this.#sleep(gap, false);
      await this.#sleep(Math.max(0, begun + this.pace.lookMs - performance.now()), true);
    }
  }

  async #begin(message: Extract<ToScrubThread, { kind: "watch" }>): Promise<void> {
    const { id, location, settingsSha256 } = message;
    const watch = new LogWatch({
      location,
      settingsSha256,
      crypto: nodeCrypto,
      clock: systemClock,
      resting: this.#restingLog(message),
      listener: {
        damaged: (found) =>
          tell({
            kind: "damaged",
            id,
            found,
          }),
        mended: (path, atMs) =>
          tell({
            kind: "mended",
            id,
            path,
            atMs,
          }),
        passed: (pass) =>
          tell({
            kind: "passed",
            id,
            pass,
            isDirect: directReads(),
          }),
      },
    });
    const notifications = new Notifications(location, () => this.#wake?.());
    // Followed before they are looked at: what changes in between is seen by one of the two.
    await watch.open();
    notifications.follow(watch.folders);
    this.#watched.set(id, { id, watch, notifications, passAt: 0 });
    tell({ kind: "watching", id });
  }

  #end(id: number): void {
    const watched = this.#watched.get(id);
    // Its first look is not over yet.
    if (watched === undefined) return;
    watched.notifications.close();
    this.#watched.delete(id);
    this.#ending.delete(id);
    tell({ kind: "unwatched", id });
  }

  async #look({ watch, notifications }: Watched): Promise<void> {
    await watch.look(notifications.take());
    notifications.follow(watch.folders);
  }

  /** Reads on, as far as the rate allows, until the next look is due. */
  async #scrub(until: number): Promise<void> {
    const { bytesPerSecond, passMs } = this.pace;
    const now = performance.now();
    const earned = ((now - this.#allowanceAt) / 1000) * bytesPerSecond;
    this.#allowance = Math.min(bytesPerSecond, this.#allowance + earned);
    this.#allowanceAt = now;
    while (this.#allowance > 0 && performance.now() < until) {
      const due = [...this.#watched.values()].filter(
        ({ watch, passAt }) => watch.isPassing || passAt <= performance.now(),
      );
      const watched = due[this.#turn++ % Math.max(1, due.length)];
      if (watched === undefined) return;
      this.#allowance -= await watched.watch.step();
      if (!watched.watch.isPassing) watched.passAt = now + passMs;
    }
  }

  #sleep(ms: number, isWakeable: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      if (isWakeable) this.#wake = end;
      else setTimeout(end, ms);
    });
  }

  #restingLog(log: {
    readonly id: number;
    readonly name: string;
    readonly origin: string;
    readonly vkeys: readonly string[];
  }): RestingLog {
    const { id, name, origin, vkeys } = log;
    const ask = (what: Question): Promise<unknown> => this.#ask(id, what);
    return {
      name,
      origin,
      vkeys,
      atRest: async () => (await ask({ ask: "atRest" })) as AtRest,
      tile: async (level, index, width) =>
        (await ask({
          ask: "tile",
          level,
          index,
          width,
        })) as Uint8Array | undefined,
      leafHashes: async (from, to) =>
        (await ask({
          ask: "leafHashes",
          from,
          to,
        })) as Uint8Array | undefined,
      root: async (size) =>
        (await ask({
          ask: "root",
          size,
        })) as Hash,
    };
  }

  #ask(id: number, what: Question): Promise<unknown> {
    const question = this.#questions++;
    return new Promise((resolve, reject) => {
      this.#asked.set(question, { resolve, reject });
      tell({ kind: "question", id, question, what });
    });
  }
}

function tell(message: FromScrubThread): void {
  port?.postMessage(message);
}

const loop = new ScrubLoop();
port.on("message", (message: ToScrubThread) => loop.take(message));
void loop.run();

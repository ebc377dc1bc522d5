/**
 * Not a test: a client whose receipts are watched, against the scripted log with two witnesses, on
 * a clock that stands still until the test lets time pass.
 */
import { nodeCrypto } from "@cairnlog/crypto";
import { ManualClock } from "@cairnlog/testing";
import {
  CairnClient,
  type Alarm,
  type CairnClientOptions,
  type CairnEvent,
  type LoggedReceipt,
} from "./index.ts";
import { formatVkey } from "@cairnlog/core";
import { ScriptedLog, scriptedWitness } from "./scripted-log.testing.ts";

export const witnesses = ["w1", "w2"].map(scriptedWitness);

/** Both witnesses are the quorum. */
export function policyOf(log: ScriptedLog): string {
  const lines = witnesses.map(({ vkey }, i) => `witness w${i + 1} ${formatVkey(vkey)}\n`);
  return `log ${log.vkey}\n${lines.join("")}group both all w1 w2\nquorum both\n`;
}

export class WatchedClient {
  readonly log: ScriptedLog;
  readonly clock: ManualClock;
  readonly client: CairnClient;
  readonly alarms: Alarm[] = [];
  readonly evidence: string[] = [];
  #underWay = 0;

  constructor(log: ScriptedLog, options: Partial<CairnClientOptions> = {}) {
    const clock = new ManualClock();
    this.log = log;
    this.clock = clock;
    this.client = new CairnClient({
      url: log.url,
      clock: {
        now: clock.now,
        after(ms, run) {
          const timer = clock.setTimer(run, ms);
          return () => timer.cancel();
        },
      },
      policy: policyOf(log),
      loadCrypto: () => Promise.resolve(nodeCrypto),
      fetch: (url, init) => this.#fetch(url, init),
      onError() {},
      onAlarm: (alarm) => this.alarms.push(alarm),
      keepEvidence: (text) => void this.evidence.push(text),
      ...options,
    });
  }

  static async open(options: Partial<CairnClientOptions> = {}): Promise<WatchedClient> {
    const log = await ScriptedLog.open();
    log.cosigners = witnesses;
    return new WatchedClient(log, options);
  }

  get codes(): string[] {
    return this.alarms.map(({ code }) => code);
  }

  /** Paths of the background's requests, without their queries. */
  get looks(): string[] {
    return this.log.reads.map((path) => path.replace(/^.*\/|\?.*$/g, ""));
  }

  record(id: string): Promise<LoggedReceipt> {
    const event: CairnEvent = { id, type: "api.call", actor: { id: "alice" }, action: "GET" };
    return this.client.log(event);
  }

  /** One after another, so that each has a checkpoint of its own. */
  async recordEach(...ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.record(id);
  }

  /** Lets time pass, second by second; what each brings about is over before the next begins. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.clock.advance(1000);
      await this.settled();
    }
  }

  /** Resolves when no request is under way, and what came was looked at. */
  async settled(): Promise<void> {
    for (let quiet = 0, turns = 0; quiet < 20; turns++) {
      if (turns > 100_000) throw new Error("a request never ends");
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#underWay === 0 ? quiet + 1 : 0;
    }
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    this.#underWay++;
    try {
      const response = await fetch(url, init);
      const { status, headers } = response;
      return new Response(await response.text(), { status, headers });
    } finally {
      this.#underWay--;
    }
  }
}

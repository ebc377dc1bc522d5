/**
 * What witnesses cost a log: how much later its checkpoint is published, and how much less it records. Four real
 * witnesses, each a process of its own on loopback, three of them a quorum.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parsePolicy, utf8, type Policy } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { createLog, openLog, readNdjson, type Log, type LogOptions } from "@cairnlog/log";
import { filesStore, type Store } from "@cairnlog/store";
import type { Benchmark } from "./benchmark.ts";
import { EventPool } from "./events.ts";
import { byTurns, latenciesOf, Samples, spreadOf, type Latencies } from "./measure.ts";
import { formatNumber, row } from "./report.ts";

const witnessCount = 4;
const quorum = 3;
const eventsPerAppend = 1024;
const here = fileURLToPath(new URL(".", import.meta.url));
const command = process.env.CAIRN_BENCH_COMMAND ?? join(here, "../packages/cli/bin/cairn.js");
const kinds = ["alone", "witnessed", "awaited"] as const;

type Kind = (typeof kinds)[number];

interface Appending {
  readonly perSecond: number;
  readonly latencies: Latencies;
}

export const witnessing: Benchmark = {
  name: "witnessing",
  claim:
    "3 of 4 witnesses: published under 50 ms later, and recording as fast; at least a quarter where " +
    "acknowledgements wait for them",
  async run({ folder, isQuick, say }) {
    const store = filesStore({ folder: join(folder, "logs") });
    const keyFile = join(folder, "logs.vkeys");
    writeFileSync(keyFile, `${(await makeLogs(store)).join("\n")}\n`);
    say("starting witnesses");
    const witnesses = await Promise.all(
      Array.from({ length: witnessCount }, (_, i) => startWitness(folder, keyFile, i + 1)),
    );
    try {
      const logs = await openLogs(store, policyOf(witnesses));
      const pool = new EventPool(1, 65_536);
      const bench = new WitnessingBench(logs, pool, isQuick ? 48 : 192);
      const rounds = isQuick ? 1 : 3;
      const times = isQuick ? 10 : 40;
      const published = await byTurns(rounds, {
        alone: () => bench.publish("alone", times),
        witnessed: () => bench.publish("witnessed", times),
      });
      const many = await byTurns(rounds, {
        alone: () => bench.append("alone", 4),
        witnessed: () => bench.append("witnessed", 4),
        aloneDeep: () => bench.append("alone", 16),
        awaited: () => bench.append("awaited", 16),
      });
      const lone = await byTurns(rounds, {
        alone: () => bench.appendLone("alone", times),
        awaited: () => bench.appendLone("awaited", times),
      });
      for (const log of Object.values(logs)) await log.close();
      const later = published.witnessed.map((each, i) => each.p50 - published.alone[i]!.p50);
      const p50 = (found: readonly Latencies[]): number[] => found.map((each) => each.p50);
      const perSecond = (found: readonly Appending[]): number[] => found.map((f) => f.perSecond);
      return {
        rows: [
          row({
            ...{ what: "publishing, p50", unit: "ms", values: p50(published.witnessed) },
            baseline: { what: "without witnesses", values: p50(published.alone) },
          }),
          row({ what: "published later by", unit: "ms", values: later, aim: { atMost: 50 } }),
          row({
            ...{ what: "durable, 4 in flight", unit: "events/s" },
            values: perSecond(many.witnessed),
            baseline: { what: "without witnesses", values: perSecond(many.alone) },
            aim: { ratioAtLeast: 0.97 },
          }),
          row({
            ...{ what: "witnessed, 16 in flight", unit: "events/s" },
            values: perSecond(many.awaited),
            baseline: { what: "without witnesses", values: perSecond(many.aloneDeep) },
            aim: { ratioAtLeast: 0.25 },
          }),
          row({
            ...{ what: "a lone event, witnessed, p50", unit: "ms", values: p50(lone.awaited) },
            baseline: { what: "without witnesses", values: p50(lone.alone) },
          }),
        ],
        notes: [
          `${witnessCount} witnesses with keys of both types, ${quorum} are a quorum; witnesses and log share the machine`,
          `p99 of publishing with witnesses: ${p99Of(published.witnessed)} ms, without: ${p99Of(published.alone)} ms`,
        ],
      };
    } finally {
      await Promise.all(witnesses.map(stopWitness));
    }
  },
};

class WitnessingBench {
  readonly #logs: Readonly<Record<Kind, Log>>;
  readonly #pool: EventPool;
  readonly #appends: number;
  #from = 0;

  constructor(logs: Readonly<Record<Kind, Log>>, pool: EventPool, appends: number) {
    this.#logs = logs;
    this.#pool = pool;
    this.#appends = appends;
  }

  /** How long it takes from a durable event to a published checkpoint, without the beat. */
  async publish(kind: Kind, times: number): Promise<Latencies> {
    const samples = new Samples();
    for (let i = 0; i < times; i++) {
      await this.#logs[kind].append(readNdjson(this.#batch(1)), "bench");
      const begun = performance.now();
      await this.#logs[kind].publish();
      samples.add(performance.now() - begun);
    }
    return latenciesOf(samples);
  }

  async append(kind: Kind, inFlight: number): Promise<Appending> {
    const log = this.#logs[kind];
    const bodies = Array.from({ length: this.#appends }, () => this.#batch(eventsPerAppend));
    const samples = new Samples();
    let next = 0;
    const begun = performance.now();
    const caller = async (): Promise<void> => {
      while (next < bodies.length) {
        const body = bodies[next++]!;
        const appendBegun = performance.now();
        const appended = await log.append(readNdjson(body), "bench");
        samples.add(performance.now() - appendBegun);
        if (appended.refused > 0) throw appended.refusal(0) ?? new Error("an event was refused");
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    const seconds = (performance.now() - begun) / 1000;
    await log.sealed();
    const perSecond = (bodies.length * eventsPerAppend) / seconds;
    return { perSecond, latencies: latenciesOf(samples) };
  }

  async appendLone(kind: Kind, times: number): Promise<Latencies> {
    const samples = new Samples();
    for (let i = 0; i < times; i++) {
      const batch = readNdjson(this.#batch(1));
      const begun = performance.now();
      await this.#logs[kind].append(batch, "bench");
      samples.add(performance.now() - begun);
    }
    return latenciesOf(samples);
  }

  #batch(events: number): Uint8Array {
    const from = this.#from;
    this.#from += events;
    return this.#pool.batch(from, events);
  }
}

async function makeLogs(store: Store): Promise<string[]> {
  const vkeys: string[] = [];
  for (const name of kinds) {
    const log = await createLog(store, { name, origin: `bench.example.com/logs/${name}` });
    vkeys.push(...log.vkeys);
    await log.close();
  }
  return vkeys;
}

async function openLogs(store: Store, policy: Policy): Promise<Record<Kind, Log>> {
  const open = (name: Kind, options: LogOptions): Promise<Log> => openLog(store, name, options);
  return {
    alone: await open("alone", {}),
    witnessed: await open("witnessed", { witnesses: { policy } }),
    awaited: await open("awaited", { witnesses: { policy, requireQuorum: true } }),
  };
}

interface RunningWitness {
  readonly name: string;
  readonly url: string;
  readonly vkeys: readonly string[];
  readonly process: ChildProcess;
}

async function startWitness(folder: string, keyFile: string, i: number): Promise<RunningWitness> {
  const name = `w${i}`;
  const args = ["witness", "--data", join(folder, name), "--name", `bench.example.com/${name}`];
  const more = ["--log", keyFile, "--listen", "127.0.0.1:0", "--rate-limit", "100000", "--json"];
  const child = spawn(process.execPath, [command, ...args, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit").then(([status]) => {
    throw new Error(`cairn witness ended with status ${String(status)}`);
  });
  const said = once(createInterface({ input: child.stdout }), "line");
  const [line] = (await Promise.race([said, exited])) as [string];
  exited.catch(() => {});
  const { url, vkeys } = JSON.parse(line) as { url: string; vkeys: string[] };
  return { name, url, vkeys, process: child };
}

async function stopWitness({ process: child }: RunningWitness): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

function policyOf(witnesses: readonly RunningWitness[]): Policy {
  let text = "";
  for (const { name, url, vkeys } of witnesses) {
    const names = vkeys.map((_vkey, i) => `${name}-${i}`);
    for (const [i, vkey] of vkeys.entries()) text += `witness ${names[i]} ${vkey} ${url}\n`;
    text += `group ${name} any ${names.join(" ")}\n`;
  }
  text += `group enough ${quorum} ${witnesses.map(({ name }) => name).join(" ")}\nquorum enough\n`;
  return parsePolicy(nodeCrypto.sha256, utf8(text));
}

function p99Of(rounds: readonly Latencies[]): string {
  return formatNumber(spreadOf(rounds.map(({ p99 }) => p99)).median);
}

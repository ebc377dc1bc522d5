/** `cairn witness`: cosignatures a second, of a thousand logs, over 64 connections. */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Benchmark, BenchmarkContext } from "./benchmark.ts";
import { byTurns, cpuSecondsOf, residentMemory, spreadOf } from "./measure.ts";
import { formatNumber, row, type Row } from "./report.ts";
import type { WitnessOrder, WitnessRound } from "./witness-load.ts";

interface Measured extends WitnessRound {
  /** Processor time of the server for each answer, in microseconds. */
  readonly cpuMicros: number;
  readonly memoryMib: number;
}

interface Server {
  readonly port: number;
  readonly process: ChildProcess;
}

const here = fileURLToPath(new URL(".", import.meta.url));
const command = process.env.CAIRN_BENCH_COMMAND ?? join(here, "../packages/cli/bin/cairn.js");
const logs = 1000;
const connections = 64;
const baseline = "bare node:http, one verification and one signature";

export const witness: Benchmark = {
  name: "witness",
  claim: "a witness: 2,000 durable cosignatures/s of type 04 on one core, of a thousand logs",
  async run(context) {
    const { folder, isQuick, say } = context;
    const load = fork(join(here, "witness-load.ts"));
    try {
      say("making requests");
      const requests = isQuick ? 10_000 : 60_000;
      const vkeys = await ask<string[]>(load, { kind: "make", logs, connections, requests });
      const keyFile = join(folder, "logs.vkeys");
      writeFileSync(keyFile, `${vkeys.join("\n")}\n`);
      let round = 0;
      const cosigned = (types: string) => (): Promise<Measured> => {
        const data = join(folder, `witness-${round++}`);
        return measure(context, load, () => startWitness(data, keyFile, types));
      };
      const results = await byTurns(isQuick ? 1 : 3, {
        bare: () => measure(context, load, startBareWitness),
        ed25519: cosigned("04"),
        both: cosigned("04,06"),
      });
      const { bare, ed25519, both } = results;
      return {
        rows: [
          throughput("type 04", ed25519, bare, 2000),
          cpu("type 04", ed25519, bare, 500),
          latency("type 04", ed25519, bare),
          throughput("types 04 and 06", both, bare),
          cpu("types 04 and 06", both, bare),
        ],
        notes: [
          `resident memory with ${formatNumber(logs)} logs: ` +
            `${formatNumber(spreadOf(ed25519.map(({ memoryMib }) => memoryMib)).median)} MiB`,
          `the load generator used ${share(ed25519)} of a core against the witness, ${share(bare)} against the bare server`,
          "type 06 is signed by a thread of its own, which on one core would compete",
        ],
      };
    } finally {
      load.disconnect();
    }
  },
};

async function measure(
  { isQuick }: BenchmarkContext,
  load: ChildProcess,
  start: () => Promise<Server>,
): Promise<Measured> {
  const { port, process: server } = await start();
  const exited = once(server, "exit");
  try {
    const times = isQuick ? { warmUpMs: 200, measureMs: 500 } : { warmUpMs: 600, measureMs: 2000 };
    const before = cpuSecondsOf(server.pid!);
    const result = await ask<WitnessRound>(load, { kind: "round", port, ...times });
    const cpuSeconds = cpuSecondsOf(server.pid!) - before;
    if (result.refused > 0) throw new Error(`${result.refused} requests were refused`);
    const memoryMib = residentMemory(server.pid!)?.now ?? Number.NaN;
    return { ...result, cpuMicros: (cpuSeconds / result.answers) * 1e6, memoryMib };
  } finally {
    server.kill("SIGTERM");
    await exited;
  }
}

async function ask<T>(load: ChildProcess, order: WitnessOrder): Promise<T> {
  load.send(order);
  const [answer] = (await once(load, "message")) as [{ result?: T; error?: string }];
  if (answer.result === undefined) throw new Error(`load generator: ${answer.error}`);
  return answer.result;
}

/** A new witness for each round: its logs begin anew. */
async function startWitness(data: string, keyFile: string, types: string): Promise<Server> {
  mkdirSync(data);
  const args = ["witness", "--data", data, "--name", "bench.example.com/witness"];
  const more = ["--log", keyFile, "--cosign", types, "--listen", "127.0.0.1:0", "--json"];
  const options = (process.env.CAIRN_BENCH_NODE_OPTIONS ?? "").split(" ").filter((each) => each);
  const child = spawn(process.execPath, [...options, command, ...args, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit").then(([status]) => {
    throw new Error(`cairn witness ended with status ${String(status)}`);
  });
  const said = once(createInterface({ input: child.stdout }), "line");
  const [line] = (await Promise.race([said, exited])) as [string];
  exited.catch(() => {});
  const { url } = JSON.parse(line) as { url: string };
  return { port: Number(new URL(url).port), process: child };
}

async function startBareWitness(): Promise<Server> {
  const child = fork(join(here, "bare-witness.ts"));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return { port, process: child };
}

function throughput(
  what: string,
  ours: readonly Measured[],
  bare: readonly Measured[],
  atLeast?: number,
): Row {
  const values = (rounds: readonly Measured[]): number[] =>
    rounds.map(({ perSecond }) => perSecond);
  return row({
    ...{ what: `cosigned, ${what}`, unit: "/s", values: values(ours) },
    baseline: { what: baseline, values: values(bare) },
    ...(atLeast === undefined ? {} : { aim: { atLeast } }),
  });
}

function cpu(
  what: string,
  ours: readonly Measured[],
  bare: readonly Measured[],
  atMost?: number,
): Row {
  const values = (rounds: readonly Measured[]): number[] =>
    rounds.map(({ cpuMicros }) => cpuMicros);
  return row({
    ...{ what: `processor time, ${what}`, unit: "µs", values: values(ours) },
    baseline: { what: baseline, values: values(bare) },
    ...(atMost === undefined ? {} : { aim: { atMost } }),
  });
}

function latency(what: string, ours: readonly Measured[], bare: readonly Measured[]): Row {
  const values = (rounds: readonly Measured[]): number[] =>
    rounds.map(({ latencies }) => latencies.p99);
  return row({
    ...{ what: `p99 of a request, ${what}`, unit: "ms", values: values(ours) },
    baseline: { what: baseline, values: values(bare) },
  });
}

function share(rounds: readonly Measured[]): string {
  const { median } = spreadOf(rounds.map(({ cpuShare }) => cpuShare));
  return `${Math.round(median * 100)} %`;
}

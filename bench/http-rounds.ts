/**
 * What the HTTP benchmarks share: our server and the bare one, both up, loaded by turns by the same generator. While
 * one is loaded the other does nothing: ours is waited for until it has sealed what it has to.
 */
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { BenchmarkContext } from "./benchmark.ts";
import type { LoadResult } from "./load.ts";
import { byTurns, cpuSecondsOf, spreadOf } from "./measure.ts";
import {
  startBare,
  startCairn,
  startLoad,
  type BareProcess,
  type CairnProcess,
  type LoadProcess,
  type Server,
} from "./processes.ts";
import { formatNumber, row, type Aim, type Row } from "./report.ts";

export interface LoadShape {
  readonly connections: number;
  readonly eventsPerRequest: number;
}

export interface HttpResult extends LoadResult {
  /** Processor time of the server per event, in microseconds, with all that it does in the background. */
  readonly cpuMicros: number;
}

interface CairnResult extends HttpResult {
  readonly eventsPerCommit: number;
  readonly commitMs: number;
}

export interface HttpBench {
  readonly cairn: CairnProcess;
  readonly bare: BareProcess;
  readonly load: LoadProcess;
  /** One round against our server; waits first until it is quiet. */
  loadCairn(shape: LoadShape): Promise<CairnResult>;
  /** The same against the bare server, which answers with as many bytes as ours did last. */
  loadBare(shape: LoadShape, writes?: readonly number[]): Promise<HttpResult>;
}

const logName = "main";

/** Starts everything, runs `work`, and ends everything. */
export async function withServers<T>(
  { folder, isQuick }: BenchmarkContext,
  work: (bench: HttpBench) => Promise<T>,
): Promise<T> {
  const created = { name: logName, origin: "bench.example.com/logs/main" };
  await (await createLog(filesStore({ folder }), created)).close();
  const [cairn, bare] = await Promise.all([startCairn(folder, logName), startBare()]);
  const load = startLoad();
  const times = isQuick ? { warmUpMs: 300, measureMs: 700 } : { warmUpMs: 1000, measureMs: 4000 };
  let answerBytes = 1000;
  const run = async (
    server: Server,
    shape: LoadShape,
    settle: () => Promise<void>,
  ): Promise<HttpResult> => {
    await settle();
    const cpuBefore = cpuSecondsOf(server.pid);
    const result = await load.run(server, { ...shape, ...times, seed: 7 });
    if (result.refused > 0) throw new Error(`${result.refused} requests were refused`);
    await settle();
    const cpuSeconds = cpuSecondsOf(server.pid) - cpuBefore;
    return { ...result, cpuMicros: (cpuSeconds / result.eventsEver) * 1e6 };
  };
  try {
    return await work({
      ...{ cairn, bare, load },
      async loadCairn(shape) {
        const before = await cairn.commits();
        const result = await run(cairn, shape, () => cairn.settle());
        const after = await cairn.commits();
        ({ answerBytes } = result);
        const commits = after.commits - before.commits;
        return {
          ...result,
          eventsPerCommit: (after.entries - before.entries) / commits,
          commitMs: ((after.seconds - before.seconds) / commits) * 1000,
        };
      },
      async loadBare(shape, writes = []) {
        await bare.set({ answerBytes, writes, folder });
        return run(bare, shape, () => Promise.resolve());
      },
    });
  } finally {
    await Promise.all([cairn.stop(), bare.stop(), load.stop()]);
  }
}

export interface HttpRounds {
  readonly cairn: readonly CairnResult[];
  readonly bare: readonly HttpResult[];
}

export function httpRounds(
  bench: HttpBench,
  rounds: number,
  shape: LoadShape,
): Promise<HttpRounds> {
  return byTurns(rounds, {
    cairn: () => bench.loadCairn(shape),
    bare: () => bench.loadBare(shape),
  });
}

export const bareName = "bare node:http";

export function throughputRow(what: string, { cairn, bare }: HttpRounds, aim?: Aim): Row {
  const values = (results: readonly LoadResult[]): number[] =>
    results.map((result) => result.eventsPerSecond);
  return row({
    ...{ what, unit: "events/s", values: values(cairn) },
    baseline: { what: bareName, values: values(bare) },
    ...(aim === undefined ? {} : { aim }),
  });
}

export function cpuRow({ cairn, bare }: HttpRounds): Row {
  const values = (results: readonly HttpResult[]): number[] =>
    results.map((result) => result.cpuMicros);
  return row({
    ...{ what: "processor time of the server", unit: "µs/event", values: values(cairn) },
    baseline: { what: bareName, values: values(bare) },
  });
}

export function latencyRow(
  what: string,
  name: "p50" | "p99",
  rounds: HttpRounds,
  aim?: Aim,
  baselineName: string = bareName,
): Row {
  const values = (results: readonly LoadResult[]): number[] =>
    results.map((result) => result.latencies[name]);
  return row({
    ...{ what: `${name} ${what}`, unit: "ms", values: values(rounds.cairn) },
    baseline: { what: baselineName, values: values(rounds.bare) },
    ...(aim === undefined ? {} : { aim }),
  });
}

/** What one commit took, and for how many events. */
export function commitNote({ cairn }: HttpRounds): string {
  const { median: events } = spreadOf(cairn.map(({ eventsPerCommit }) => eventsPerCommit));
  const { median: ms } = spreadOf(cairn.map(({ commitMs }) => commitMs));
  return `${formatNumber(events)} events a commit, ${formatNumber(ms)} ms each`;
}

/** What the generator itself took: near 1, it and not the server may be what limits. */
export function loadNote({ cairn, bare }: HttpRounds): string {
  const share = (results: readonly LoadResult[]): string =>
    `${Math.round((100 * results.reduce((sum, each) => sum + each.cpuShare, 0)) / results.length)} %`;
  return (
    `answers of ${cairn.at(-1)!.answerBytes} bytes; the load generator used ${share(cairn)} of a core ` +
    `against ours, ${share(bare)} against the bare server`
  );
}

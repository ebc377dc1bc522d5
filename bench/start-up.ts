/**
 * Opening a large log: after a clean end, and after kill -9 while it was written to at full speed. And what `cairn
 * serve` holds in memory while it goes on at full speed there.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Benchmark, BenchmarkContext } from "./benchmark.ts";
import { copyLargeLog, largeLog, largeLogName, type LargeLog } from "./large-log.ts";
import { residentMemory, spreadOf } from "./measure.ts";
import { startCairn, startLoad, type CairnProcess, type LoadProcess } from "./processes.ts";
import { formatNumber, row, type Row } from "./report.ts";
import type { OpenedOnce } from "./open-once.ts";

const batchLoad = { connections: 4, eventsPerRequest: 500, warmUpMs: 0 };

interface Round {
  readonly clean: OpenedOnce;
  readonly serveMs: number;
  readonly killed: OpenedOnce;
  readonly load: Load;
}

interface Load {
  readonly eventsPerSecond: number;
  readonly p99: number;
  /** Resident memory in MiB, over time. */
  readonly memory: readonly number[];
  readonly memoryPeak: number;
  readonly memoryAtStart: number;
}

export const startUp: Benchmark = {
  name: "start-up",
  claim:
    "start-up and recovery of a large log under 1 s; under 250 MB resident at full speed there",
  async run(context) {
    const large = await largeLog(context);
    const load = startLoad();
    const rounds: Round[] = [];
    try {
      for (let i = 0; i < (context.isQuick ? 1 : 3); i++) {
        rounds.push(await oneRound(context, large, load, i));
      }
    } finally {
      await load.stop();
    }
    const openRow = (what: string, values: number[]): Row =>
      row({ what, unit: "ms", values, aim: { atMost: 1000 } });
    const cpuRow = (what: string, opened: readonly OpenedOnce[]): Row =>
      row({
        what: `processor time, ${what}`,
        unit: "ms",
        values: opened.map(({ cpuMs }) => cpuMs),
      });
    const memoryPeaks = rounds.map((round) => round.load.memoryPeak);
    return {
      rows: [
        openRow(
          "open after a clean end",
          rounds.map(({ clean }) => clean.openMs),
        ),
        cpuRow(
          "after a clean end",
          rounds.map(({ clean }) => clean),
        ),
        openRow(
          "open after kill -9 under load",
          rounds.map(({ killed }) => killed.openMs),
        ),
        cpuRow(
          "after kill -9",
          rounds.map(({ killed }) => killed),
        ),
        openRow(
          "cairn serve, until it takes requests",
          rounds.map(({ serveMs }) => serveMs),
        ),
        row({
          ...{ what: "resident at most, at full speed", unit: "MiB", values: memoryPeaks },
          // 250 MB are so many MiB.
          aim: { atMost: 250e6 / 2 ** 20 },
        }),
        row({
          ...{ what: "resident, half of that time", unit: "MiB" },
          values: rounds.map((round) => spreadOf(round.load.memory).median),
        }),
        row({
          ...{ what: "NDJSON batches of 500 meanwhile", unit: "events/s" },
          values: rounds.map((round) => round.load.eventsPerSecond),
        }),
      ],
      notes: [
        `${large.entries.toLocaleString("en-US")} entries`,
        `p99 of a batch meanwhile ${formatNumber(rounds.at(-1)!.load.p99)} ms`,
        `right after the start ${formatNumber(rounds.at(-1)!.load.memoryAtStart)} MiB resident`,
        `after kill -9: ${rounds.map(({ killed }) => describeKilled(killed, large)).join("; ")}`,
      ],
    };
  },
};

function describeKilled({ size, sealedSize }: OpenedOnce, { entries }: LargeLog): string {
  return `${formatNumber(size - entries)} entries more, ${formatNumber(size - sealedSize)} not sealed`;
}

async function oneRound(
  context: BenchmarkContext,
  large: LargeLog,
  load: LoadProcess,
  i: number,
): Promise<Round> {
  const data = join(context.folder, `copy-${i}`);
  copyLargeLog(large, data);
  const clean = await openOnce(data);
  const cairn = await startCairn(data, largeLogName);
  const loaded = await loadServer(cairn, load, context.isQuick ? 2000 : 12_000);
  // Killed while it is loaded once more: the generator loses its connections, which is what is wanted.
  const cut = load.run(cairn, { ...batchLoad, measureMs: 60_000, seed: 9 }).catch(() => undefined);
  await sleep(context.isQuick ? 500 : 2500);
  await cairn.kill();
  await cut;
  const killed = await openOnce(data);
  return { clean, serveMs: cairn.startMs, load: loaded, killed };
}

async function loadServer(cairn: CairnProcess, load: LoadProcess, ms: number): Promise<Load> {
  const memory: number[] = [];
  const memoryAtStart = residentMemory(cairn.pid)?.now ?? Number.NaN;
  const timer = setInterval(() => {
    const found = residentMemory(cairn.pid);
    if (found !== undefined) memory.push(found.now);
  }, 100);
  try {
    const result = await load.run(cairn, { ...batchLoad, measureMs: ms, seed: 8 });
    return {
      ...{ eventsPerSecond: result.eventsPerSecond, p99: result.latencies.p99, memory },
      ...{ memoryPeak: residentMemory(cairn.pid)?.peak ?? Number.NaN, memoryAtStart },
    };
  } finally {
    clearInterval(timer);
  }
}

/** Opens the log in a fresh process. */
async function openOnce(data: string): Promise<OpenedOnce> {
  const child = fork(fileURLToPath(new URL("open-once.ts", import.meta.url)), [data, largeLogName]);
  const [opened] = (await once(child, "message")) as [OpenedOnce];
  if (child.exitCode === null) await once(child, "exit");
  return opened;
}

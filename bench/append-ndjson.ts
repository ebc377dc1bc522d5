/** In-process: NDJSON bytes into a log on the real disk, 1,024 events per append. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createLog, readNdjson, type Appended, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { Benchmark, BenchmarkContext } from "./benchmark.ts";
import { EventPool } from "./events.ts";
import { appendFloor, overlappedAppendFloor, type EntryBatch, type Throughput } from "./floor.ts";
import { byTurns, latenciesOf, ownCpuSeconds, Samples } from "./measure.ts";
import { row, type Row } from "./report.ts";

const eventsPerAppend = 1024;
const inFlightMany = 4;

interface LogThroughput extends Throughput {
  /** The same, but the clock stops only when the segments that were filled are sealed. */
  readonly sealedPerSecond: number;
  /** The main thread's part of `cpuMicros`: what bounds the figure where cores are many. */
  readonly mainMicros: number;
}

export const appendNdjson: Benchmark = {
  name: "append-ndjson",
  claim: "in-process append of NDJSON: 200,000 durable events/s, and half of the floor",
  async run(context) {
    const { isQuick, folder } = context;
    const appends = isQuick ? 64 : 256;
    const pool = new EventPool(1, 65_536);
    const log = await createLog(filesStore({ folder }), {
      ...{ name: "append", origin: "bench.example.com/logs/append" },
    });
    const bench = new AppendBench(context, log, pool, appends);
    const found = await byTurns(isQuick ? 1 : 5, {
      one: () => bench.append(1),
      floor: () => bench.floor(),
      many: () => bench.append(inFlightMany),
      overlapped: () => bench.overlappedFloor(),
    });
    await log.close();
    return {
      rows: [
        ...rowsOf("1 append in flight", found.one, "floor", found.floor),
        ...rowsOf(`${inFlightMany} in flight`, found.many, "floor, overlapped", found.overlapped),
      ],
      notes: [
        `${formatCount(appends * eventsPerAppend)} events a round, ${eventsPerAppend} per append, ` +
          `${pool.eventBytes.toFixed(0)} bytes an event, ${bench.entryBytes.toFixed(0)} an entry`,
      ],
    };
  },
};

class AppendBench {
  readonly #context: BenchmarkContext;
  readonly #log: Log;
  readonly #pool: EventPool;
  readonly #appends: number;
  #from = 0;
  /** The last round's entries, in the batches in which they were appended. */
  #entries: EntryBatch[] = [];

  constructor(context: BenchmarkContext, log: Log, pool: EventPool, appends: number) {
    this.#context = context;
    this.#log = log;
    this.#pool = pool;
    this.#appends = appends;
  }

  get entryBytes(): number {
    const bytes = this.#entries.reduce((sum, batch) => sum + batch.bytes.length, 0);
    return bytes / (this.#entries.length * eventsPerAppend);
  }

  async append(inFlight: number): Promise<LogThroughput> {
    const bodies = Array.from({ length: this.#appends }, () => {
      const from = this.#from;
      this.#from += eventsPerAppend;
      return this.#pool.batch(from, eventsPerAppend);
    });
    const log = this.#log;
    // Who waits for each append gains nothing from the thread that reads beside the writer: it would only wait for it.
    const appendBody = (body: Uint8Array): Promise<Appended> =>
      inFlight === 1 ? log.append(readNdjson(body), "bench") : log.appendNdjson(body, "bench");
    await log.sealed();
    const sizeBefore = log.status().size;
    const samples = new Samples();
    let next = 0;
    const cpuBefore = ownCpuSeconds();
    const mainBefore = process.threadCpuUsage();
    const begun = performance.now();
    const caller = async (): Promise<void> => {
      while (next < bodies.length) {
        const body = bodies[next++]!;
        const appendBegun = performance.now();
        const appended = await appendBody(body);
        samples.add(performance.now() - appendBegun);
        if (appended.refused > 0) throw appended.refusal(0) ?? new Error("an event was refused");
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    const durableAt = performance.now();
    await log.sealed();
    const sealedAt = performance.now();
    const cpuSeconds = ownCpuSeconds() - cpuBefore;
    const main = process.threadCpuUsage(mainBefore);
    const events = bodies.length * eventsPerAppend;
    this.#entries = await readEntries(log, sizeBefore, log.status().size);
    return {
      perSecond: (events / (durableAt - begun)) * 1000,
      sealedPerSecond: (events / (sealedAt - begun)) * 1000,
      latencies: latenciesOf(samples),
      cpuMicros: (cpuSeconds / events) * 1e6,
      mainMicros: (main.user + main.system) / events,
    };
  }

  floor(): Promise<Throughput> {
    return Promise.resolve(this.#withFloorFile((path) => appendFloor(path, this.#entries)));
  }

  overlappedFloor(): Promise<Throughput> {
    return this.#withFloorFile((path) => overlappedAppendFloor(path, this.#entries));
  }

  #withFloorFile<T>(work: (path: string) => T): T {
    const path = join(this.#context.folder, "floor");
    rmSync(path, { force: true });
    return work(path);
  }
}

async function readEntries(log: Log, from: number, to: number): Promise<EntryBatch[]> {
  const batches: EntryBatch[] = [];
  let parts: Uint8Array[] = [];
  const flush = (): void => {
    let end = 0;
    const ends = parts.map((part) => (end += part.length));
    if (parts.length > 0) batches.push({ bytes: Buffer.concat(parts), ends });
    parts = [];
  };
  for await (const { bytes } of log.entries(from, to)) {
    parts.push(bytes);
    if (parts.length === eventsPerAppend) flush();
  }
  flush();
  return batches;
}

function rowsOf(
  what: string,
  rounds: readonly LogThroughput[],
  floorName: string,
  floorRounds: readonly Throughput[],
): Row[] {
  const floor = (pick: (round: Throughput) => number) => ({
    ...{ what: floorName, values: floorRounds.map(pick) },
  });
  const perSecond = (round: Throughput): number => round.perSecond;
  return [
    row({
      ...{ what: `durable, ${what}`, unit: "events/s", values: rounds.map(perSecond) },
      ...{ baseline: floor(perSecond), aim: { atLeast: 200_000, ratioAtLeast: 0.5 } },
    }),
    row({
      ...{ what: `durable and sealed, ${what}`, unit: "events/s" },
      ...{ values: rounds.map((round) => round.sealedPerSecond), baseline: floor(perSecond) },
    }),
    row({
      ...{ what: `processor time with sealing, ${what}`, unit: "µs/event" },
      values: rounds.map((round) => round.cpuMicros),
      baseline: floor((round) => round.cpuMicros),
    }),
    row({
      ...{ what: `of it the main thread, ${what}`, unit: "µs/event" },
      values: rounds.map((round) => round.mainMicros),
    }),
    ...(["p50", "p99"] as const).map((name) =>
      row({
        ...{ what: `${name} of an append, ${what}`, unit: "ms" },
        values: rounds.map((round) => round.latencies[name]),
        baseline: floor((round) => round.latencies[name]),
      }),
    ),
  ];
}

function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `cairn verify` of a whole log, by the function behind it, with one thread per core. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { verifyDirectory } from "@cairnlog/verify";
import type { Benchmark } from "./benchmark.ts";
import { largeLog, largeLogName } from "./large-log.ts";
import { byTurns, ownCpuSeconds, residentMemory } from "./measure.ts";
import { row } from "./report.ts";
import { verifyFloor } from "./verify-floor.ts";

interface Measured {
  readonly perSecond: number;
  /** Of all threads together. */
  readonly cpuMicros: number;
}

export const verifyLog: Benchmark = {
  name: "verify",
  claim: "verify all of a log: half as fast as decompressing and hashing each entry once",
  async run(context) {
    const large = await largeLog(context);
    const folder = join(large.data, largeLogName);
    const workers = availableParallelism();
    const rounds = context.isQuick ? 1 : large.entries > 2_000_000 ? 2 : 5;
    const measured = async (work: () => Promise<number>): Promise<Measured> => {
      const cpuBefore = ownCpuSeconds();
      const begun = performance.now();
      const entries = await work();
      return {
        perSecond: (entries / (performance.now() - begun)) * 1000,
        cpuMicros: ((ownCpuSeconds() - cpuBefore) / entries) * 1e6,
      };
    };
    let memory: ReturnType<typeof residentMemory>;
    const found = await byTurns(rounds, {
      verify: () =>
        measured(async () => {
          const report = await verifyDirectory(folder, { workers });
          if (!report.ok) throw new Error(report.summary);
          // The first time, before the floor has taken any.
          memory ??= residentMemory(process.pid);
          return large.entries;
        }),
      floor: () => measured(() => verifyFloor(folder, workers)),
    });
    const floor = `floor, ${workers} threads`;
    return {
      rows: [
        row({
          ...{ what: `${large.entries.toLocaleString("en-US")} entries`, unit: "entries/s" },
          ...{ values: found.verify.map(({ perSecond }) => perSecond), aim: { ratioAtLeast: 0.5 } },
          baseline: { what: floor, values: found.floor.map(({ perSecond }) => perSecond) },
        }),
        row({
          ...{ what: "processor time", unit: "µs/entry" },
          values: found.verify.map(({ cpuMicros }) => cpuMicros),
          baseline: { what: floor, values: found.floor.map(({ cpuMicros }) => cpuMicros) },
        }),
      ],
      notes: [
        "keys are the log's own; the files are in the page cache",
        ...(memory === undefined ? [] : [`at most ${memory.peak.toFixed(0)} MiB resident`]),
      ],
    };
  },
};

/** `cairn verify` of a whole log, by the function behind it, with one thread per core. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { verifyDirectory } from "@cairnlog/verify";
import type { Benchmark } from "./benchmark.ts";
import { largeLog, largeLogName } from "./large-log.ts";
import { byTurns, residentMemory } from "./measure.ts";
import { row } from "./report.ts";
import { verifyFloor } from "./verify-floor.ts";

export const verifyLog: Benchmark = {
  name: "verify",
  claim: "verify all of a log: half as fast as decompressing and hashing each entry once",
  async run(context) {
    const large = await largeLog(context);
    const folder = join(large.data, largeLogName);
    const workers = availableParallelism();
    const rounds = context.isQuick ? 1 : large.entries > 2_000_000 ? 2 : 5;
    const perSecond = async (work: () => Promise<number>): Promise<number> => {
      const begun = performance.now();
      const entries = await work();
      return (entries / (performance.now() - begun)) * 1000;
    };
    const found = await byTurns(rounds, {
      verify: () =>
        perSecond(async () => {
          const report = await verifyDirectory(folder, { workers });
          if (!report.ok) throw new Error(report.summary);
          return large.entries;
        }),
      floor: () => perSecond(() => verifyFloor(folder, workers)),
    });
    const memory = residentMemory(process.pid);
    return {
      rows: [
        row({
          ...{ what: `${large.entries.toLocaleString("en-US")} entries`, unit: "entries/s" },
          ...{ values: found.verify, aim: { ratioAtLeast: 0.5 } },
          baseline: { what: `floor, ${workers} threads`, values: found.floor },
        }),
      ],
      notes: [
        "keys are the log's own; the files are in the page cache",
        ...(memory === undefined
          ? []
          : [`at most ${memory.peak.toFixed(0)} MiB resident, floor included`]),
      ],
    };
  },
};

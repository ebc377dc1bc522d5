/** HTTP, NDJSON batches of 500, over as few connections as do best. */
import type { Benchmark } from "./benchmark.ts";
import {
  commitNote,
  cpuRow,
  httpRounds,
  latencyRow,
  loadNote,
  throughputRow,
  withServers,
} from "./http-rounds.ts";
import { formatNumber } from "./report.ts";

const eventsPerRequest = 500;
const connectionsTried = [1, 2, 3, 4, 6, 8];
const p99MsMax = 60;

export const httpBatch: Benchmark = {
  name: "http-batch",
  claim: "NDJSON batches of 500: 130,000 durable events/s, p99 60 ms",
  run: (context) =>
    withServers(context, async (bench) => {
      let connections = 0;
      let best = 0;
      const tried: string[] = [];
      // The first run warms up, and counts for nothing.
      await bench.loadCairn({ connections: 4, eventsPerRequest });
      for (const count of context.isQuick ? [2, 4] : connectionsTried) {
        const { eventsPerSecond, latencies } = await bench.loadCairn({
          ...{ connections: count, eventsPerRequest },
        });
        tried.push(`${count}: ${formatNumber(eventsPerSecond)}/s`);
        if (eventsPerSecond > best && latencies.p99 <= p99MsMax) {
          connections = count;
          best = eventsPerSecond;
        }
      }
      if (connections === 0) connections = 4;
      const shape = { connections, eventsPerRequest };
      const rounds = await httpRounds(bench, context.isQuick ? 1 : 5, shape);
      return {
        rows: [
          throughputRow(`durable, ${connections} connections`, rounds, { atLeast: 130_000 }),
          latencyRow("of a request of 500", "p50", rounds),
          latencyRow("of a request of 500", "p99", rounds, { atMost: p99MsMax }),
          cpuRow(rounds),
        ],
        notes: [loadNote(rounds), commitNote(rounds), `connections tried: ${tried.join(", ")}`],
      };
    }),
};

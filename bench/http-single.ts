/** HTTP, one event a request, 64 connections, full receipts. */
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

export const httpSingle: Benchmark = {
  name: "http-single",
  claim:
    "one event a request, 64 connections, full receipts: 18,000 events/s, p99 15 ms, half of a bare server",
  run: (context) =>
    withServers(context, async (bench) => {
      const shape = { connections: 64, eventsPerRequest: 1 };
      const rounds = await httpRounds(bench, context.isQuick ? 1 : 5, shape);
      return {
        rows: [
          throughputRow("durable, full receipts", rounds, { atLeast: 18_000, ratioAtLeast: 0.5 }),
          latencyRow("of a request", "p50", rounds),
          latencyRow("of a request", "p99", rounds, { atMost: 15 }),
          cpuRow(rounds),
        ],
        notes: [loadNote(rounds), commitNote(rounds)],
      };
    }),
};

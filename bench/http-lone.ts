/** HTTP, one connection, one event at a time, full receipts: what somebody waits who is alone. */
import type { Benchmark } from "./benchmark.ts";
import {
  commitNote,
  cpuRow,
  latencyRow,
  loadNote,
  throughputRow,
  withServers,
} from "./http-rounds.ts";
import { byTurns } from "./measure.ts";

/** What a commit of one event writes: its entry, then a slot of the ring. */
const commitWrites = [440, 4096];

export const httpLone: Benchmark = {
  name: "http-lone",
  claim: "one connection, one event at a time, full receipts: p50 1.2 ms",
  run: (context) =>
    withServers(context, async (bench) => {
      const shape = { connections: 1, eventsPerRequest: 1 };
      const found = await byTurns(context.isQuick ? 1 : 5, {
        cairn: () => bench.loadCairn(shape),
        bare: () => bench.loadBare(shape),
        syncing: () => bench.loadBare(shape, commitWrites),
      });
      const { cairn, syncing } = found;
      const toSyncing = { cairn, bare: syncing };
      const name = "bare node:http and two durable writes";
      return {
        rows: [
          latencyRow("of a request", "p50", found, { atMost: 1.2 }),
          latencyRow("of a request", "p50", toSyncing, undefined, name),
          latencyRow("of a request", "p99", found),
          latencyRow("of a request", "p99", toSyncing, undefined, name),
          throughputRow("durable, full receipts", found),
          cpuRow(found),
        ],
        notes: [loadNote(found), commitNote(found)],
      };
    }),
};

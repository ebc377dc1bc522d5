/**
 * OTLP/HTTP logs in protobuf, 500 records a request, each answered when they are durable. The baseline is what comes of
 * them, sent to the same server as NDJSON: what is left between the two is OTLP itself.
 */
import { createLog } from "@cairnlog/log";
import { addSource } from "@cairnlog/server";
import { filesStore } from "@cairnlog/store";
import type { Benchmark } from "./benchmark.ts";
import { EventPool } from "./events.ts";
import type { LoadResult } from "./load.ts";
import { byTurns, cpuSecondsOf } from "./measure.ts";
import { otlpBody } from "./otlp-requests.ts";
import { startCairn, startLoad } from "./processes.ts";
import { row } from "./report.ts";

const recordsPerRequest = 500;
const connections = 4;
const logName = "main";
const source = { name: "otel", kind: "otlp", secret: "a-token-of-the-benchmark" };

interface Result extends LoadResult {
  /** Of the server, per event, with all that it does in the background. */
  readonly cpuMicros: number;
}

export const otlp: Benchmark = {
  name: "otlp",
  claim: "OTLP logs in protobuf: 50,000 durable records/s",
  async run({ folder, isQuick }) {
    const created = { name: logName, origin: "bench.example.com/logs/main" };
    await (await createLog(filesStore({ folder }), created)).close();
    addSource(folder, {
      ...{ name: source.name, kind: source.kind, log: logName, secrets: [source.secret] },
      ...{ options: {}, created: "2026-11-23T05:00:00.000Z" },
    });
    const cairn = await startCairn(folder, logName);
    const load = startLoad();
    const times = isQuick ? { warmUpMs: 300, measureMs: 700 } : { warmUpMs: 1000, measureMs: 4000 };
    const shape = { connections, eventsPerRequest: recordsPerRequest, ...times, seed: 7 };
    const asOtlp = {
      ...cairn,
      ...{ token: source.secret, path: `/v1/logs/${logName}/sources/${source.name}/v1/logs` },
    };
    const run = async (
      server: typeof cairn,
      format: "otlp" | "otlp-as-ndjson",
    ): Promise<Result> => {
      await cairn.settle();
      const before = cpuSecondsOf(cairn.pid);
      const result = await load.run(server, { ...shape, format });
      if (result.refused > 0) throw new Error(`${result.refused} requests were refused`);
      await cairn.settle();
      const cpuSeconds = cpuSecondsOf(cairn.pid) - before;
      return { ...result, cpuMicros: (cpuSeconds / result.eventsEver) * 1e6 };
    };
    try {
      const rounds = await byTurns(isQuick ? 1 : 5, {
        otlp: () => run(asOtlp, "otlp"),
        ndjson: () => run(cairn, "otlp-as-ndjson"),
      });
      const values = (results: readonly Result[], of: "eventsPerSecond" | "cpuMicros"): number[] =>
        results.map((result) => result[of]);
      const p99 = (results: readonly Result[]): number[] =>
        results.map(({ latencies }) => latencies.p99);
      const what = "the same events as NDJSON";
      const each = (side: "otlp" | "otlp-as-ndjson"): string =>
        `${Math.round(otlpBody(new EventPool(7, 1000), 0, 500, side).bytes.length / 500)}`;
      return {
        rows: [
          row({
            ...{ what: `durable, ${connections} connections`, unit: "records/s" },
            values: values(rounds.otlp, "eventsPerSecond"),
            baseline: { what, values: values(rounds.ndjson, "eventsPerSecond") },
            aim: { atLeast: 50_000 },
          }),
          row({
            ...{ what: `p99 of a request of ${recordsPerRequest}`, unit: "ms" },
            values: p99(rounds.otlp),
            baseline: { what, values: p99(rounds.ndjson) },
          }),
          row({
            ...{ what: "processor time of the server", unit: "µs/record" },
            values: values(rounds.otlp, "cpuMicros"),
            baseline: { what, values: values(rounds.ndjson, "cpuMicros") },
          }),
        ],
        notes: [
          `a record has ${each("otlp")} bytes on the wire, and is an event of ${each("otlp-as-ndjson")}`,
        ],
      };
    } finally {
      await Promise.all([cairn.stop(), load.stop()]);
    }
  },
};

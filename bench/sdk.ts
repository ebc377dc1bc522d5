/**
 * What the SDK costs the application: processor time of the thread that calls `log()`, for everything that is done on
 * it until the receipt is there (rendering, the queue or the spool, requests, answers, signatures), and the memory that
 * a full spool takes. The server is `cairn serve` in a process of its own; the baseline is `JSON.stringify` of the same
 * events, which is the least that whoever sends JSON does.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CairnClient, type CairnClientOptions } from "@cairnlog/client";
import { openSpool } from "@cairnlog/spool";
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { Benchmark } from "./benchmark.ts";
import { byTurns } from "./measure.ts";
import { startCairn } from "./processes.ts";
import { row } from "./report.ts";
import { eventOf, perTurn, threadMicros, type Filled } from "./sdk-load.ts";

const spoolBytesMax = 256 * 1024 * 1024;

export const sdk: Benchmark = {
  name: "sdk",
  claim: "the SDK: log() under 5 µs of the app's thread, under 64 MB at full spool",
  async run({ isQuick, folder, say }) {
    const count = isQuick ? 5_000 : 30_000;
    const data = join(folder, "data");
    const store = filesStore({ folder: data });
    const log = await createLog(store, { name: "bench", origin: "example.com/bench" });
    const vkeys = log.vkeys.slice();
    await log.close();
    const server = await startCairn(data, "bench");
    const options: CairnClientOptions = {
      url: `http://127.0.0.1:${server.port}`,
      key: server.token,
      log: "bench",
      vkeys,
      queueEventsMax: 1_000_000,
    };
    let spools = 0;
    const spool = async (): Promise<CairnClientOptions> => ({
      ...options,
      spool: await openSpool(join(folder, `spool-${++spools}`)),
    });
    try {
      say("filling a spool while the server is away");
      const filled = await fill(join(folder, "full"), isQuick ? 8 * 2 ** 20 : spoolBytesMax);
      const found = await byTurns(isQuick ? 1 : 3, {
        stringify: () => Promise.resolve(stringifyMicros(count)),
        memory: () => logMicros(options, count),
        spool: async () => await logMicros(await spool(), count),
      });
      const baseline = { what: "JSON.stringify", values: found.stringify };
      const aim = { atMost: 5 };
      const micros = (what: string, values: number[], aims = {}) =>
        row({ what, unit: "µs", values, baseline, ...aims });
      return {
        rows: [
          micros(
            "log()",
            found.memory.map(({ calls }) => calls),
            { aim },
          ),
          micros(
            "log() with a spool",
            found.spool.map(({ calls }) => calls),
            { aim },
          ),
          micros(
            "all until the receipt",
            found.memory.map(({ all }) => all),
          ),
          micros(
            "all, with a spool",
            found.spool.map(({ all }) => all),
          ),
          row({ what: "all, into the spool only", unit: "µs", values: [filled.micros], baseline }),
          row({
            ...{ what: "memory at full spool", unit: "MiB", values: [filled.memoryMib] },
            aim: { atMost: 64 },
          }),
        ],
        notes: [
          `processor time of the app's thread for an event of ${JSON.stringify(eventOf(1)).length} bytes; ` +
            `${count} a round, ${perTurn} a turn of the event loop, keys pinned`,
          `${filled.events} events in the full spool; memory is what the process, its heap held to 44 MiB, has more at its peak than before`,
        ],
      };
    } finally {
      await server.stop();
    }
  },
};

function stringifyMicros(count: number): number {
  let length = 0;
  const micros = threadMicros();
  for (let i = 0; i < count; i++) length += JSON.stringify(eventOf(i)).length;
  if (length === 0) throw new Error("nothing was written");
  return micros() / count;
}

interface LogMicros {
  /** In the calls of `log()`. */
  readonly calls: number;
  /** In everything, until the last receipt is there. */
  readonly all: number;
}

async function logMicros(options: CairnClientOptions, count: number): Promise<LogMicros> {
  const client = new CairnClient(options);
  const all = threadMicros();
  let calls = 0;
  for (let i = 0; i < count; i += perTurn) {
    const burst = threadMicros();
    for (let j = i; j < i + perTurn; j++) void client.log(eventOf(j));
    calls += burst();
    await turn();
  }
  await client.flush();
  const found = { calls: calls / count, all: all() / count };
  const { recordedEvents } = client.status();
  if (recordedEvents !== count) throw new Error(`${recordedEvents} of ${count} are recorded`);
  await client.close();
  return found;
}

/** In a process of its own, whose heap is held small: what a heap may grow to says nothing of what is kept in it. */
async function fill(folder: string, bytesMax: number): Promise<Filled> {
  mkdirSync(folder);
  const program = fileURLToPath(new URL("./sdk-fill.ts", import.meta.url));
  const execArgv = ["--max-old-space-size=40", "--max-semi-space-size=2"];
  const child = fork(program, [folder, String(bytesMax)], { execArgv });
  let filled: Filled | undefined;
  child.on("message", (message) => (filled = message as Filled));
  const [status] = (await once(child, "exit")) as [number | null];
  if (filled === undefined) throw new Error(`the spool was not filled (exit status ${status})`);
  return filled;
}

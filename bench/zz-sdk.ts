/**
 * What the SDK costs the application: processor time of the thread that calls `log()`, for everything that is done on
 * it until the receipt is there (rendering, the queue or the spool, requests, answers, signatures), and the memory that
 * a full spool takes. The server is `cairn serve` in a process of its own; the baseline is `JSON.stringify` of the same
 * events, which is the least that whoever sends JSON does.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { CairnClient, type CairnClientOptions, type EventInput } from "@cairnlog/client";
import { openSpool } from "@cairnlog/spool";
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { Benchmark } from "./benchmark.ts";
import { byTurns, residentMemory } from "./measure.ts";
import { startCairn } from "./processes.ts";
import { row } from "./report.ts";

/** As many are logged in one turn of the event loop. */
const perTurn = 100;
const spoolBytesMax = 256 * 1024 * 1024;

export const sdk: Benchmark = {
  name: "sdk",
  claim: "the SDK: under 5 µs of the app's thread an event, under 64 MB at full spool",
  async run({ isQuick, folder, say }) {
    const count = 50_000;
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
      const found = await byTurns(2, {
        stringify: () => Promise.resolve(stringifyMicros(count)),
        memory: () => logMicros(options, count),
        spool: async () => await logMicros(await spool(), count),
      });
      say("filling a spool while the server is away");
      const filled = await fill(join(folder, 'full'), 8*2**20);
      const what = "JSON.stringify";
      const baseline = { what, values: found.stringify };
      const aim = { atMost: 5 };
      return {
        rows: [
          row({ what: "app's thread, an event", unit: "µs", values: found.memory, baseline, aim }),
          row({ what: "with a spool", unit: "µs", values: found.spool, baseline, aim }),
          row({ what: "log() into a full spool", unit: "µs", values: [filled.micros], baseline }),
          row({
            ...{ what: "memory at full spool", unit: "MiB", values: [filled.memoryMib] },
            aim: { atMost: 64 },
          }),
        ],
        notes: [
          `${count} events of ${JSON.stringify(eventOf(1)).length} bytes a round, ${perTurn} a turn, keys pinned`,
          `${filled.events} events in the full spool of ${spoolBytesMax / 2 ** 20} MiB; memory is what the ` +
            "process has more at its peak than before",
        ],
      };
    } finally {
      await server.stop();
    }
  },
};

function eventOf(i: number): EventInput {
  return {
    type: "database.query",
    actor: { id: "alice@example.com", type: "user", ip: "203.0.113.9", session: "s-1" },
    action: "SELECT",
    targets: [{ type: "postgres", id: "orders-prod/public.orders" }],
    outcome: "success",
    trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    details: { statement: "SELECT * FROM orders WHERE id = $1", rows: i % 7, durationMs: 1.25 },
  };
}

function stringifyMicros(count: number): number {
  let length = 0;
  const micros = threadMicros();
  for (let i = 0; i < count; i++) length += JSON.stringify(eventOf(i)).length;
  if (length === 0) throw new Error("nothing was written");
  return micros() / count;
}

async function logMicros(options: CairnClientOptions, count: number): Promise<number> {
  const client = new CairnClient(options);
  const micros = threadMicros();
  for (let i = 0; i < count; i++) {
    void client.log(eventOf(i));
    if (i % perTurn === 0) await turn();
  }
  await client.flush();
  const each = micros() / count;
  const { recordedEvents } = client.status();
  if (recordedEvents !== count) throw new Error(`${recordedEvents} of ${count} are recorded`);
  await client.close();
  return each;
}

interface Filled {
  readonly events: number;
  readonly micros: number;
  readonly memoryMib: number;
}

async function fill(folder: string, bytesMax: number): Promise<Filled> {
  mkdirSync(folder);
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  const before = residentMemory(process.pid)?.now ?? Number.NaN;
  const client = new CairnClient({
    url: "http://127.0.0.1:9",
    spool: await openSpool(folder, { bytesMax }),
    fetch: () => Promise.reject(new Error("the server is away")),
    onError() {},
  });
  const micros = threadMicros();
  let peak = before;
  let events = 0;
  for (; client.status().rejectedEvents === 0; events++) {
    void client.log(eventOf(events));
    if (events % perTurn === 0) await turn();
    if (events % 10_000 === 0) peak = Math.max(peak, residentMemory(process.pid)?.now ?? 0);
  }
  const each = micros() / events;
  peak = Math.max(peak, residentMemory(process.pid)?.now ?? 0);
  await client.close();
  return { events, micros: each, memoryMib: peak - before };
}

/** Processor time of this thread alone, from now on. */
function threadMicros(): () => number {
  const before = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(before);
    return user + system;
  };
}

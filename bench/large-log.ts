/**
 * A log of many entries, made once and kept for later runs. Nothing ever writes to it after that: who wants to append
 * takes a copy, whose sealed files are links to those of the original, because sealed files are never opened for
 * writing by anybody.
 */
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { createLog, readNdjson, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { benchFolder, type BenchmarkContext } from "./benchmark.ts";
import { EventPool } from "./events.ts";

export const largeLogName = "large";
const eventsPerAppend = 2048;
const appendsInFlight = 4;
const segmentsUnsealedMax = 4;
const segmentEntries = 65_536;
/** Counts up when the events are others, or a format is: then logs of before are made anew. */
const recipe = 1;

export interface LargeLog {
  /** The data folder; the log is in the folder `large` of it. */
  readonly data: string;
  readonly entries: number;
  /** Bytes of all events as they were sent. */
  readonly eventBytes: number;
}

/** Finds or makes the log of `context.entries` entries. */
export async function largeLog({ entries, say }: BenchmarkContext): Promise<LargeLog> {
  const data = join(benchFolder(), `log-${entries}-r${recipe}`);
  const noteFile = join(data, "made.json");
  if (existsSync(noteFile)) return JSON.parse(readFileSync(noteFile, "utf8")) as LargeLog;
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  say(`making a log of ${entries.toLocaleString("en-US")} entries, kept in ${data}`);
  const begun = performance.now();
  const log = await createLog(filesStore({ folder: data }), {
    ...{ name: largeLogName, origin: "bench.example.com/logs/large" },
  });
  const eventBytes = await fill(log, entries, say);
  await log.close();
  const made: LargeLog = { data, entries, eventBytes };
  // Last: a log that was not finished is made again.
  writeFileSync(noteFile, JSON.stringify(made));
  say(`made in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return made;
}

/** Appends until the log has `entries` entries; returns the bytes of the events. */
async function fill(log: Log, entries: number, say: (line: string) => void): Promise<number> {
  const pool = new EventPool(3, 131_072);
  let asked = log.status().size;
  let eventBytes = 0;
  let saidAt = 0;
  const caller = async (): Promise<void> => {
    while (asked < entries) {
      const from = asked;
      const count = Math.min(eventsPerAppend, entries - asked);
      asked += count;
      // Appending is faster than sealing: what waits to be sealed is held in memory.
      const { size, sealedSize } = log.status();
      if (size - sealedSize > segmentsUnsealedMax * segmentEntries) await log.sealed();
      const batch = readNdjson(pool.batch(from, count));
      eventBytes += batch.byteLength;
      const { refused } = await log.append(batch, "bench");
      if (refused > 0) throw new Error(`${refused} events were refused`);
      if (size - saidAt < 1_000_000) continue;
      saidAt = size;
      say(`${size.toLocaleString("en-US")} entries`);
    }
  };
  await Promise.all(Array.from({ length: appendsInFlight }, caller));
  await log.sealed();
  return eventBytes;
}

/** A copy to write to, in the data folder `to`. */
export function copyLargeLog({ data }: LargeLog, to: string): void {
  for (const path of filesIn(data)) {
    const target = join(to, path);
    mkdirSync(dirname(target), { recursive: true });
    const isWrittenOnce = /^[^/]+\/(?:sealed|tree|index)\//.test(path);
    if (isWrittenOnce) linkSync(join(data, path), target);
    else cpSync(join(data, path), target);
  }
}

/** Every file under `folder`, by its path in there; none where there is no such folder. */
export function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    statSync(join(folder, path)).isFile(),
  );
}

/**
 * The scrubber at work: how soon a change to any file of a large log is located, how long a pass takes, and what it
 * costs the appends of the same process. The log is a real copy: what is damaged here must not be anybody's original.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog, openLog, readNdjson, type Log } from "@cairnlog/log";
import { defaultScrubBytesPerSecond, Scrubber } from "@cairnlog/scrub";
import { filesStore, tailPath } from "@cairnlog/store";
import { SeededRandom } from "@cairnlog/testing";
import type { Benchmark, BenchmarkContext } from "./benchmark.ts";
import { EventPool } from "./events.ts";
import { filesIn, largeLog, largeLogName } from "./large-log.ts";
import { byTurns, Samples } from "./measure.ts";
import { row, type Row } from "./report.ts";

const eventsPerAppend = 1024;
const appendsInFlight = 4;
const foundMsMax = 60_000;
const seed = 7;

export const scrub: Benchmark = {
  name: "scrub",
  claim:
    "a changed byte is located within a second, a pass takes minutes, and appending loses 5 % at most",
  async run(context) {
    const made = await largeLog(context);
    const data = join(context.folder, "copy");
    context.say("copying the log: it is going to be damaged");
    cpSync(made.data, data, { recursive: true });
    const files = filesIn(join(data, largeLogName)).filter((path) => path !== "LOCK");
    const located = await measureLocating(context, data, files);
    const pass = await measurePass(context, data);
    const cost = await measureCost(context, data);
    return {
      rows: [...located.rows, ...pass, ...cost],
      notes: [
        `${files.length} files, ${(bytesOf(data) / 2 ** 20).toFixed(0)} MiB; rate ${
          defaultScrubBytesPerSecond / 2 ** 20
        } MiB/s, a look every 250 ms; seed ${seed}`,
        ...located.notes,
      ],
    };
  },
};

interface Damage {
  readonly name: string;
  /** True where the log goes on after it: these are tried under load as well. */
  readonly isGentle: boolean;
  readonly paths: () => readonly string[];
  /** Returns how it is undone, where putting the old file back is not the way: the log has written to it since. */
  readonly run: (full: string) => Promise<void> | void | (() => void);
}

async function measureLocating(
  context: BenchmarkContext,
  data: string,
  files: readonly string[],
): Promise<{ rows: Row[]; notes: string[] }> {
  const random = new SeededRandom(seed);
  const mapper = await Mapper.start();
  const log = await openLog(filesStore({ folder: data }), largeLogName);
  const scrubber = new Scrubber();
  const folder = join(data, largeLogName);
  await scrubber.watch(log, folder);
  const damages = damagesOf(log, files, random, mapper);
  const rounds = context.isQuick ? 1 : 4;
  const rows: Row[] = [];
  const load = new Load(log);
  for (const isLoaded of [true, false]) {
    const samples = new Samples();
    const each = new Map<string, Samples>();
    if (isLoaded) load.begin();
    context.say(`damaging files ${isLoaded ? "while events are appended" : "of an idle log"}`);
    for (let round = 0; round < rounds; round++) {
      for (const { name, isGentle, paths, run } of damages) {
        if (isLoaded && !isGentle) continue;
        const path = random.pick(paths());
        const tookMs = await locate(log, folder, path, run);
        samples.add(tookMs);
        if (!each.has(name)) each.set(name, new Samples());
        each.get(name)!.add(tookMs);
        // Not in step with the looks.
        await sleep(random.below(300));
      }
    }
    await load.end();
    const what = isLoaded ? "located, under load" : "located, idle";
    const [p50, p95, worst] = samples.percentiles(0.5, 0.95, 1);
    rows.push(
      row({ what: `${what}: median`, unit: "ms", values: [p50!], aim: { atMost: 1000 } }),
      row({ what: `${what}: 95th percentile`, unit: "ms", values: [p95!], aim: { atMost: 3000 } }),
      row({ what: `${what}: worst of ${samples.count}`, unit: "ms", values: [worst!] }),
    );
    for (const [name, its] of each) {
      rows.push(row({ what: `  ${name}`, unit: "ms", values: its.percentiles(0.5) }));
    }
  }
  mapper?.end();
  await scrubber.close();
  await log.close();
  const notes = mapper === undefined ? ["no python3 here: no writes through a mapping"] : [];
  return { rows, notes };
}

function damagesOf(
  log: Log,
  files: readonly string[],
  random: SeededRandom,
  mapper?: Mapper,
): Damage[] {
  const live = (): string[] => ["commits", "checkpoint", tailPath(log.atRest().commit.tailFirst)];
  const fixed = files.filter((path) => /^(sealed|index|tree)\//.test(path));
  const place = (full: string): number => random.below(statSync(full).size);
  const flip = (full: string): (() => void) => {
    const isLive = full.includes("/tail/") || full.endsWith("commits");
    const from = full.endsWith("commits") ? newestSlot(readFileSync(full)) : 0;
    const at = from + (isLive ? 2 : place(full));
    flipByte(full, at);
    return () => flipByte(full, at);
  };
  const gentle = (name: string, run: Damage["run"]): Damage => ({
    ...{ name, isGentle: true, paths: () => fixed, run },
  });
  return [
    gentle("write", flip),
    gentle("truncate", (full) => truncateSync(full, random.below(statSync(full).size))),
    gentle("rename", (full) => renameSync(full, `${full}.away`)),
    gentle("unlink", (full) => rmSync(full)),
    ...(mapper === undefined ? [] : [gentle("mapped write", (full) => mapper.write(full, 4711))]),
    { name: "write, settings", isGentle: false, paths: () => ["log.json"], run: flip },
    { name: "write, live file", isGentle: false, paths: live, run: flip },
    {
      ...{ name: "write, key", isGentle: false, run: flip },
      paths: () => files.filter((path) => path.startsWith("keys/")),
    },
  ];
}

function flipByte(full: string, at: number): void {
  const descriptor = openSync(full, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, at);
  writeSync(descriptor, Uint8Array.of(byte[0]! ^ 0xff), 0, 1, at);
  closeSync(descriptor);
}

/** Offset of the slot with the largest number: u64be at byte 16 of each. */
function newestSlot(ring: Buffer): number {
  let newest = 0;
  for (let at = 0; at < ring.length; at += 4096) {
    if (ring.readBigUInt64BE(at + 16) > ring.readBigUInt64BE(newest + 16)) newest = at;
  }
  return newest;
}

/** Milliseconds from the damage to the alarm that names the file; then all is as before. */
async function locate(
  log: Log,
  folder: string,
  path: string,
  damage: Damage["run"],
): Promise<number> {
  const full = join(folder, path);
  const bytes = readFileSync(full);
  const { mode } = statSync(full);
  const aside = join(folder, "..", "aside");
  rmSync(aside, { force: true });
  linkSync(full, aside);
  // The link has moved the change time: that look is over before the clock is started.
  await sleep(700);
  const begun = performance.now();
  const undo = await damage(full);
  await until(() => alarmOf(log, path), `damage of ${path}`);
  const tookMs = performance.now() - begun;
  if (undo !== undefined) undo();
  else {
    rmSync(full, { force: true });
    rmSync(`${full}.away`, { force: true });
    linkSync(aside, full);
    writeFileSync(full, bytes, { flag: "r+", mode });
    truncateSync(full, bytes.length);
  }
  await until(() => !alarmOf(log, path), `the end of the damage of ${path}`);
  return tookMs;
}

function alarmOf(log: Log, path: string): boolean {
  return log.status().alarms.some(({ place }) => place.path === path);
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const end = performance.now() + foundMsMax;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not noticed: ${what}`);
    await sleep(2);
  }
}

async function measurePass(context: BenchmarkContext, data: string): Promise<Row[]> {
  const log = await openLog(filesStore({ folder: data }), largeLogName);
  const scrubber = new Scrubber();
  await scrubber.watch(log, join(data, largeLogName));
  context.say("a whole pass");
  const begun = performance.now();
  const cpuBefore = process.cpuUsage();
  while ((log.status().scrubbing?.passes ?? 0) === 0) await sleep(100);
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - begun) / 1000;
  const { lastPass, isDirect } = log.status().scrubbing!;
  const { alarms } = log.status();
  await scrubber.close();
  await log.close();
  if (alarms.length > 0) throw alarms[0]!;
  const how = isDirect === true ? "past the page cache" : "through the page cache";
  return [
    row({
      ...{ what: `first pass, ${how}`, unit: "s", values: [lastPass!.durationMs / 1000] },
      aim: { atMost: 300 },
    }),
    row({
      ...{ what: "  processor time of the process meanwhile", unit: "% of a core" },
      values: [(user + system) / 1e4 / seconds],
    }),
  ];
}

async function measureCost(context: BenchmarkContext, data: string): Promise<Row[]> {
  const store = filesStore({ folder: join(context.folder, "append") });
  const log = await createLog(store, { name: "append", origin: "bench.example.com/logs/append" });
  const large = await openLog(filesStore({ folder: data }), largeLogName);
  const pool = new EventPool(1, 65_536);
  const appends = context.isQuick ? 64 : 512;
  let from = 0;
  const measured = async (): Promise<number> => {
    await log.sealed();
    const begun = performance.now();
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next++ < appends) {
        const { refused } = await log.append(readNdjson(pool.batch(from, eventsPerAppend)), "b");
        if (refused > 0) throw new Error("an event was refused");
        from += eventsPerAppend;
      }
    };
    await Promise.all(Array.from({ length: appendsInFlight }, caller));
    return ((appends * eventsPerAppend) / (performance.now() - begun)) * 1000;
  };
  const found = await byTurns(context.isQuick ? 1 : 3, {
    without: measured,
    with: async () => {
      // A new scrubber each time: it remembers nothing, so that every file is verified whole.
      const scrubber = new Scrubber({ passMs: 0 });
      await scrubber.watch(large, join(data, largeLogName));
      await scrubber.watch(log, join(context.folder, "append", "append"));
      const perSecond = await measured();
      await scrubber.close();
      const alarm = [...log.status().alarms, ...large.status().alarms][0];
      if (alarm !== undefined) throw alarm;
      return perSecond;
    },
  });
  await log.close();
  await large.close();
  return [
    row({
      ...{ what: "append with the scrubber", unit: "events/s", values: found.with },
      ...{ baseline: { what: "without", values: found.without }, aim: { ratioAtLeast: 0.95 } },
    }),
  ];
}

/** Appends to a log as long as it is told to. */
class Load {
  readonly #log: Log;
  readonly #pool = new EventPool(5, 65_536);
  #isOn = false;
  #running: Promise<void> = Promise.resolve();

  constructor(log: Log) {
    this.#log = log;
  }

  begin(): void {
    this.#isOn = true;
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isOn = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    let from = 0;
    while (this.#isOn) {
      await this.#log.append(readNdjson(this.#pool.batch(from, eventsPerAppend)), "load");
      from += eventsPerAppend;
      // Some 30,000 events a second: the log is to be busy, and not to become another one meanwhile.
      await sleep(30);
    }
  }
}

const mapperProgram = `
import mmap, os, sys
for line in sys.stdin:
    path, at = line.rstrip("\\n").rsplit(" ", 1)
    f = os.open(path, os.O_RDWR)
    m = mmap.mmap(f, 0)
    m[int(at)] = m[int(at)] ^ 0xff
    m.close()
    os.close(f)
    print("done", flush=True)
`;

/** Writes through a mapping, which Node cannot. */
class Mapper {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
  }

  static async start(): Promise<Mapper | undefined> {
    const child = spawn("python3", ["-c", mapperProgram], { stdio: ["pipe", "pipe", "ignore"] });
    const isThere = await Promise.race([
      once(child, "spawn").then(() => true),
      once(child, "error").then(() => false),
    ]);
    return isThere ? new Mapper(child) : undefined;
  }

  async write(path: string, at: number): Promise<void> {
    const done = once(this.#child.stdout, "data");
    this.#child.stdin.write(`${path} ${at}\n`);
    await done;
  }

  end(): void {
    this.#child.stdin.end();
  }
}

function bytesOf(folder: string): number {
  return filesIn(folder).reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
}

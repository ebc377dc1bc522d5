/**
 * Numbers out of samples, and what else went on in the machine meanwhile. A benchmark runs in rounds, what it measures
 * and its baseline by turns, so that a machine that slows down slows both; what is told is the median of the rounds.
 */
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** One number of several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return { median: Number.NaN, min: Number.NaN, max: Number.NaN };
  const middle = Math.floor(sorted.length / 2);
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Every sample, kept: a few hundred thousand numbers cost nothing, and nothing is rounded into buckets. */
export class Samples {
  #values = new Float64Array(4096);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
  }

  get count(): number {
    return this.#count;
  }

  /** The smallest sample that `share` of all samples do not exceed (nearest rank). */
  percentiles(...shares: number[]): number[] {
    const sorted = this.#values.slice(0, this.#count).sort();
    return shares.map((share) => sorted[Math.max(0, Math.ceil(share * this.#count) - 1)] ?? NaN);
  }
}

export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function latenciesOf(samples: Samples): Latencies {
  const [p50, p99, max] = samples.percentiles(0.5, 0.99, 1);
  return { p50: p50!, p99: p99!, max: max! };
}

/** Runs the sides by turns, a warm-up round first, whose results are thrown away. */
export async function byTurns<Results extends Record<string, unknown>>(
  rounds: number,
  sides: { readonly [Side in keyof Results]: () => Promise<Results[Side]> },
): Promise<{ [Side in keyof Results]: Results[Side][] }> {
  const names = Object.keys(sides) as (keyof Results)[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as {
    [Side in keyof Results]: Results[Side][];
  };
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const result = await sides[name]();
      if (round > 0) results[name].push(result);
    }
  }
  return results;
}

/** How busy the machine is with others: their noise is in the figures. */
export interface Noise {
  /** Load average of the last minute. */
  readonly load: number;
  /** Share of all cores' time that is in use while we wait for nothing, 0 to 1. */
  readonly busy: number;
}

export async function noise(): Promise<Noise> {
  const before = cpuTimes();
  await sleep(500);
  const after = cpuTimes();
  const all = after.all - before.all;
  return {
    load: Math.round(loadavg()[0]! * 100) / 100,
    busy: all === 0 ? 0 : Math.round((1 - (after.idle - before.idle) / all) * 100) / 100,
  };
}

function cpuTimes(): { readonly all: number; readonly idle: number } {
  let all = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.irq + times.idle;
    idle += times.idle;
  }
  return { all, idle };
}

/** Seconds of processor time that this process has used, all its threads together. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The same of another process, in steps of 10 ms. Linux only; NaN elsewhere. */
export function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 1/100 s; the name in field 2 may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

/** Resident memory of a process in mebibytes: now and at most so far. Linux only; undefined elsewhere. */
export function residentMemory(
  pid: number,
): { readonly now: number; readonly peak: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kibibytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+([0-9]+) kB`, "m").exec(status)?.[1]);
    return { now: kibibytes("VmRSS") / 1024, peak: kibibytes("VmHWM") / 1024 };
  } catch {
    return undefined;
  }
}

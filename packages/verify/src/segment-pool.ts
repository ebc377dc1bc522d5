/**
 * Checks sealed files side by side: one thread per core, each taking the next file when it is done with one. The
 * calling thread is one of them, and lets others have a turn every few milliseconds. Each file is self-contained; that
 * they continue one another is compared afterwards, by whoever has the results in order.
 *
 * A single file, or files that only this process sees, are checked in the calling thread alone.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { CairnError, type Crypto } from "@cairnlog/core";
import type { LogFolder } from "./folder.ts";
import {
  checkJob,
  DirectFiles,
  takeJobs,
  type BadSegment,
  type SegmentJob,
  type SoundSegment,
} from "./segment-job.ts";

export type SegmentResult = SoundSegment | BadSegment;

export interface WorkerTask {
  readonly folder: string;
  readonly jobs: readonly SegmentJob[];
  /** Index of the next job, shared by all threads. */
  readonly next: Int32Array<SharedArrayBuffer>;
}

export type FromWorker =
  | { readonly kind: "progress"; readonly entries: number }
  | {
      readonly kind: "done";
      readonly index: number;
      readonly result: SegmentResult;
      /** Entries that were told of as progress already. */
      readonly told: number;
    };

export interface PoolOptions {
  readonly folder: LogFolder;
  readonly crypto: Crypto;
  /** Threads, the calling one among them; default: one per core. 0 or 1 means that one alone. */
  readonly workers: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEntries: (count: number) => void;
}

const segmentEntries = 65_536;
const endedEarly = "a verifying thread ended before its work";
/** What a thread throws away is small, and comes fast: the usual limit lets far more of it pile up. */
const maxYoungGenerationSizeMb = 4;

/** The results, in the order of the jobs. Rejects when aborted, or when a thread breaks. */
export async function checkSegments(
  jobs: readonly SegmentJob[],
  options: PoolOptions,
): Promise<SegmentResult[]> {
  const wanted = options.workers ?? availableParallelism();
  const threads = Math.min(wanted, jobs.length);
  if (threads < 2 || !options.folder.isReal) return checkHere(jobs, options);
  return new Pool(jobs, options, threads).run();
}

async function checkHere(
  jobs: readonly SegmentJob[],
  { folder, crypto, signal, onEntries }: PoolOptions,
): Promise<SegmentResult[]> {
  const results: SegmentResult[] = [];
  for (const job of jobs) {
    let told = 0;
    const result = await checkJob(job, folder, crypto, (entries) => {
      onEntries(entries - told);
      told = entries;
      signal?.throwIfAborted();
    });
    results.push(result);
  }
  return results;
}

class Pool {
  readonly #jobs: readonly SegmentJob[];
  readonly #options: PoolOptions;
  readonly #threads: number;
  readonly #results: (SegmentResult | undefined)[];
  /** Index of the next job: all threads count it up, so that none waits for another to be given one. */
  readonly #next = new Int32Array(new SharedArrayBuffer(4));
  readonly #workers: Worker[] = [];

  constructor(jobs: readonly SegmentJob[], options: PoolOptions, threads: number) {
    this.#jobs = jobs;
    this.#options = options;
    this.#threads = threads;
    this.#results = jobs.map(() => undefined);
  }

  async run(): Promise<SegmentResult[]> {
    const { signal } = this.#options;
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort);
    });
    const ends: Promise<void>[] = [];
    try {
      signal?.throwIfAborted();
      // A thread needs up to 200 ms to begin: this one is here already.
      for (let i = 1; i < this.#threads; i++) ends.push(this.#start());
      ends.push(this.#checkHere());
      await Promise.race([aborted, Promise.all(ends)]);
    } finally {
      Atomics.store(this.#next, 0, this.#jobs.length);
      signal?.removeEventListener("abort", onAbort);
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
      // Nothing goes on when this is over.
      await Promise.allSettled(ends);
    }
    return this.#results.map((result) => {
      if (result === undefined) throw new CairnError("unavailable", endedEarly);
      return result;
    });
  }

  async #checkHere(): Promise<void> {
    const { folder, crypto, signal } = this.#options;
    const files = new DirectFiles(folder.location, true);
    const onDone = (index: number, result: SegmentResult, told: number): void =>
      this.#take(index, result, told);
    const onEntries = (entries: number): void => {
      this.#options.onEntries(entries);
      signal?.throwIfAborted();
    };
    await takeJobs(this.#jobs, this.#next, files, crypto, onEntries, onDone);
  }

  /** Resolves when the thread finds no more jobs. */
  async #start(): Promise<void> {
    // Sources run as .ts, the published package as .js.
    const name = import.meta.url.endsWith(".ts") ? "./segment-worker.ts" : "./segment-worker.js";
    const task: WorkerTask = {
      folder: this.#options.folder.location,
      jobs: this.#jobs,
      next: this.#next,
    };
    const worker = new Worker(new URL(name, import.meta.url), {
      workerData: task,
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    this.#workers.push(worker);
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "progress") this.#options.onEntries(message.entries);
      else this.#take(message.index, message.result, message.told);
    });
    await new Promise<void>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("exit", (status) => {
        if (status === 0) resolve();
        else reject(new CairnError("unavailable", endedEarly));
      });
    });
  }

  #take(index: number, result: SegmentResult, told: number): void {
    this.#results[index] = result;
    if (result.isSound) this.#options.onEntries(segmentEntries - told);
  }
}

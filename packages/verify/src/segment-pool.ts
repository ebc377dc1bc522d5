/**
 * Checks sealed files side by side: one thread per core, each taking the next file when it is done with one. Each file
 * is self-contained; that they continue one another is compared afterwards, by whoever has the results in order.
 *
 * A few files, or files that only this process sees, are checked in the calling thread.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { CairnError, type Crypto } from "@cairnlog/core";
import type { LogFolder } from "./folder.ts";
import { checkJob, type BadSegment, type SegmentJob, type SoundSegment } from "./segment-job.ts";

export type SegmentResult = SoundSegment | BadSegment;

export interface ToWorker {
  readonly index: number;
  readonly job: SegmentJob;
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
  /** Threads; default: one per core. 0 or 1 means the calling thread. */
  readonly workers: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEntries: (count: number) => void;
}

const segmentEntries = 65_536;

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
  readonly #results: SegmentResult[] = [];
  readonly #workers: Worker[] = [];
  #next = 0;
  #done = 0;

  constructor(jobs: readonly SegmentJob[], options: PoolOptions, threads: number) {
    this.#jobs = jobs;
    this.#options = options;
    this.#threads = threads;
  }

  async run(): Promise<SegmentResult[]> {
    const { signal } = this.#options;
    let onAbort = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        onAbort = () => reject(signal?.reason as Error);
        signal?.addEventListener("abort", onAbort);
        if (signal?.aborted === true) onAbort();
        else for (let i = 0; i < this.#threads; i++) this.#start(resolve, reject);
      });
    } finally {
      signal?.removeEventListener("abort", onAbort);
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
    }
    return this.#results;
  }

  #start(resolve: () => void, reject: (error: Error) => void): void {
    // Sources run as .ts, the published package as .js.
    const name = import.meta.url.endsWith(".ts") ? "./segment-worker.ts" : "./segment-worker.js";
    const worker = new Worker(new URL(name, import.meta.url), {
      workerData: { folder: this.#options.folder.location },
    });
    this.#workers.push(worker);
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "progress") this.#options.onEntries(message.entries);
      else this.#take(worker, message, resolve);
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      reject(new CairnError("unavailable", "a verifying thread ended before its work"));
    });
    this.#give(worker);
  }

  #take(
    worker: Worker,
    { index, result, told }: Extract<FromWorker, { kind: "done" }>,
    resolve: () => void,
  ): void {
    this.#results[index] = result;
    this.#done++;
    if (result.isSound) this.#options.onEntries(segmentEntries - told);
    if (this.#done === this.#jobs.length) resolve();
    else this.#give(worker);
  }

  #give(worker: Worker): void {
    const job = this.#jobs[this.#next];
    if (job === undefined) return;
    const message: ToWorker = { index: this.#next, job };
    this.#next++;
    worker.postMessage(message);
  }
}

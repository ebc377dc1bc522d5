/**
 * A thread that reads large batches of NDJSON beside the writer. Reading events strictly costs about as much as
 * recording them, so on two cores an app that appends large batches gets nearly twice as many through. The result is
 * that of `readNdjson`, byte for byte: it is the same code. One thread serves all logs of a process; it is started with
 * the first large batch and ends when it has had nothing to do for a while.
 */
import { Worker } from "node:worker_threads";
import { CairnError, type CairnErrorCode, type ErrorPlace } from "@cairnlog/core";
import { EventBatch, readNdjson, type EventBatchParts } from "./event-batch.ts";

/** Smaller batches are read faster than they are handed over and back. */
const threadBytesMin = 64 * 1024;
const idleMs = 10_000;
/** What it allocates dies young: a small nursery keeps the process small, at no cost that could be measured. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 };

export interface ScanRequest {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export interface ScanRefusal {
  readonly i: number;
  readonly code: CairnErrorCode;
  readonly message: string;
  readonly place: ErrorPlace;
}

export interface ScanAnswer extends Omit<EventBatchParts, "refusals"> {
  readonly id: number;
  readonly refusals: readonly ScanRefusal[];
}

interface Waiting {
  resolve(batch: EventBatch): void;
  reject(error: Error): void;
}

class ScanThread {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();

  scan(bytes: Uint8Array): Promise<EventBatch> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const id = this.#nextId++;
    // A copy, because handing the caller's own buffer over would empty it.
    const copy = bytes.slice();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const request: ScanRequest = { id, bytes: copy };
      worker.postMessage(request, [copy.buffer]);
    });
  }

  #start(): Worker {
    // Sources run as .ts, the published package as .js.
    const name = import.meta.url.endsWith(".ts") ? "./scan-worker.ts" : "./scan-worker.js";
    const worker = new Worker(new URL(name, import.meta.url), { resourceLimits });
    worker.on("message", (answer: ScanAnswer) => this.#answer(worker, answer));
    worker.on("error", (error: Error) => this.#end(worker, error));
    worker.on("exit", () => this.#end(worker, new Error("the scanning thread ended")));
    return worker;
  }

  #answer(worker: Worker, answer: ScanAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#rest(worker);
    const refusals = new Map<number, CairnError>();
    for (const { i, code, message, place } of answer.refusals) {
      refusals.set(i, new CairnError(code, message, { place }));
    }
    waiting?.resolve(EventBatch.of({ ...answer, refusals }));
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#idle = setTimeout(() => {
      if (this.#worker === worker) this.#worker = undefined;
      void worker.terminate();
    }, idleMs);
    this.#idle.unref();
  }

  #end(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

const scanThread = new ScanThread();

/** What `readNdjson` returns, read by another thread where the batch is large enough for that to pay. */
export function readNdjsonBeside(bytes: Uint8Array): Promise<EventBatch> {
  if (bytes.length < threadBytesMin) return Promise.resolve(readNdjson(bytes));
  return scanThread.scan(bytes);
}

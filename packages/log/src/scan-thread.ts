/**
 * A thread that reads large batches of NDJSON beside the writer. Reading events strictly costs about as much as
 * recording them, so on two cores an app that appends large batches gets nearly twice as many through. The result is
 * that of `readNdjson`, byte for byte: it is the same code. One thread serves all logs of a process; it is started with
 * the first large batch and ends when it has had nothing to do for a while.
 */
import { CairnError, type CairnErrorCode, type ErrorPlace } from "@cairnlog/core";
import { EventBatch, readNdjson, type EventBatchParts } from "./event-batch.ts";
import { workerUrl, WorkerThread } from "./worker-thread.ts";

/** Smaller batches are read faster than they are handed over and back. */
const threadBytesMin = 64 * 1024;

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

export class ScanThread {
  readonly #thread: WorkerThread<ScanRequest, ScanAnswer>;

  constructor(url: URL = workerUrl("scan-worker")) {
    this.#thread = new WorkerThread("the thread that reads NDJSON", url);
  }

  /** "unavailable" where the thread died: then nothing of the batch was recorded. */
  scan(bytes: Uint8Array): Promise<EventBatch> {
    // A copy, because handing the caller's own memory over would empty it. `slice` makes none of Node's Buffer.
    const copy = new Uint8Array(bytes);
    return new Promise((resolve, reject) => {
      const take = (answer: ScanAnswer): boolean => {
        resolve(batchOf(answer));
        return true;
      };
      this.#thread.start((id) => ({ id, bytes: copy }), { take, lost: reject }, [copy.buffer]);
    });
  }
}

/** Errors do not survive the way from thread to thread: they are made anew. */
function batchOf(answer: ScanAnswer): EventBatch {
  const refusals = new Map<number, CairnError>();
  for (const { i, code, message, place } of answer.refusals) {
    refusals.set(i, new CairnError(code, message, { place }));
  }
  return EventBatch.of({ ...answer, refusals });
}

const scanThread = new ScanThread();

/** What `readNdjson` returns, read by another thread where the batch is large enough for that to pay. */
export function readNdjsonBeside(bytes: Uint8Array): Promise<EventBatch> {
  if (bytes.length < threadBytesMin) return Promise.resolve(readNdjson(bytes));
  return scanThread.scan(bytes);
}

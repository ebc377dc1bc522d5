/**
 * The thread that seals segments, one for all logs of a process, started when the first segment is full and ended
 * when there has been nothing to do for a while. Private keys never go there: the thread asks for the signature.
 */
import { Worker } from "node:worker_threads";
import {
  CairnError,
  isCairnError,
  type CairnErrorCode,
  type ErrorPlace,
  type Seal,
} from "@cairnlog/core";
import type { SealingJob, SignSeal } from "./seal-segment.ts";

/** What goes to the thread … */
export type ToThread =
  | ({
      readonly kind: "seal";
      readonly id: number;
      readonly folder: string;
      readonly log: string;
    } & {
      readonly job: SealingJob;
    })
  | { readonly kind: "signed"; readonly id: number; readonly note: string }
  | {
      readonly kind: "refused";
      readonly id: number;
      readonly code: CairnErrorCode;
      readonly message: string;
    };

/** … and what comes back. */
export type FromThread =
  | { readonly kind: "sign"; readonly id: number; readonly seal: Seal }
  | { readonly kind: "sealed"; readonly id: number }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly code: CairnErrorCode;
      readonly message: string;
      readonly place: ErrorPlace;
    };

interface Waiting {
  readonly sign: SignSeal;
  resolve(): void;
  reject(error: Error): void;
}

const idleMs = 10_000;
/** What it allocates dies young: a small nursery keeps the process small, at no cost that could be measured. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 };

class SealingThread {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();

  /** Seals a segment of the log in `folder`. */
  seal(folder: string, log: string, job: SealingJob, sign: SignSeal): Promise<void> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { sign, resolve, reject });
      post(worker, { kind: "seal", id, folder, log, job });
    });
  }

  #start(): Worker {
    // Sources run as .ts, the published package as .js.
    const name = import.meta.url.endsWith(".ts") ? "./seal-worker.ts" : "./seal-worker.js";
    const worker = new Worker(new URL(name, import.meta.url), { resourceLimits });
    worker.on("message", (message: FromThread) => this.#answer(worker, message));
    worker.on("error", (error: Error) => this.#end(worker, error));
    worker.on("exit", () => this.#end(worker, new Error("the sealing thread ended")));
    return worker;
  }

  #answer(worker: Worker, message: FromThread): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    const { id } = message;
    if (message.kind === "sign") {
      waiting.sign(message.seal).then(
        (note) => post(worker, { kind: "signed", id, note }),
        (error: unknown) => {
          const code = isCairnError(error) ? error.code : "internal";
          const text = error instanceof Error ? error.message : String(error);
          post(worker, { kind: "refused", id, code, message: text });
        },
      );
      return;
    }
    this.#waiting.delete(id);
    this.#rest(worker);
    if (message.kind === "sealed") waiting.resolve();
    else waiting.reject(new CairnError(message.code, message.message, { place: message.place }));
  }

  #rest(worker: Worker): void {
    if (this.#waiting.size > 0) return;
    worker.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, idleMs);
    this.#idle.unref();
  }

  #end(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) {
      waiting.reject(
        new CairnError("unavailable", `sealing stopped: ${error.message}`, { cause: error }),
      );
    }
    this.#waiting.clear();
  }
}

function post(worker: Worker, message: ToThread): void {
  worker.postMessage(message);
}

export const sealingThread = new SealingThread();

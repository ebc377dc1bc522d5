/**
 * A worker thread that is started with the first task, and ended when there has been none for a while. It keeps the
 * process alive only while there is a task. What a task is, only its two ends know: `scan-thread.ts` and
 * `scan-worker.ts`, `sealing-thread.ts` and `seal-worker.ts`. All messages of a task, to and fro, carry its number.
 *
 * A thread that dies takes its tasks with it: each is told so once, with "unavailable". The next task starts another.
 */
import { Worker } from "node:worker_threads";
import { CairnError } from "@cairnlog/core";

const idleMs = 10_000;
/** What they allocate dies young: a small nursery keeps the process small, at no cost that could be measured. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

export interface TaskMessage {
  readonly id: number;
}

export interface Task<FromThread> {
  /** Takes a message of the thread; returns whether it was the last one of this task. */
  take(message: FromThread): boolean;
  /** The thread ended before the task did. */
  lost(error: CairnError): void;
}

/** The file of the worker `name` in this folder. Sources run as .ts, the published package as .js. */
export function workerUrl(name: string): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./${name}.${extension}`, import.meta.url);
}

export class WorkerThread<ToThread extends TaskMessage, FromThread extends TaskMessage> {
  readonly #what: string;
  readonly #url: URL;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;
  readonly #tasks = new Map<number, Task<FromThread>>();

  /** `what` names it in messages: "the sealing thread". */
  constructor(what: string, url: URL) {
    this.#what = what;
    this.#url = url;
  }

  /** Starts a task: posts what `messageOf` makes of its number, and hands over the memory in `transfer`. */
  start(
    messageOf: (id: number) => ToThread,
    task: Task<FromThread>,
    transfer: readonly ArrayBuffer[] = [],
  ): void {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#startWorker());
    worker.ref();
    const id = this.#nextId++;
    this.#tasks.set(id, task);
    worker.postMessage(messageOf(id), transfer);
  }

  /** Posts one more message of a task; none if the task is over. */
  post(message: ToThread): void {
    if (this.#tasks.has(message.id)) this.#worker?.postMessage(message);
  }

  #startWorker(): Worker {
    const worker = new Worker(this.#url, { resourceLimits });
    worker.on("message", (message: FromThread) => this.#take(worker, message));
    worker.on("error", (error: Error) => this.#end(worker, error));
    worker.on("exit", (code) => this.#end(worker, new Error(`it ended with status ${code}`)));
    return worker;
  }

  #take(worker: Worker, message: FromThread): void {
    const isOver = this.#tasks.get(message.id)?.take(message) ?? false;
    if (!isOver) return;
    this.#tasks.delete(message.id);
    if (this.#tasks.size === 0) this.#rest(worker);
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#idle = setTimeout(() => {
      if (this.#worker === worker) this.#worker = undefined;
      void worker.terminate();
    }, idleMs);
    this.#idle.unref();
  }

  #end(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    clearTimeout(this.#idle);
    const lost = [...this.#tasks.values()];
    this.#tasks.clear();
    for (const task of lost) {
      const what = `${this.#what} died (${cause.message}); try again: another one is started`;
      task.lost(new CairnError("unavailable", what, { cause }));
    }
  }
}

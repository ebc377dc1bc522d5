/** The inside of a verifying thread, which ends when nothing is left to do: `segment-pool.ts` says what it is for. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { DirectFiles, takeJobs } from "./segment-job.ts";
import type { FromWorker, WorkerTask } from "./segment-pool.ts";

const port = parentPort;
assert(port !== null, "this file runs in a thread");

function answer(message: FromWorker): void {
  port?.postMessage(message);
}

const { folder, jobs, next } = workerData as WorkerTask;
await takeJobs(
  ...([jobs, next, new DirectFiles(folder, false), nodeCrypto] as const),
  (entries) => answer({ kind: "progress", entries }),
  (index, result, told) => answer({ kind: "done", index, result, told }),
);

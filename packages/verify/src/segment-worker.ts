/** The inside of a verifying thread: `segment-pool.ts` says what it is for. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { checkJob, DirectFiles } from "./segment-job.ts";
import type { FromWorker, ToWorker } from "./segment-pool.ts";

const port = parentPort;
assert(port !== null, "this file runs in a thread");

const files = new DirectFiles((workerData as { readonly folder: string }).folder);
/** Entries between two messages about progress. */
const progressEvery = 8192;

function answer(message: FromWorker): void {
  port?.postMessage(message);
}

async function run({ index, job }: ToWorker): Promise<void> {
  let told = 0;
  const result = await checkJob(job, files, nodeCrypto, (entries) => {
    if (entries - told < progressEvery) return;
    answer({ kind: "progress", entries: entries - told });
    told = entries;
  });
  files.close();
  answer({ kind: "done", index, result, told });
}

port.on("message", (message: ToWorker) => {
  // What is thrown here is a bug of ours: it ends the thread, and the pool reports it.
  void run(message).catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
});

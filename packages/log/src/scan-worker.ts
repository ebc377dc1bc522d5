/** The inside of the scanning thread: `scan-thread.ts` says what it is for. */
import { parentPort } from "node:worker_threads";
import { assert } from "@cairnlog/core";
import { readNdjson } from "./event-batch.ts";
import type { ScanAnswer, ScanRefusal, ScanRequest } from "./scan-thread.ts";

const port = parentPort;
assert(port !== null, "this file runs in a thread");

port.on("message", ({ id, bytes }: ScanRequest) => {
  const batch = readNdjson(bytes);
  const refusals: ScanRefusal[] = [];
  for (const [i, { code, message, place }] of batch.refusals) {
    refusals.push({ i, code, message, place });
  }
  const { start, end, idStart, idEnd } = batch;
  const { count, byteLength, withBlobs } = batch;
  const answer: ScanAnswer = {
    id,
    count,
    byteLength,
    bytes: batch.bytes,
    refusals,
    start,
    end,
    idStart,
    idEnd,
    withBlobs,
    numbered: batch.numbered?.parts(),
  };
  const { streamOf, numbers, timesMs } = answer.numbered ?? {};
  const owned = [batch.bytes, start, end, idStart, idEnd, streamOf, numbers, timesMs]
    .filter((part) => part !== undefined)
    .map((part) => part.buffer as ArrayBuffer);
  port.postMessage(answer, owned);
});

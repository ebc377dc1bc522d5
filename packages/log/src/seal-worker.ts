/** The inside of the sealing thread: `sealing-thread.ts` says what it is for. */
import { parentPort } from "node:worker_threads";
import { assert, CairnError, isCairnError, type Seal } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { compressFrameHere, openSealingFiles } from "@cairnlog/store";
import { sealSegment } from "./seal-segment.ts";
import type { FromThread, ToThread } from "./sealing-thread.ts";

const port = parentPort;
assert(port !== null, "this file runs in a thread");

const signatures = new Map<number, { resolve(note: string): void; reject(error: Error): void }>();
/** One segment after the other: a second one would only compete for the same disk and core. */
let queue: Promise<void> = Promise.resolve();

function answer(message: FromThread): void {
  port?.postMessage(message);
}

async function run(message: Extract<ToThread, { kind: "seal" }>): Promise<void> {
  const { id, folder, log, job } = message;
  try {
    const files = openSealingFiles(folder, log);
    const sign = (seal: Seal): Promise<string> => {
      const signed = new Promise<string>((resolve, reject) => {
        signatures.set(id, { resolve, reject });
      });
      answer({ kind: "sign", id, seal });
      return signed;
    };
    // Here, and not on the thread pool: sealing should never take more than one core from the writer.
    await sealSegment(files, job, nodeCrypto, sign, compressFrameHere);
    answer({ kind: "sealed", id });
  } catch (error) {
    const known = isCairnError(error);
    const text = error instanceof Error ? error.message : String(error);
    answer({
      kind: "failed",
      id,
      message: text,
      code: known ? error.code : "unavailable",
      place: known ? error.place : {},
    });
  }
}

port.on("message", (message: ToThread) => {
  if (message.kind === "seal") {
    queue = queue.then(() => run(message));
    return;
  }
  const waiting = signatures.get(message.id);
  signatures.delete(message.id);
  if (message.kind === "signed") waiting?.resolve(message.note);
  else waiting?.reject(new CairnError(message.code, message.message));
});

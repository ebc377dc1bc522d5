/**
 * The floor that verifying is measured against: each sealed file read once, each frame decompressed once, each entry
 * hashed once, by as many threads. It compares nothing and proves nothing: no links, no tree, no times, no seals.
 *
 * This file is the work of one thread, and how to start some. A frame holds entries without `seq` and `prev`, which are
 * the same for a verifier to hash: so as many bytes as the whole entry has are hashed, taken from the frame.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { zstdDecompressSync } from "node:zlib";
import { nodeCrypto } from "@cairnlog/crypto";

// docs/spec/sealed.md
const magicBytes = 16;
const trailerBytes = 140;
const framesPerFile = 256;
const frameTableBytes = framesPerFile * 16;
/** `"seq":` and `,"prev":"…",` around the digits, and the 0x00 before every leaf. */
const headBytes = 61;

/** Runs the floor over the sealed files of a log's folder; resolves with the number of entries. */
export async function verifyFloor(folder: string, threads: number): Promise<number> {
  const paths = readdirSync(join(folder, "sealed")).map((name) => join(folder, "sealed", name));
  const counts = await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const share = paths.filter((_path, i) => i % threads === thread);
      return runThread(share);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function runThread(paths: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: paths });
    worker.on("message", resolve).on("error", reject);
  });
}

function hashFile(path: string): number {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const trailer = file.length - trailerBytes;
  const table = trailer - view.getUint32(trailer) - frameTableBytes;
  const first = Number(view.getBigUint64(trailer + 4));
  let from = magicBytes;
  let count = 0;
  for (let i = 0; i < framesPerFile; i++) {
    const end = Number(view.getBigUint64(table + 16 * i));
    count += hashFrame(zstdDecompressSync(file.subarray(from, end)), first + count);
    from = end;
  }
  return count;
}

function hashFrame(bundle: Buffer, first: number): number {
  const more = headBytes + String(first).length;
  let count = 0;
  for (let at = 0; at < bundle.length;) {
    const length = bundle.readUInt16BE(at);
    const hashed = length + more;
    // The last ones end at the frame's end, and begin so much earlier.
    const from = Math.min(at + 2, bundle.length - hashed);
    nodeCrypto.sha256(bundle.subarray(from, from + hashed));
    at += 2 + length;
    count++;
  }
  return count;
}

if (!isMainThread) {
  const paths = workerData as readonly string[];
  parentPort!.postMessage(paths.reduce((sum, path) => sum + hashFile(path), 0));
}

/**
 * The floor that appending is measured against: the very bytes of the log's entries, each entry hashed once, written
 * once to a preallocated file, synced at the same cadence, and nothing else. No parsing, no chain, no tree, no second
 * sync, no signature, no answer, no sealing.
 */
import fs from "node:fs";
import { promisify } from "node:util";
import { nodeCrypto } from "@cairnlog/crypto";
import { latenciesOf, ownCpuSeconds, Samples, type Latencies } from "./measure.ts";

/** The entries of one append, back to back. */
export interface EntryBatch {
  readonly bytes: Uint8Array;
  /** Where each entry ends. */
  readonly ends: readonly number[];
}

export interface Throughput {
  readonly perSecond: number;
  readonly latencies: Latencies;
  /** Processor time per event, all threads together, in microseconds. */
  readonly cpuMicros: number;
}

/** Makes a file of zeros, all of it on the medium: syncing one that grows costs twice. */
export function preallocate(path: string, byteLength: number): number {
  const file = fs.openSync(path, "w+");
  const zeros = new Uint8Array(1024 * 1024);
  for (let at = 0; at < byteLength; at += zeros.length)
    fs.writeSync(file, zeros, 0, zeros.length, at);
  fs.fsyncSync(file);
  return file;
}

/** One after the other, with the synchronous calls: nothing is faster for one caller who waits. */
export function appendFloor(path: string, batches: readonly EntryBatch[]): Throughput {
  const file = preallocate(path, byteLengthOf(batches));
  const samples = new Samples();
  const begun = begin();
  let at = 0;
  for (const batch of batches) {
    const batchBegun = performance.now();
    hashAll(batch);
    fs.writeSync(file, batch.bytes, 0, batch.bytes.length, at);
    fs.fdatasyncSync(file);
    at += batch.bytes.length;
    samples.add(performance.now() - batchBegun);
  }
  return finish(file, begun, batches, samples);
}

const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);

/** The next batch is hashed while the one before is on its way to the medium: nothing is faster with several. */
export async function overlappedAppendFloor(
  path: string,
  batches: readonly EntryBatch[],
): Promise<Throughput> {
  const file = preallocate(path, byteLengthOf(batches));
  const samples = new Samples();
  const begun = begin();
  let at = 0;
  let durable: Promise<void> = Promise.resolve();
  for (const { bytes, ends } of batches) {
    const batchBegun = performance.now();
    hashAll({ bytes, ends });
    await durable;
    durable = (async (): Promise<void> => {
      await write(file, bytes, 0, bytes.length, at);
      await datasync(file);
      at += bytes.length;
      samples.add(performance.now() - batchBegun);
    })();
  }
  await durable;
  return finish(file, begun, batches, samples);
}

interface Begun {
  readonly at: number;
  readonly cpuSeconds: number;
}

function begin(): Begun {
  return { at: performance.now(), cpuSeconds: ownCpuSeconds() };
}

function finish(
  file: number,
  begun: Begun,
  batches: readonly EntryBatch[],
  samples: Samples,
): Throughput {
  const seconds = (performance.now() - begun.at) / 1000;
  const cpuSeconds = ownCpuSeconds() - begun.cpuSeconds;
  fs.closeSync(file);
  const entries = batches.reduce((sum, { ends }) => sum + ends.length, 0);
  return {
    ...{ perSecond: entries / seconds, latencies: latenciesOf(samples) },
    cpuMicros: (cpuSeconds / entries) * 1e6,
  };
}

function hashAll({ bytes, ends }: EntryBatch): void {
  let from = 0;
  for (const end of ends) {
    nodeCrypto.sha256(bytes.subarray(from, end));
    from = end;
  }
}

function byteLengthOf(batches: readonly EntryBatch[]): number {
  return batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

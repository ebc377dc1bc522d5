/**
 * Seals one segment: reads its entries from the tail, writes the sealed file, which checks every entry on the way and
 * re-reads all of it before it is given its name. The same code runs in a worker thread beside the writer (files)
 * and inline (stores that live in this process only).
 */
import { CairnError, type Crypto, type Hash, type Seal } from "@cairnlog/core";
import {
  bundleEntries,
  sealedPath,
  tailPath,
  writeSegment,
  type LogReader,
  type ObjectWriter,
} from "@cairnlog/store";
import { tailFrames } from "./tail-scan.ts";

const framingByteLength = 2;

export interface SealingPlace extends Pick<LogReader, "name" | "location" | "read"> {
  begin(path: string): Promise<ObjectWriter>;
}

export interface SealingJob {
  readonly origin: string;
  readonly first: number;
  /** Leaf hash of the entry before the first one. */
  readonly prev: Hash;
}

/** Signs the seal, or rejects if the root in it is not the segment's. */
export type SignSeal = (seal: Seal) => Promise<string>;

export async function sealSegment(
  place: SealingPlace,
  job: SealingJob,
  crypto: Crypto,
  sign: SignSeal,
): Promise<void> {
  const bundles = tailBundles(place, tailPath(job.first));
  const path = sealedPath(job.first);
  const object = await place.begin(path);
  try {
    await writeSegment({
      ...job,
      ...{ object, path, crypto, sign },
      readEntries: async () => {
        const next = await bundles.next();
        if (next.done !== true) return next.value;
        throw new CairnError(
          "tampered",
          `the tail of segment ${job.first} of the log ${place.name} has lost entries since they were committed`,
          { place: { log: place.name, path: tailPath(job.first) } },
        );
      },
    });
  } finally {
    await object.abandon();
  }
}

/** The tail's entries, framed, 256 at a time. */
async function* tailBundles(place: SealingPlace, path: string): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let byteLength = 0;
  let count = 0;
  for await (const frames of tailFrames(place, path)) {
    for (let i = 0; i < frames.length;) {
      const taken = Math.min(bundleEntries - count, frames.length - i);
      const start = frames[i]!.start - framingByteLength;
      const piece = frames[i]!.bytes.subarray(start, frames[i + taken - 1]!.end);
      pieces.push(piece);
      byteLength += piece.length;
      count += taken;
      i += taken;
      if (count < bundleEntries) continue;
      yield joined(pieces, byteLength);
      pieces = [];
      byteLength = 0;
      count = 0;
    }
  }
}

function joined(pieces: readonly Uint8Array[], byteLength: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

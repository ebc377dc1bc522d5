/**
 * Seals one segment: reads its entries from the tail, writes the sealed file, and re-reads all of it before it is given
 * its name. The same code runs in a worker thread beside the writer (files) and inline (stores that live in this
 * process only).
 *
 * The log hands over what it holds in memory: the hashes that its signed root was made from. They decide what is
 * sealed; the tail is only where the bytes come from (`segment-writer.ts` of the store says why that is enough).
 */
import { setImmediate } from "node:timers/promises";
import { CairnError, isCairnError, type Crypto, type Hash, type Seal } from "@cairnlog/core";
import {
  sealedPath,
  writeSegment,
  type LogReader,
  type ObjectWriter,
  type SegmentHashes,
  type WriteSegmentOptions,
} from "@cairnlog/store";
import { SegmentTail, type SegmentTailPlace } from "./segment-tail.ts";

export interface SealingPlace extends Pick<LogReader, "name" | "location" | "read"> {
  begin(path: string): Promise<ObjectWriter>;
}

export interface SealingJob extends SegmentTailPlace {
  readonly origin: string;
  /** Leaf hash of the entry before the first one. */
  readonly prev: Hash;
  /** Root of the segment's subtree. */
  readonly root: Hash;
  readonly hashes: SegmentHashes;
}

/** Signs the seal, or rejects if the root in it is not the segment's. */
export type SignSeal = (seal: Seal) => Promise<string>;

/**
 * "tampered" where the tail is not what was committed. "unavailable" where it is, and the file that was written came
 * back wrong: nothing is lost then, and trying again may help.
 */
export async function sealSegment(
  place: SealingPlace,
  job: SealingJob,
  crypto: Crypto,
  sign: SignSeal,
  compress?: WriteSegmentOptions["compress"],
): Promise<void> {
  const { origin, first, prev, root, hashes } = job;
  const tail = new SegmentTail(place, job);
  const path = sealedPath(first);
  const object = await place.begin(path);
  try {
    await writeSegment({
      origin,
      first,
      prev,
      root,
      hashes,
      path,
      crypto,
      sign,
      object: yielding(object),
      readEntries: (frame) => tail.readFrame(frame),
      ...(compress === undefined ? {} : { compress }),
    });
  } catch (error) {
    if (!isCairnError(error, "unverified") && !isCairnError(error, "malformed")) throw error;
    // Either the tail is damaged or what came back of the new file: they are very different news.
    const damage = await new SegmentTail(place, job).findDamage(crypto.sha256, hashes.leafHashes);
    throw damage ?? cameBackWrong(place, path, error);
  } finally {
    await object.abandon();
  }
}

/** Lets others have a turn before each read: where reads are answered from memory, nothing else would. */
function yielding(object: ObjectWriter): ObjectWriter {
  return {
    write: (bytes) => object.write(bytes),
    read: async (offset, length) => {
      await setImmediate();
      return object.read(offset, length);
    },
    finish: () => object.finish(),
    abandon: () => object.abandon(),
  };
}

function cameBackWrong(place: SealingPlace, path: string, cause: CairnError): CairnError {
  return new CairnError(
    "unavailable",
    `sealing the log ${place.name} failed: ${path} was written, and other bytes were read back (${cause.message}) ` +
      "Nothing is lost, and it is tried again; if it stays, the disk or its controller is failing",
    { place: { ...cause.place, log: place.name, path }, cause },
  );
}

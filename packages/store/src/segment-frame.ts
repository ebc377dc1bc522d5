/**
 * The content of one frame: 256 stripped entries, each u16 length || entry without its `seq` and `prev`; and the way
 * back to whole entries, each of which proves itself by its leaf hash. Checking a whole file goes another way, which
 * makes no bundle: `segment-frame-check.ts`.
 */
import { zstdDecompressSync } from "node:zlib";
import {
  hashFramedEntry,
  isCairnError,
  restoreEntry,
  type CairnError,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import { bundleEntries, frameByteLengthMax, segmentError } from "./segment-format.ts";
import { restoredMore } from "./segment-stripped.ts";

/** Where a frame lies, for messages and for rebuilding what is not stored. */
export interface FramePlace {
  readonly path: string;
  /** Offset of the frame in the file. */
  readonly byte: number;
  /** Seq of its first entry. */
  readonly first: number;
}

/** One output buffer for a usual frame, instead of joining several. Larger than what Node takes from its pool. */
const outputByteLength = 128 * 1024;

/** Decompresses a frame, which may be damaged; never to more than a frame can be. The result is the caller's own. */
export function decompressFrame(compressed: Uint8Array, place: FramePlace): Uint8Array {
  try {
    const { buffer, byteOffset, length } = zstdDecompressSync(compressed, {
      maxOutputLength: frameByteLengthMax,
      chunkSize: outputByteLength,
    });
    // A Buffer makes its views more slowly, and there is one for each entry.
    return new Uint8Array(buffer, byteOffset, length);
  } catch (cause) {
    const { path, byte, first } = place;
    const what = `entries ${first} to ${first + bundleEntries - 1} cannot be decompressed`;
    throw segmentError("malformed", what, { path, byte, seq: first }, cause);
  }
}

/**
 * Gives back the memory of a frame that is not needed any more. Otherwise it stays until the garbage collector comes,
 * who sees only small objects and takes his time: hundreds of MiB while a log is checked.
 */
export function releaseFrame({ buffer }: Uint8Array): void {
  // Only a buffer of our own size is ours alone: smaller ones may be parts of Node's pool.
  if (buffer.byteLength === outputByteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Calls `visit` with the range of each stripped entry; throws unless there are exactly 256 and nothing else. */
export function visitStripped(
  stripped: Uint8Array,
  place: FramePlace,
  visit: (index: number, start: number, end: number) => void,
): void {
  let at = 0;
  for (let i = 0; i < bundleEntries; i++) {
    const start = at + 2;
    const end = start + stripped[at]! * 256 + stripped[at + 1]!;
    // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
    if (!(end <= stripped.length)) throw cutFrame(place, place.first + i);
    visit(i, start, end);
    at = end;
  }
  if (at !== stripped.length) throw cutFrame(place, place.first + bundleEntries - 1);
}

/** The frame's content ends too early, or too late, at entry `seq`. */
export function cutFrame(place: FramePlace, seq: number): CairnError {
  const { path, byte } = place;
  return segmentError("malformed", "the frame is not 256 entries", { path, byte, seq });
}

/**
 * The entry bundle of a frame, each entry u16 length || entry, whose first entry has the leaf hash `prev` before it.
 * Each entry has its leaf hash in `expected` (256 hashes): damage is found at the first entry that has it.
 */
export function restoreBundle(
  sha256: Sha256,
  stripped: Uint8Array,
  place: FramePlace,
  prev: Hash,
  expected: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(stripped.length + bundleEntries * restoredMore);
  let before = prev;
  let at = 0;
  visitStripped(stripped, place, (index, start, end) => {
    const seq = place.first + index;
    const length = restore(out, at + 2, seq, before, stripped, start, end, place) - at - 2;
    if (length > 0xffff) throw unverified(place, seq, "it is longer than any entry");
    before = hashFramedEntry(sha256, out, at, length);
    if (!isHashAt(expected, 32 * index, before)) {
      throw unverified(place, seq, "it does not have the leaf hash that the file holds for it");
    }
    at += 2 + length;
  });
  return out.subarray(0, at);
}

/** The entries of a frame at `places` (ascending), whole. Their hashes are not looked at. */
export function restoreEntries(
  stripped: Uint8Array,
  place: FramePlace,
  places: readonly number[],
  prevOf: (index: number) => Hash,
): Uint8Array[] {
  const entries: Uint8Array[] = [];
  visitStripped(stripped, place, (index, start, end) => {
    if (index !== places[entries.length]) return;
    const out = new Uint8Array(end - start + restoredMore);
    const seq = place.first + index;
    const length = restore(out, 0, seq, prevOf(index), stripped, start, end, place);
    entries.push(out.subarray(0, length));
  });
  return entries;
}

function restore(
  out: Uint8Array,
  at: number,
  seq: number,
  prev: Hash,
  stripped: Uint8Array,
  start: number,
  end: number,
  { path, byte }: FramePlace,
): number {
  try {
    return restoreEntry(out, at, seq, prev, stripped, start, end);
  } catch (cause) {
    if (!isCairnError(cause)) throw cause;
    const what = `the entry does not parse (${cause.message})`;
    throw segmentError("malformed", what, { path, byte, seq }, cause);
  }
}

function isHashAt(run: Uint8Array, at: number, hash: Hash): boolean {
  for (let i = 0; i < 32; i++) if (run[at + i] !== hash[i]) return false;
  return true;
}

function unverified(place: FramePlace, seq: number, what: string): CairnError {
  return segmentError("unverified", what, { path: place.path, byte: place.byte, seq });
}

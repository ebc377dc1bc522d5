/**
 * Finds entries of a sealed file by what they hold, several times faster than by handing out all of them: most frames
 * hold nothing that is looked for, which their bytes show at a glance. Those are not made whole again nor parsed, but
 * every one of them is verified: an entry that was changed so that it is not found any more is an error, not a miss.
 */
import { isSameBytes, type Hash } from "@cairnlog/core";
import { rootOfFullTile, threadSimd } from "./bulk-hash.ts";
import { findHolding, type EntryFilter } from "./entry-filter.ts";
import { bundleEntries, segmentError } from "./segment-format.ts";
import { FrameChecker } from "./segment-frame-check.ts";
import { decompressFrame, releaseFrame, visitStripped, type FramePlace } from "./segment-frame.ts";
import { framesOf } from "./segment-frames.ts";
import type { SegmentReader } from "./segment-reader.ts";

export interface SegmentSearch {
  /** The roots of the segment's 256 level-0 tiles, as the log has them. */
  readonly level1: Uint8Array;
  /** Frames from `begin` up to, not including, `end`. */
  readonly begin: number;
  readonly end: number;
  readonly filter: EntryFilter;
}

export interface SearchedFrame {
  readonly frame: number;
  /** Seqs of the frame's entries that match, ascending. */
  readonly seqs: readonly number[];
}

const hashByteLength = 32;
const tileByteLength = bundleEntries * hashByteLength;

/** Frame by frame, in order. "unverified" or "malformed" at the first frame that is not the log's. */
export async function* searchSegment(
  segment: SegmentReader,
  { level1, begin, end, filter }: SegmentSearch,
): AsyncGenerator<SearchedFrame> {
  const simd = threadSimd();
  const rootOfTile = simd === undefined ? rootOfFullTile : simd.rootOfTile.bind(simd);
  // Their leaf hashes say that they are what was strictly parsed when it came.
  const checker = new FrameChecker(false, simd?.frames);
  const run = new Uint8Array(hashByteLength + tileByteLength);
  run.set(await hashBefore(segment, begin));
  const level0s = await segment.level0s(begin, end);
  for await (const { frame, compressed } of framesOf(segment, { begin, end })) {
    const place = segment.framePlace(frame);
    const level0 = tileByteLength * (frame - begin);
    run.set(level0s.subarray(level0, level0 + tileByteLength), hashByteLength);
    const root = level1.subarray(hashByteLength * frame, hashByteLength * (frame + 1));
    if (!isSameBytes(rootOfTile(run.subarray(hashByteLength)), root)) {
      const { path, byte, first } = place;
      const what = "the leaf hashes of its frame do not match the tree above";
      throw segmentError("unverified", what, { path, byte, seq: first });
    }
    const stripped = decompressFrame(compressed, place);
    const candidates = findCandidates(stripped, place, filter);
    checker.check(stripped, place, run, -Infinity);
    releaseFrame(stripped);
    const found = candidates.filter(({ entry }) => filter.matches(entry));
    yield { frame, seqs: found.map(({ seq }) => seq) };
    run.copyWithin(0, tileByteLength);
  }
}

/** A wrong one shows: no entry hashes to its leaf hash with another one before it. */
function hashBefore(segment: SegmentReader, frame: number): Hash | Promise<Hash> {
  if (frame === 0) return segment.trailer.prev;
  return segment.leafHash(segment.first + bundleEntries * frame - 1);
}

interface Candidate {
  readonly seq: number;
  readonly entry: Uint8Array;
}

/** Copies: checking a frame may write over it. */
function findCandidates(stripped: Uint8Array, place: FramePlace, filter: EntryFilter): Candidate[] {
  const ranges: { readonly begin: number; readonly end: number }[] = [];
  const holding = findHolding(
    stripped,
    () => {
      visitStripped(stripped, place, (_, begin, end) => void ranges.push({ begin, end }));
      return ranges;
    },
    filter,
  );
  return holding.map((index) => {
    const { begin, end } = ranges[index]!;
    return { seq: place.first + index, entry: stripped.slice(begin, end) };
  });
}

/** The frames of a sealed file in order, as they lie there: read in large pieces, some ahead of who takes them. */
import { frameCount } from "./segment-format.ts";
import type { SegmentReader } from "./segment-reader.ts";

/** Frames are read together up to this length: a read of its own for each costs more than the bytes do. */
const runByteLength = 512 * 1024;

export interface FrameBytes {
  readonly frame: number;
  readonly compressed: Uint8Array;
}

export interface FramesOptions {
  /** Default: all frames. */
  readonly begin?: number;
  readonly end?: number;
  /** Gets the same bytes in larger pieces. */
  readonly onBytes?: (compressed: Uint8Array) => void;
}

/** The next frames are read while these are looked at. */
export async function* framesOf(
  segment: SegmentReader,
  { begin = 0, end = frameCount, onBytes }: FramesOptions = {},
): AsyncGenerator<FrameBytes> {
  let from = begin;
  let until = runEnd(segment, from, end);
  let next = segment.readFrames(from, until);
  while (from < end) {
    const bytes = await next;
    const [first, past] = [from, until];
    from = until;
    if (from < end) {
      until = runEnd(segment, from, end);
      next = segment.readFrames(from, until);
      // If a frame of this run fails, nobody waits for the next one.
      next.catch(() => undefined);
    }
    onBytes?.(bytes);
    const runAt = segment.framePlace(first).byte;
    for (let frame = first; frame < past; frame++) {
      const at = segment.framePlace(frame).byte - runAt;
      yield { frame, compressed: bytes.subarray(at, segment.table.ends[frame]! - runAt) };
    }
  }
}

/** The frame after the last one that is read together with frame `begin`. */
function runEnd(segment: SegmentReader, begin: number, most: number): number {
  const from = segment.framePlace(begin).byte;
  let end = begin + 1;
  while (end < most && segment.table.ends[end]! - from <= runByteLength) end++;
  return end;
}

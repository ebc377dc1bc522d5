/**
 * Walks through a tail file, frame by frame (u16be length || entry), with a bounded buffer. A length of zero ends
 * it: beyond what was written a tail is zeros.
 */
import { assert } from "@cairnlog/core";
import { findTailFirst, type LogReader } from "@cairnlog/store";

const chunkLength = 1024 * 1024;
const framingByteLength = 2;
const entryByteLengthMax = 65_535;
const zeros = Buffer.alloc(4096);

/** One frame: the entry is `bytes` from `start` to `end`; its length field is at `offset` of the file. */
export interface TailFrame {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** Yields the frames of the file at `path` from its beginning. The frame's bytes are valid until the next one. */
export async function* tailFrames(
  reader: Pick<LogReader, "read">,
  path: string,
): AsyncGenerator<TailFrame[]> {
  let from = 0;
  for (;;) {
    const bytes = await reader.read(path, from, chunkLength);
    if (bytes === undefined || bytes.length < framingByteLength) return;
    const frames: TailFrame[] = [];
    let at = 0;
    let isAtEnd = false;
    while (at + framingByteLength <= bytes.length) {
      const length = bytes[at]! * 256 + bytes[at + 1]!;
      if (length === 0) {
        isAtEnd = true;
        break;
      }
      const end = at + framingByteLength + length;
      if (end > bytes.length) break;
      frames.push({ bytes, start: at + framingByteLength, end, offset: from + at });
      at = end;
    }
    if (frames.length > 0) yield frames;
    if (isAtEnd || at === 0 || bytes.length < chunkLength) return;
    from += at;
  }
}

/**
 * Where the last byte of the file at `path` lies that is not zero, from `from` on; returns the offset after it, or
 * `from` if there is none.
 */
export async function endOfBytes(reader: LogReader, path: string, from: number): Promise<number> {
  let end = from;
  for (let at = from; ; at += chunkLength) {
    const bytes = await reader.read(path, at, chunkLength);
    if (bytes === undefined) return end;
    const last = endOfChunk(bytes);
    if (last > 0) end = at + last;
    if (bytes.length < chunkLength) return end;
  }
}

/** Where the last byte that is not zero lies, plus one; 0 where there is none. Zeros are passed over block by block. */
function endOfChunk(bytes: Uint8Array): number {
  let last = bytes.length;
  while (last >= zeros.length && zeros.equals(bytes.subarray(last - zeros.length, last))) {
    last -= zeros.length;
  }
  while (last > 0 && bytes[last - 1] === 0) last--;
  return last;
}

/** The first seqs of the tail files, in order. */
export async function tailFirsts(reader: Pick<LogReader, "list">): Promise<number[]> {
  const found = await reader.list("tail");
  return found
    .map(({ path }) => findTailFirst(path))
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b);
}

assert(chunkLength > framingByteLength + entryByteLengthMax, "a chunk holds at least one frame");

/** A repair's source that keeps a log's files as they are: entries are read from sealed files and tails. */
import { noteBytesMax, parseEntryBundle, type Sha256 } from "@cairnlog/core";
import {
  bundleEntries,
  sealedPath,
  segmentEntries,
  SegmentReader,
  tailPath,
} from "@cairnlog/store";
import type { LogFolder } from "@cairnlog/verify";
import { checkpointPath } from "./file-kinds.ts";
import type { RepairSource } from "./repair-source.ts";

/** `checkpoint`: how to find one, where the place has no file of that name. */
export function folderSource(
  folder: LogFolder,
  sha256: Sha256,
  checkpoint: RepairSource["checkpoint"] = () => folder.get(checkpointPath, noteBytesMax),
): RepairSource {
  return {
    where: folder.location,
    files: folder,
    checkpoint,
    entries: (from, to) => folderEntries(folder, sha256, from, to),
  };
}

async function* folderEntries(
  folder: LogFolder,
  sha256: Sha256,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  let seq = from;
  while (seq < to) {
    const first = seq - (seq % segmentEntries);
    const before = seq;
    const end = Math.min(to, first + segmentEntries);
    for await (const framed of segmentOf(folder, sha256, first, seq, end)) {
      yield framed;
      seq++;
    }
    if (seq === before || seq % segmentEntries !== 0) return;
  }
}

async function* segmentOf(
  folder: LogFolder,
  sha256: Sha256,
  first: number,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const path = sealedPath(first);
  const byteLength = await folder.byteLength(path);
  if (byteLength !== undefined) {
    const segment = await SegmentReader.open({ reader: folder, path, byteLength, sha256 });
    yield* sealedEntries(segment, first, from, to);
    return;
  }
  let seq = first;
  const read = async (offset: number, length: number): Promise<Uint8Array> =>
    (await folder.read(tailPath(first), offset, length)) ?? new Uint8Array(0);
  for await (const framed of framesOf(read)) {
    if (seq === to) return;
    if (seq >= from) yield framed;
    seq++;
  }
}

async function* sealedEntries(
  segment: SegmentReader,
  first: number,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const begin = Math.floor((from - first) / bundleEntries);
  for (let frame = begin; first + frame * bundleEntries < to; frame++) {
    const bundle = await segment.entryBundle(frame);
    for (const [i, range] of parseEntryBundle(bundle).entries()) {
      const seq = first + frame * bundleEntries + i;
      if (seq >= from && seq < to) yield bundle.slice(range.begin - 2, range.end);
    }
  }
}

/** The frames of a tail file from its beginning, up to a length of zero or the file's end. */
export async function* framesOf(
  read: (offset: number, length: number) => Uint8Array | Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const chunkByteLength = 1024 * 1024;
  let chunk: Uint8Array = new Uint8Array(0);
  let chunkAt = 0;
  for (let begin = 0; ;) {
    let at = begin - chunkAt;
    let length = at + 2 <= chunk.length ? chunk[at]! * 256 + chunk[at + 1]! : -1;
    if (length < 0 || at + 2 + length > chunk.length) {
      chunk = await read(begin, chunkByteLength);
      chunkAt = begin;
      at = 0;
      length = chunk.length >= 2 ? chunk[0]! * 256 + chunk[1]! : 0;
      if (2 + length > chunk.length) return;
    }
    if (length === 0) return;
    yield chunk.slice(at, at + 2 + length);
    begin += 2 + length;
  }
}

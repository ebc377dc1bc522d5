/**
 * Where everything lies in a sealed segment file, version 1: 65,536 entries for ever. `docs/spec/sealed.md` says the
 * same in words. This file knows offsets and the two small tables at the end; it neither hashes nor decompresses.
 *
 *     magic | 256 zstd frames | 65,536 leaf hashes | 256 level-1 hashes | frame table | seal note | trailer
 *
 * Integers are big-endian. All sizes but those of the frames and of the note are fixed, so that a reader finds
 * everything from the end of the file with one read.
 */
import { CairnError, noteBytesMax, parseLogTime, utf8 } from "@cairnlog/core";
import type { CairnErrorCode, ErrorPlace, Hash } from "@cairnlog/core";

/** Entries in a sealed segment. */
export const segmentEntries = 65_536;
/** Entries in a frame: an entry bundle of the tile API. */
export const bundleEntries = 256;
export const frameCount = segmentEntries / bundleEntries;
/** What a frame can be at most when it is decompressed; a decompressor is told to stop there. */
export const frameByteLengthMax = bundleEntries * (2 + 0xffff);

const magicText = "cairn-sealed-v1\n";
export const magic = utf8(magicText);
export const leafHashesByteLength = segmentEntries * 32;
export const level1ByteLength = frameCount * 32;
/** Per frame: u64 offset where it ends, i64 time of its first entry in milliseconds since 1970. */
export const frameTableByteLength = frameCount * 16;
/** u32 length of the note, u64 first seq, root, prev of the first entry, first and last time, magic. */
export const trailerByteLength = 4 + 8 + 32 + 32 + 24 + 24 + magic.length;

/** What the end of the file says about the whole. All of it follows from the entries, and a check compares. */
export interface SegmentTrailer {
  readonly noteByteLength: number;
  /** Seq of the first entry: a multiple of 65,536. */
  readonly first: number;
  /** Root of the subtree of these entries. */
  readonly root: Hash;
  /** Leaf hash of the entry before the first one; 32 zero bytes where there is none. */
  readonly prev: Hash;
  readonly firstTime: string;
  readonly lastTime: string;
}

/** Offsets in the file. Each part ends where the next one begins. */
export interface SegmentLayout {
  readonly leafHashes: number;
  readonly level1: number;
  readonly frameTable: number;
  readonly note: number;
  readonly trailer: number;
  readonly byteLength: number;
}

export interface FrameTable {
  /** By frame: offset in the file where it ends. It begins where the one before ends, the first after the magic. */
  readonly ends: readonly number[];
  /** By frame: time of its first entry, in milliseconds since 1970. */
  readonly firstTimesMs: readonly number[];
}

/** The path of the sealed file that begins with entry `first`. */
export function sealedPath(first: number): string {
  return `sealed/${String(first).padStart(16, "0")}`;
}

/** An error in a sealed file. What to do is the same for all of them. */
export function segmentError(
  code: CairnErrorCode,
  what: string,
  place: ErrorPlace,
  cause?: unknown,
): CairnError {
  const at = place.byte === undefined ? "" : `, byte ${place.byte}`;
  const entry = place.seq === undefined ? "" : `, entry ${place.seq}`;
  return new CairnError(
    code,
    `${place.path ?? "sealed file"}${at}${entry}: ${what}. ` +
      "Keep the file as evidence, and restore it from a mirror or copy that verifies.",
    { place, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Throws unless `bytes` are the magic; a later version is refused by its name. `byte` is where they lie. */
export function checkMagic(bytes: Uint8Array, path: string, byte: number): void {
  const text = String.fromCharCode(...bytes.subarray(0, magic.length));
  if (text === magicText) return;
  const version = /^cairn-sealed-v([0-9]{1,3})\n?/.exec(text)?.[1];
  if (version !== undefined && version !== "1") {
    throw new CairnError(
      "unsupported_version",
      `${path} is a sealed file of version ${version}, and this release reads version 1: upgrade Cairn.`,
      { place: { path, byte } },
    );
  }
  throw segmentError("malformed", "the mark of a sealed file is not there", { path, byte });
}

export function layoutOf(byteLength: number, noteByteLength: number): SegmentLayout {
  const trailer = byteLength - trailerByteLength;
  const note = trailer - noteByteLength;
  const frameTable = note - frameTableByteLength;
  const level1 = frameTable - level1ByteLength;
  const leafHashes = level1 - leafHashesByteLength;
  return { leafHashes, level1, frameTable, note, trailer, byteLength };
}

export function encodeTrailer(trailer: SegmentTrailer): Uint8Array {
  const out = new Uint8Array(trailerByteLength);
  const view = new DataView(out.buffer);
  view.setUint32(0, trailer.noteByteLength);
  view.setBigUint64(4, BigInt(trailer.first));
  out.set(trailer.root, 12);
  out.set(trailer.prev, 44);
  out.set(utf8(trailer.firstTime + trailer.lastTime), 76);
  out.set(magic, 124);
  return out;
}

/** Reads the trailer, which lies at `byte` of the file at `path`. */
export function parseTrailer(bytes: Uint8Array, path: string, byte: number): SegmentTrailer {
  if (bytes.length !== trailerByteLength) {
    throw segmentError("malformed", "the file is too short", { path, byte });
  }
  checkMagic(bytes.subarray(124), path, byte + 124);
  const view = viewOf(bytes);
  const noteByteLength = view.getUint32(0);
  const first = Number(view.getBigUint64(4));
  if (noteByteLength === 0 || noteByteLength > noteBytesMax) {
    throw segmentError("malformed", "the length of the seal is impossible", { path, byte });
  }
  if (!Number.isSafeInteger(first + segmentEntries) || first % segmentEntries !== 0) {
    throw segmentError("malformed", "the first seq is impossible", { path, byte: byte + 4 });
  }
  return {
    noteByteLength,
    first,
    root: bytes.slice(12, 44),
    prev: bytes.slice(44, 76),
    firstTime: timeAt(bytes, 76, path, byte),
    lastTime: timeAt(bytes, 100, path, byte),
  };
}

export function encodeFrameTable(table: FrameTable): Uint8Array {
  const out = new Uint8Array(frameTableByteLength);
  const view = new DataView(out.buffer);
  for (let i = 0; i < frameCount; i++) {
    view.setBigUint64(16 * i, BigInt(table.ends[i]!));
    view.setBigInt64(16 * i + 8, BigInt(table.firstTimesMs[i]!));
  }
  return out;
}

/** Reads the frame table. The frames must fill the file from the magic to the leaf hashes, with no gap. */
export function parseFrameTable(
  bytes: Uint8Array,
  layout: SegmentLayout,
  path: string,
): FrameTable {
  const view = viewOf(bytes);
  const ends: number[] = [];
  const firstTimesMs: number[] = [];
  let from = magic.length;
  for (let i = 0; i < frameCount; i++) {
    const end = Number(view.getBigUint64(16 * i));
    const isLast = i === frameCount - 1;
    if (end <= from || end > layout.leafHashes || (isLast && end !== layout.leafHashes)) {
      const byte = layout.frameTable + 16 * i;
      throw segmentError("malformed", `the end of frame ${i} is impossible`, { path, byte });
    }
    ends.push(end);
    firstTimesMs.push(Number(view.getBigInt64(16 * i + 8)));
    from = end;
  }
  return { ends, firstTimesMs };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function timeAt(bytes: Uint8Array, at: number, path: string, trailer: number): string {
  const text = String.fromCharCode(...bytes.subarray(at, at + 24));
  try {
    parseLogTime(text);
  } catch (cause) {
    const place = { path, byte: trailer + at };
    throw segmentError("malformed", "a time in the trailer is none", place, cause);
  }
  return text;
}

/**
 * Reads from one sealed segment file: hashes, entry bundles and times, each with as few reads as it takes.
 *
 * Not a check of the file: opening it shows that its parts are where they belong, a bundle that is handed out agrees
 * with the leaf hashes in the file, and that is all. Whether those are the log's is for whoever knows a root
 * (`segment-check.ts`). Nothing is cached but the frame table.
 */
import { CairnError, assert, noteBytesMax, type Hash, type Sha256 } from "@cairnlog/core";
import {
  bundleEntries,
  checkMagic,
  frameCount,
  frameTableByteLength,
  layoutOf,
  leafHashesByteLength,
  level1ByteLength,
  magic,
  parseFrameTable,
  parseTrailer,
  segmentEntries,
  segmentError,
  trailerByteLength,
  type FrameTable,
  type SegmentLayout,
  type SegmentTrailer,
} from "./segment-format.ts";
import {
  decompressFrame,
  restoreBundle,
  restoreEntries,
  visitStripped,
  type FramePlace,
} from "./segment-frame.ts";
import { StrippedTimes } from "./segment-stripped.ts";
import type { LogReader } from "./store.ts";

/** What a segment is read through: a log's files, or an object that is still being written. */
export type SegmentSource = Pick<LogReader, "read">;

export interface OpenSegmentOptions {
  readonly reader: SegmentSource;
  readonly path: string;
  /** Of the file, as `list` gives it. */
  readonly byteLength: number;
  readonly sha256: Sha256;
}

// Frame table, trailer and the seal of an Ed25519 and an ML-DSA-44 key fit, so that one read is enough.
const endGuess = frameTableByteLength + trailerByteLength + 6 * 1024;
const smallestByteLength =
  magic.length +
  frameCount +
  leafHashesByteLength +
  level1ByteLength +
  frameTableByteLength +
  trailerByteLength;

export class SegmentReader {
  readonly path: string;
  readonly trailer: SegmentTrailer;
  readonly layout: SegmentLayout;
  readonly table: FrameTable;
  /** The seal: a signed note, not yet verified. */
  readonly note: Uint8Array;
  readonly #source: SegmentSource;
  readonly #sha256: Sha256;

  private constructor(options: OpenSegmentOptions, end: SegmentEnd) {
    this.path = options.path;
    this.#source = options.reader;
    this.#sha256 = options.sha256;
    this.trailer = end.trailer;
    this.layout = end.layout;
    this.table = end.table;
    this.note = end.note;
  }

  /** Reads the end of the file and its first bytes. "malformed", "unsupported_version", "not_found". */
  static async open(options: OpenSegmentOptions): Promise<SegmentReader> {
    const { reader, path } = options;
    checkMagic(await readExactly(reader, path, 0, magic.length), path, 0);
    return new SegmentReader(options, await readEnd(options));
  }

  /** Seq of the first entry. */
  get first(): number {
    return this.trailer.first;
  }

  /** The leaf hash of entry `seq`, which is in this segment. */
  async leafHash(seq: number): Promise<Hash> {
    const index = seq - this.first;
    assert(index >= 0 && index < segmentEntries, `entry ${seq} is not in ${this.path}`);
    return this.#read(this.layout.leafHashes + 32 * index, 32);
  }

  /** The 256 leaf hashes of frame `frame`: a level-0 tile. */
  async level0(frame: number): Promise<Uint8Array> {
    return this.level0s(frame, frame + 1);
  }

  /** The leaf hashes of frames `begin` up to, not including, `end`. */
  async level0s(begin: number, end: number): Promise<Uint8Array> {
    checkFrame(begin);
    const tile = 32 * bundleEntries;
    return this.#read(this.layout.leafHashes + tile * begin, tile * (end - begin));
  }

  /** The roots of the 256 level-0 tiles: the segment's level-1 tile. */
  async level1(): Promise<Uint8Array> {
    return this.#read(this.layout.level1, level1ByteLength);
  }

  /**
   * The entry bundle of a frame: each u16 length || entry, whole. Every entry has the leaf hash that the file holds
   * for it; "unverified" names the first one that has not.
   */
  async entryBundle(frame: number): Promise<Uint8Array> {
    checkFrame(frame);
    const [compressed, expected, prev] = await Promise.all([
      this.readFrame(frame),
      this.level0(frame),
      frame === 0 ? this.trailer.prev : this.leafHash(this.first + bundleEntries * frame - 1),
    ]);
    const place = this.framePlace(frame);
    const stripped = decompressFrame(compressed, place);
    return restoreBundle(this.#sha256, stripped, place, prev, expected);
  }

  /**
   * Entries of a frame by their place in it (ascending, 0 to 255), whole, as the file has them: *nothing* is proven.
   * For a caller who proves many entries at once, by one proof up to a root that is known.
   */
  async unprovenEntries(frame: number, places: readonly number[]): Promise<Uint8Array[]> {
    checkFrame(frame);
    const from = frame === 0 ? 0 : bundleEntries * frame - 1;
    const hashCount = bundleEntries * (frame + 1) - from;
    const [compressed, hashes] = await Promise.all([
      this.readFrame(frame),
      this.#read(this.layout.leafHashes + 32 * from, 32 * hashCount),
    ]);
    const place = this.framePlace(frame);
    const before = (at: number): Hash => {
      const hash = 32 * (at + hashCount - bundleEntries - 1);
      return hash < 0 ? this.trailer.prev : hashes.slice(hash, hash + 32);
    };
    return restoreEntries(decompressFrame(compressed, place), place, places, before);
  }

  /**
   * When the log committed the first entry of a frame, in milliseconds since 1970. Costs no read, so a search by
   * time is a binary search over frames and then one `entryTimes`.
   */
  frameTimeMs(frame: number): number {
    checkFrame(frame);
    return this.table.firstTimesMs[frame]!;
  }

  /** The times of a frame's 256 entries, in milliseconds since 1970. They are a hint: no hash is checked. */
  async entryTimes(frame: number): Promise<Float64Array> {
    const place = this.framePlace(frame);
    const stripped = decompressFrame(await this.readFrame(frame), place);
    const times = new Float64Array(bundleEntries);
    const reader = new StrippedTimes();
    visitStripped(stripped, place, (index, start) => {
      const timeMs = reader.at(stripped, start);
      if (timeMs === undefined) {
        const { path, byte } = place;
        const seq = place.first + index;
        throw segmentError("malformed", "the entry has no time", { path, byte, seq });
      }
      times[index] = timeMs;
    });
    return times;
  }

  framePlace(frame: number): FramePlace {
    checkFrame(frame);
    const byte = frame === 0 ? magic.length : this.table.ends[frame - 1]!;
    return { path: this.path, byte, first: this.first + bundleEntries * frame };
  }

  /** A frame as it lies in the file. */
  async readFrame(frame: number): Promise<Uint8Array> {
    return this.readFrames(frame, frame + 1);
  }

  /** Frames `begin` up to, not including, `end`, as they lie in the file. */
  async readFrames(begin: number, end: number): Promise<Uint8Array> {
    const { byte } = this.framePlace(begin);
    return this.#read(byte, this.table.ends[end - 1]! - byte);
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    return readExactly(this.#source, this.path, offset, length);
  }
}

interface SegmentEnd {
  readonly trailer: SegmentTrailer;
  readonly layout: SegmentLayout;
  readonly table: FrameTable;
  readonly note: Uint8Array;
}

async function readEnd(options: OpenSegmentOptions): Promise<SegmentEnd> {
  const { reader, path, byteLength } = options;
  if (byteLength < smallestByteLength) {
    const place = { path, byte: byteLength };
    throw segmentError("malformed", `a sealed file has more than ${byteLength} bytes`, place);
  }
  let from = byteLength - endGuess;
  let end = await readExactly(reader, path, from, endGuess);
  const at = byteLength - trailerByteLength;
  const trailer = parseTrailer(end.subarray(at - from), path, at);
  assert(trailer.noteByteLength <= noteBytesMax, "the trailer was parsed");
  const layout = layoutOf(byteLength, trailer.noteByteLength);
  if (layout.leafHashes <= magic.length) {
    throw segmentError("malformed", "the file is too short for its seal", { path, byte: at });
  }
  if (layout.frameTable < from) {
    from = layout.frameTable;
    end = await readExactly(reader, path, from, byteLength - from);
  }
  const part = (begin: number, until: number): Uint8Array =>
    end.subarray(begin - from, until - from);
  return {
    trailer,
    layout,
    table: parseFrameTable(part(layout.frameTable, layout.note), layout, path),
    note: part(layout.note, layout.trailer),
  };
}

/** Reads all of a range; a file that ends before was cut. */
export async function readExactly(
  source: SegmentSource,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await source.read(path, offset, length);
  if (bytes === undefined) {
    throw new CairnError("not_found", `${path} is not there`, { place: { path } });
  }
  if (bytes.length !== length) {
    const byte = offset + bytes.length;
    throw segmentError("malformed", "the file ends too early", { path, byte });
  }
  return bytes;
}

function checkFrame(frame: number): void {
  assert(Number.isInteger(frame) && frame >= 0 && frame < frameCount, `no frame ${frame}`);
}

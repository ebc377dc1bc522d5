/**
 * Writes a sealed segment file from the entries of a full tail file, and looks at what it wrote before the file gets
 * its name.
 *
 * Every entry is checked on the way: its spelling, its seq, its link to the entry before, its time. A tail that was
 * damaged is never sealed. What was written is then read back and checked as `cairn verify` does it; only if that
 * comes to the same root is the object finished. Memory: a few frames, the leaf hashes (2 MiB).
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import {
  assert,
  formatLogTime,
  genesisPrev,
  hashFramedEntry,
  headByteLengthMax,
  isSameBytes,
  parseEntryBundle,
  parseEntryHead,
  parseLogTime,
  rangeRoot,
  restoreEntry,
  utf8,
  type Crypto,
  type Hash,
  type Seal,
  type Sha256,
} from "@cairnlog/core";
import { checkSegment } from "./segment-check.ts";
import {
  bundleEntries,
  encodeFrameTable,
  encodeTrailer,
  frameCount,
  leafHashesByteLength,
  level1ByteLength,
  magic,
  segmentEntries,
  segmentError,
  trailerByteLength,
  type FrameTable,
} from "./segment-format.ts";
import { explain, findStrippedEvent, strippedTimeMs } from "./segment-frame.ts";
import type { ObjectWriter } from "./store.ts";

export interface WriteSegmentOptions {
  /** Finished by this call, or abandoned where it throws. */
  readonly object: ObjectWriter;
  /** Of the object, for messages. */
  readonly path: string;
  readonly crypto: Crypto;
  readonly origin: string;
  /** Seq of the first entry. */
  readonly first: number;
  /** Leaf hash of the entry before it; `genesisPrev` where there is none. */
  readonly prev: Hash;
  /** Time of the entry before it. */
  readonly previousTime?: string;
  /** The 256 whole entries of a frame, each u16 length || entry: a slice of the tail. Asked for in order, once each. */
  readonly readEntries: (frame: number) => Promise<Uint8Array>;
  /** Makes the seal: the signed note of `signSeal`. */
  readonly sign: (seal: Seal) => Promise<Uint8Array | string>;
  /** Makes a zstd frame of a frame's content; by default on the thread pool. */
  readonly compress?: (content: Uint8Array) => Promise<Uint8Array>;
}

export interface WrittenSegment {
  readonly root: Hash;
  /** Roots of the 256 level-0 tiles: the segment's level-1 tile. */
  readonly level1: Uint8Array;
  readonly firstTime: string;
  readonly lastTime: string;
  readonly lastLeafHash: Hash;
  readonly byteLength: number;
}

const compressOnThreadPool = promisify(zstdCompress);

/**
 * Level 1 takes a third of the time of level 6, and its frames are 0 to 3 % larger: what distinguishes audit events
 * (identifiers, addresses, the salt) is random, and no level finds it. The checksum tells damage of the medium apart
 * from a change that somebody made.
 */
async function compressFrame(content: Uint8Array): Promise<Uint8Array> {
  return compressOnThreadPool(content, {
    params: {
      [constants.ZSTD_c_compressionLevel]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

/** "malformed" and "unverified" name the first bad entry of the tail, or what came back wrong from the medium. */
export async function writeSegment(options: WriteSegmentOptions): Promise<WrittenSegment> {
  try {
    const written = await write(options);
    await checkWritten(options, written);
    await options.object.finish();
    return written;
  } catch (error) {
    await options.object.abandon();
    throw error;
  }
}

async function write(options: WriteSegmentOptions): Promise<WrittenSegment> {
  const { object, crypto, first, prev, origin } = options;
  const body = new SegmentBody(object);
  const stripper = new FrameStripper(options);
  await body.append(magic);
  const table = await writeFrames(options, stripper, body);
  const level1 = level1Of(stripper.leafHashes, crypto.sha256);
  await body.append(stripper.leafHashes);
  await body.append(level1);
  await body.append(encodeFrameTable(table));

  const root = rangeRoot(crypto.sha256, level1);
  const firstTime = formatLogTime(table.firstTimesMs[0]!);
  const lastTime = formatLogTime(stripper.lastTimeMs);
  const fileHash = body.digest();
  const count = segmentEntries;
  const signed = await options.sign({ origin, first, count, root, fileHash, firstTime, lastTime });
  const note = typeof signed === "string" ? utf8(signed) : signed;
  const noteByteLength = note.length;
  await object.write(note);
  await object.write(encodeTrailer({ noteByteLength, first, root, prev, firstTime, lastTime }));
  return {
    root,
    level1,
    firstTime,
    lastTime,
    lastLeafHash: stripper.leafHashes.slice(-32),
    byteLength: body.byteLength + noteByteLength + trailerByteLength,
  };
}

/** Writes the frames. While one is compressed on the pool the next one is checked: two, so that memory stays bounded. */
async function writeFrames(
  options: WriteSegmentOptions,
  stripper: FrameStripper,
  body: SegmentBody,
): Promise<FrameTable> {
  const compress = options.compress ?? compressFrame;
  const ends: number[] = [];
  const firstTimesMs: number[] = [];
  let pending: Promise<Uint8Array> | undefined;
  const drain = async (): Promise<void> => {
    if (pending === undefined) return;
    await body.append(await pending);
    ends.push(body.byteLength);
  };
  for (let frame = 0; frame < frameCount; frame++) {
    const content = stripper.strip(frame, await options.readEntries(frame));
    firstTimesMs.push(stripper.frameTimeMs);
    const next = compress(content);
    // If writing the frame before fails, nobody waits for this one.
    next.catch(() => undefined);
    await drain();
    pending = next;
  }
  await drain();
  return { ends, firstTimesMs };
}

function level1Of(leafHashes: Uint8Array, sha256: Sha256): Uint8Array {
  const level1 = new Uint8Array(level1ByteLength);
  const tileByteLength = 32 * bundleEntries;
  for (let tile = 0; tile < frameCount; tile++) {
    const run = leafHashes.subarray(tileByteLength * tile, tileByteLength * (tile + 1));
    level1.set(rangeRoot(sha256, run), 32 * tile);
  }
  return level1;
}

/** The part of the file that the seal's hash covers. */
class SegmentBody {
  byteLength = 0;
  readonly #object: ObjectWriter;
  readonly #hash = createHash("sha256");

  constructor(object: ObjectWriter) {
    this.#object = object;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.byteLength += bytes.length;
    await this.#object.write(bytes);
  }

  digest(): Hash {
    return new Uint8Array(this.#hash.digest());
  }
}

/** Reads everything back and checks it as if somebody else had written it. */
async function checkWritten(options: WriteSegmentOptions, written: WrittenSegment): Promise<void> {
  const { object, path, crypto, origin, first, prev } = options;
  const checked = await checkSegment({
    reader: { read: (_, offset, length) => object.read(offset, length) },
    path,
    byteLength: written.byteLength,
    crypto,
    expected: { origin, first, prev, root: written.root },
    // The leaf hashes come out the same, so these are the events that were scanned when they arrived.
    scanEvents: false,
  });
  assert(
    isSameBytes(checked.level1, written.level1),
    "a checked segment has the level-1 hashes of its root",
  );
}

/** Turns slices of the tail into the content of frames, and remembers what the end of the file needs. */
class FrameStripper {
  readonly leafHashes = new Uint8Array(leafHashesByteLength);
  /** Time of the first entry of the last frame, and of the last entry. */
  frameTimeMs = 0;
  lastTimeMs: number;
  readonly #options: WriteSegmentOptions;
  #prev: Hash;
  readonly #prefix = new Uint8Array(headByteLengthMax);

  constructor(options: WriteSegmentOptions) {
    this.#options = options;
    this.#prev = options.prev;
    const { previousTime, first, prev, path } = options;
    if (first === 0 && !isSameBytes(prev, genesisPrev())) {
      const what = "cannot be sealed: entry 0 does not continue any entry";
      throw segmentError("unverified", what, { path, seq: 0 });
    }
    this.lastTimeMs = previousTime === undefined ? -Infinity : parseLogTime(previousTime);
  }

  strip(frame: number, bundle: Uint8Array): Uint8Array {
    const first = this.#options.first + bundleEntries * frame;
    const content = new Uint8Array(bundle.length);
    let to = 0;
    for (const [index, { begin, end }] of parseEntryBundle(bundle, bundleEntries).entries()) {
      const seq = first + index;
      const prefixLength = this.#checkPrefix(bundle, begin, end, seq);
      const length = end - begin - prefixLength + 1;
      content[to] = length >> 8;
      content[to + 1] = length & 0xff;
      content[to + 2] = 0x7b;
      content.set(bundle.subarray(begin + prefixLength, end), to + 3);
      const timeMs = this.#checkRest(content, to + 2, length, seq, bundle.subarray(begin, end));
      if (index === 0) this.frameTimeMs = timeMs;
      this.lastTimeMs = timeMs;
      to += 2 + length;
      this.#prev = hashFramedEntry(this.#options.crypto.sha256, bundle, begin - 2, end - begin);
      this.leafHashes.set(this.#prev, 32 * (bundleEntries * frame + index));
    }
    return content.subarray(0, to);
  }

  /** Length of `{"seq":…,"prev":"…",`, which is written anew and compared. */
  #checkPrefix(bundle: Uint8Array, begin: number, end: number, seq: number): number {
    const prefix = this.#prefix;
    // The shortest thing that can be restored is two bytes, `{"`, of which the second one is not of the prefix.
    const length = restoreEntry(prefix, 0, seq, this.#prev, shortest, 0, 2) - 1;
    for (let i = 0; i < length; i++) {
      if (begin + i >= end || bundle[begin + i] !== prefix[i]) {
        throw this.#refuse(
          seq,
          "it does not have this seq, or does not continue the entry before it",
        );
      }
    }
    return length;
  }

  #checkRest(
    content: Uint8Array,
    at: number,
    length: number,
    seq: number,
    entry: Uint8Array,
  ): number {
    const eventAt = findStrippedEvent(content, at, at + length);
    const timeMs = eventAt < 0 ? undefined : strippedTimeMs(content, at);
    if (timeMs === undefined) {
      // The tail is no segment yet; its frames have no offsets.
      throw explain(() => parseEntryHead(entry), { path: this.#options.path }, seq);
    }
    if (timeMs < this.lastTimeMs) throw this.#refuse(seq, "it is earlier than the entry before it");
    return timeMs;
  }

  #refuse(seq: number, what: string): Error {
    return segmentError("unverified", `cannot be sealed: ${what}`, {
      path: this.#options.path,
      seq,
    });
  }
}

const shortest = utf8('{"');

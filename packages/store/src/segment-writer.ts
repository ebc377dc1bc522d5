/**
 * Writes a sealed segment file from the entries of a full tail file, and looks at what it wrote before the file gets
 * its name.
 *
 * Why what it finishes cannot be wrong. The caller holds the hashes of the segment: the leaf hash of every entry that
 * was committed, the level-1 hashes and the root that the log signed. Writing believes nothing and proves nothing: it
 * only cuts the entries' heads off, compresses, and puts those hashes behind. All proof is in reading back:
 *
 * 1. The hashes in the file are the caller's, byte for byte. Its level-1 hashes come to its root. The root in the seal
 *    is its root: whoever signs compares that once more.
 * 2. Every entry, rebuilt from what came back with its seq and the leaf hash before it, has its leaf hash. So it is
 *    the committed entry, whatever the tail or the medium made of it, and the chain holds: the entries' own `prev` is
 *    what was hashed.
 * 3. Times, frame table, trailer and the file's SHA-256 are compared as `cairn verify` does.
 *
 * What is left unproven is that the caller's leaf hashes come to its level-1 hashes: 65,280 hashes that it has made
 * itself. Damage to its memory would show all the same: a changed leaf hash is no entry's, changed level-1 hashes do
 * not come to the root.
 *
 * Memory: some frames, the hashes (2 MiB) twice while they are compared.
 */
import { createHash } from "node:crypto";
import {
  assert,
  formatLogTime,
  genesisPrev,
  isSameBytes,
  rangeRoot,
  utf8,
  type Crypto,
  type Hash,
  type Seal,
} from "@cairnlog/core";
import { checkSegment, type SegmentHashes } from "./segment-check.ts";
import { compressFrame } from "./segment-compress.ts";
import {
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
import { FrameStripper } from "./segment-strip.ts";
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
  /** Root of the segment's subtree. */
  readonly root: Hash;
  /** The hashes that the root was made from. */
  readonly hashes: SegmentHashes;
  /**
   * The 256 whole entries of a frame, each u16 length || entry: a slice of the tail. Asked for in order, once each. The
   * bytes are the writer's own from then on, and overwritten.
   */
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

/** "malformed" and "unverified" name the first bad entry, be it of the tail or of what came back from the medium. */
export async function writeSegment(options: WriteSegmentOptions): Promise<WrittenSegment> {
  try {
    checkOptions(options);
    const written = await write(options);
    await checkWritten(options, written);
    await options.object.finish();
    return written;
  } catch (error) {
    await options.object.abandon();
    throw error;
  }
}

function checkOptions({ crypto, first, prev, path, root, hashes }: WriteSegmentOptions): void {
  if (first === 0 && !isSameBytes(prev, genesisPrev())) {
    const what = "cannot be sealed: entry 0 does not continue any entry";
    throw segmentError("unverified", what, { path, seq: 0 });
  }
  const { leafHashes, level1 } = hashes;
  assert(leafHashes.length === leafHashesByteLength, "there is a leaf hash for every entry");
  assert(level1.length === level1ByteLength, "there is a level-1 hash for every frame");
  assert(isSameBytes(rangeRoot(crypto.sha256, level1), root), "the level-1 hashes have this root");
}

async function write(options: WriteSegmentOptions): Promise<WrittenSegment> {
  const { object, first, prev, origin, root } = options;
  const { leafHashes, level1 } = options.hashes;
  const body = new SegmentBody(object);
  const stripper = new FrameStripper(options);
  await body.append(magic);
  const table = await writeFrames(options, stripper, body);
  await body.append(leafHashes);
  await body.append(level1);
  await body.append(encodeFrameTable(table));
  await body.flush();

  const firstTime = formatLogTime(table.firstTimesMs[0]!);
  const { lastTime } = stripper;
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
    lastLeafHash: leafHashes.slice(-32),
    byteLength: body.byteLength + noteByteLength + trailerByteLength,
  };
}

/** Writes the frames. While one is compressed the next one is stripped: two, so that memory stays bounded. */
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

/** Pieces are gathered up to this length: a write of its own for each frame costs more than its bytes do. */
const gatheredByteLength = 512 * 1024;

/** The part of the file that the seal's hash covers. */
class SegmentBody {
  byteLength = 0;
  readonly #object: ObjectWriter;
  readonly #hash = createHash("sha256");
  readonly #gathered = new Uint8Array(gatheredByteLength);
  #count = 0;

  constructor(object: ObjectWriter) {
    this.#object = object;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.byteLength += bytes.length;
    if (this.#count + bytes.length > gatheredByteLength) await this.flush();
    if (bytes.length > gatheredByteLength) {
      this.#hash.update(bytes);
      await this.#object.write(bytes);
      return;
    }
    this.#gathered.set(bytes, this.#count);
    this.#count += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.#count === 0) return;
    const bytes = this.#gathered.subarray(0, this.#count);
    this.#hash.update(bytes);
    await this.#object.write(bytes);
    this.#count = 0;
  }

  /** After `flush`. */
  digest(): Hash {
    return new Uint8Array(this.#hash.digest());
  }
}

/** Reads everything back and checks it as if somebody else had written it, against what the caller knows. */
async function checkWritten(options: WriteSegmentOptions, written: WrittenSegment): Promise<void> {
  const { object, path, crypto, origin, first, prev, previousTime, root, hashes } = options;
  await checkSegment({
    reader: { read: (_, offset, length) => object.read(offset, length) },
    path,
    byteLength: written.byteLength,
    crypto,
    expected: {
      origin,
      first,
      prev,
      root,
      hashes,
      ...(previousTime === undefined ? {} : { previousTime }),
    },
    // The leaf hashes come out the same, so these are the events that were scanned when they arrived.
    scanEvents: false,
  });
}

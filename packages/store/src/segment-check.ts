/**
 * Checks one sealed segment file, all of it: after it, no byte of the file is other than its writer wrote it.
 *
 * From the top down: the seal vouches for the root, the root for the level-1 hashes, each of these for its leaf
 * hashes, each leaf hash for its entry. So what fails first is what is wrong, and it is named exactly. What remains (a
 * byte that no entry depends on) is found by the SHA-256 of the file, which the seal holds.
 *
 * Whether the segment belongs where the caller has it is the caller's to say, by `expected`; without keys a good
 * result means "as it was written", not "by the log".
 */
import { createHash } from "node:crypto";
import {
  formatLogTime,
  genesisPrev,
  isCairnError,
  isSameBytes,
  parseLogTime,
  parseNote,
  parseSeal,
  rangeRoot,
  verifySeal,
  type CairnError,
  type Crypto,
  type Hash,
  type Seal,
  type VerifiedSignature,
  type Vkey,
} from "@cairnlog/core";
import { BlobFinder, type OnBlob } from "./blob-finder.ts";
import { rootOfFullTile, threadSimd } from "./bulk-hash.ts";
import {
  bundleEntries,
  leafHashesByteLength,
  magic,
  segmentEntries,
  segmentError,
  type SegmentLayout,
} from "./segment-format.ts";
import { FrameChecker, type CheckedFrame } from "./segment-frame-check.ts";
import { decompressFrame, releaseFrame, type FramePlace } from "./segment-frame.ts";
import { framesOf } from "./segment-frames.ts";
import { SegmentReader, readExactly, type SegmentSource } from "./segment-reader.ts";

/** What the caller knows of the segment from elsewhere. What is left out is taken from the file. */
export interface ExpectedSegment {
  readonly origin?: string;
  readonly first?: number;
  /** Leaf hash of the entry before the first. */
  readonly prev?: Hash;
  /** Time of the entry before the first, as the entry spells it. */
  readonly previousTime?: string;
  readonly root?: Hash;
  /**
   * The hashes that `root` was made from, from a caller who made it: the log, which is sealing. The file must hold
   * the same, and no node between leaves and level 1 is hashed again.
   */
  readonly hashes?: SegmentHashes;
}

export interface SegmentHashes {
  /** The leaf hashes of the 65,536 entries, one run. */
  readonly leafHashes: Uint8Array;
  /** The roots of the 256 level-0 tiles, one run. */
  readonly level1: Uint8Array;
}

export interface CheckSegmentOptions {
  readonly reader: SegmentSource;
  readonly path: string;
  readonly byteLength: number;
  readonly crypto: Crypto;
  readonly expected?: ExpectedSegment;
  /** The log's own keys. With them the seal's signature is verified, without them it is only parsed. */
  readonly vkeys?: readonly Vkey[];
  /**
   * Whether each event is read as strict I-JSON; true by default. Without it the entries have the hashes that the
   * seal vouches for all the same: for a writer that looks at what it wrote, and for a scrubber.
   */
  readonly scanEvents?: boolean;
  /** True to do without the SIMD kernel, also where there is one: the result is the same. For tests. */
  readonly isScalar?: boolean;
  /**
   * Called for each blob that an entry names, before that entry is checked: to be believed when the whole segment has
   * been.
   */
  readonly onBlob?: OnBlob;
  /** Called after each frame, with the number of entries that were checked so far. */
  readonly onProgress?: (entries: number) => void;
}

export interface CheckedSegment {
  readonly seal: Seal;
  /** The keys that signed the seal; empty where none were given. */
  readonly verified: readonly VerifiedSignature[];
  readonly first: number;
  readonly entries: number;
  readonly root: Hash;
  /** Leaf hash of the entry before the first: where the caller did not know it, it is to be compared. */
  readonly prev: Hash;
  readonly lastLeafHash: Hash;
  readonly firstTime: string;
  readonly lastTime: string;
  /** Roots of the 256 level-0 tiles. */
  readonly level1: Uint8Array;
}

/**
 * Throws "malformed", "unverified" or "unsupported_version" with the path, the byte and the first bad entry as far as
 * there is one. Needs memory for some frames and the segment's leaf hashes (2 MiB).
 */
export async function checkSegment(options: CheckSegmentOptions): Promise<CheckedSegment> {
  const { crypto, path, reader } = options;
  const segment = await SegmentReader.open({ ...options, sha256: crypto.sha256 });
  checkExpected(segment, options.expected ?? {});
  const { seal, verified } = await checkSeal(segment, options);
  const { trailer, layout } = segment;
  // Leaf hashes, level-1 hashes and frame table lie side by side.
  const hashes = await readExactly(
    reader,
    path,
    layout.leafHashes,
    layout.note - layout.leafHashes,
  );
  const tableAt = layout.frameTable - layout.leafHashes;
  const level1 = hashes.slice(leafHashesByteLength, tableAt);
  const root = rangeRoot(crypto.sha256, level1);
  if (!isSameBytes(root, trailer.root)) {
    throw differs(path, layout.level1, "the level-1 hashes do not come to the sealed root");
  }
  checkKnownHashes(segment, options.expected?.hashes, hashes);
  const fileHash = createHash("sha256").update(magic);
  await checkFrames(segment, options, hashes, (compressed) => fileHash.update(compressed));
  if (!isSameBytes(seal.fileHash, fileHash.update(hashes).digest())) {
    const what = "the entries are whole, but some byte before the seal is not as it was written";
    throw differs(path, layout.note, what);
  }
  return {
    seal,
    verified,
    first: trailer.first,
    entries: segmentEntries,
    root,
    prev: trailer.prev,
    lastLeafHash: hashes.slice(leafHashesByteLength - 32, leafHashesByteLength),
    firstTime: trailer.firstTime,
    lastTime: trailer.lastTime,
    level1,
  };
}

/** Whether the segment is the one that the caller has a place for. */
function checkExpected(segment: SegmentReader, expected: ExpectedSegment): void {
  const { path, trailer, layout } = segment;
  const at = layout.trailer;
  if (expected.first !== undefined && expected.first !== trailer.first) {
    const what = `it begins with entry ${trailer.first}, not with entry ${expected.first}`;
    throw differs(path, at + 4, what);
  }
  if (expected.root !== undefined && !isSameBytes(expected.root, trailer.root)) {
    throw differs(path, at + 12, "its root is not that of the log at this place");
  }
  const prev = trailer.first === 0 ? genesisPrev() : expected.prev;
  if (prev !== undefined && !isSameBytes(prev, trailer.prev)) {
    throw differs(path, at + 44, "it does not continue the entry before it", trailer.first);
  }
}

/** The file must hold the hashes that the log made its root from. */
function checkKnownHashes(
  { path, layout, first }: SegmentReader,
  known: SegmentHashes | undefined,
  hashes: Uint8Array,
): void {
  if (known === undefined) return;
  const level1At = leafHashesByteLength;
  const at = firstDifference(hashes.subarray(0, level1At), known.leafHashes);
  if (at >= 0) {
    const seq = first + Math.floor(at / 32);
    throw differs(path, layout.leafHashes + at, "the leaf hash is not the log's", seq);
  }
  const level1 = hashes.subarray(level1At, layout.frameTable - layout.leafHashes);
  const byte = firstDifference(level1, known.level1);
  if (byte >= 0) throw differs(path, layout.level1 + byte, "the level-1 hash is not the log's");
}

/** Where two runs of hashes differ first; -1 where they are the same. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length === b.length && Buffer.compare(a, b) === 0) return -1;
  let at = 0;
  while (a[at] === b[at]) at++;
  return at;
}

/** Checks every entry; compares leaf hashes, tile roots and the times in table and trailer. */
async function checkFrames(
  segment: SegmentReader,
  options: CheckSegmentOptions,
  hashes: Uint8Array,
  onBytes: (compressed: Uint8Array) => void,
): Promise<void> {
  const { path, trailer, layout, table } = segment;
  const { scanEvents = true, isScalar = false, expected, onBlob } = options;
  const finder = new BlobFinder();
  const simd = isScalar ? undefined : threadSimd();
  const rootOfTile = simd === undefined ? rootOfFullTile : simd.rootOfTile.bind(simd);
  const checker = new FrameChecker(scanEvents, simd?.frames);
  let lastTimeMs =
    expected?.previousTime === undefined ? -Infinity : parseLogTime(expected.previousTime);
  for await (const { frame, compressed } of framesOf(segment, { onBytes })) {
    const place = segment.framePlace(frame);
    const stripped = decompressFrame(compressed, place);
    if (onBlob !== undefined) finder.find(stripped, place.first, onBlob);
    const run = withHashBefore(hashes, trailer.prev, frame);
    const check = (): CheckedFrame => checker.check(stripped, place, run, lastTimeMs);
    // Hashes that were compared with the log's own are the ones that its root was made from.
    if (expected?.hashes === undefined) {
      const tileRootAt = leafHashesByteLength + 32 * frame;
      const tileRoot = hashes.subarray(tileRootAt, tileRootAt + 32);
      if (!isSameBytes(rootOfTile(run.subarray(32)), tileRoot)) {
        throw damagedLeafHash(check, place, layout);
      }
    }
    const { firstTimeMs, lastTimeMs: lastOfFrame } = check();
    if (firstTimeMs !== table.firstTimesMs[frame]) {
      const byte = layout.frameTable + 16 * frame + 8;
      throw differs(path, byte, `the time of frame ${frame} is not its first entry's`, place.first);
    }
    if (frame === 0 && formatLogTime(firstTimeMs) !== trailer.firstTime) {
      throw differs(path, layout.trailer + 76, "the first time is not the first entry's");
    }
    releaseFrame(stripped);
    lastTimeMs = lastOfFrame;
    options.onProgress?.((frame + 1) * bundleEntries);
  }
  if (formatLogTime(lastTimeMs) !== trailer.lastTime) {
    throw differs(path, layout.trailer + 100, "the last time is not the last entry's");
  }
}

const tileByteLength = 32 * bundleEntries;

/** The leaf hashes of a frame, with that of the entry before them in front. */
function withHashBefore(hashes: Uint8Array, prev: Hash, frame: number): Uint8Array {
  const from = frame * tileByteLength;
  if (frame > 0) return hashes.subarray(from - 32, from + tileByteLength);
  const run = new Uint8Array(32 + tileByteLength);
  run.set(prev);
  run.set(hashes.subarray(0, tileByteLength), 32);
  return run;
}

/** The leaf hashes of a frame are not the sealed ones: the first one that its entry disagrees with is named. */
function damagedLeafHash(
  check: () => unknown,
  place: FramePlace,
  layout: SegmentLayout,
): CairnError {
  let seq = place.first;
  try {
    check();
  } catch (error) {
    if (!isCairnError(error)) throw error;
    seq = error.place.seq ?? seq;
  }
  const byte = layout.leafHashes + 32 * (seq % segmentEntries);
  return differs(place.path, byte, "the leaf hash is not the sealed one", seq);
}

async function checkSeal(
  segment: SegmentReader,
  options: CheckSegmentOptions,
): Promise<{ seal: Seal; verified: readonly VerifiedSignature[] }> {
  const { path, trailer, layout, note } = segment;
  const { vkeys, crypto } = options;
  const result = await inSeal(segment, async () => {
    const seal = parseSeal(parseNote(note).text);
    const origin = options.expected?.origin ?? seal.origin;
    if (seal.origin !== origin) {
      const what = `it is of the log ${JSON.stringify(seal.origin)}, not of ${JSON.stringify(origin)}`;
      throw differs(path, layout.note, what);
    }
    if (vkeys === undefined) return { seal, verified: [] };
    return { seal, verified: (await verifySeal(crypto, note, vkeys, origin)).verified };
  });
  const { seal } = result;
  const isAgreed =
    seal.first === trailer.first &&
    seal.count === segmentEntries &&
    isSameBytes(seal.root, trailer.root) &&
    seal.firstTime === trailer.firstTime &&
    seal.lastTime === trailer.lastTime;
  if (!isAgreed) throw differs(path, layout.note, "the seal is not of these entries");
  return result;
}

/** Adds the place to what the core says about a note. */
async function inSeal<T>(segment: SegmentReader, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isCairnError(cause) || cause.place.path !== undefined) throw cause;
    if (cause.code === "usage") throw cause;
    const place = { path: segment.path, byte: segment.layout.note + (cause.place.byte ?? 0) };
    throw segmentError(cause.code, `the seal: ${cause.message}`, place, cause);
  }
}

function differs(path: string, byte: number, what: string, seq?: number): CairnError {
  return segmentError("unverified", what, seq === undefined ? { path, byte } : { path, byte, seq });
}

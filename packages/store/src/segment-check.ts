/**
 * Checks one sealed segment file, all of it: after it, no byte of the file is other than its writer wrote it.
 *
 * The entries come first, so that damage is named by the first entry that it touches; what remains (a byte that no
 * entry depends on) is found by the SHA-256 of the file, which the seal holds. Whether the segment belongs where the
 * caller has it is the caller's to say, by `expected`; without keys a good result means "as it was written", not "by
 * the log".
 */
import { createHash } from "node:crypto";
import {
  CairnError,
  formatLogTime,
  genesisPrev,
  isSameBytes,
  parseLogTime,
  parseNote,
  parseSeal,
  rangeRoot,
  utf8,
  verifySeal,
  type Crypto,
  type ErrorPlace,
  type Hash,
  type Seal,
  type VerifiedSignature,
  type Vkey,
} from "@cairnlog/core";
import {
  bundleEntries,
  encodeFrameTable,
  encodeTrailer,
  frameCount,
  frameTableByteLength,
  magic,
  segmentEntries,
  segmentError,
} from "./segment-format.ts";
import { FrameRestorer, decompressFrame } from "./segment-frame.ts";
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
 * there is one. Needs memory for two frames and the hashes of one.
 */
export async function checkSegment(options: CheckSegmentOptions): Promise<CheckedSegment> {
  const { crypto, path, expected = {} } = options;
  const segment = await SegmentReader.open({ ...options, sha256: crypto.sha256 });
  checkExpected(segment, expected);
  const { trailer, layout } = segment;

  const fileHash = createHash("sha256").update(magic);
  const frames = await checkFrames(segment, options, fileHash.update.bind(fileHash));
  const tiles = await checkTiles(segment, frames, crypto, (bytes) => fileHash.update(bytes));
  const root = rangeRoot(crypto.sha256, tiles.level1);
  if (!isSameBytes(root, trailer.root)) throw different(path, layout.trailer + 12, "the root");
  checkTimes(segment, frames);

  const table = await readExactly(options.reader, path, layout.frameTable, frameTableByteLength);
  fileHash.update(table);
  if (!isSameBytes(table, encodeFrameTable(segment.table))) {
    throw segmentError("malformed", "the frame table has another spelling", { path, byte: layout.frameTable });
  }
  const { seal, verified } = await checkSeal(segment, options);
  checkAgreement(segment, seal, fileHash.digest());
  return {
    seal,
    verified,
    first: trailer.first,
    entries: segmentEntries,
    root,
    prev: trailer.prev,
    lastLeafHash: frames.lastLeafHash,
    firstTime: trailer.firstTime,
    lastTime: trailer.lastTime,
    level1: tiles.level1,
  };
}

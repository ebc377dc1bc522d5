/**
 * Reads what a log holds: entries, tiles, tree nodes, proofs. From memory and the tail for the open segments, from
 * sealed files below.
 *
 * Nothing that comes from the medium is believed: an entry must hash to its leaf, a tile to its node above, and so
 * on up to the right edge in memory, which recovery checked against the last commit. What does not verify is an
 * error, never an answer. Whoever calls has checked that seq and sizes lie within what is durable.
 */
import {
  CairnError,
  consistencyProof,
  consistencyProofNodes,
  hashLeaf,
  hashOfTile,
  inclusionProof,
  inclusionProofNodes,
  isCairnError,
  isSameBytes,
  nodeFromTile,
  parseEntryBundle,
  tileOfNode,
  TreeAt,
  completeNodes,
  type Hash,
  type NodeReader,
  type Sha256,
  type TreeNode,
} from "@cairnlog/core";
import {
  bundleEntries,
  findHolding,
  sealedPath,
  searchSegment,
  segmentEntries,
  type EntryFilter,
  type SegmentReader,
  tailPath,
  treeTilePath,
  type LogReader,
} from "@cairnlog/store";
import type { SearchedEntries, StoredEntry } from "./log.ts";
import type { LogTree } from "./log-tree.ts";
import type { OpenSegment } from "./open-segment.ts";
import {
  isDamage,
  proveEntries,
  type ProvenEntries,
  type UnprovenAccess,
} from "./proven-entries.ts";
import { openSegmentReader } from "./segment-files.ts";
import { RecentlyUsed } from "./recently-used.ts";

const framingByteLength = 2;
const hashByteLength = 32;
const segmentTileLevel = 2;
const openReadersMax = 64;
const bundleCacheBytesMax = 8 * 1024 * 1024;
const framesPerSegment = segmentEntries / bundleEntries;

/** The segment that a tile of level 0 or 1 is of. */
function segmentOfTile(level: number, index: number): number {
  return Math.floor((index * bundleEntries ** (level + 1)) / segmentEntries);
}

/**
 * What the store calls malformed, or cannot find, was written well and is part of the log: to whoever reads it, it is
 * damage, and no fault of what was asked for.
 */
async function fromMedium<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (!isCairnError(error, "malformed") && !isCairnError(error, "not_found")) throw error;
    throw new CairnError("unverified", error.message, { cause: error, place: error.place });
  }
}

export class History {
  readonly #reader: LogReader;
  readonly #tree: LogTree;
  readonly #sha256: Sha256;
  readonly #segments = new RecentlyUsed<number, Promise<SegmentReader>>(openReadersMax);
  readonly #bundles = new RecentlyUsed<number, Uint8Array>(bundleCacheBytesMax, (b) => b.length);

  constructor(reader: LogReader, tree: LogTree, sha256: Sha256) {
    this.#reader = reader;
    this.#tree = tree;
    this.#sha256 = sha256;
  }

  async entry(seq: number): Promise<StoredEntry> {
    const open = this.#tree.openSegmentOf(seq);
    const i = open === undefined ? 0 : seq - open.first;
    const framed = open === undefined ? undefined : await this.#readTail(open, i, i + 1);
    if (framed !== undefined) return { seq, bytes: framed.subarray(framingByteLength) };
    const place = seq % bundleEntries;
    const bundle = await this.#sealedBundle((seq - place) / bundleEntries);
    const range = parseEntryBundle(bundle)[place]!;
    return { seq, bytes: bundle.slice(range.begin, range.end) };
  }

  /** The entries of one bundle, from the left. Its bytes are the caller's to read, not to change. */
  async bundle(index: number, width: number): Promise<Uint8Array> {
    const open = this.#tree.openSegmentOf(index * bundleEntries);
    if (open !== undefined) {
      const begin = index * bundleEntries - open.first;
      const framed = await this.#readTail(open, begin, begin + width);
      if (framed !== undefined) return framed;
    }
    const whole = await this.#sealedBundle(index);
    if (width === bundleEntries) return whole;
    return whole.subarray(0, parseEntryBundle(whole)[width - 1]!.end);
  }

  /**
   * Seqs of the entries from `from` up to `to` that match, as far as they were read: a piece for each bundle, or the
   * part of one that was asked for.
   */
  async *search(from: number, to: number, filter: EntryFilter): AsyncGenerator<SearchedEntries> {
    for (let seq = from; seq < to;) {
      const index = Math.floor(seq / segmentEntries);
      const end = Math.min(to, (index + 1) * segmentEntries);
      const open = this.#tree.openSegmentOf(seq);
      if (open === undefined) {
        yield* this.#searchSealed(index, seq, end, filter);
        seq = end;
        continue;
      }
      const until = Math.min(end, (Math.floor(seq / bundleEntries) + 1) * bundleEntries);
      const framed = await this.#readTail(open, seq - open.first, until - open.first);
      // It was sealed meanwhile.
      if (framed === undefined) continue;
      const ranges = parseEntryBundle(framed);
      const found = findHolding(framed, () => ranges, filter).filter((i) =>
        filter.matches(framed.subarray(ranges[i]!.begin, ranges[i]!.end)),
      );
      const at = seq;
      yield { to: until, seqs: found.map((i) => at + i) };
      seq = until;
    }
  }

  async *#searchSealed(
    index: number,
    from: number,
    to: number,
    filter: EntryFilter,
  ): AsyncGenerator<SearchedEntries> {
    const segment = await this.#segment(index);
    const level1 = await this.#storedTile(1, index);
    const { first } = segment;
    const begin = Math.floor((from - first) / bundleEntries);
    const end = Math.ceil((to - first) / bundleEntries);
    const frames = searchSegment(segment, { level1, begin, end, filter });
    for (;;) {
      const next = await fromMedium(frames.next());
      if (next.done === true) return;
      const { frame, seqs } = next.value;
      yield {
        to: Math.min(to, first + (frame + 1) * bundleEntries),
        seqs: seqs.filter((seq) => seq >= from && seq < to),
      };
    }
  }

  async leafHash(seq: number): Promise<Hash> {
    return this.node(0, seq);
  }

  /** Hashes of the C2SP tile, from the left. */
  async tile(level: number, index: number, width: number): Promise<Uint8Array> {
    const whole = this.#tileInMemory(level, index, width) ?? (await this.#storedTile(level, index));
    return whole.subarray(0, width * hashByteLength);
  }

  async node(level: number, index: number): Promise<Hash> {
    const inMemory = this.#tree.node(level, index);
    if (inMemory !== undefined) return inMemory;
    const slice = tileOfNode(level, index);
    return nodeFromTile(this.#sha256, await this.#storedTile(slice.level, slice.index), slice);
  }

  async inclusionProof(seq: number, size: number): Promise<readonly Hash[]> {
    if (seq >= this.#tree.openFrom) return this.#tree.at(size).inclusionProof(seq);
    const read = await this.#load(inclusionProofNodes(seq, size));
    return inclusionProof(this.#sha256, seq, size, read);
  }

  async consistencyProof(size1: number, size2: number): Promise<readonly Hash[]> {
    const read = await this.#load(consistencyProofNodes(size1, size2));
    return consistencyProof(this.#sha256, size1, size2, read);
  }

  async root(size: number): Promise<Hash> {
    const read = await this.#load(completeNodes(0, size));
    return new TreeAt(this.#sha256, size, read).root();
  }

  /** Entries of the tree of `size` and `root`, with one proof. `seqs` ascending. "unverified" names damage. */
  async prove(
    seqs: readonly number[],
    size: number,
    root: Hash,
    entryBytesMax: number,
  ): Promise<ProvenEntries> {
    try {
      const claim = { seqs, size, root, entryBytesMax };
      return await proveEntries(this.#sha256, this.#unproven(), claim);
    } catch (error) {
      if (!isDamage(error)) throw error;
      for (const seq of seqs) await this.entry(seq);
      throw error;
    }
  }

  #unproven(): UnprovenAccess {
    return {
      entries: async (bundle, places) => {
        const first = bundle * bundleEntries;
        if (this.#tree.openSegmentOf(first) !== undefined) {
          const whole = await this.bundle(bundle, places.at(-1)! + 1);
          const ranges = parseEntryBundle(whole);
          return places.map((i) => whole.slice(ranges[i]!.begin, ranges[i]!.end));
        }
        const segment = await this.#segment(Math.floor(first / segmentEntries));
        return fromMedium(segment.unprovenEntries(bundle % framesPerSegment, places));
      },
      node: (level, index) => this.#tree.node(level, index),
      tile: (level, index) => this.#rawTile(level, index),
    };
  }

  async #load(nodes: readonly TreeNode[]): Promise<NodeReader> {
    const loaded = new Map<string, Hash>();
    for (const { level, index } of nodes) {
      loaded.set(`${level}/${index}`, await this.node(level, index));
    }
    return (level, index) => loaded.get(`${level}/${index}`)!;
  }

  /** Entries [from, to) of an open segment, each checked; undefined if the tail is gone because it was sealed. */
  async #readTail(segment: OpenSegment, from: number, to: number): Promise<Uint8Array | undefined> {
    const begin = segment.offsetOf(from);
    const length = segment.offsetOf(to) - begin;
    const path = tailPath(segment.first);
    const framed = await this.#reader.read(path, begin, length);
    if (this.#tree.openSegmentOf(segment.first) === undefined) return undefined;
    for (let i = from; i < to; i++) {
      const start = segment.offsetOf(i) - begin + framingByteLength;
      const end = segment.offsetOf(i + 1) - begin;
      const leaf = framed && hashLeaf(this.#sha256, framed.subarray(start, end));
      // The length before the entry goes out with a bundle, and no hash covers it.
      const isFramed = framed && end - start === framed[start - 2]! * 256 + framed[start - 1]!;
      if (leaf !== undefined && isFramed === true && isSameBytes(leaf, segment.tree.node(0, i))) {
        continue;
      }
      throw this.#damaged(segment.first + i, path, begin + start, "it does not hash to its leaf");
    }
    return framed;
  }

  async #sealedBundle(index: number): Promise<Uint8Array> {
    const cached = this.#bundles.get(index);
    if (cached !== undefined) return cached;
    const segment = await this.#segment(Math.floor(index / framesPerSegment));
    const frame = index % framesPerSegment;
    const bundle = await fromMedium(segment.entryBundle(frame));
    // The reader checked the entries against the file's own leaf hashes; this checks those against the tree.
    await this.#storedTile(0, index);
    this.#bundles.set(index, bundle);
    return bundle;
  }

  #segment(index: number): Promise<SegmentReader> {
    const known = this.#segments.get(index);
    if (known !== undefined) return known;
    const first = index * segmentEntries;
    const segment = fromMedium(openSegmentReader(this.#reader, first, this.#sha256));
    this.#segments.set(index, segment);
    segment.catch(() => this.#segments.delete(index));
    return segment;
  }

  #tileInMemory(level: number, index: number, width: number): Uint8Array | undefined {
    if (level >= segmentTileLevel) {
      const tile = this.#tree.upperTile(level, index);
      return tile !== undefined && tile.length >= width * hashByteLength ? tile : undefined;
    }
    const firstSeq = index * bundleEntries ** (level + 1);
    const segment = this.#tree.openSegmentOf(firstSeq);
    if (segment === undefined) return undefined;
    const begin = (firstSeq - segment.first) / bundleEntries ** level;
    return segment.tree.hashes(8 * level, begin, begin + width);
  }

  /** A full tile from the store, checked against the node above it. */
  async #storedTile(level: number, index: number): Promise<Uint8Array> {
    const tile = await this.#rawTile(level, index);
    const isWhole = tile.length === bundleEntries * hashByteLength;
    const above = await this.node(8 * (level + 1), index);
    if (isWhole && isSameBytes(hashOfTile(this.#sha256, tile), above)) return tile;
    const seq = index * bundleEntries ** (level + 1);
    const path = this.#tileFile(level, index);
    throw this.#damaged(seq, path, 0, `its level-${level} hashes do not match the tree above`);
  }

  /** A full tile from the store, as it lies there. */
  async #rawTile(level: number, index: number): Promise<Uint8Array> {
    if (level >= segmentTileLevel) {
      return (await this.#reader.get(treeTilePath(level, index))) ?? new Uint8Array(0);
    }
    const segment = await this.#segment(segmentOfTile(level, index));
    return fromMedium(level === 0 ? segment.level0(index % framesPerSegment) : segment.level1());
  }

  #tileFile(level: number, index: number): string {
    if (level >= segmentTileLevel) return treeTilePath(level, index);
    return sealedPath(segmentOfTile(level, index) * segmentEntries);
  }

  #damaged(seq: number, path: string, byte: number, why: string): CairnError {
    const log = this.#reader.name;
    return new CairnError(
      "unverified",
      `entry ${seq} of the log ${log} is damaged in ${path} at byte ${byte}: ${why}. ` +
        "Run `cairn verify` to find all of the damage; restore from a mirror or copy that verifies",
      { place: { log, seq, path, byte } },
    );
  }
}

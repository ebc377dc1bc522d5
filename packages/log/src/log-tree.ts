/**
 * The part of a log's tree that is held in memory: all of the open segments, and above the sealed ones only the
 * right-most tiles of each level (with their left neighbours). It does not grow with the log. Everything that a
 * proof for a recent entry needs is here; older nodes come from the store (`history.ts`).
 *
 * Words: a *segment* is a perfect subtree of 65,536 leaves, its root a node of level 16. An *upper tile* holds 256
 * nodes of level 16, 24, 32 … The tile of C2SP level L starts at tree level 8 L.
 */
import { SegmentTree, TreeAt, assert, type Hash, type Sha256 } from "@cairnlog/core";
import { bundleEntries, segmentEntries } from "@cairnlog/store";
import { OpenSegment } from "./open-segment.ts";

const segmentLevel = 16;
const tileHeight = 8;

/** The newest tile of one C2SP level, 2 or above, and the one before it. */
interface UpperLevel {
  index: number;
  tile: SegmentTree;
  before: SegmentTree | undefined;
}

export class LogTree {
  readonly #sha256: Sha256;
  /** By C2SP tile level minus 2. */
  readonly #upper: UpperLevel[] = [];
  /** The segments that are not sealed, in order. The last one takes the next entry. */
  readonly open: OpenSegment[] = [];
  #size = 0;
  /** The one that was asked for last: all receipts of a commit ask for the same. */
  #lastAt: TreeAt | undefined;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  get size(): number {
    return this.#size;
  }

  /** Entries in sealed segments, or about to be: what is below needs the store. */
  get openFrom(): number {
    return this.open[0]?.first ?? this.#size;
  }

  /** The segment that the next entry goes to. */
  current(): OpenSegment {
    const last = this.open.at(-1);
    if (last !== undefined && !last.isFull) return last;
    const segment = new OpenSegment(this.#sha256, this.#size);
    this.open.push(segment);
    return segment;
  }

  /** Takes the next entry into `segment`, which must be `current()`. */
  append(segment: OpenSegment, leafHash: Hash, byteLength: number, idHigh: number, idLow: number) {
    segment.append(leafHash, byteLength, idHigh, idLow);
    this.#size++;
    if (segment.isFull) this.#appendUpper(0, segment.tree.node(segmentLevel, 0));
  }

  /** On opening: takes a segment that is sealed already, known by its root. */
  appendSealed(root: Hash): void {
    assert(this.open.length === 0, "sealed segments come before open ones");
    this.#size += segmentEntries;
    this.#appendUpper(0, root);
  }

  /** Lets go of the first open segment, once it is sealed. */
  dropSealed(segment: OpenSegment): void {
    assert(this.open[0] === segment && segment.isFull, "segments are sealed in order");
    this.open.shift();
  }

  openSegmentOf(seq: number): OpenSegment | undefined {
    const at = Math.floor((seq - this.openFrom) / segmentEntries);
    return seq >= this.openFrom ? this.open[at] : undefined;
  }

  /** A complete node, or undefined where it is not in memory. */
  node(level: number, index: number): Hash | undefined {
    if (level >= segmentLevel) return this.#upperNode(level, index);
    const width = 2 ** level;
    const segment = this.openSegmentOf(index * width);
    if (segment === undefined) return undefined;
    const local = index - segment.first / width;
    return local < segment.tree.nodeCount(level) ? segment.tree.node(level, local) : undefined;
  }

  /** The tree at a size that is not below the open segments. */
  at(size: number): TreeAt {
    if (this.#lastAt?.size === size) return this.#lastAt;
    this.#lastAt = new TreeAt(this.#sha256, size, (level, index) => {
      const node = this.node(level, index);
      assert(node !== undefined, `node ${index} of level ${level} is on the right edge`);
      return node;
    });
    return this.#lastAt;
  }

  /** Hashes of an upper tile that is in memory, from the left; undefined otherwise. */
  upperTile(level: number, index: number): Uint8Array | undefined {
    const tree = this.#upperTileTree(level - 2, index);
    return tree?.hashes(0, 0, tree.leafCount);
  }

  #upperTileTree(upper: number, index: number): SegmentTree | undefined {
    const level = this.#upper[upper];
    if (level === undefined) return undefined;
    if (index === level.index) return level.tile;
    return index === level.index - 1 ? level.before : undefined;
  }

  #upperNode(level: number, index: number): Hash | undefined {
    const upper = Math.floor((level - segmentLevel) / tileHeight);
    const height = (level - segmentLevel) % tileHeight;
    const perTile = 2 ** (tileHeight - height);
    const tree = this.#upperTileTree(upper, Math.floor(index / perTile));
    const local = index % perTile;
    return tree !== undefined && local < tree.nodeCount(height)
      ? tree.node(height, local)
      : undefined;
  }

  #appendUpper(upper: number, hash: Hash): void {
    let level = this.#upper[upper];
    if (level === undefined) {
      level = { index: 0, tile: new SegmentTree(this.#sha256), before: undefined };
      this.#upper.push(level);
    }
    if (level.tile.leafCount === bundleEntries) {
      level.before = level.tile;
      level.tile = new SegmentTree(this.#sha256);
      level.index++;
    }
    level.tile.append(hash);
    if (level.tile.leafCount === bundleEntries) {
      this.#appendUpper(upper + 1, level.tile.node(tileHeight, 0));
    }
  }
}

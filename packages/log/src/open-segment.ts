/**
 * A segment of 65,536 entries that is not sealed yet: its entries lie in a tail file, and what is needed to find,
 * prove and seal them is here, in memory. Some 5 MB when full, a few KB for a small log.
 */
import { SegmentTree, type Hash, type Sha256 } from "@cairnlog/core";
import { segmentEntries } from "@cairnlog/store";

/**
 * A first segment may stay small. One that follows a full segment will be full as well, and gets its room at once:
 * to grow by and by took the same again in memory, for arrays that wait for the garbage collector.
 */
const placesAtStart = 64;

export class OpenSegment {
  /** Seq of its first entry: a multiple of 65,536. */
  readonly first: number;
  readonly tree: SegmentTree;
  /** Length in bytes of what was rendered into its tail file so far. */
  tailLength = 0;
  #offsets: Float64Array;
  /** The two halves of each entry's id hash; both 0 where it has no id. */
  #idHashes: Uint32Array;

  constructor(sha256: Sha256, first: number) {
    this.first = first;
    const places = first === 0 ? placesAtStart : segmentEntries;
    this.tree = new SegmentTree(sha256, places);
    this.#offsets = new Float64Array(places);
    this.#idHashes = new Uint32Array(2 * places);
  }

  get count(): number {
    return this.tree.leafCount;
  }

  get isFull(): boolean {
    return this.count === segmentEntries;
  }

  /** Takes the next entry, which begins (with its length) at the tail's present end and is `byteLength` long. */
  append(leafHash: Hash, byteLength: number, idHigh: number, idLow: number): void {
    const i = this.count;
    if (i === this.#offsets.length) this.#grow();
    this.#offsets[i] = this.tailLength;
    this.#idHashes[2 * i] = idHigh;
    this.#idHashes[2 * i + 1] = idLow;
    this.tree.append(leafHash);
    this.tailLength += byteLength;
  }

  /** Where entry `i` (counted from the segment's first) begins in the tail file; its end for `i` = count. */
  offsetOf(i: number): number {
    return i === this.count ? this.tailLength : this.#offsets[i]!;
  }

  idHashes(): Uint32Array {
    return this.#idHashes.subarray(0, 2 * this.count);
  }

  #grow(): void {
    const places = this.#offsets.length * 2;
    const offsets = new Float64Array(places);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const idHashes = new Uint32Array(2 * places);
    idHashes.set(this.#idHashes);
    this.#idHashes = idHashes;
  }
}

/**
 * The right edge of a tree: the roots of the perfect subtrees that its size falls into (the
 * *peaks*; elsewhere called a compact range). At most 53 hashes, enough to go on appending and to
 * compute the root at any time; not enough for proofs.
 */
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash, type Sha256 } from "./hash.ts";
import { hashChildren, rootOfPeaks } from "./merkle.ts";
import { checkTreeSize, completeNodes } from "./tree-shape.ts";

export class RightEdge {
  readonly #sha256: Sha256;
  #size: number;
  /** Leftmost, which is the largest, first: one for each binary one in the size. */
  #peaks: Hash[];

  /**
   * The edge of the empty tree, or that of a tree of `size` whose peaks were stored: the hashes of
   * `completeNodes(0, size)`, in that order. "malformed" if their number or length is wrong.
   */
  constructor(sha256: Sha256, size = 0, peaks: readonly Hash[] = []) {
    checkTreeSize(size);
    const expected = completeNodes(0, size).length;
    if (peaks.length !== expected) {
      throw new CairnError(
        "malformed",
        `a tree of size ${size} has ${expected} peaks, not ${peaks.length}`,
      );
    }
    peaks.forEach(checkHash);
    this.#sha256 = sha256;
    this.#size = size;
    this.#peaks = peaks.slice();
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends a leaf. One hash per call on average. The leaf hash is kept, so it must not be changed
   * later.
   */
  append(leafHash: Hash): void {
    this.appendSubtree(0, leafHash);
  }

  /**
   * Appends 2^height leaves at once, given the root of their perfect subtree. The size must be a
   * multiple of 2^height, else the subtree is no node of the tree ("malformed"). Where it throws,
   * nothing has changed.
   */
  appendSubtree(height: number, root: Hash): void {
    checkHash(root);
    const width = 2 ** height;
    if (!Number.isInteger(height) || height < 0 || this.#size % width !== 0) {
      throw new CairnError(
        "malformed",
        `a subtree of height ${height} cannot begin at entry ${this.#size}`,
      );
    }
    checkTreeSize(this.#size + width, "size of the tree after this");
    let kept = this.#peaks.length;
    let peak = root;
    // Like adding to a binary number: a one at the subtree's height, carried on while there is one
    // already.
    for (let count = this.#size / width; count % 2 === 1; count = Math.floor(count / 2)) {
      kept--;
      peak = hashChildren(this.#sha256, this.#peaks[kept]!, peak);
    }
    this.#peaks.length = kept;
    this.#peaks.push(peak);
    this.#size += width;
  }

  /** The root of the tree, computed anew each time: one hash fewer than there are peaks. */
  root(): Hash {
    return rootOfPeaks(this.#sha256, this.#peaks);
  }

  /** The peaks, leftmost first: what to store, to be given to the constructor again. */
  peaks(): Hash[] {
    return this.#peaks.slice();
  }

  /**
   * The peak of a height, or undefined if the tree has none. Proofs of entries beyond the edge need
   * no other node from before it: on their way to the root, every left neighbour that begins before
   * the edge is a peak.
   */
  peakOfHeight(height: number): Hash | undefined {
    const rest = Math.floor(this.#size / 2 ** height);
    if (rest % 2 === 0) return undefined;
    let higher = 0;
    for (let count = Math.floor(rest / 2); count > 0; count = Math.floor(count / 2)) {
      higher += count % 2;
    }
    return this.#peaks[higher];
  }

  /** An edge that goes its own way from here. */
  clone(): RightEdge {
    return new RightEdge(this.#sha256, this.#size, this.#peaks);
  }
}

function checkHash(hash: Hash): void {
  if (hash.length !== hashByteLength) {
    throw new CairnError("malformed", `a hash has 32 bytes, not ${hash.length}`);
  }
}

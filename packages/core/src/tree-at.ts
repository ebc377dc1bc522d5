/**
 * A tree at one size, ready to give inclusion proofs by the thousand: the hashes of its incomplete
 * nodes are computed once, then a proof is a look-up per level and no hashing.
 *
 * At each level of a tree at most one node is incomplete, the last one, above the right-most leaf.
 * Such a node is different at each size, so it is never stored; all others are complete and come
 * from the reader.
 */
import { assert } from "./errors.ts";
import type { Hash, Sha256 } from "./hash.ts";
import { emptyRoot, hashChildren, type NodeReader } from "./merkle.ts";
import { checkLeafIndex, checkTreeSize } from "./tree-shape.ts";

export class TreeAt {
  readonly size: number;
  readonly #root: Hash;
  readonly #read: NodeReader;
  /**
   * By level: the hash of the incomplete node, or undefined where the level ends with a complete
   * one.
   */
  readonly #edge: (Hash | undefined)[];

  /**
   * Reads the complete nodes that the size falls into (`completeNodes(0, size)`) and computes at
   * most 52 hashes. `read` must go on giving the nodes of a tree of at least this size for as long
   * as proofs are asked for.
   */
  constructor(sha256: Sha256, size: number, read: NodeReader) {
    checkTreeSize(size);
    this.size = size;
    this.#read = read;
    this.#edge = [];
    let edge: Hash | undefined;
    let count = size; // Complete nodes at the level.
    let level = 0;
    // Each turn computes the incomplete node of the level above. The last level to look at holds
    // one node in all.
    while (count > 1 || (count === 1 && edge !== undefined)) {
      this.#edge.push(edge);
      if (count % 2 === 1) {
        const left = read(level, count - 1);
        edge = edge === undefined ? left : hashChildren(sha256, left, edge);
      }
      count = Math.floor(count / 2);
      level++;
    }
    if (size === 0) this.#root = emptyRoot(sha256);
    else this.#root = edge ?? read(level, 0);
  }

  /** The root of the tree. Not computed anew. */
  root(): Hash {
    return this.#root;
  }

  /**
   * The inclusion proof of the entry at `index`, nearest sibling first. The array is the caller's
   * own; its hashes are shared with the reader and with other proofs, and must not be changed.
   */
  inclusionProof(index: number): Hash[] {
    checkLeafIndex(index, this.size);
    const proof: Hash[] = [];
    let node = index;
    let count = this.size;
    const height = this.#edge.length;
    for (let level = 0; level < height; level++) {
      const sibling = node % 2 === 1 ? node - 1 : node + 1;
      if (sibling < count) {
        proof.push(this.#read(level, sibling));
      } else if (sibling === count) {
        const edge = this.#edge[level];
        if (edge !== undefined) proof.push(edge);
      }
      node = Math.floor(node / 2);
      count = Math.floor(count / 2);
    }
    assert(node === 0, "a path ends at the root");
    return proof;
  }
}

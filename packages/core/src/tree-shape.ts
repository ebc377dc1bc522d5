/**
 * The shape of RFC 6962 trees: which nodes a tree of some size has, and which of them a proof is
 * made of. Arithmetic alone, no hash is computed here. Sizes go to 2^53 - 1, so there is no bitwise
 * operator: those cut at 32 bits.
 *
 * Words: a *range* is the leaves from `begin` up to, not including, `end`, that RFC 6962 calls
 * D[begin:end]. Every element of a proof is the Merkle Tree Hash of one range; a range that is not
 * perfect falls into complete nodes.
 */
import { CairnError } from "./errors.ts";
import type { TreeNode } from "./merkle.ts";

export interface LeafRange {
  readonly begin: number;
  readonly end: number;
}

/** Refuses what cannot be the size of a tree: 0 to 2^53 - 1. `what` names it in the error. */
export function checkTreeSize(size: number, what = "tree size"): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new CairnError("malformed", `the ${what} is ${size}, not one of 0 to 2^53 - 1`);
  }
}

/** Refuses an index that lies in no tree of that size. */
export function checkLeafIndex(index: number, size: number): void {
  checkTreeSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new CairnError("malformed", `there is no entry ${index} in a tree of size ${size}`);
  }
}

/** True for 1, 2, 4, … 2^52. False for 0. */
export function isPowerOfTwo(size: number): boolean {
  return size >= 1 && largestPowerOfTwo(size) === size;
}

/**
 * The largest power of two that is smaller than `size`: where RFC 6962 splits a tree. `size` is at
 * least 2.
 */
export function largestPowerOfTwoBelow(size: number): number {
  return largestPowerOfTwo(size - 1);
}

/**
 * The largest power of two that is not larger than `size`, by halves and doubles, which are exact.
 */
function largestPowerOfTwo(size: number): number {
  let power = 1;
  while (power <= size / 2) power *= 2;
  return power;
}

/**
 * The complete nodes that a range falls into, left to right, largest first. `begin` must be a
 * multiple of a power of two that is not smaller than the range, as it is for all ranges of RFC
 * 6962. At most 53 nodes.
 */
export function completeNodes(begin: number, end: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  let at = begin;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (width <= (end - at) / 2) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/**
 * The ranges that an inclusion proof is made of, in its order: PATH(index, D[size]) of RFC 6962
 * section 2.1.1.
 */
export function inclusionProofRanges(index: number, size: number): LeafRange[] {
  checkLeafIndex(index, size);
  const ranges: LeafRange[] = [];
  let begin = 0;
  let end = size;
  while (end - begin > 1) {
    const split = begin + largestPowerOfTwoBelow(end - begin);
    if (index < split) {
      ranges.push({ begin: split, end });
      end = split;
    } else {
      ranges.push({ begin, end: split });
      begin = split;
    }
  }
  return ranges.reverse();
}

/**
 * The ranges that a consistency proof is made of, in its order: PROOF(size1, D[size2]) of RFC 6962
 * section 2.1.2. None for equal sizes, nor from the empty tree, which every tree extends.
 */
export function consistencyProofRanges(size1: number, size2: number): LeafRange[] {
  checkSizePair(size1, size2);
  if (size1 === 0) return [];
  const ranges: LeafRange[] = [];
  let begin = 0;
  let end = size2;
  while (size1 !== end) {
    const split = begin + largestPowerOfTwoBelow(end - begin);
    if (size1 <= split) {
      ranges.push({ begin: split, end });
      end = split;
    } else {
      ranges.push({ begin, end: split });
      begin = split;
    }
  }
  // What remains is the last perfect part of the old tree. Whoever has the old root knows it if it
  // is all of it.
  if (begin > 0) ranges.push({ begin, end });
  return ranges.reverse();
}

/** The nodes that have to be at hand before `inclusionProof` can read them. */
export function inclusionProofNodes(index: number, size: number): TreeNode[] {
  return inclusionProofRanges(index, size).flatMap((range) =>
    completeNodes(range.begin, range.end),
  );
}

/** The nodes that have to be at hand before `consistencyProof` can read them. */
export function consistencyProofNodes(size1: number, size2: number): TreeNode[] {
  return consistencyProofRanges(size1, size2).flatMap((range) =>
    completeNodes(range.begin, range.end),
  );
}

/** The number of hashes in an inclusion proof. */
export function inclusionProofLength(index: number, size: number): number {
  checkLeafIndex(index, size);
  return countSiblings(index, size - 1);
}

/** The number of hashes in a consistency proof. */
export function consistencyProofLength(size1: number, size2: number): number {
  checkSizePair(size1, size2);
  if (size1 === 0 || size1 === size2) return 0;
  let node = size1 - 1;
  let last = size2 - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return countSiblings(node, last) + (isPowerOfTwo(size1) ? 0 : 1);
}

/** Refuses two sizes of which the second is not a later size of the same log. */
export function checkSizePair(size1: number, size2: number): void {
  checkTreeSize(size1, "older tree size");
  checkTreeSize(size2, "newer tree size");
  if (size1 > size2) {
    throw new CairnError(
      "malformed",
      `the older tree size, ${size1}, is larger than the newer one, ${size2}`,
    );
  }
}

/**
 * How many siblings there are on the way from a node up to the root, where `last` is the last node
 * of its level.
 */
function countSiblings(node: number, last: number): number {
  let count = 0;
  while (last > 0) {
    if (node % 2 === 1 || node < last) count++;
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return count;
}

/**
 * One inclusion proof for many entries of one tree: the hashes of the largest subtrees that hold none of the chosen
 * leaves, left to right. Each such subtree is one side of a split of RFC 6962 section 2.1 whose other side holds a
 * chosen leaf, so no hash of the proof can be computed from the others, and the root cannot be computed without any of
 * them. For one entry it holds the hashes of its inclusion proof, in another order.
 *
 * With k entries out of n it costs about k * log2(n / k) hashes where separate proofs cost k * log2(n); entries that
 * lie side by side cost hardly more than one. Time is O(k log n), also for sizes of up to 2^53 - 1.
 *
 * *Chosen indexes* are strictly ascending, at least one. Refusals are those of `proof.ts`: "malformed" where no tree
 * could make the proof right, "unverified" where the hashes do not lead to the root. What returns is proven; whether
 * the root is to be trusted is for the checkpoint's signatures.
 */
import { base64 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, isSameBytes, type Hash, type Sha256 } from "./hash.ts";
import { hashChildren, rootOfPeaks, type NodeReader, type TreeNode } from "./merkle.ts";
import {
  checkTreeSize,
  completeNodes,
  largestPowerOfTwoBelow,
  type LeafRange,
} from "./tree-shape.ts";

/** What a multi-proof is about, all but the root that it should lead to. */
export interface MultiProofPath {
  /** Strictly ascending, at least one, below `size`. */
  readonly indexes: readonly number[];
  readonly size: number;
  /** Of the entries at `indexes`, in their order. */
  readonly leafHashes: readonly Hash[];
  readonly proof: readonly Hash[];
}

/** "The tree of this size and root has these leaf hashes at these indexes." */
export interface MultiProofClaim extends MultiProofPath {
  readonly root: Hash;
}

/** What to make of the parts of a tree: `Part` is a hash, or nothing for those who only count. */
interface Visitor<Part> {
  /** The chosen leaf at `indexes[position]`. */
  leaf(position: number): Part;
  /** A subtree without a chosen leaf: the proof's next element. */
  sibling(begin: number, end: number): Part;
  children(left: Part, right: Part): Part;
}

/** The ranges that the proof's hashes are the roots of, in its order. */
export function multiProofRanges(indexes: readonly number[], size: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  visit(indexes, size, {
    leaf: () => undefined,
    sibling: (begin, end) => void ranges.push({ begin, end }),
    children: () => undefined,
  });
  return ranges;
}

/** The nodes that have to be at hand before `multiProof` can read them. */
export function multiProofNodes(indexes: readonly number[], size: number): TreeNode[] {
  return multiProofRanges(indexes, size).flatMap(({ begin, end }) => completeNodes(begin, end));
}

/** The number of hashes in a multi-proof. */
export function multiProofLength(indexes: readonly number[], size: number): number {
  let length = 0;
  visit(indexes, size, {
    leaf: () => undefined,
    sibling: () => void length++,
    children: () => undefined,
  });
  return length;
}

/** The proof. Reads exactly the nodes that `multiProofNodes` lists, in that order. */
export function multiProof(
  sha256: Sha256,
  indexes: readonly number[],
  size: number,
  read: NodeReader,
): Hash[] {
  return multiProofRanges(indexes, size).map(({ begin, end }) =>
    rootOfPeaks(
      sha256,
      completeNodes(begin, end).map((node) => read(node.level, node.index)),
    ),
  );
}

/** The root that a multi-proof leads to. "malformed" if no tree of that size has such a proof. */
export function rootFromMultiProof(sha256: Sha256, path: MultiProofPath): Hash {
  const { indexes, size, leafHashes, proof } = path;
  if (leafHashes.length !== indexes.length) {
    throw new CairnError(
      "malformed",
      `there are ${leafHashes.length} leaf hashes for ${indexes.length} entries`,
    );
  }
  const expected = multiProofLength(indexes, size);
  if (proof.length !== expected) {
    throw new CairnError(
      "malformed",
      `a proof for these ${indexes.length} entries of ${size} has ${expected} hashes: ` +
        `this one has ${proof.length}`,
    );
  }
  for (const [what, hashes] of [
    ["leaf hash", leafHashes],
    ["hash of the proof", proof],
  ] as const) {
    const wrong = hashes.findIndex((hash) => hash.length !== hashByteLength);
    if (wrong < 0) continue;
    throw new CairnError(
      "malformed",
      `${what} ${wrong} has ${hashes[wrong]!.length} bytes, not 32`,
    );
  }
  let used = 0;
  return visit(indexes, size, {
    leaf: (position) => leafHashes[position]!,
    sibling: () => proof[used++]!,
    children: (left, right) => hashChildren(sha256, left, right),
  });
}

/** Returns if the claim is proven, else throws "unverified" or "malformed". Which entry is wrong does not show here. */
export function verifyMultiProof(sha256: Sha256, claim: MultiProofClaim): void {
  const root = rootFromMultiProof(sha256, claim);
  if (isSameBytes(root, claim.root)) return;
  throw new CairnError(
    "unverified",
    `the ${claim.indexes.length} entries are not proven to be in the tree of size ${claim.size} with root ` +
      `${base64(claim.root)}: their hashes and the proof lead to root ${base64(root)}`,
  );
}

/** Walks over the tree, left to right, and no deeper than there are chosen leaves. */
function visit<Part>(indexes: readonly number[], size: number, visitor: Visitor<Part>): Part {
  checkIndexes(indexes, size);
  /** The range of leaves [begin, end), which holds the chosen indexes at positions [from, to). */
  const part = (begin: number, end: number, from: number, to: number): Part => {
    if (from === to) return visitor.sibling(begin, end);
    if (end - begin === 1) return visitor.leaf(from);
    const split = begin + largestPowerOfTwoBelow(end - begin);
    const middle = positionOf(indexes, split, from, to);
    const left = part(begin, split, from, middle);
    return visitor.children(left, part(split, end, middle, to));
  };
  return part(0, size, 0, indexes.length);
}

/** The first position in [from, to) whose index is not below `split`; `to` if there is none. */
function positionOf(indexes: readonly number[], split: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (indexes[middle]! < split) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkIndexes(indexes: readonly number[], size: number): void {
  checkTreeSize(size);
  if (indexes.length === 0) throw new CairnError("malformed", "a proof is of at least one entry");
  let before = -1;
  for (const index of indexes) {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new CairnError("malformed", `there is no entry ${index} in a tree of size ${size}`);
    }
    if (index <= before) {
      throw new CairnError(
        "malformed",
        `entry ${index} comes after entry ${before}: sort them, each once`,
      );
    }
    before = index;
  }
}

/**
 * The hashes of an RFC 6962 Merkle tree (section 2.1): empty tree, leaf, inner node, and whole
 * subtrees at once. Which nodes a tree or a proof has is the business of `tree-shape.ts`; this file
 * only hashes.
 *
 * Words: a *hash run* is a Uint8Array of hashes one after another, 32 bytes each: what a tile is. A
 * *complete* node is the root of a perfect subtree, of 2^level leaves; once it exists it never
 * changes.
 *
 * The input of an inner node is put together in one module-wide buffer. That is safe because a
 * `Sha256` is synchronous, keeps nothing of its input, and never calls back into this module.
 */
import { CairnError, assert } from "./errors.ts";
import { hashByteLength, hashInto, type Hash, type Sha256 } from "./hash.ts";

/**
 * A complete node: it covers leaves index * 2^level up to, not including, (index + 1) * 2^level.
 */
export interface TreeNode {
  /** 0 for leaves. */
  readonly level: number;
  readonly index: number;
}

/**
 * Gives the hash of a complete node. Throws where it does not have it. Not asked for incomplete
 * ones.
 */
export type NodeReader = (level: number, index: number) => Hash;

/** Leaves of the largest subtree that is hashed in one go: one segment of a log. */
export const subtreeLeavesMax = 65_536;

const hashWords = hashByteLength / 4;
// 0x01 || left || right. It begins at byte 7, so that both children lie on word boundaries: copying
// 16 words takes 10 ns where copying 64 bytes takes 39 ns, beside some 850 ns for the SHA-256
// itself (Node 24).
const inputBuffer = new ArrayBuffer(7 + 1 + 2 * hashByteLength);
const input = new Uint8Array(inputBuffer, 7, 1 + 2 * hashByteLength);
const inputChildren = new Uint32Array(inputBuffer, 8, 2 * hashWords);
input[0] = 0x01;

/** The root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(sha256: Sha256): Hash {
  return sha256(new Uint8Array(0));
}

/** The leaf hash of `bytes`: SHA-256(0x00 || bytes). */
export function hashLeaf(sha256: Sha256, bytes: Uint8Array): Hash {
  const leaf = new Uint8Array(1 + bytes.length);
  leaf.set(bytes, 1);
  return sha256(leaf);
}

/** The hash of an inner node: SHA-256(0x01 || left || right). */
export function hashChildren(sha256: Sha256, left: Hash, right: Hash): Hash {
  // Lengths first: a shorter hash would leave bytes of the node before in the buffer.
  assert(left.length === hashByteLength && right.length === hashByteLength, "a hash has 32 bytes");
  input.set(left, 1);
  input.set(right, 1 + hashByteLength);
  return sha256(input);
}

/** A run of hashes, in two views of the same memory. */
export interface HashRun {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** A run on its bytes, without copying them. They must lie on a word boundary. */
export function runOf(bytes: Uint8Array): HashRun {
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) };
}

/**
 * Hashes the nodes from `begin` up to, not including, `end` of `parents`, each from the two that lie at twice its
 * index in `children`; the two may be the same run. The same as `hashChildren`, without a view per child. Nearly all
 * inner nodes of a log are hashed here, and no node of a call depends on another one.
 */
export function hashParents(
  sha256: Sha256,
  children: HashRun,
  parents: Uint8Array,
  begin: number,
  end: number,
): void {
  if (sha256.parents !== undefined) {
    sha256.parents(children.bytes, parents, begin, end);
    return;
  }
  const { words } = children;
  for (let index = begin; index < end; index++) {
    const at = 2 * index * hashWords;
    for (let i = 0; i < 2 * hashWords; i++) inputChildren[i] = words[at + i]!;
    hashInto(sha256, input, parents, index * hashByteLength);
  }
}

/**
 * Combines the roots of the perfect subtrees that a tree falls into, largest (leftmost) first, to
 * the tree's root. Costs one hash for each but the first.
 */
export function rootOfPeaks(sha256: Sha256, peaks: readonly Hash[]): Hash {
  let root = peaks.at(-1);
  if (root === undefined) return emptyRoot(sha256);
  for (let i = peaks.length - 2; i >= 0; i--) root = hashChildren(sha256, peaks[i]!, root);
  return root;
}

/**
 * The Merkle Tree Hash over a run of hashes of nodes of one level: of leaves, or of complete
 * subtrees of the same height, then it is the root of what they cover together. At least one. Costs
 * one hash fewer than there are nodes.
 */
export function rangeRoot(sha256: Sha256, run: Uint8Array): Hash {
  let count = countHashes(run);
  if (count === 0) throw new CairnError("malformed", "a run of no hashes has no root");
  // Not `slice`: on Node's Buffer that is a view, and the caller's bytes would be overwritten.
  const work = new Uint8Array(run);
  const nodes = runOf(work);
  // Level by level in place: a parent overwrites a child that was read already. A node without a
  // sibling moves up as it is, which is what the split at the largest power of two in RFC 6962
  // amounts to.
  while (count > 1) {
    const pairs = Math.floor(count / 2);
    hashParents(sha256, nodes, work, 0, pairs);
    if (count % 2 === 1) {
      work.copyWithin(pairs * hashByteLength, (count - 1) * hashByteLength, count * hashByteLength);
    }
    count = Math.ceil(count / 2);
  }
  return work.slice(0, hashByteLength);
}

/**
 * All nodes of a perfect subtree: result[h] is the run of its hashes at height h, result[0] is
 * `leafHashes` itself and the last one holds the root alone. A power of two of leaves, at most
 * 65,536. One allocation for all levels.
 */
export function subtreeLevels(sha256: Sha256, leafHashes: Uint8Array): Uint8Array[] {
  let count = countHashes(leafHashes);
  if (count === 0 || count > subtreeLeavesMax || !Number.isInteger(Math.log2(count))) {
    throw new CairnError(
      "malformed",
      `a subtree has a power of two of leaves, at most ${subtreeLeavesMax}: these are ${count}`,
    );
  }
  const levels = [leafHashes];
  const all = new Uint8Array((count - 1) * hashByteLength);
  let children = runOf(leafHashes.byteOffset % 4 === 0 ? leafHashes : new Uint8Array(leafHashes));
  for (let from = 0; count > 1;) {
    count /= 2;
    const parents = all.subarray(from, from + count * hashByteLength);
    hashParents(sha256, children, parents, 0, count);
    levels.push(parents);
    children = runOf(parents);
    from += parents.length;
  }
  return levels;
}

/** The number of hashes in a run; "malformed" if it is not a whole one. */
export function countHashes(run: Uint8Array): number {
  if (run.length % hashByteLength !== 0) {
    throw new CairnError(
      "malformed",
      `a run of hashes has a multiple of 32 bytes, not ${run.length}`,
      { place: { byte: run.length - (run.length % hashByteLength) } },
    );
  }
  return run.length / hashByteLength;
}

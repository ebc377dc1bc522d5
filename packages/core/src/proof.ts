/**
 * Inclusion and consistency proofs of RFC 6962 (sections 2.1.1 and 2.1.2): made from stored nodes,
 * and verified as in RFC 9162 (sections 2.1.3.2 and 2.1.4.2).
 *
 * Refusals: "malformed" where the sizes, or the number or length of the hashes, are such that no
 * tree could make the proof right; "unverified" where the hashes do not lead to the root. There is
 * no third outcome: what returns is proven. Not here: whether a root is to be trusted. That is for
 * the checkpoint's signatures.
 */
import { base64 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, isSameBytes, type Hash, type Sha256 } from "./hash.ts";
import { emptyRoot, hashChildren, rootOfPeaks, type NodeReader } from "./merkle.ts";
import {
  completeNodes,
  consistencyProofLength,
  consistencyProofRanges,
  inclusionProofLength,
  inclusionProofRanges,
  isPowerOfTwo,
  type LeafRange,
} from "./tree-shape.ts";

/** What an inclusion proof is about, all but the root that it should lead to. */
export interface InclusionPath {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Hash;
  readonly proof: readonly Hash[];
}

/** "The tree of this size and root has this leaf hash at this index." */
export interface InclusionClaim extends InclusionPath {
  readonly root: Hash;
}

/** "The tree of size 1 and root 1 is what the tree of size 2 and root 2 begins with." */
export interface ConsistencyClaim {
  readonly size1: number;
  readonly root1: Hash;
  readonly size2: number;
  readonly root2: Hash;
  readonly proof: readonly Hash[];
}

/**
 * The inclusion proof of one entry, nearest sibling first. Reads exactly the nodes that
 * `inclusionProofNodes` lists. Where many proofs are wanted at one size, `TreeAt` makes each
 * without hashing.
 */
export function inclusionProof(
  sha256: Sha256,
  index: number,
  size: number,
  read: NodeReader,
): Hash[] {
  return inclusionProofRanges(index, size).map((range) => hashOfRange(sha256, range, read));
}

/**
 * The proof that the tree of `size1` is a prefix of that of `size2`. Reads exactly the nodes that
 * `consistencyProofNodes` lists. Empty for equal sizes, and from size 0, of which there is nothing
 * to prove.
 */
export function consistencyProof(
  sha256: Sha256,
  size1: number,
  size2: number,
  read: NodeReader,
): Hash[] {
  return consistencyProofRanges(size1, size2).map((range) => hashOfRange(sha256, range, read));
}

function hashOfRange(sha256: Sha256, range: LeafRange, read: NodeReader): Hash {
  const nodes = completeNodes(range.begin, range.end);
  return rootOfPeaks(
    sha256,
    nodes.map((node) => read(node.level, node.index)),
  );
}

/**
 * The root that an inclusion proof leads to. "malformed" if no tree of that size has such a proof.
 */
export function rootFromInclusionProof(sha256: Sha256, path: InclusionPath): Hash {
  const { index, size, leafHash, proof } = path;
  checkProofHashes(proof, inclusionProofLength(index, size), `entry ${index} of ${size}`);
  if (leafHash.length !== hashByteLength) {
    throw new CairnError("malformed", `a leaf hash has 32 bytes, not ${leafHash.length}`);
  }
  let root = leafHash;
  let used = 0;
  let node = index;
  // `last` is the last node of the level. Where the node is that one and has no sibling, it moves
  // up as it is.
  for (let last = size - 1; last > 0; last = Math.floor(last / 2)) {
    if (node % 2 === 1) root = hashChildren(sha256, proof[used++]!, root);
    else if (node < last) root = hashChildren(sha256, root, proof[used++]!);
    node = Math.floor(node / 2);
  }
  return root;
}

/** Returns if the claim is proven, else throws "unverified" or "malformed". */
export function verifyInclusion(sha256: Sha256, claim: InclusionClaim): void {
  const root = rootFromInclusionProof(sha256, claim);
  if (isSameBytes(root, claim.root)) return;
  throw new CairnError(
    "unverified",
    `entry ${claim.index} is not proven to be in the tree of size ${claim.size} with root ` +
      `${base64(claim.root)}: leaf hash ${base64(claim.leafHash)} and the inclusion proof lead ` +
      `to root ${base64(root)}`,
    { place: { seq: claim.index } },
  );
}

/**
 * Returns if the claim is proven, else throws "unverified" or "malformed". A claim from size 0 to a
 * larger one is refused: it would be true of any tree, so whoever relies on it checks nothing. From
 * 0 to 0, both roots must be that of the empty tree.
 */
export function verifyConsistency(sha256: Sha256, claim: ConsistencyClaim): void {
  const { size1, root1, size2, root2, proof } = claim;
  const sizes = `sizes ${size1} and ${size2}`;
  checkProofHashes(proof, consistencyProofLength(size1, size2), sizes);
  if (size1 === 0) {
    if (size2 > 0) {
      throw new CairnError(
        "malformed",
        `a consistency proof from size 0 proves nothing: every tree extends the empty one`,
      );
    }
    expectRoot(emptyRoot(sha256), root1, `tree of size 0`);
  }
  if (size1 === size2) {
    expectRoot(root1, root2, `tree of size ${size2}: there are two roots for one size`);
    return;
  }
  // The proof begins with the last perfect subtree of the old tree, unless that is all of the old
  // tree.
  let used = isPowerOfTwo(size1) ? 0 : 1;
  let older = used === 0 ? root1 : proof[0]!;
  if (older.length !== hashByteLength) {
    throw new CairnError("malformed", `a root has 32 bytes, not ${older.length}`);
  }
  let newer = older;
  let node = size1 - 1;
  let last = size2 - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  for (; last > 0; last = Math.floor(last / 2)) {
    if (node % 2 === 1) {
      const left = proof[used++]!;
      older = hashChildren(sha256, left, older);
      newer = hashChildren(sha256, left, newer);
    } else if (node < last) {
      newer = hashChildren(sha256, newer, proof[used++]!);
    }
    node = Math.floor(node / 2);
  }
  expectRoot(older, root1, `older tree, of size ${size1}, in a consistency proof to size ${size2}`);
  expectRoot(
    newer,
    root2,
    `newer tree, of size ${size2}, in a consistency proof from size ${size1}`,
  );
}

function expectRoot(proven: Hash, claimed: Hash, what: string): void {
  if (isSameBytes(proven, claimed)) return;
  throw new CairnError(
    "unverified",
    `root ${base64(claimed)} does not match ${base64(proven)} for the ${what}`,
  );
}

function checkProofHashes(proof: readonly Hash[], expected: number, what: string): void {
  if (proof.length !== expected) {
    throw new CairnError(
      "malformed",
      `a proof for ${what} has ${expected} hashes: this one has ${proof.length}`,
    );
  }
  for (const [i, hash] of proof.entries()) {
    if (hash.length === hashByteLength) continue;
    throw new CairnError("malformed", `hash ${i} of the proof has ${hash.length} bytes, not 32`);
  }
}

/**
 * Goal: a proof holds for what it was made for, and for nothing else. Method: every valid proof of
 * small trees, damaged in every way that we could think of, is refused with the right code. One
 * thing a proof cannot see: another size whose tree has the same shape around the path. There the
 * sides of the siblings are the same, and only the checkpoint binds size to root. The test knows
 * these cases by their shape.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import type { Hash, Sha256 } from "./hash.ts";
import { emptyRoot, hashLeaf } from "./merkle.ts";
import {
  consistencyProof,
  inclusionProof,
  rootFromInclusionProof,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from "./proof.ts";
import { SegmentTree } from "./segment-tree.ts";
import { TreeAt } from "./tree-at.ts";

const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");
const sizesMax = 34;
const segment = new SegmentTree(sha256);
for (let i = 0; i < sizesMax; i++) segment.append(hashLeaf(sha256, utf8(`entry ${i}`)));
const read = (level: number, index: number): Hash => segment.node(level, index);
const root = (size: number): Hash => new TreeAt(sha256, size, read).root();
const roots = Array.from({ length: sizesMax + 1 }, (_, size) => root(size));
const stranger = sha256(utf8("a stranger"));

function assertRefused(verify: () => void, what: string): void {
  assert.throws(
    verify,
    (error) => isCairnError(error, "unverified") || isCairnError(error, "malformed"),
    what,
  );
}

function flipped(bytes: Hash, byte: number): Hash {
  const copy = new Uint8Array(bytes);
  copy[byte] = copy[byte]! ^ 0x10;
  return copy;
}

/**
 * Every way in which a list of hashes is damaged: flipped, cut, repeated, swapped, lengthened, of
 * odd lengths.
 */
function* damaged(proof: readonly Hash[]): Generator<[string, Hash[]]> {
  for (let i = 0; i < proof.length; i++) {
    const here = proof[i]!;
    yield [`hash ${i} flipped`, proof.with(i, flipped(here, (i * 7) % 32))];
    yield [`last byte of hash ${i} flipped`, proof.with(i, flipped(here, 31))];
    yield [`hash ${i} replaced`, proof.with(i, stranger)];
    yield [`hash ${i} cut out`, proof.toSpliced(i, 1)];
    yield [`hash ${i} repeated`, proof.toSpliced(i, 0, here)];
    yield [`hash ${i} one byte short`, proof.with(i, here.subarray(1))];
    yield [`hash ${i} one byte long`, proof.with(i, Buffer.concat([here, Buffer.of(0)]))];
    yield [`hash ${i} empty`, proof.with(i, new Uint8Array(0))];
    const next = proof[i + 1];
    if (next !== undefined)
      yield [`${i} and its next swapped`, proof.with(i, next).with(i + 1, here)];
  }
  yield ["a hash before", [stranger, ...proof]];
  yield ["a hash after", [...proof, stranger]];
  if (proof.length > 0) yield ["nothing left", []];
}

/** On which side the siblings lie, from the leaf up: the shape that an inclusion proof fits. */
function sidesOfPath(m: number, n: number): string {
  if (n === 1) return "";
  let k = 1;
  while (2 * k < n) k *= 2;
  return m < k ? `${sidesOfPath(m, k)}R` : `${sidesOfPath(m - k, n - k)}L`;
}

/**
 * The same for a consistency proof; it begins with S where the proof itself holds the first hash.
 */
function sidesOfChange(m: number, n: number, whole = true): string {
  if (m === n) return whole ? "" : "S";
  let k = 1;
  while (2 * k < n) k *= 2;
  return m <= k ? `${sidesOfChange(m, k, whole)}R` : `${sidesOfChange(m - k, n - k, false)}L`;
}

test("inclusion: every damaged proof of every entry of every size is refused", () => {
  let refused = 0;
  for (let size = 1; size <= sizesMax - 1; size++) {
    for (let index = 0; index < size; index++) {
      const proof = inclusionProof(sha256, index, size, read);
      const claim = { index, size, leafHash: read(0, index), proof, root: roots[size]! };
      verifyInclusion(sha256, claim);
      const expectRefusal = (what: string, change: Partial<InclusionClaim>): void => {
        const wrong = { ...claim, ...change };
        assertRefused(() => verifyInclusion(sha256, wrong), `${index} of ${size}: ${what}`);
        refused++;
      };
      for (const [what, other] of damaged(proof)) expectRefusal(what, { proof: other });
      expectRefusal("leaf hash flipped", { leafHash: flipped(claim.leafHash, index % 32) });
      expectRefusal("leaf hash cut", { leafHash: claim.leafHash.subarray(1) });
      expectRefusal("root flipped", { root: flipped(claim.root, 31) });
      expectRefusal("root cut", { root: claim.root.subarray(0, 31) });
      expectRefusal("root of another size", { root: roots[size + 1]! });
      expectRefusal("not an index", { index: index + 0.5 });
      expectRefusal("not a size", { size: Number.NaN });
      expectRefusal("the size of no tree", { size: 2 ** 53 });
      for (let other = -1; other <= sizesMax; other++) {
        if (other !== index) expectRefusal(`as index ${other}`, { index: other });
        if (other <= index || sidesOfPath(index, other) !== sidesOfPath(index, size)) {
          expectRefusal(`as size ${other}`, { size: other });
        }
      }
    }
  }
  assert.ok(refused > 40_000, `${refused}`);
});

test("consistency: every damaged proof of every pair of sizes is refused", () => {
  let refused = 0;
  for (let size2 = 1; size2 <= sizesMax - 1; size2++) {
    for (let size1 = 1; size1 <= size2; size1++) {
      const proof = consistencyProof(sha256, size1, size2, read);
      const claim = { size1, root1: roots[size1]!, size2, root2: roots[size2]!, proof };
      verifyConsistency(sha256, claim);
      const expectRefusal = (what: string, change: Partial<ConsistencyClaim>): void => {
        const wrong = { ...claim, ...change };
        assertRefused(() => verifyConsistency(sha256, wrong), `${size1} to ${size2}: ${what}`);
        refused++;
      };
      for (const [what, other] of damaged(proof)) expectRefusal(what, { proof: other });
      expectRefusal("older root flipped", { root1: flipped(claim.root1, size1 % 32) });
      expectRefusal("newer root flipped", { root2: flipped(claim.root2, size2 % 32) });
      expectRefusal("older root cut", { root1: claim.root1.subarray(1) });
      expectRefusal("newer root cut", { root2: claim.root2.subarray(1) });
      expectRefusal("older root of another size", { root1: roots[size1 - 1]! });
      expectRefusal("newer root of another size", { root2: roots[size2 + 1]! });
      if (size1 !== size2) {
        expectRefusal("roots swapped", { root1: claim.root2, root2: claim.root1 });
        expectRefusal("sizes swapped", { size1: size2, size2: size1 });
        expectRefusal("as equal sizes", { size2: size1 });
      }
      const shape = sidesOfChange(size1, size2);
      for (let other = 0; other <= sizesMax; other++) {
        if (other > size2 || other === 0 || sidesOfChange(other, size2) !== shape) {
          expectRefusal(`from size ${other}`, { size1: other });
        }
        if (other < size1 || sidesOfChange(size1, other) !== shape) {
          expectRefusal(`to size ${other}`, { size2: other });
        }
      }
    }
  }
  assert.ok(refused > 40_000, `${refused}`);
});

test("consistency with the empty tree: only with itself, and only with its true root", () => {
  const empty = emptyRoot(sha256);
  const claim = { size1: 0, root1: empty, size2: 0, root2: empty, proof: [] };
  verifyConsistency(sha256, claim);
  const junk = { root1: stranger, root2: stranger };
  assert.throws(() => verifyConsistency(sha256, { ...claim, ...junk }), { code: "unverified" });
  assert.throws(() => verifyConsistency(sha256, { ...claim, root2: stranger }), {
    code: "unverified",
  });
  assert.throws(() => verifyConsistency(sha256, { ...claim, proof: [empty] }), {
    code: "malformed",
  });
  const grown = { ...claim, size2: 1, root2: roots[1]! };
  assert.throws(() => verifyConsistency(sha256, grown), {
    code: "malformed",
    message: /from size 0 proves nothing/,
  });
  assert.deepEqual(consistencyProof(sha256, 0, 5, read), []);
});

test("a refusal says what was expected and where", () => {
  const proof = inclusionProof(sha256, 3, 7, read);
  const claim = { index: 3, size: 7, leafHash: stranger, proof, root: roots[7]! };
  assert.throws(() => verifyInclusion(sha256, claim), {
    code: "unverified",
    place: { seq: 3 },
    message: /^entry 3 is not proven to be in the tree of size 7 with root /,
  });
  const short = { index: 3, size: 7, leafHash: stranger, proof: proof.slice(1) };
  assert.throws(() => rootFromInclusionProof(sha256, short), {
    code: "malformed",
    message: "a proof for entry 3 of 7 has 3 hashes: this one has 2",
  });
  const change = { size1: 3, root1: stranger, size2: 7, root2: roots[7]! };
  const path = consistencyProof(sha256, 3, 7, read);
  assert.throws(() => verifyConsistency(sha256, { ...change, proof: path }), {
    code: "unverified",
    message: / for the older tree, of size 3, in a consistency proof to size 7$/,
  });
});

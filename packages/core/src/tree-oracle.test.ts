/**
 * Goal: every way in which this package computes roots, nodes and proofs gives what RFC 6962
 * section 2.1 says. Method: small trees, exhaustively, against a naive oracle that follows the
 * section word for word, on the leaves themselves. Then trees up to 2^53 - 1 entries, which can be
 * computed because all leaves but one are the same.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { hex, utf8 } from "./encoding.ts";
import type { Hash, Sha256 } from "./hash.ts";
import {
  emptyRoot,
  hashChildren,
  hashLeaf,
  rangeRoot,
  subtreeLevels,
  type NodeReader,
} from "./merkle.ts";
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from "./proof.ts";
import { RightEdge } from "./right-edge.ts";
import { SegmentTree } from "./segment-tree.ts";
import { TreeAt } from "./tree-at.ts";
import {
  completeNodes,
  consistencyProofLength,
  consistencyProofNodes,
  inclusionProofLength,
  inclusionProofNodes,
  isPowerOfTwo,
  largestPowerOfTwoBelow,
} from "./tree-shape.ts";

const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");
const sizesMax = 70;
const entries = Array.from({ length: sizesMax }, (_, i) => utf8(`entry ${i}`));
const leafHashes = entries.map((entry) => hashLeaf(sha256, entry));

// The oracle. D[n] is a list of entries; k is the largest power of two smaller than n, found by
// looking.
const split = (n: number): number => {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
};
const known = new Map<string, Hash>();
function MTH(D: readonly Uint8Array[]): Hash {
  const key = `${D.length}:${D.length === 0 ? "" : Buffer.from(D[0]!).toString()}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const n = D.length;
  const k = split(n);
  let result: Hash;
  if (n === 0) result = hash("sha256", "", "buffer");
  else if (n === 1) result = hash("sha256", Buffer.concat([Buffer.of(0), D[0]!]), "buffer");
  else {
    const children = [Buffer.of(1), MTH(D.slice(0, k)), MTH(D.slice(k))];
    result = hash("sha256", Buffer.concat(children), "buffer");
  }
  known.set(key, result);
  return result;
}
function PATH(m: number, D: readonly Uint8Array[]): Hash[] {
  if (D.length === 1) return [];
  const k = split(D.length);
  if (m < k) return [...PATH(m, D.slice(0, k)), MTH(D.slice(k))];
  return [...PATH(m - k, D.slice(k)), MTH(D.slice(0, k))];
}
function SUBPROOF(m: number, D: readonly Uint8Array[], b: boolean): Hash[] {
  if (m === D.length) return b ? [] : [MTH(D)];
  const k = split(D.length);
  if (m <= k) return [...SUBPROOF(m, D.slice(0, k), b), MTH(D.slice(k))];
  return [...SUBPROOF(m - k, D.slice(k), false), MTH(D.slice(0, k))];
}

const tree = (size: number): Uint8Array[] => entries.slice(0, size);
const hexes = (hashes: readonly Hash[]): string[] => hashes.map((each) => hex(each));

/**
 * Gives the nodes of a tree of `size` by the oracle and refuses to give one that is not complete.
 */
function oracleReader(size: number, asked: string[] = []): NodeReader {
  return (level, index) => {
    const begin = index * 2 ** level;
    const end = begin + 2 ** level;
    assert.ok(Number.isInteger(index) && end <= size, `(${level}, ${index}) in ${size}`);
    asked.push(`${level}/${index}`);
    return MTH(entries.slice(begin, end));
  };
}

test("roots: the right edge, TreeAt, a segment and a run of hashes agree with the oracle", () => {
  const edge = new RightEdge(sha256);
  const segment = new SegmentTree(sha256);
  for (let size = 0; size <= sizesMax; size++) {
    const root = hex(MTH(tree(size)));
    assert.equal(hex(edge.root()), root, `right edge of ${size}`);
    assert.equal(hex(new TreeAt(sha256, size, oracleReader(size)).root()), root, `at ${size}`);
    const asSegment = new TreeAt(sha256, size, (level, index) => segment.node(level, index));
    assert.equal(hex(asSegment.root()), root, `segment of ${size}`);
    if (size > 0) {
      const run = Buffer.concat(leafHashes.slice(0, size));
      const before = hex(run);
      assert.equal(hex(rangeRoot(sha256, run)), root, `run of ${size}`);
      assert.equal(hex(run), before, "the run is left as it was");
    }
    if (size === sizesMax) break;
    edge.append(leafHashes[size]!);
    segment.append(leafHashes[size]!);
    assert.equal(edge.size, size + 1);
    assert.equal(segment.leafCount, size + 1);
  }
  assert.equal(hex(emptyRoot(sha256)), hex(MTH([])));
  assert.throws(() => rangeRoot(sha256, new Uint8Array(0)), { code: "malformed" });
  assert.throws(() => rangeRoot(sha256, new Uint8Array(33)), { code: "malformed" });
});

test("right edge: stored peaks, clones and whole subtrees go on like single leaves", () => {
  for (let size = 0; size <= 40; size++) {
    const nodes = completeNodes(0, size);
    const read = oracleReader(size);
    const peaks = nodes.map((node) => read(node.level, node.index));
    const edge = new RightEdge(sha256, size, peaks);
    assert.deepEqual(hexes(edge.peaks()), hexes(peaks));
    for (let height = 0; height <= 7; height++) {
      const peak = edge.peakOfHeight(height);
      const at = nodes.findIndex((node) => node.level === height);
      assert.equal(peak && hex(peak), at < 0 ? undefined : hex(peaks[at]!), `${size}/${height}`);
      const width = 2 ** height;
      if (size + width > sizesMax) continue;
      const other = edge.clone();
      const subtree = MTH(entries.slice(size, size + width));
      if (size % width === 0) {
        other.appendSubtree(height, subtree);
        assert.equal(hex(other.root()), hex(MTH(tree(size + width))));
      } else {
        assert.throws(() => other.appendSubtree(height, subtree), { code: "malformed" });
        assert.equal(hex(other.root()), hex(MTH(tree(size))), "a refused subtree changes nothing");
      }
    }
    assert.equal(edge.size, size, "a clone goes its own way");
    const oneMore = [...peaks, leafHashes[0]!];
    assert.throws(() => new RightEdge(sha256, size, oneMore), { code: "malformed" });
  }
  const edge = new RightEdge(sha256);
  assert.throws(() => edge.append(new Uint8Array(31)), { code: "malformed" });
  assert.throws(() => edge.appendSubtree(54, leafHashes[0]!), { code: "malformed" });
  assert.throws(() => edge.appendSubtree(-1, leafHashes[0]!), { code: "malformed" });
  assert.throws(() => edge.appendSubtree(0.5, leafHashes[0]!), { code: "malformed" });
  assert.throws(() => new RightEdge(sha256, -1), { code: "malformed" });
  assert.throws(() => new RightEdge(sha256, 1, [new Uint8Array(31)]), { code: "malformed" });
});

test("inclusion proofs: every index of every size", () => {
  for (let size = 1; size <= sizesMax; size++) {
    const at = new TreeAt(sha256, size, oracleReader(size));
    const root = MTH(tree(size));
    for (let index = 0; index < size; index++) {
      const expected = PATH(index, tree(size));
      const asked: string[] = [];
      const proof = inclusionProof(sha256, index, size, oracleReader(size, asked));
      const nodes = inclusionProofNodes(index, size).map((node) => `${node.level}/${node.index}`);
      assert.deepEqual(hexes(proof), hexes(expected), `${index} of ${size}`);
      assert.deepEqual(asked, nodes, `nodes of ${index} of ${size}`);
      assert.deepEqual(hexes(at.inclusionProof(index)), hexes(expected), `${index} at ${size}`);
      assert.equal(inclusionProofLength(index, size), expected.length);
      verifyInclusion(sha256, { index, size, leafHash: leafHashes[index]!, proof, root });
    }
    for (const index of [-1, size, 0.5, NaN]) {
      assert.throws(() => at.inclusionProof(index), { code: "malformed" });
      assert.throws(() => inclusionProofNodes(index, size), { code: "malformed" });
    }
  }
});

test("consistency proofs: every pair of sizes", () => {
  for (let size2 = 1; size2 <= sizesMax; size2++) {
    const root2 = MTH(tree(size2));
    for (let size1 = 1; size1 <= size2; size1++) {
      const asked: string[] = [];
      const proof = consistencyProof(sha256, size1, size2, oracleReader(size2, asked));
      const nodes = consistencyProofNodes(size1, size2).map(
        (node) => `${node.level}/${node.index}`,
      );
      assert.deepEqual(
        hexes(proof),
        hexes(SUBPROOF(size1, tree(size2), true)),
        `${size1} ${size2}`,
      );
      assert.deepEqual(asked, nodes, `nodes of ${size1} ${size2}`);
      assert.equal(consistencyProofLength(size1, size2), proof.length);
      verifyConsistency(sha256, { size1, root1: MTH(tree(size1)), size2, root2, proof });
    }
    assert.deepEqual(consistencyProofNodes(0, size2), []);
    assert.throws(() => consistencyProofNodes(size2 + 1, size2), { code: "malformed" });
  }
});

test("a segment keeps every complete node, across growth, up to 65,536 leaves", () => {
  const segment = new SegmentTree(sha256);
  const run = new Uint8Array(65_536 * 32);
  const leaf = new Uint8Array(32);
  const first: Hash[] = [];
  for (let i = 0; i < 65_536; i++) {
    leaf[0] = i % 256;
    leaf[1] = Math.floor(i / 256);
    segment.append(leaf);
    run.set(leaf, i * 32);
    if (i < 70) first.push(segment.node(0, i));
  }
  const levels = subtreeLevels(sha256, run);
  assert.equal(levels.length, 17);
  for (const [height, level] of levels.entries()) {
    const count = 65_536 / 2 ** height;
    assert.equal(level.length, count * 32);
    assert.equal(segment.nodeCount(height), count);
    assert.ok(Buffer.from(level).equals(segment.hashes(height, 0, count)), `level ${height}`);
  }
  assert.equal(hex(levels[16]!), hex(rangeRoot(sha256, run)), "two ways to the root");
  for (const [i, view] of first.entries())
    assert.equal(view[0], i, "early views stay what they were");
  assert.throws(() => segment.append(leaf), /at most 65,536/);
  assert.equal(segment.leafCount, 65_536);
  assert.throws(() => segment.append(leaf.subarray(1)));
  assert.throws(() => segment.node(17, 0), /level/);
  assert.throws(() => segment.node(16, 1), /complete/);
  assert.throws(() => segment.node(0, -1), /complete/);
});

test("small subtrees; an odd start in memory does not matter; other counts are refused", () => {
  for (const count of [1, 2, 4, 8, 16, 32, 64]) {
    const held = new Uint8Array(count * 32 + 1);
    const run = held.subarray(1);
    run.set(Buffer.concat(leafHashes.slice(0, count)));
    for (const [height, level] of subtreeLevels(sha256, run).entries()) {
      for (let i = 0; i < count / 2 ** height; i++) {
        const expected = oracleReader(count)(height, i);
        assert.equal(
          hex(level.subarray(i * 32, i * 32 + 32)),
          hex(expected),
          `${count}: ${height}/${i}`,
        );
      }
    }
  }
  for (const count of [0, 3, 65, 131_072]) {
    assert.throws(() => subtreeLevels(sha256, new Uint8Array(count * 32)), { code: "malformed" });
  }
  assert.throws(() => hashChildren(sha256, new Uint8Array(31), new Uint8Array(32)), /32 bytes/);
});

test("powers of two, to the end of the numbers", () => {
  const powers = Array.from({ length: 53 }, (_, i) => 2 ** i);
  for (const power of powers) {
    assert.ok(isPowerOfTwo(power));
    if (power >= 2) assert.equal(largestPowerOfTwoBelow(power), power / 2);
    if (power >= 4) assert.ok(!isPowerOfTwo(power - 1) && !isPowerOfTwo(power + 1));
    if (power >= 2) assert.equal(largestPowerOfTwoBelow(power + 1), power);
  }
  assert.ok(!isPowerOfTwo(0));
  assert.equal(largestPowerOfTwoBelow(Number.MAX_SAFE_INTEGER), 2 ** 52);
});

/** A tree in which all leaves are `same` but that at `special`: it can be as large as one likes. */
class HugeTree {
  readonly #same: Hash[] = [leafHashes[0]!];
  readonly #special: Hash[] = [leafHashes[1]!];
  readonly #index: number;

  constructor(special: number) {
    this.#index = special;
    for (let level = 0, node = special; level < 53; level++, node = Math.floor(node / 2)) {
      const same = this.#same[level]!;
      const mine = this.#special[level]!;
      this.#same.push(hashChildren(sha256, same, same));
      const parent = node % 2 === 1 ? ([same, mine] as const) : ([mine, same] as const);
      this.#special.push(hashChildren(sha256, ...parent));
    }
  }

  readonly read: NodeReader = (level, index) =>
    (Math.floor(this.#index / 2 ** level) === index ? this.#special : this.#same)[level]!;

  /** MTH(D[begin:end]) by the recursion of RFC 6962. */
  root(begin: number, end: number): Hash {
    const n = end - begin;
    if (isPowerOfTwo(n)) return this.read(Math.log2(n), begin / n);
    const k = split(n);
    return hashChildren(sha256, this.root(begin, begin + k), this.root(begin + k, end));
  }
}

test("sizes around 2^32 and up to 2^53 - 1: proofs hold, and not elsewhere", () => {
  const top = Number.MAX_SAFE_INTEGER;
  const around = (n: number): number[] => [n - 2, n - 1, n, n + 1, n + 2];
  const sizes = [
    ...around(2 ** 31),
    ...around(2 ** 32),
    2 ** 52 - 1,
    2 ** 52,
    2 ** 52 + 1,
    top - 1,
    top,
  ];
  let proofs = 0;
  for (const size of sizes) {
    const wanted = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, size - 2, size - 1];
    for (const index of wanted.filter((each) => each < size)) {
      const huge = new HugeTree(index);
      const root = huge.root(0, size);
      const at = new TreeAt(sha256, size, huge.read);
      assert.equal(hex(at.root()), hex(root), `root of ${size}`);
      const proof = at.inclusionProof(index);
      assert.deepEqual(hexes(proof), hexes(inclusionProof(sha256, index, size, huge.read)));
      const claim = { index, size, leafHash: leafHashes[1]!, proof, root };
      verifyInclusion(sha256, claim);
      for (const other of [index - 1, index + 1, index - 2 ** 32, index + 2 ** 32]) {
        assert.throws(
          () => verifyInclusion(sha256, { ...claim, index: other }),
          `${other} ${size}`,
        );
      }
      proofs++;
      for (const size1 of [1, 3, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, size - 1, size]) {
        if (size1 > size) continue;
        const change = consistencyProof(sha256, size1, size, huge.read);
        const root1 = huge.root(0, size1);
        const pair = { size1, root1, size2: size, root2: root, proof: change };
        verifyConsistency(sha256, pair);
        const other = new HugeTree(index - 1 < 0 ? 1 : index - 1).root(0, size);
        assert.throws(() => verifyConsistency(sha256, { ...pair, root2: other }));
      }
    }
    const nodes = completeNodes(0, size);
    const same = new HugeTree(0);
    const edge = new RightEdge(
      sha256,
      size,
      nodes.map((node) => same.read(node.level, node.index)),
    );
    assert.equal(hex(edge.root()), hex(same.root(0, size)));
    if (size === top) assert.throws(() => edge.append(leafHashes[0]!), { code: "malformed" });
    else {
      edge.append(leafHashes[0]!);
      assert.equal(hex(edge.root()), hex(same.root(0, size + 1)), `${size} and one more`);
      const peaks = completeNodes(0, size + 1).map((node) => same.read(node.level, node.index));
      assert.deepEqual(hexes(edge.peaks()), hexes(peaks), `peaks of ${size} and one more`);
    }
  }
  assert.ok(proofs > 90, `${proofs} proofs`);
});

/**
 * Goal: a multi-proof is the smallest one, holds for the entries that it was made for, and for no others. Method: every
 * set of entries of small trees against a naive oracle; random sets of larger trees against single proofs; every hash
 * flipped, swapped, dropped, added, every index and leaf changed; trees of up to 2^53 - 1 entries of which all but the
 * chosen are the same; the sizes that are promised, counted.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hex, utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import type { Hash, Sha256 } from "./hash.ts";
import { hashChildren, hashLeaf } from "./merkle.ts";
import {
  multiProof,
  multiProofLength,
  multiProofNodes,
  multiProofRanges,
  rootFromMultiProof,
  verifyMultiProof,
  type MultiProofClaim,
} from "./multi-proof.ts";
import { SegmentTree } from "./segment-tree.ts";
import { TreeAt } from "./tree-at.ts";
import { inclusionProofLength, inclusionProofRanges } from "./tree-shape.ts";

const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");
const leavesMax = 3000;
const tree = new SegmentTree(sha256);
for (let i = 0; i < leavesMax; i++) tree.append(hashLeaf(sha256, utf8(`entry ${i}`)));
const read = (level: number, index: number): Hash => tree.node(level, index);
const leaf = (index: number): Hash => tree.node(0, index);
const rootOf = (size: number): Hash => new TreeAt(sha256, size, read).root();
const stranger = sha256(utf8("a stranger"));

function claimOf(indexes: readonly number[], size: number): MultiProofClaim {
  const proof = multiProof(sha256, indexes, size, read);
  return { indexes, size, leafHashes: indexes.map(leaf), proof, root: rootOf(size) };
}

function isRefused(claim: MultiProofClaim, what: string): void {
  assert.throws(
    () => verifyMultiProof(sha256, claim),
    (error) => isCairnError(error, "unverified") || isCairnError(error, "malformed"),
    what,
  );
}

const flipped = (hash: Hash, byte: number): Hash => hash.with(byte, hash[byte]! ^ 0x10);

/** The largest subtrees of RFC 6962 without a chosen leaf, found by trying all; left to right. */
function naiveRanges(chosen: readonly number[], begin: number, end: number): string[] {
  const holds = chosen.some((index) => index >= begin && index < end);
  if (!holds) return [`${begin}-${end}`];
  if (end - begin === 1) return [];
  let k = 1;
  while (2 * k < end - begin) k *= 2;
  return [...naiveRanges(chosen, begin, begin + k), ...naiveRanges(chosen, begin + k, end)];
}

test("every set of entries of every tree of up to 9: the ranges are the oracle's, the proof holds", () => {
  let cases = 0;
  for (let size = 1; size <= 9; size++) {
    for (let bits = 1; bits < 2 ** size; bits++) {
      const indexes: number[] = [];
      for (let i = 0; i < size; i++) if (Math.floor(bits / 2 ** i) % 2 === 1) indexes.push(i);
      const ranges = multiProofRanges(indexes, size);
      const spelled = ranges.map(({ begin, end }) => `${begin}-${end}`);
      assert.deepEqual(spelled, naiveRanges(indexes, 0, size));
      assert.equal(multiProofLength(indexes, size), ranges.length);
      const asked: string[] = [];
      const proof = multiProof(sha256, indexes, size, (level, index) => {
        asked.push(`${level}/${index}`);
        return read(level, index);
      });
      const listed = multiProofNodes(indexes, size);
      assert.deepEqual(
        asked,
        listed.map((node) => `${node.level}/${node.index}`),
      );
      verifyMultiProof(sha256, { ...claimOf(indexes, size), proof });
      cases++;
    }
  }
  assert.equal(cases, 2 ** 10 - 2 - 9);
});

test("no hash follows from the others, and none can be left out", () => {
  // Each hash's range has a sibling that holds a chosen leaf: computing that sibling takes the leaf, and the hash is
  // needed wherever its parent is computed.
  for (let size = 2; size <= 40; size++) {
    const indexes = [0, 3, 4, 11, 19, 20, 33].filter((index) => index < size);
    for (const { begin, end } of multiProofRanges(indexes, size)) {
      const isSibling = indexes.some((index) =>
        inclusionProofRanges(index, size).some((r) => r.begin === begin && r.end === end),
      );
      assert.ok(isSibling, `${begin} to ${end} of ${size} is on no entry's way`);
      assert.ok(!indexes.some((index) => index >= begin && index < end));
    }
  }
});

test("one entry has the hashes of its inclusion proof; all entries have none", () => {
  for (const size of [1, 2, 5, 8, 1000, leavesMax]) {
    for (const index of [0, Math.floor(size / 3), size - 1]) {
      const single = new TreeAt(sha256, size, read).inclusionProof(index);
      const sorted = (hashes: readonly Hash[]): string[] => hashes.map((h) => hex(h)).toSorted();
      assert.deepEqual(sorted(claimOf([index], size).proof), sorted(single));
    }
  }
  assert.equal(multiProofLength([...Array(1000).keys()], 1000), 0);
  verifyMultiProof(sha256, claimOf([...Array(1000).keys()], 1000));
});

test("random sets: the hashes are the single proofs' but for what the set itself gives", () => {
  const sets = fc
    .tuple(
      fc.integer({ min: 1, max: leavesMax }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 60 }),
    )
    .map(([size, picks]) => {
      const indexes = [...new Set(picks.map((pick) => pick % size))].toSorted((a, b) => a - b);
      return { size, indexes };
    });
  fc.assert(
    fc.property(sets, fc.nat(), fc.nat({ max: 31 }), ({ size, indexes }, pick, byte) => {
      const claim = claimOf(indexes, size);
      verifyMultiProof(sha256, claim);
      const isChosen = new Set(indexes);
      const needed = new Set<string>();
      for (const index of indexes) {
        for (const { begin, end } of inclusionProofRanges(index, size)) {
          let isFree = true;
          for (let i = begin; i < end && isFree; i++) isFree = !isChosen.has(i);
          if (isFree) needed.add(`${begin}-${end}`);
        }
      }
      const ranges = multiProofRanges(indexes, size).map(({ begin, end }) => `${begin}-${end}`);
      assert.deepEqual(new Set(ranges), needed);
      assert.equal(ranges.length, needed.size);
      // One hash, one leaf, one index, changed.
      const { proof, leafHashes } = claim;
      if (proof.length > 0) {
        const i = pick % proof.length;
        isRefused({ ...claim, proof: proof.with(i, flipped(proof[i]!, byte)) }, "a flipped hash");
        isRefused({ ...claim, proof: proof.toSpliced(i, 1) }, "a dropped hash");
      }
      const i = pick % leafHashes.length;
      const leaves = leafHashes.with(i, flipped(leafHashes[i]!, byte));
      isRefused({ ...claim, leafHashes: leaves }, "a flipped leaf hash");
    }),
    { seed: 6962, numRuns: 150 },
  );
});

test("damaged proofs are refused", () => {
  const cases: [number[], number][] = [
    [[0], 1],
    [[6], 7],
    [[0, 1, 5, 6, 12], 13],
    [[2, 3, 4, 9, 10, 31], 34],
    [[7, 100, 101, 999], 1000],
  ];
  for (const [indexes, size] of cases) {
    const claim = claimOf(indexes, size);
    const { proof, leafHashes } = claim;
    for (const [i, hash] of proof.entries()) {
      for (let byte = 0; byte < 32; byte++) {
        isRefused({ ...claim, proof: proof.with(i, flipped(hash, byte)) }, `hash ${i}.${byte}`);
      }
      isRefused({ ...claim, proof: proof.toSpliced(i, 1) }, `hash ${i} dropped`);
      isRefused({ ...claim, proof: proof.toSpliced(i, 0, hash) }, `hash ${i} twice`);
      isRefused({ ...claim, proof: proof.with(i, hash.slice(1)) }, `hash ${i} cut`);
      for (let j = 0; j < i; j++) {
        const swapped = proof.with(i, proof[j]!).with(j, hash);
        isRefused({ ...claim, proof: swapped }, `hashes ${j} and ${i} swapped`);
      }
    }
    isRefused({ ...claim, proof: [...proof, stranger] }, "a hash added");
    for (const [i, index] of indexes.entries()) {
      isRefused({ ...claim, leafHashes: leafHashes.with(i, stranger) }, `leaf ${i} replaced`);
      isRefused({ ...claim, leafHashes: leafHashes.toSpliced(i, 1) }, `leaf ${i} dropped`);
      for (let wrong = -1; wrong <= size; wrong++) {
        if (wrong === index) continue;
        // Also where it is another valid set: the leaf is not there.
        isRefused({ ...claim, indexes: indexes.with(i, wrong) }, `index ${index} as ${wrong}`);
      }
      for (let j = 0; j < i; j++) {
        const swapped = leafHashes.with(i, leafHashes[j]!).with(j, leafHashes[i]!);
        isRefused({ ...claim, leafHashes: swapped }, `leaves ${j} and ${i} swapped`);
      }
    }
    isRefused({ ...claim, root: flipped(claim.root, 0) }, "another root");
  }
});

test("indexes are checked", () => {
  for (const indexes of [[], [-1], [5], [1.5], [1, 1], [2, 1], [NaN], [2 ** 53]]) {
    assert.throws(
      () => multiProofRanges(indexes, 5),
      (error) => isCairnError(error, "malformed"),
      `${indexes}`,
    );
  }
  assert.throws(
    () => multiProofRanges([0], 2 ** 53),
    (error) => isCairnError(error, "malformed"),
  );
});

test("trees of up to 2^53 - 1 entries, of which all but the chosen are the same", () => {
  const plain = hashLeaf(sha256, utf8("plain"));
  const perfect = [plain];
  for (let level = 1; level <= 53; level++) {
    perfect.push(hashChildren(sha256, perfect[level - 1]!, perfect[level - 1]!));
  }
  const special = (index: number): Hash => hashLeaf(sha256, utf8(`special ${index}`));
  for (const size of [2 ** 31, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1]) {
    const indexes = [0, 7, 2 ** 30, 2 ** 31 - 1, 2 ** 32, 2 ** 51 + 3, size - 1]
      .filter((index, i, all) => index < size && all.indexOf(index) === i)
      .toSorted((a, b) => a - b);
    const leafHashes = indexes.map(special);
    const proof = multiProof(sha256, indexes, size, (level) => perfect[level]!);
    /** The tree's root, by the recursion of the RFC over ranges that hold chosen leaves. */
    const mth = (begin: number, end: number): Hash => {
      const inside = indexes.filter((index) => index >= begin && index < end);
      const width = end - begin;
      if (width === 1) return inside.length === 0 ? plain : special(begin);
      const isPerfect = Number.isInteger(Math.log2(width)) && 2 ** Math.log2(width) === width;
      if (inside.length === 0 && isPerfect) return perfect[Math.log2(width)]!;
      let k = 1;
      while (2 * k < width) k *= 2;
      return hashChildren(sha256, mth(begin, begin + k), mth(begin + k, end));
    };
    assert.deepEqual(
      rootFromMultiProof(sha256, { indexes, size, leafHashes, proof }),
      mth(0, size),
    );
  }
});

test("10,000 of 10,000,000 entries: at most 0.45, 0.1 and 0.01 of the hashes of separate proofs", () => {
  const size = 10_000_000;
  const count = 10_000;
  let state = 1;
  // mulberry32: small, seeded, and spread over all bits.
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
  const inBursts = (length: number): number[] => {
    const chosen = new Set<number>();
    while (chosen.size < count) {
      const begin = random(size - length);
      for (let i = 0; i < length && chosen.size < count; i++) chosen.add(begin + i);
    }
    return [...chosen].toSorted((a, b) => a - b);
  };
  const ratio = (indexes: readonly number[]): number => {
    const separate = indexes.reduce((sum, index) => sum + inclusionProofLength(index, size), 0);
    return multiProofLength(indexes, size) / separate;
  };
  const scattered = ratio(inBursts(1));
  const bursts = ratio(inBursts(10));
  const contiguous = ratio(inBursts(count));
  assert.ok(scattered > 0.3 && scattered <= 0.45, `scattered: ${scattered}`);
  assert.ok(bursts > 0.03 && bursts <= 0.1, `in bursts of ten: ${bursts}`);
  assert.ok(contiguous > 0 && contiguous <= 0.01, `contiguous: ${contiguous}`);
});

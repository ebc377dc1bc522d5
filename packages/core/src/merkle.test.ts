/**
 * Goal: a platform's own ways to hash (into place, many nodes at once) give the trees that the plain one gives.
 * Method: each function that hashes nodes, with a SHA-256 alone and with the same one and those ways beside it, which
 * are slow here and count what they are asked for.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { hashInto, type Sha256 } from "./hash.ts";
import { hashChildren, rangeRoot, subtreeLevels } from "./merkle.ts";
import { SegmentTree } from "./segment-tree.ts";

const plain: Sha256 = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());

function withWays(): { readonly sha256: Sha256; readonly asked: { into: number; nodes: number } } {
  const asked = { into: 0, nodes: 0 };
  const into = (bytes: Uint8Array, out: Uint8Array, at: number): void => {
    asked.into++;
    out.set(plain(bytes), at);
  };
  const parents: Sha256["parents"] = (children, out, begin, end) => {
    asked.nodes += end - begin;
    for (let i = begin; i < end; i++) {
      const left = children.slice(64 * i, 64 * i + 32);
      const right = children.slice(64 * i + 32, 64 * i + 64);
      out.set(hashChildren(plain, left, right), 32 * i);
    }
  };
  return { sha256: Object.assign((bytes: Uint8Array) => plain(bytes), { into, parents }), asked };
}

function runOfHashes(count: number): Uint8Array {
  const run = new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) run.set(plain(Uint8Array.of(i, i >> 8)), 32 * i);
  return run;
}

test("a hash is written into its place, and nowhere else", () => {
  const { sha256, asked } = withWays();
  for (const each of [plain, sha256]) {
    const out = new Uint8Array(40).fill(0xee);
    hashInto(each, Uint8Array.of(1, 2, 3), out, 5);
    assert.deepEqual(out.subarray(5, 37), plain(Uint8Array.of(1, 2, 3)));
    assert.deepEqual([...out.subarray(0, 5), ...out.subarray(37)], new Array(8).fill(0xee));
  }
  assert.equal(asked.into, 1);
});

test("roots and levels are the same with nodes that are hashed many at once", () => {
  for (const count of [1, 2, 3, 5, 8, 64, 255, 256]) {
    const { sha256, asked } = withWays();
    const run = runOfHashes(count);
    assert.deepEqual(rangeRoot(sha256, run), rangeRoot(plain, run));
    assert.equal(asked.nodes, count - 1, "every node was asked for at once with others");
    if (!Number.isInteger(Math.log2(count))) continue;
    assert.deepEqual(subtreeLevels(sha256, run), subtreeLevels(plain, run));
  }
});

test("a growing segment has the same nodes, wherever it is read in between and whatever room it had", () => {
  const { sha256, asked } = withWays();
  const count = 300;
  const run = runOfHashes(count);
  const trees = [new SegmentTree(plain), new SegmentTree(sha256), new SegmentTree(sha256, 1024)];
  for (let i = 0; i < count; i++) {
    for (const tree of trees) {
      tree.append(run.subarray(32 * i, 32 * i + 32));
      if (i % 37 === 1) tree.node(1, 0);
    }
  }
  const [first, ...others] = trees;
  for (let level = 0; level <= 8; level++) {
    for (const tree of others) {
      const width = first!.nodeCount(level);
      assert.deepEqual(tree.hashes(level, 0, width), first!.hashes(level, 0, width));
    }
  }
  const nodes = [1, 2, 3, 4, 5, 6, 7, 8].reduce((sum, level) => sum + first!.nodeCount(level), 0);
  assert.equal(asked.nodes, 2 * nodes, "no node is hashed twice");
});

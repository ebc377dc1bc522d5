/**
 * Goal: the same bytes as everybody else, today and in every later release. Method: our golden
 * vectors (`vectors/merkle.json`, made by a separate program straight from RFC 6962), and the RFC
 * 6962 proofs, right and wrong, that the transparency-dev project publishes, where they lie beside
 * the checkout.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { base64, parseBase64, utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import type { Hash, Sha256 } from "./hash.ts";
import { hashChildren, hashLeaf, rootOfPeaks, type NodeReader } from "./merkle.ts";
import { consistencyProof, verifyConsistency, verifyInclusion } from "./proof.ts";
import { RightEdge } from "./right-edge.ts";
import { TreeAt } from "./tree-at.ts";
import { nodeFromTile, parseTilePath, tileOfNode, tilePath, tilesForSize } from "./tile.ts";
import { completeNodes } from "./tree-shape.ts";

interface TileVector {
  level: number;
  index: number;
  width: number;
  path: string;
  sha256: string;
}
interface Vectors {
  leafHashes: string[];
  roots: { size: number; root: string }[];
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { size1: number; size2: number; proof: string[] }[];
  tiles: { size: number; count: number; some: TileVector[] }[];
  paths: { level: number | "entries"; index: number; width: number; path: string }[];
  identicalLeaves: { roots: { size: number; root: string }[] };
}

const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");
const golden = new URL("../../../vectors/merkle.json", import.meta.url);
const vectors = JSON.parse(readFileSync(golden, "utf8")) as Vectors;
const leaves = 70_000;

/**
 * The tiles of the tree of 70,000 entries, each level made of full tiles of the level below, as a
 * log stores them.
 */
const levels: Uint8Array[] = [new Uint8Array(leaves * 32)];
for (let i = 0; i < leaves; i++) levels[0]!.set(hashLeaf(sha256, utf8(`entry ${i}`)), i * 32);
for (let level = 0; levels[level]!.length >= 256 * 32; level++) {
  const below = levels[level]!;
  const count = Math.floor(below.length / 32 / 256);
  const run = new Uint8Array(count * 32);
  for (let i = 0; i < count; i++) {
    const tile = below.subarray(i * 8192, (i + 1) * 8192);
    run.set(nodeFromTile(sha256, tile, { level, index: i, first: 0, count: 256 }), i * 32);
  }
  levels.push(run);
}
const tileBytes = (level: number, index: number, width: number): Uint8Array =>
  levels[level]!.subarray(index * 8192, index * 8192 + width * 32);
const read: NodeReader = (level, index) => {
  const slice = tileOfNode(level, index);
  return nodeFromTile(sha256, tileBytes(slice.level, slice.index, 256), slice);
};
const base64s = (hashes: readonly Hash[]): string[] => hashes.map((each) => base64(each));
const root = (size: number): Hash => new TreeAt(sha256, size, read).root();

test("golden: leaf hashes and roots", () => {
  for (const [i, expected] of vectors.leafHashes.entries()) {
    assert.equal(base64(read(0, i)), expected);
  }
  const edge = new RightEdge(sha256);
  for (const vector of vectors.roots) {
    while (edge.size < vector.size) edge.append(read(0, edge.size));
    assert.equal(base64(edge.root()), vector.root, `right edge of ${vector.size}`);
    assert.equal(base64(root(vector.size)), vector.root, `root of ${vector.size}`);
  }
  assert.ok(vectors.roots.length > 20);
});

test("golden: proofs, made from tiles alone", () => {
  for (const { index, size, proof } of vectors.inclusion) {
    assert.deepEqual(base64s(new TreeAt(sha256, size, read).inclusionProof(index)), proof);
    const hashes = proof.map(parseBase64);
    verifyInclusion(sha256, {
      index,
      size,
      leafHash: read(0, index),
      proof: hashes,
      root: root(size),
    });
  }
  for (const { size1, size2, proof } of vectors.consistency) {
    assert.deepEqual(base64s(consistencyProof(sha256, size1, size2, read)), proof);
    const roots = { root1: root(size1), root2: root(size2) };
    verifyConsistency(sha256, { size1, size2, ...roots, proof: proof.map(parseBase64) });
  }
  assert.ok(vectors.inclusion.length > 10 && vectors.consistency.length > 10);
});

test("golden: tiles and their paths", () => {
  for (const { size, count, some } of vectors.tiles) {
    const tiles = [...tilesForSize(size)];
    assert.equal(tiles.length, count);
    for (const { path, sha256: digest, ...tile } of some) {
      assert.ok(
        tiles.some((each) => tilePath(each) === path),
        path,
      );
      assert.equal(tilePath(tile), path);
      const bytes = tileBytes(tile.level, tile.index, tile.width);
      assert.equal(base64(sha256(bytes)), digest, `${path} of ${size}`);
    }
  }
  for (const { path, ...tile } of vectors.paths) {
    assert.equal(tilePath(tile), path);
    assert.deepEqual(parseTilePath(path), tile);
  }
  assert.ok(vectors.tiles.length > 3 && vectors.paths.length > 10);
});

test("golden: trees of identical leaves, up to 2^53 - 1", () => {
  const same: Hash[] = [read(0, 0)];
  for (let level = 0; level < 53; level++) {
    same.push(hashChildren(sha256, same[level]!, same[level]!));
  }
  for (const { size, root: expected } of vectors.identicalLeaves.roots) {
    const peaks = completeNodes(0, size).map((node) => same[node.level]!);
    assert.equal(base64(rootOfPeaks(sha256, peaks)), expected, `${size}`);
  }
});

const outside = fileURLToPath(new URL("../../../../shared/vectors/rfc6962/", import.meta.url));

interface OutsideVector {
  leafIdx: number;
  treeSize: number;
  leafHash: string;
  root: string;
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  wantErr: boolean;
}

/**
 * Runs `verify` on every vector of a kind; where the vectors are absent, says so.
 */
function outsideVectors(
  kind: string,
  count: number,
  verify: (vector: OutsideVector) => void,
): void {
  test(`RFC 6962 vectors of transparency-dev: ${kind}`, (t) => {
    if (!existsSync(outside)) {
      t.skip(
        `SKIPPED: the vectors of transparency-dev/merkle are not here: ${kind} is NOT checked`,
      );
      return;
    }
    const paths = globSync(`${kind}/**/*.json`, { cwd: outside });
    assert.equal(paths.length, count, "as many vectors as were published");
    let right = 0;
    for (const path of paths) {
      const vector = JSON.parse(readFileSync(outside + path, "utf8")) as OutsideVector;
      let refusal: unknown;
      try {
        verify(vector);
      } catch (error) {
        refusal = error;
      }
      const told = `${path}: ${refusal instanceof Error ? refusal.message : "accepted"}`;
      assert.equal(refusal !== undefined, vector.wantErr, told);
      if (refusal === undefined) right++;
      else {
        const expected = isCairnError(refusal, "malformed") || isCairnError(refusal, "unverified");
        assert.ok(expected, told);
      }
    }
    assert.equal(right, 6);
  });
}

outsideVectors("inclusion", 98, (vector) => {
  verifyInclusion(sha256, {
    index: vector.leafIdx,
    size: vector.treeSize,
    leafHash: parseBase64(vector.leafHash),
    root: parseBase64(vector.root),
    proof: (vector.proof ?? []).map(parseBase64),
  });
});

outsideVectors("consistency", 98, (vector) => {
  verifyConsistency(sha256, {
    size1: vector.size1,
    root1: parseBase64(vector.root1),
    size2: vector.size2,
    root2: parseBase64(vector.root2),
    proof: (vector.proof ?? []).map(parseBase64),
  });
});

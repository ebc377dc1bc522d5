/**
 * Goal: a stored tile above the sealed files is compared with what lies below it, on every level. Method: the roots of
 * 65,536 imaginary sealed files, whose tiles are made here, and then damaged.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOfTile, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { mapDisk, mapLocation } from "./file-map.testing.ts";
import { LogFolder } from "./folder.ts";
import { Findings } from "./report.ts";
import { treeTilePath } from "@cairnlog/store";
import { UpperTiles } from "./upper-tiles.ts";

const { sha256 } = nodeCrypto;
const roots = Array.from({ length: 65_536 + 3 }, (_, i) => sha256(utf8(`segment ${i}`)));

function tileOf(hashes: readonly Uint8Array[]): Uint8Array {
  const tile = new Uint8Array(32 * hashes.length);
  hashes.forEach((hash, i) => tile.set(hash, 32 * i));
  return tile;
}

const files = new Map<string, Uint8Array>();
const level2 = Array.from({ length: 256 }, (_, i) => tileOf(roots.slice(256 * i, 256 * (i + 1))));
level2.forEach((tile, i) => files.set(treeTilePath(2, i), tile));
files.set(treeTilePath(3, 0), tileOf(level2.map((tile) => hashOfTile(sha256, tile))));

async function check(found: ReadonlyMap<string, Uint8Array>, lost?: number): Promise<Findings> {
  const findings = new Findings();
  const folder = new LogFolder(mapLocation, mapDisk(found));
  const tiles = new UpperTiles(folder, sha256, [...found.keys()], findings);
  for (const [i, root] of roots.entries()) await tiles.append(i === lost ? undefined : root);
  tiles.finish();
  return findings;
}

test("tiles that are right are found to be", async () => {
  const findings = await check(files);
  assert.deepEqual([findings.problems(), findings.notes()], [[], []]);
});

test("a changed tile is named, a missing one noted, a tile of nothing refused", async () => {
  for (const path of [treeTilePath(2, 200), treeTilePath(3, 0)]) {
    const changed = files.get(path)!.slice();
    changed[777]! ^= 1;
    const [problem] = (await check(new Map(files).set(path, changed))).problems();
    assert.deepEqual([problem?.code, problem?.path, problem?.byte], ["derived", path, 777]);
    const without = new Map(files);
    without.delete(path);
    const findings = await check(without);
    assert.equal(findings.hasProblems, false);
    assert.deepEqual(
      findings.notes().map((note) => [note.code, note.path]),
      [["missing", path]],
    );
  }
  const beyond = new Map(files).set(treeTilePath(2, 256), level2[0]!);
  assert.equal((await check(beyond)).problems()[0]!.code, "derived");
});

test("a sealed file that is damaged makes no tile wrong", async () => {
  assert.equal((await check(files, 5)).hasProblems, false);
});

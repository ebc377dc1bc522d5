/**
 * Goal: sealed files that are each sound must also follow one another. Method: results as the check of a file gives
 * them, put together in order, with one of them from another history.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { genesisPrev, RightEdge, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { mapDisk, mapLocation } from "./file-map.testing.ts";
import { LogFolder } from "./folder.ts";
import { Findings, type Finding } from "./report.ts";
import { RootClaims } from "./root-claims.ts";
import { appendSealed } from "./sealed-chain.ts";
import type { SoundSegment } from "./segment-job.ts";
import type { Position } from "./tail.ts";
import { UpperTiles } from "./upper-tiles.ts";

const { sha256 } = nodeCrypto;

/** The result of segment `i`; its last leaf hash is what the next one continues. */
function sound(i: number): SoundSegment {
  return {
    isSound: true,
    root: sha256(utf8(`root ${i}`)),
    prev: i === 0 ? genesisPrev() : sha256(utf8(`last ${i - 1}`)),
    lastLeafHash: sha256(utf8(`last ${i}`)),
    firstTime: `2026-01-0${i + 1}T00:00:00.000Z`,
    lastTime: `2026-01-0${i + 1}T12:00:00.000Z`,
    origin: "example.com/logs/main",
    derivedFault: undefined,
    blobs: [],
  };
}

async function join(segments: readonly (SoundSegment | undefined)[]): Promise<Finding[]> {
  const findings = new Findings();
  const folder = new LogFolder(mapLocation, mapDisk(new Map()));
  const claims = new RootClaims(findings);
  const edge = new RightEdge(sha256);
  for (const { root } of [0, 1, 2].map(sound)) edge.appendSubtree(16, root);
  const place = { path: "commits" };
  claims.add({ size: edge.size, root: edge.root(), what: "a record", code: "commits", place });
  const position: Position = {
    edge: new RightEdge(sha256),
    prev: genesisPrev(),
    lastTime: undefined,
    lastTimeMs: -Infinity,
    isSound: true,
  };
  const tiles = new UpperTiles(folder, sha256, [], findings);
  const context = { folder, sha256, findings, claims, tiles, onFirst: () => undefined };
  for (const segment of segments) await appendSealed(context, position, segment);
  return findings.problems();
}

const foundIn = async (segments: readonly (SoundSegment | undefined)[]): Promise<unknown[]> =>
  (await join(segments)).map(({ code, seq }) => [code, seq]);

test("what follows is taken, what does not is named", async () => {
  const [a, b, c] = [0, 1, 2].map(sound) as [SoundSegment, SoundSegment, SoundSegment];
  assert.deepEqual(await foundIn([a, b, c]), []);
  assert.deepEqual(await foundIn([a, { ...b, prev: c.prev }, c]), [["chain", 65_536]]);
  const early = { ...b, firstTime: "2025-01-01T00:00:00.000Z" };
  assert.deepEqual(await foundIn([a, early, c]), [["order", 65_536]]);
  assert.deepEqual(await foundIn([a, undefined, c]), [["missing", 65_536]]);
  // Each sound, in a chain, and yet another tree than the one that was committed.
  assert.deepEqual(await foundIn([a, { ...b, root: c.root }, c]), [["root", 0]]);
});

/**
 * Goal: a directory finds each stream in the last segment in which it changed, and no other stream.
 * Method: random directories, merged, against a map.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { nodeCrypto } from "@cairnlog/crypto";
import { withSeed } from "@cairnlog/testing";
import { directoryHash, StreamDirectory } from "./stream-directory.ts";

it("a directory finds what a map would", async () => {
  await withSeed(20, (random) => {
    const hashOf = (n: number): Uint8Array => directoryHash(nodeCrypto.sha256, `api s${n}`);
    for (let round = 0; round < 50; round++) {
      const oracle = new Map<number, number>();
      let merged = new StreamDirectory(new Uint8Array(0));
      for (let index = 0; index < 1 + random.below(6); index++) {
        const streams = new Set(Array.from({ length: random.below(40) }, () => random.below(60)));
        for (const n of streams) oracle.set(n, index);
        merged = StreamDirectory.of([...streams].map(hashOf), index).over(merged);
      }
      assert.equal(merged.size, oracle.size);
      for (let n = 0; n < 60; n++) assert.equal(merged.find(hashOf(n)), oracle.get(n) ?? -1);
    }
  });
});

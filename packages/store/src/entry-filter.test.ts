/**
 * Goal: an entry that holds what is looked for is never passed over, wherever in it that lies, and none is found for
 * what lies between two entries. Method: runs of random entries over a small alphabet, so that needles lie everywhere,
 * against a search of each entry by itself. The seed is fixed, and printed on failure.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type SeededRandom, withSeed } from "@cairnlog/testing";
import { findHolding, type EntryFilter } from "./entry-filter.ts";

function textOf(random: SeededRandom, lengthMax: number): string {
  const length = 1 + random.below(lengthMax);
  return Array.from({ length }, () => "abc"[random.below(3)]!).join("");
}

test("finds what a search of each entry finds", async () => {
  await withSeed(20, (random) => {
    for (let round = 0; round < 3000; round++) {
      const entries = Array.from({ length: random.below(12) }, () => textOf(random, 9));
      const lists = Array.from({ length: random.below(3) }, () =>
        Array.from({ length: 1 + random.below(3) }, () => textOf(random, 4)),
      );
      let text = "";
      const ranges = entries.map((entry) => {
        // What lies between two entries is of neither: here it may go on what one of them holds.
        text += textOf(random, 2);
        const begin = text.length;
        text += entry;
        return { begin, end: text.length };
      });
      const holds = lists.map((list) => list.map((needle) => Buffer.from(needle)));
      const filter: EntryFilter = { holds, matches: () => true };
      const found = findHolding(Buffer.from(text), () => ranges, filter);
      const expected = [...entries.keys()].filter((i) =>
        lists.every((list) => list.some((needle) => entries[i]!.includes(needle))),
      );
      assert.deepEqual(found, expected, JSON.stringify({ entries, lists, text }));
    }
  });
});

/**
 * Goal: the fast way to write entries gives the very bytes of the plain way.
 * Method: random heads and events, written by both, in the order in which a commit would.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EntryRenderer, entryByteLengthMax, parseEntry, utf8, writeEntry } from "./index.ts";

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test("a renderer writes what writeEntry writes", () => {
  const renderer = new EntryRenderer();
  const seq = fc.oneof(
    fc.integer({ min: 0, max: 20_000 }),
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  );
  const source = fc.constantFrom("api", "a", "cairn", "s".repeat(64));
  const time = fc.constantFrom("2026-11-23T05:00:00.123Z", "1999-12-31T23:59:59.999Z");
  const event = fc.constantFrom("{}", '{"a":1}', `{"a":"${"é".repeat(300)}"}`).map(utf8);
  const parts = fc.tuple(seq, source, time, event, bytesOf(32), bytesOf(54), fc.nat({ max: 36 }));
  fc.assert(
    fc.property(parts, ([number, alias, when, text, prev, salts, saltFrom]) => {
      const plain = new Uint8Array(entryByteLengthMax);
      const salt = salts.slice(saltFrom, saltFrom + 18);
      const head = { seq: number, prev, salt, time: when, source: alias };
      const plainEnd = writeEntry(plain, 3, head, text, 0, text.length);
      const fast = new Uint8Array(entryByteLengthMax);
      renderer.begin(when, alias);
      const end = renderer.write(fast, 3, number, prev, salts, saltFrom, text, 0, text.length);
      assert.equal(end, plainEnd);
      assert.deepEqual(fast, plain);
      assert.equal(parseEntry(fast.subarray(3, end)).seq, number);
    }),
    { seed: 20261123, numRuns: 500 },
  );
});

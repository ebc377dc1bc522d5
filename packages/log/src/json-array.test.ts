/**
 * Goal: an array is cut exactly where JSON says, or refused as a whole. Method: for small arrays
 * over an alphabet of all the tokens, `JSON.parse` is the oracle: where it takes the text, the
 * pieces parse to its elements; a text that is cut off, or has a structural error, is refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isCairnError, utf8 } from "@cairnlog/core";
import { cutJsonArray, readJsonArray } from "./json-array.ts";

function cut(text: string): string[] {
  const bytes = utf8(text);
  const pieces: string[] = [];
  cutJsonArray(bytes, (start, end) =>
    pieces.push(Buffer.from(bytes.subarray(start, end)).toString()),
  );
  return pieces;
}

function refusedAt(text: string): number | undefined {
  try {
    cut(text);
  } catch (error) {
    assert.ok(isCairnError(error, "malformed"), String(error));
    return error.place.byte;
  }
  return assert.fail(`taken: ${text}`);
}

const settings = { seed: 20261123, numRuns: 500 };

test("every JSON array is cut into its elements", () => {
  const spaces = fc.constantFrom("", " ", "\n\t", 2);
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), spaces, (values, space) => {
      const text = ` ${JSON.stringify(values, undefined, space)}\r\n`;
      assert.deepEqual(
        cut(text).map((piece) => JSON.parse(piece) as unknown),
        JSON.parse(text),
      );
    }),
    settings,
  );
});

test("an array is cut into good pieces exactly where JSON.parse takes it", () => {
  const tokens = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    '"a"',
    '"\\""',
    '"\\\\"',
    '"]"',
    "1",
    "true",
    " ",
    '"',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 9 }), (parts) => {
      const text = `[${parts.join("")}`;
      let expected: unknown[] | undefined;
      try {
        expected = JSON.parse(text) as unknown[];
      } catch {
        expected = undefined;
      }
      let found: unknown[] | undefined;
      try {
        found = cut(text).map((piece) => JSON.parse(piece) as unknown);
      } catch {
        found = undefined;
      }
      assert.deepEqual(found, expected, text);
    }),
    { ...settings, numRuns: 5000 },
  );
});

test("an array that is cut off anywhere is refused at its end", () => {
  const text = '[{"a":"\\"]","b":[1,{}]}, "x" ,null,[[]]]';
  for (let length = 0; length < text.length; length++) {
    assert.equal(refusedAt(text.slice(0, length)), length, text.slice(0, length));
  }
});

test("a structural error is refused with its byte", () => {
  const cases: [string, number][] = [
    ["{}", 0],
    ["[,]", 1],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["[{} {}]", 4],
    ['["a""b"]', 4],
    ["[{]}]", 2],
    ["[1]]", 3],
    ["[1] x", 4],
    ['[tru"e"]', 4],
    ["[\u00a01]x", 5],
    [`[${"[".repeat(300)}`, 257],
  ];
  for (const [text, byte] of cases) assert.equal(refusedAt(text), byte, text);
});

test("elements that are no events are refused one by one", () => {
  const event = '{"type":"a.b","actor":{"id":"x"},"action":"y"}';
  const spaced = event.replaceAll(":", " : ");
  const batch = readJsonArray(utf8(`[1,${event},"s",{},${spaced}]`));
  assert.deepEqual([batch.count, [...batch.refusals.keys()]], [5, [0, 2, 3]]);
  for (const i of [1, 4]) {
    assert.equal(Buffer.from(batch.bytes.subarray(batch.start[i], batch.end[i])).toString(), event);
  }
});

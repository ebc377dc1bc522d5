/**
 * Goal: envelopes that stand one after another are found one by one, whatever is in their strings; a bad one is named
 * and costs the others nothing; no body takes long.
 * Method: random JSON values, joined with nothing or with any white space, against the values themselves; bad ones
 * between good ones; bodies made to be slow.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isCairnError } from "@cairnlog/core";
import { readEnvelopes, readLines } from "./splunk-hec-body.ts";

const seed = 20_261_124;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const events = (text: string): unknown[] =>
  readEnvelopes(bytes(text)).envelopes.map(({ value }) => value["event"]);

const text = fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", "a", "é", "\n") });
const event = fc.oneof(text, fc.integer(), fc.dictionary(text, text), fc.array(text)).filter(
  // An object in a string becomes an object: that is another test.
  (value) => value !== "" && !(typeof value === "string" && /^\s*\{/.test(value)),
);

test("values one after another come out as they went in", () => {
  const gap = fc.constantFrom("", "\n", "\r\n", "  ", "\t\n\n");
  const property = fc.property(fc.array(event, { minLength: 1, maxLength: 8 }), gap, (list, by) => {
    const texts = list.map((one) => JSON.stringify({ time: 1, event: one }));
    const { envelopes, unread } = readEnvelopes(bytes(texts.join(by)));
    assert.deepEqual(unread, []);
    assert.deepEqual(
      envelopes.map(({ value, number }) => [JSON.stringify(value["event"]), number]),
      list.map((one, i) => [JSON.stringify(one), i]),
    );
    assert.deepEqual(events(`[${texts.join(",")}]`), events(texts.join(by)));
  });
  fc.assert(property, { seed, numRuns: 500 });
});

test("a bad one is named by its place, and the others are read", () => {
  const body =
    '{"event":1} junk {"event":2}{"event":}{"event":3}]{"event":4,"fields":[]}{"event":5';
  const { envelopes, unread } = readEnvelopes(bytes(body));
  assert.deepEqual(
    envelopes.map(({ value, number }) => [value["event"], number]),
    [
      [1, 0],
      [2, 2],
      [3, 4],
    ],
  );
  assert.deepEqual(
    unread.map(({ number }) => number),
    [1, 3, 5, 6, 7],
  );
  assert.equal(unread.at(-2)?.text, "Error in handling indexed fields");
});

test("an object that came as text becomes one; lines that are none stay text", () => {
  assert.deepEqual(events('{"event":"{\\"user\\":\\"alice\\"}"}{"event":"{not"}'), [
    { user: "alice" },
    "{not",
  ]);
  const { envelopes } = readLines(bytes('one\r\n\n{"user":"alice"}\n[1]'), { host: "h" });
  assert.deepEqual(
    envelopes.map(({ value }) => value),
    [
      { host: "h", event: "one" },
      { host: "h", event: { user: "alice" } },
      { host: "h", event: "[1]" },
    ],
  );
  const broken = readLines(new Uint8Array([0x61, 0xff, 0x62]), {});
  assert.equal(broken.envelopes[0]?.isAltered, true);
});

test("no body takes long", () => {
  const length = 1_000_000;
  const slow = [
    "{".repeat(length),
    "[".repeat(length),
    "}".repeat(length),
    "{}".repeat(length),
    "x{}".repeat(length),
    '{"event":1}'.repeat(length / 4),
    '"'.repeat(length),
    `{"event":"${"\\".repeat(length)}`,
    `{"event":"${'\\"'.repeat(length / 2)}`,
    `${"\\".repeat(length)}"{"event":1}`,
  ];
  for (const body of slow) {
    const before = performance.now();
    try {
      readEnvelopes(bytes(body));
    } catch (error) {
      assert.ok(isCairnError(error, "too_large"));
    }
    const took = performance.now() - before;
    assert.ok(took < 1000, `${body.slice(0, 12)}… took ${took} ms`);
  }
});

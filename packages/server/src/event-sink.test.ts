/**
 * Goal: however a body is cut into pieces on its way, the same events come out of it. Method:
 * bodies of good, bad, blank and over-long lines are fed in pieces of every size up to their whole,
 * and compared with a reader that has all of it at once; the oracle for long lines is to replace
 * them beforehand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "@cairnlog/core";
import { readNdjson, type EventBatch } from "@cairnlog/log";
import { BodyBudget } from "./body-budget.ts";
import { openEventSink } from "./event-sink.ts";
import { defaultLimits } from "./limits.ts";
import { eventText } from "./serving.test.ts";

const lineBytesMax = 300;
const limits = { ...defaultLimits, lineBytesMax };
const lineFormat = { type: "lines", encoding: "identity", declaredBytes: undefined } as const;

/** What a batch holds: the text of each event, or the code of its refusal. */
function told(batch: EventBatch): string[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const refusal = batch.refusals.get(i);
    if (refusal !== undefined) return refusal.code;
    return Buffer.from(batch.bytes.subarray(batch.start[i], batch.end[i])).toString();
  });
}

function inPieces(bytes: Uint8Array, sizes: readonly number[]): string[] {
  const hold = new BodyBudget(1 << 20).open();
  const sink = openEventSink(lineFormat, limits, hold);
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + sizes[i % sizes.length]!);
    sink.write(bytes.slice(at, end));
    at = end;
  }
  return told(sink.finish().batch);
}

const line = fc.oneof(
  fc.integer({ min: 0, max: 999 }).map((i) => eventText(`${i}`)),
  fc
    .integer({ min: 0, max: 9 })
    .map((i) =>
      JSON.stringify(JSON.parse(eventText(`${i}`)), undefined, "\t").replaceAll("\n", " "),
    ),
  fc.constantFrom("", " \t", "{}", "nonsense", "\u{1fae0}"),
  fc.integer({ min: lineBytesMax - 3, max: lineBytesMax + 3 }).map((length) => "x".repeat(length)),
  fc.constant("y".repeat(2000)),
);
const body = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 12 })
  .chain((lines) =>
    fc.boolean().map((isEnded) => {
      const text = lines.map(([each, end]) => each + end).join("");
      return isEnded ? text : text.replace(/\r?\n$/, "");
    }),
  );

test("lines come out the same, however they are cut", () => {
  fc.assert(
    fc.property(
      body,
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 }),
      (text, sizes) => {
        const oracle = readNdjson(utf8(text.replace(/x{301,}|y{301,}/g, "LONG")));
        // The oracle has no limit of lines: what is beyond it is marked, and both refuse it under
        // their own code.
        const expected = told(oracle);
        const found = inPieces(utf8(text), sizes).map((each) =>
          each === "too_large" ? "malformed" : each,
        );
        assert.deepEqual(found, expected);
      },
    ),
    { seed: 20261123, numRuns: 400 },
  );
});

test("memory is charged before it is taken, and given back", () => {
  const budget = new BodyBudget(100_000);
  const hold = budget.open();
  const sink = openEventSink(lineFormat, limits, hold);
  const piece = utf8(`${eventText("1")}\n`.repeat(500));
  assert.throws(
    () => {
      for (let i = 0; i < 10; i++) sink.write(piece);
    },
    { code: "overloaded" },
  );
  assert.ok(budget.heldBytes > 0 && budget.heldBytes <= 100_000);
  hold.release();
  hold.release();
  assert.equal(budget.heldBytes, 0);
});

test("a line that never ends is not kept", () => {
  const budget = new BodyBudget(100_000);
  const sink = openEventSink(lineFormat, limits, budget.open());
  for (let i = 0; i < 1000; i++) sink.write(new Uint8Array(1000).fill(0x78));
  assert.ok(budget.heldBytes < 20_000, `${budget.heldBytes}`);
  assert.deepEqual(told(sink.finish().batch), ["too_large"]);
});

/**
 * Goal: casts are written as asciicast v2 has them and read back the same; what is none is refused with its line.
 * Method: golden lines, a property over texts and times with a fixed seed, and each line of a cast damaged.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatCastEvent, formatCastHeader, parseCast } from "./asciicast.ts";

describe("asciicast", () => {
  it("writes the lines of the format", () => {
    const header = { width: 80, height: 24, timestamp: 1_504_467_315, command: "make" };
    const headerText =
      '{"version":2,"width":80,"height":24,"timestamp":1504467315,"command":"make"}';
    assert.equal(formatCastHeader(header), `${headerText}\n`);
    const event = { timeMs: 248.8484, code: "o", text: "\u001b[1;31mHi\r\n" };
    assert.equal(formatCastEvent(event), '[0.248848,"o","\\u001b[1;31mHi\\r\\n"]\n');
  });

  it("reads what it wrote", () => {
    const events = fc.array(
      fc.record(
        {
          timeMs: fc.integer({ min: 0, max: 1e9 }),
          code: fc.constantFrom("o", "r", "m"),
          text: fc.string({ unit: "grapheme" }),
        },
        { noNullPrototype: true },
      ),
    );
    fc.assert(
      fc.property(events, (written) => {
        const text =
          formatCastHeader({ width: 1, height: 2 }) + written.map(formatCastEvent).join("");
        assert.deepEqual(parseCast(text), { header: { width: 1, height: 2 }, events: written });
      }),
      { seed: 20_261_124 },
    );
  });

  const good = ['{"version":2,"width":80,"height":24}', '[0.5,"o","a"]'];
  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /line 1: this is no JSON/],
    [['{"version":1,"width":80,"height":24}'], /line 1: this is not version 2/],
    [['{"version":2,"width":"80","height":24}'], /line 1: width or height/],
    [["[]"], /line 1: the header is no object/],
    [[...good, "{}"], /line 3: there is no time/],
    [[...good, '[-1,"o","a"]'], /line 3: there is no time/],
    [[...good, '[1,"o"]'], /line 3: an event is/],
    [[...good, '[1,"o","a"'], /line 3: this is no JSON/],
  ];
  for (const [lines, expected] of bad) {
    it(`refuses ${lines.at(-1) ?? "nothing"}`, () => {
      assert.throws(() => parseCast(`${lines.join("\n")}\n`), {
        code: "malformed",
        message: expected,
      });
    });
  }
});

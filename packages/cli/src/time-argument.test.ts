/**
 * Goal: a time means what it says, or is refused.
 * Method: spelled-out cases against times computed by hand.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import { parseDuration, parseTimeArgument } from "./time-argument.ts";

const nowMs = Date.UTC(2026, 10, 23, 5, 0, 0);
const read = (text: string): string =>
  new Date(parseTimeArgument(text, "--since", nowMs)).toISOString();

describe("times as arguments", () => {
  const good: Readonly<Record<string, string>> = {
    "2h": "2026-11-23T03:00:00.000Z",
    "15m": "2026-11-23T04:45:00.000Z",
    "3d": "2026-11-20T05:00:00.000Z",
    "90s": "2026-11-23T04:58:30.000Z",
    "1w": "2026-11-16T05:00:00.000Z",
    "2026-11-23": "2026-11-23T00:00:00.000Z",
    "2024-02-29": "2024-02-29T00:00:00.000Z",
    "2026-11-23T05:00:00Z": "2026-11-23T05:00:00.000Z",
    "2026-11-23T05:00:00.123456789Z": "2026-11-23T05:00:00.123Z",
    "2026-11-23T05:00Z": "2026-11-23T05:00:00.000Z",
    "2026-11-23T05:00:00+02:00": "2026-11-23T03:00:00.000Z",
    "2026-12-31T23:30:00-01:00": "2027-01-01T00:30:00.000Z",
  };
  for (const [text, expected] of Object.entries(good)) {
    it(`reads ${text}`, () => assert.equal(read(text), expected));
  }

  const bad = ["", "2", "h", "-2h", "2h30m", "1e3s", "yesterday", "2026-02-29", "2026-13-01"];
  bad.push(
    "2026-11-23T05:00:00",
    "2026-11-23T25:00:00Z",
    "2026-11-23T05:00:00+24:00",
    "99999999999s",
  );
  for (const text of bad) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => read(text),
        (error) => {
          return isCairnError(error, "usage") && error.message.startsWith("--since: not a time");
        },
      );
    });
  }

  it("counts ahead where a time is in the future", () => {
    assert.equal(parseTimeArgument("1h", "--expires", nowMs, "ahead"), nowMs + 3_600_000);
  });

  it("reads durations", () => {
    assert.equal(parseDuration("250ms", "x"), 250);
    assert.throws(() => parseDuration("2026-11-23", "x"));
  });
});

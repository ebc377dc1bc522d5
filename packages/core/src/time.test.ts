/**
 * Goal: a log's time has one spelling, and a source's time is RFC 3339 to the letter.
 * Method: the platform's Date is the oracle for every day of 0000 to 9999 and for random instants; chosen texts
 * for what a lenient reader would take.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { formatLogTime, isSourceTime, parseLogTime } from "./time.ts";

const minMs = Date.UTC(1970, 0, 1) - 62_167_219_200_000;
const maxMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

test("every day, and random instants, are read back as they were written", () => {
  const day = 86_400_000;
  for (let ms = minMs; ms <= maxMs; ms += day * 13)
    assert.equal(parseLogTime(formatLogTime(ms)), ms);
  for (const ms of [minMs, maxMs, -1, 0, 1]) assert.equal(parseLogTime(formatLogTime(ms)), ms);
  fc.assert(
    fc.property(fc.integer({ min: minMs, max: maxMs }), (ms) => {
      assert.equal(formatLogTime(ms), new Date(ms).toISOString());
      assert.equal(parseLogTime(formatLogTime(ms)), ms);
    }),
    { seed: 20261123, numRuns: 2000 },
  );
  for (const ms of [minMs - 1, maxMs + 1, 0.5, Number.NaN]) {
    assert.throws(() => formatLogTime(ms), CairnError);
  }
});

test("every day that a month does not have is refused, and every one it has is taken", () => {
  for (const year of ["0000", "1900", "2000", "2023", "2024", "2100"]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const text = `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}T00:00:00.000Z`;
        const date = new Date(text);
        const exists = !Number.isNaN(date.getTime()) && date.toISOString() === text;
        if (exists) assert.equal(parseLogTime(text), date.getTime());
        else assert.throws(() => parseLogTime(text), CairnError, text);
      }
    }
  }
});

test("other spellings of a log's time are refused", () => {
  const good = "2026-11-23T05:00:00.123Z";
  assert.equal(parseLogTime(good), 1_795_410_000_123);
  for (let i = 0; i < good.length; i++) {
    for (const c of ["x", " ", "/", ":", "\u0130"]) {
      if (c === good[i]) continue;
      const text = good.slice(0, i) + c + good.slice(i + 1);
      assert.throws(() => parseLogTime(text), CairnError, text);
    }
    assert.throws(() => parseLogTime(good.slice(0, i)), CairnError);
  }
  for (const text of [`${good} `, "2026-11-23T24:00:00.000Z", "2026-12-31T23:59:60.000Z"]) {
    assert.throws(() => parseLogTime(text), CairnError, text);
  }
});

test("a source's time is RFC 3339 with a zone", () => {
  const isTime = (text: string): boolean => isSourceTime(utf8(`"${text}"`), 1, 1 + text.length);
  for (const text of [
    ...["2026-11-23T05:00:00Z", "2026-11-23T05:00:00.1Z", "2026-11-23T05:00:00.123456789+00:00"],
    ...["2026-11-23T05:00:00-00:00", "0000-02-29T23:59:59+23:59", "2016-12-31T23:59:60Z"],
    ...["2017-01-01T00:59:60+01:00", "2016-12-31T15:59:60.5-08:00"],
  ]) {
    assert.ok(isTime(text), text);
  }
  for (const text of [
    ...["", "2026-11-23", "2026-11-23T05:00:00", "2026-11-23 05:00:00Z", "2026-11-23t05:00:00Z"],
    ...[
      "2026-11-23T05:00:00z",
      "2026-11-23T05:00Z",
      "2026-11-23T05:00:00.Z",
      "2026-02-29T00:00:00Z",
    ],
    ...["2026-11-23T05:00:00.1234567890Z", "2026-11-23T05:00:00+0100", "2026-11-23T05:00:00+24:00"],
    ...["2026-11-23T05:00:00+01:60", "2026-11-23T05:00:00Z ", "2026-11-23T05:00:60Z"],
    ...["2016-12-31T23:59:60+01:00", "2026-11-23T24:00:00Z", "2026-11-23T05:00:00+01:000"],
  ]) {
    assert.ok(!isTime(text), text);
  }
});

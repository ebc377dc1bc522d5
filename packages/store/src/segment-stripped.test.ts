/**
 * Goal: the quick ways of sealing and checking give what the core's plain ones give. Method: both side by side, over
 * every change of length of a seq, over times that share a second and times that do not, over damaged ones, and over
 * runs of hashes from a fixed seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  findLogTime,
  formatLogTime,
  genesisPrev,
  rangeRoot,
  restoreEntry,
  utf8,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { isHashOf, rootOfFullTile } from "./bulk-hash.ts";
import { EntryPrefix, StrippedTimes } from "./segment-stripped.ts";

const { sha256 } = nodeCrypto;

/** `count` hashes, one run. */
function hashes(count: number, seed: number): Uint8Array {
  const run = new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) run.set(sha256(Uint8Array.of(seed, i, i >> 8)), 32 * i);
  return run;
}

test("the prefix of an entry is what the core restores", () => {
  const run = hashes(64, 1);
  const stripped = utf8('{"salt":1}');
  const out = new Uint8Array(200);
  const starts = [
    0,
    5,
    95,
    995,
    9_990,
    65_530,
    99_990,
    999_980,
    2 ** 32 - 5,
    1e15 - 9,
    2 ** 53 - 40,
  ];
  const prefix = new EntryPrefix();
  for (const start of starts) {
    for (let i = 0; i < 30; i++) {
      prefix.set(start + i, run, 32 * i);
      const prev = run.slice(32 * i, 32 * i + 32);
      const end = restoreEntry(out, 0, start + i, prev, stripped, 0, stripped.length);
      const expected = out.slice(0, end - stripped.length + 1);
      assert.deepEqual(prefix.bytes, expected, `entry ${start + i}`);
    }
  }
  prefix.set(0, genesisPrev(), 0);
  assert.match(new TextDecoder().decode(prefix.bytes), /^\{"seq":0,"prev":"A{43}=",$/);
});

test("times are those that the core reads, whatever came before", () => {
  const before = utf8(`{"salt":"${"A".repeat(24)}","time":"`);
  const times = new StrippedTimes();
  const entry = (time: string): Uint8Array => Uint8Array.from([...before, ...utf8(time)]);
  const read = (bytes: Uint8Array): void => {
    const expected = findLogTime(bytes, before.length);
    assert.equal(times.at(bytes, 0), expected, new TextDecoder().decode(bytes.subarray(45)));
  };
  read(entry("\0".repeat(23) + "Z"));
  const base = 1_795_410_000_990;
  for (const ms of [
    0,
    1,
    9,
    10,
    11,
    1000,
    1001,
    60_000,
    60_001,
    86_400_000,
    -1,
    -base,
    -2 * base,
  ]) {
    read(entry(formatLogTime(base + ms)));
    read(entry(formatLogTime(base + ms).replace("Z", "z")));
  }
  // Each byte changed, directly after a good time of the same second: nothing of that one may leak into it.
  const good = entry(formatLogTime(base));
  for (let at = before.length; at < good.length; at++) {
    for (const byte of [0x00, 0x2f, 0x30, 0x39, 0x3a, 0x5a, 0xff]) {
      read(good);
      read(good.with(at, byte));
    }
    read(good.slice(0, at));
  }
});

test("hashes in bulk are the core's", () => {
  for (let seed = 0; seed < 5; seed++) {
    const run = hashes(256, seed);
    assert.deepEqual(rootOfFullTile(run), rangeRoot(sha256, run));
    assert.deepEqual(run, hashes(256, seed), "the hashes are left as they are");
    const bytes = run.subarray(seed, 200 * seed);
    const where = new Uint8Array(100);
    where.set(sha256(bytes), 50);
    assert.ok(isHashOf(bytes, where, 50));
    for (let at = 50; at < 82; at++)
      assert.ok(!isHashOf(bytes, where.with(at, where[at]! ^ 128), 50));
  }
});

/**
 * Goal: an id that was inserted is found for as long as the table promises, at its seq, and no other id is found.
 * Method: a plain Map beside the table, through several generations, with random hashes and with hashes that meet in
 * few slots.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { IdTable } from "./id-table.ts";

/** Numbers of 32 bits from a fixed seed (xorshift). */
function randomWords(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

interface Inserted {
  readonly high: number;
  readonly low: number;
  readonly seq: number;
}

/** Inserts `count` ids into a table of generations of `size`, and looks for all of the past now and then. */
function compare(size: number, count: number, lowOf: (word: number) => number): void {
  const next = randomWords(20261123);
  const ids = new IdTable(size);
  const inserted: Inserted[] = [];
  let seq = 7;
  for (let i = 0; i < count; i++) {
    const id = { high: next(), low: lowOf(next()), seq };
    assert.equal(ids.find(id.high, id.low), -1, `id ${i} is new`);
    ids.insert(id.high, id.low, id.seq);
    inserted.push(id);
    seq += 1 + (i % 3);
    if (i % Math.ceil(count / 20) !== 0 && i !== count - 1) continue;
    const known = inserted.filter(({ high, low }) => ids.find(high, low) >= 0);
    assert.ok(known.length >= Math.min(inserted.length, size), `${known.length} of ${i + 1}`);
    assert.ok(known.length <= 2 * size, "no more than two generations are kept");
    assert.deepEqual(known, inserted.slice(-known.length), "the newest ones are known");
    for (const { high, low, seq: at } of known) assert.equal(ids.find(high, low), at);
  }
}

test("ids are known for at least a generation, through several of them", () => {
  compare(5000, 27_000, (word) => word);
  compare(1, 9, (word) => word);
  compare(1023, 5000, (word) => word);
});

test("ids whose hashes meet at the end of the table are told apart", () => {
  compare(600, 2000, (word) => 0xffffff00 + (word % 256));
});

test("what differs in one half of its hash only is another id", () => {
  const ids = new IdTable();
  ids.insert(1, 2, 10);
  assert.equal(ids.find(1, 3), -1);
  assert.equal(ids.find(2, 2), -1);
  assert.equal(ids.find(1, 2), 10);
});

test("a full-grown table tells ids apart by one half of the hash and by the place that the other half gives", () => {
  const size = 3000;
  const ids = new IdTable(size, size);
  ids.insert(1, 0x10000000, 10);
  assert.equal(ids.find(1, 0x10000000), 10);
  assert.equal(ids.find(1, 0x20000000), -1, "another place");
  assert.equal(ids.find(2, 0x10000000), -1, "another half");
  assert.equal(ids.find(1, 0x10000001), 10, "a candidate: whoever asks compares the entry");
});

test("a generation ends before its seqs leave 32 bits", () => {
  const ids = new IdTable();
  const far = 5_000_000_000;
  ids.insert(1, 2, 0);
  ids.insert(3, 4, far);
  ids.insert(5, 6, far + 1);
  assert.deepEqual([ids.find(1, 2), ids.find(3, 4), ids.find(5, 6)], [0, far, far + 1]);
  ids.insert(7, 8, 2 * far);
  assert.deepEqual([ids.find(1, 2), ids.find(3, 4), ids.find(7, 8)], [-1, far, 2 * far]);
});

/**
 * Goal: a commit record is read back exactly, and nothing else is ever taken for one.
 * Method: golden bytes; every byte of a slot flipped; slots torn, moved, of a newer version; rings cut short.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import {
  commitSlotByteLength,
  commitSlotCount,
  decodeCommitSlot,
  encodeCommitSlot,
  readCommitRing,
} from "./commit-slot.ts";
import type { Commit } from "./store.ts";

const commit: Commit = {
  number: 65,
  size: 2 ** 40 + 3,
  root: new Uint8Array(32).map((_, i) => i),
  tailFirst: 65_536,
  tailOffset: Number.MAX_SAFE_INTEGER,
};

/** Changes a slot and makes its digest right again. */
function forged(change: (view: DataView) => void): Uint8Array {
  const slot = encodeCommitSlot(commit);
  change(new DataView(slot.buffer));
  slot.set(createHash("sha256").update(slot.subarray(0, 4064)).digest(), 4064);
  return slot;
}

function ringOf(commits: readonly Commit[]): Uint8Array {
  const ring = new Uint8Array(commitSlotCount * commitSlotByteLength);
  for (const each of commits) {
    ring.set(encodeCommitSlot(each), (each.number % commitSlotCount) * commitSlotByteLength);
  }
  return ring;
}

describe("commit slot", () => {
  it("has these bytes", () => {
    const slot = encodeCommitSlot(commit);
    assert.equal(slot.length, 4096);
    const head =
      "636169726e20636f6d6d6974" + // "cairn commit"
      "00000001" +
      "0000000000000041" +
      "0000010000000003" +
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
      "0000000000010000" +
      "001fffffffffffff";
    assert.equal(Buffer.from(slot.subarray(0, 80)).toString("hex"), head);
    assert.ok(slot.subarray(80, 4064).every((byte) => byte === 0));
    const digest = createHash("sha256").update(slot.subarray(0, 4064)).digest();
    assert.ok(digest.equals(slot.subarray(4064)));
    assert.deepEqual(decodeCommitSlot(slot, 1), commit);
  });

  it("is invalid with any byte changed", () => {
    const slot = encodeCommitSlot(commit);
    for (let at = 0; at < slot.length; at++) {
      for (const flip of [0x01, 0x80]) {
        slot[at] = slot[at]! ^ flip;
        assert.equal(decodeCommitSlot(slot, 1), undefined, `byte ${at}`);
        slot[at] = slot[at]! ^ flip;
      }
    }
    assert.deepEqual(decodeCommitSlot(slot, 1), commit);
  });

  it("is invalid when torn, cut, empty, or in another's place", () => {
    const slot = encodeCommitSlot(commit);
    const old = encodeCommitSlot({ ...commit, number: 1 });
    for (let cut = 1; cut < slot.length; cut += 31) {
      const torn = old.slice();
      torn.set(slot.subarray(0, cut));
      const read = decodeCommitSlot(torn, 1);
      assert.ok(read === undefined || (cut <= 23 && read.number === 1), `cut at ${cut}`);
      assert.equal(decodeCommitSlot(slot.subarray(0, cut), 1), undefined);
    }
    assert.equal(decodeCommitSlot(new Uint8Array(commitSlotByteLength), 0), undefined);
    for (let index = 0; index < commitSlotCount; index++) {
      assert.equal(decodeCommitSlot(slot, index) === undefined, index !== 1);
    }
  });

  it("has one spelling, also under a right digest", () => {
    assert.deepEqual(
      decodeCommitSlot(
        forged(() => undefined),
        1,
      ),
      commit,
    );
    const wrong = [
      forged((view) => view.setUint8(80, 1)),
      forged((view) => view.setUint8(4063, 1)),
      forged((view) => view.setUint32(12, 0)),
      forged((view) => view.setBigUint64(24, 2n ** 53n)),
      forged((view) => view.setBigUint64(16, 0n)),
    ];
    for (const slot of wrong) assert.equal(decodeCommitSlot(slot, 1), undefined);
  });

  it("of a newer format is refused by name, unless it is damaged", () => {
    const newer = forged((view) => view.setUint32(12, 7));
    assert.throws(
      () => decodeCommitSlot(newer, 1),
      (error) => isCairnError(error, "unsupported_version") && /version 7/.test(error.message),
    );
    newer[100] = 1;
    assert.equal(decodeCommitSlot(newer, 1), undefined);
  });
});

describe("commit ring", () => {
  const commits = Array.from({ length: 130 }, (_, i) => ({ ...commit, number: i + 1 }));

  it("wraps around", () => {
    for (const count of [0, 1, 63, 64, 65, 130]) {
      const written = commits.slice(0, count);
      assert.deepEqual(readCommitRing(ringOf(written)), written.slice(-64).toReversed());
    }
  });

  it("falls back to the record before a torn one", () => {
    const ring = ringOf(commits);
    const at = (130 % commitSlotCount) * commitSlotByteLength;
    ring.fill(0, at + 512, at + commitSlotByteLength);
    assert.equal(readCommitRing(ring)[0]?.number, 129);
    assert.equal(readCommitRing(ring).length, 63);
  });

  it("is read as far as it goes", () => {
    const ring = ringOf(commits);
    const read = readCommitRing(ring.subarray(0, 3 * commitSlotByteLength + 100));
    assert.deepEqual(
      read.map((each) => each.number),
      [130, 129, 128],
    );
    assert.deepEqual(readCommitRing(new Uint8Array(0)), []);
  });
});

/** The part of the store's conformance suite about tail files: reserved, appended to, cleared. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom } from "./seeded.ts";
import { bytes, rejects, withLog, type MakeStore } from "./store-conformance-kit.ts";

export function describeTails(make: MakeStore): void {
  const path = "tail/0000000000000000";

  it("reserves zeros, and never fewer than there are", async (t) => {
    await withLog(make, t, async (log) => {
      await log.reserveTail(0, 700_000);
      assert.deepEqual(await log.get(path), new Uint8Array(700_000));
      await log.appendTail([{ first: 0, offset: 10, bytes: bytes("entry") }]);
      await log.reserveTail(0, 100);
      await log.reserveTail(0, 700_001);
      const tail = (await log.get(path))!;
      assert.equal(tail.length, 700_001);
      assert.deepEqual(tail.subarray(9, 16), bytes("\0entry\0"));
    });
  });

  it("appends inside and beyond what is reserved, to several tails at once", async (t) => {
    await withLog(make, t, async (log) => {
      await log.reserveTail(0, 8);
      await log.appendTail([
        { first: 0, offset: 0, bytes: bytes("abc") },
        { first: 0, offset: 3, bytes: bytes("defgh-beyond") },
        { first: 65_536, offset: 0, bytes: bytes("next") },
      ]);
      assert.deepEqual(await log.get(path), bytes("abcdefgh-beyond"));
      assert.deepEqual(await log.get("tail/0000000000065536"), bytes("next"));
      assert.deepEqual(await log.list("tail"), [
        { path, byteLength: 15 },
        { path: "tail/0000000000065536", byteLength: 4 },
      ]);
    });
  });

  it("never lets a reservation run over an append", async (t) => {
    await withLog(make, t, async (log) => {
      const random = new SeededRandom(5);
      const expected = new Uint8Array(2_000_000);
      const reserved: Promise<void>[] = [];
      let offset = 0;
      for (let i = 0; i < 60; i++) {
        const part = random.bytes(1 + random.below(30_000)).map((byte) => byte | 1);
        expected.set(part, offset);
        if (i % 3 === 0) reserved.push(log.reserveTail(0, offset + random.below(900_000)));
        const appended = log.appendTail([{ first: 0, offset, bytes: part }]);
        if (i % 3 === 1) reserved.push(log.reserveTail(0, offset + random.below(900_000)));
        await appended;
        offset += part.length;
      }
      await Promise.all(reserved);
      const tail = (await log.get(path))!;
      assert.ok(Buffer.from(tail.subarray(0, offset)).equals(expected.subarray(0, offset)));
      assert.ok(tail.subarray(offset).every((byte) => byte === 0));
    });
  });

  it("never lets a reservation that starts later run over an append that grows", async (t) => {
    await withLog(make, t, async (log) => {
      const part = new Uint8Array(100_000).fill(7);
      for (let first = 0; first < 20; first++) {
        await log.reserveTail(first, 1);
        const appended = log.appendTail([{ first, offset: 0, bytes: part }]);
        await Promise.all([appended, log.reserveTail(first, 150_000)]);
        const tail = (await log.get(`tail/${String(first).padStart(16, "0")}`))!;
        assert.equal(tail.length, 150_000);
        assert.ok(tail.every((byte, at) => byte === (at < 100_000 ? 7 : 0)));
      }
    });
  });

  it("clears to zeros and keeps the length", async (t) => {
    await withLog(make, t, async (log) => {
      await log.reserveTail(0, 600_000);
      await log.appendTail([{ first: 0, offset: 0, bytes: new Uint8Array(550_000).fill(7) }]);
      await log.clearTail(0, 3);
      const tail = (await log.get(path))!;
      assert.equal(tail.length, 600_000);
      assert.deepEqual(tail.subarray(0, 3), new Uint8Array([7, 7, 7]));
      assert.ok(tail.subarray(3).every((byte) => byte === 0));
      await rejects(log.clearTail(1, 0), "not_found");
      assert.deepEqual(await log.get("tail/0000000000000001"), undefined);
      await log.appendTail([{ first: 0, offset: 3, bytes: bytes("on") }]);
    });
  });
}

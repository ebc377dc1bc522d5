/**
 * Goal: every implementation of `Store` keeps every promise that its interface makes to the log.
 * Method: one suite, run on each implementation; each test gets a fresh, empty store and asserts what a caller
 * can see. What only a crash or a failing disk shows is tested where there is a disk.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeBlobs } from "./store-conformance-blobs.ts";
import { bytes, commitOf, rejects, withLog, type MakeStore } from "./store-conformance-kit.ts";
import { describeObjects, describeWriters } from "./store-conformance-objects.ts";
import { describeTails } from "./store-conformance-tails.ts";

export function describeStore(name: string, make: MakeStore): void {
  describe(`store: ${name}`, () => {
    describeLogs(make);
    describeObjects(make);
    describeWriters(make);
    describeBlobs(make);
    describeTails(make);
    describeCommits(make);
    describeReaders(make);
  });
}

function describeLogs(make: MakeStore): void {
  it("lists its logs in order, and has none at first", async (t) => {
    const store = await make(t);
    assert.deepEqual(await store.logs(), []);
    for (const name of ["b", "a-1", "a.1", "0"]) await (await store.create(name)).close();
    assert.deepEqual(await store.logs(), ["0", "a-1", "a.1", "b"]);
  });

  it("gives a name once", async (t) => {
    await withLog(make, t, async (log, store) => {
      await rejects(store.create("first"), "conflict");
      await log.close();
      await rejects(store.create("first"), "conflict");
    });
  });

  it("refuses what is not a name, and what is not there", async (t) => {
    const store = await make(t);
    for (const name of ["", ".", "..", "a/b", "A", "-a", ".a", "a".repeat(65), "a\0"]) {
      await rejects(store.create(name), "usage");
      await rejects(store.open(name), "usage");
      await rejects(store.openReader(name), "usage");
    }
    await rejects(store.open("a"), "not_found");
    await rejects(store.openReader("a"), "not_found");
    assert.deepEqual(await store.logs(), []);
  });

  it("has one writer per log, and says which process it is", async (t) => {
    await withLog(make, t, async (log, store) => {
      await rejects(store.open("first"), "locked", new RegExp(`by .*process ${process.pid}`));
      const other = await store.create("second");
      await rejects(store.open("second"), "locked");
      await other.close();
      await log.close();
      const again = await store.open("first");
      await rejects(store.open("first"), "locked");
      await again.close();
    });
  });

  it("may be closed twice, and refuses everything afterwards", async (t) => {
    await withLog(make, t, async (log, store) => {
      await log.close();
      await log.close();
      const holder = await store.open("first");
      await log.close();
      await rejects(store.open("first"), "locked");
      await holder.close();
      await rejects(log.get("a"), "unavailable");
      await rejects(log.list(""), "unavailable");
      await rejects(log.commits(), "unavailable");
      await rejects(log.put("a", bytes("a")), "unavailable");
      await rejects(log.begin("a"), "unavailable");
      await rejects(log.replace("a", bytes("a")), "unavailable");
      await rejects(log.remove("a"), "unavailable");
      await rejects(log.reserveTail(0, 1), "unavailable");
      await rejects(log.appendTail([{ first: 0, offset: 0, bytes: bytes("a") }]), "unavailable");
      await rejects(log.clearTail(0, 0), "unavailable");
      await rejects(log.commit(commitOf(1)), "unavailable");
    });
  });

  it("finishes what is under way when it is closed", async (t) => {
    await withLog(make, t, async (log, store) => {
      const running = [
        log.appendTail([{ first: 0, offset: 0, bytes: bytes("tail") }]),
        log.commit(commitOf(1)),
        log.put("a", bytes("a")),
        log.reserveTail(65_536, 1_000_000),
      ];
      await log.close();
      await Promise.all(running);
      const again = await store.open("first");
      assert.deepEqual(await again.get("tail/0000000000000000"), bytes("tail"));
      assert.deepEqual(await again.commits(), [commitOf(1)]);
      assert.deepEqual(await again.get("a"), bytes("a"));
      await again.close();
    });
  });

  it("keeps logs apart, and what they hold when they are opened again", async (t) => {
    await withLog(make, t, async (log, store) => {
      const other = await store.create("second");
      await log.put("a", bytes("one"));
      await other.put("a", bytes("two"));
      await log.commit(commitOf(1));
      await log.appendTail([{ first: 0, offset: 0, bytes: bytes("tail") }]);
      await log.close();
      await other.close();
      const [first, second] = [await store.open("first"), await store.open("second")];
      assert.deepEqual(await first.get("a"), bytes("one"));
      assert.deepEqual(await second.get("a"), bytes("two"));
      assert.deepEqual(await first.commits(), [commitOf(1)]);
      assert.deepEqual(await second.commits(), []);
      assert.deepEqual(await first.get("tail/0000000000000000"), bytes("tail"));
      assert.equal(first.name, "first");
      await first.close();
      await second.close();
    });
  });

  it("knows how much room there is, or says that it does not", async (t) => {
    await withLog(make, t, async (log) => {
      const free = await log.freeBytes();
      assert.ok(free === undefined || (Number.isSafeInteger(free) && free > 0), String(free));
    });
  });
}

function describeCommits(make: MakeStore): void {
  it("holds the newest commits, newest first, across a reopening", async (t) => {
    await withLog(make, t, async (log, store) => {
      assert.deepEqual(await log.commits(), []);
      for (let number = 1; number <= 150; number++) {
        await log.commit(commitOf(number));
        assert.deepEqual((await log.commits())[0], commitOf(number));
      }
      await log.close();
      const again = await store.open("first");
      const held = await again.commits();
      assert.equal(held.length, 64);
      assert.deepEqual(
        held,
        held.map((_, i) => commitOf(150 - i)),
      );
      await again.commit(commitOf(151));
      await again.close();
    });
  });

  it("keeps numbers to 2^53 - 1", async (t) => {
    await withLog(make, t, async (log) => {
      const max = Number.MAX_SAFE_INTEGER;
      const commit = { ...commitOf(1), size: max, tailFirst: max, tailOffset: max };
      await log.commit(commit);
      assert.deepEqual(await log.commits(), [commit]);
    });
  });

  it("takes the next number only, and goes on after a refusal", async (t) => {
    await withLog(make, t, async (log, store) => {
      for (const number of [2, 64, 65]) await rejects(log.commit(commitOf(number)), "conflict");
      await log.commit(commitOf(1));
      await rejects(log.commit(commitOf(1, 5)), "conflict");
      await rejects(log.commit(commitOf(3)), "conflict");
      await log.close();
      const again = await store.open("first");
      await rejects(again.commit(commitOf(1, 5)), "conflict");
      const twice = await Promise.allSettled([
        again.commit(commitOf(2)),
        again.commit(commitOf(2, 9)),
      ]);
      assert.deepEqual(
        twice.map((each) => each.status),
        ["fulfilled", "rejected"],
      );
      assert.deepEqual(await again.commits(), [commitOf(2), commitOf(1)]);
      await again.close();
    });
  });
}

function describeReaders(make: MakeStore): void {
  it("reads without the lock while somebody writes, and after that", async (t) => {
    await withLog(make, t, async (log, store) => {
      const reader = await store.openReader("first");
      assert.equal(reader.name, "first");
      assert.deepEqual(await reader.commits(), []);
      await log.appendTail([{ first: 0, offset: 0, bytes: bytes("tail") }]);
      await log.commit(commitOf(1));
      await log.put("a", bytes("a"));
      assert.deepEqual(await reader.read("tail/0000000000000000", 1, 2), bytes("ai"));
      assert.deepEqual(await reader.commits(), [commitOf(1)]);
      await log.close();
      assert.deepEqual(await reader.get("a"), bytes("a"));
      assert.deepEqual(await reader.list(""), [{ path: "a", byteLength: 1 }]);
      const writer = await store.open("first");
      await reader.close();
      await rejects(reader.get("a"), "unavailable");
      await writer.put("b", bytes("b"));
      await writer.close();
    });
  });
}

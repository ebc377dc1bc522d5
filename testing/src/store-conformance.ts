/**
 * Goal: every implementation of `Store` keeps every promise that its interface makes to the log.
 * Method: one suite, run on each implementation; each test gets a fresh, empty store and asserts what a caller
 * can see. What only a crash or a failing disk shows is tested where there is a disk.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import type { Commit, LogStore, Store } from "@cairnlog/store";
import { SeededRandom } from "./seeded.ts";

/** Makes an empty store for one test; what has to be cleaned up is registered with `t.after`. */
export type MakeStore = (t: TestContext) => Promise<Store>;

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function commitOf(number: number, size = number): Commit {
  const root = new Uint8Array(32).fill(number % 251);
  return { number, size, root, tailFirst: 0, tailOffset: 10 * size };
}

async function rejects(work: Promise<unknown>, code: CairnErrorCode, message = /./): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isCairnError(error, code), `expected "${code}", got: ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

/** Runs `work` on a new log and closes it. */
async function withLog(
  make: MakeStore,
  t: TestContext,
  work: (log: LogStore, store: Store) => Promise<void>,
): Promise<void> {
  const store = await make(t);
  const log = await store.create("first");
  try {
    await work(log, store);
  } finally {
    await log.close();
  }
}

export function describeStore(name: string, make: MakeStore): void {
  describe(`store: ${name}`, () => {
    describeLogs(make);
    describeObjects(make);
    describeWriters(make);
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

function describeObjects(make: MakeStore): void {
  it("keeps objects as they were put", async (t) => {
    await withLog(make, t, async (log) => {
      const large = new SeededRandom(1).bytes(3_000_000);
      await log.put("empty", new Uint8Array(0));
      await log.put("index/ids/0000000000000000", bytes("deep"));
      await log.put("large", large);
      assert.deepEqual(await log.get("empty"), new Uint8Array(0));
      assert.deepEqual(await log.get("index/ids/0000000000000000"), bytes("deep"));
      assert.ok(Buffer.from(large).equals((await log.get("large"))!));
      assert.equal(await log.get("absent"), undefined);
      assert.equal(await log.get("no/such/folder"), undefined);
    });
  });

  it("takes the same bytes again, and refuses others", async (t) => {
    await withLog(make, t, async (log) => {
      await log.put("a/b", bytes("same"));
      await log.put("a/b", bytes("same"));
      for (const other of ["samE", "sam", "same!", ""]) {
        await rejects(log.put("a/b", bytes(other)), "conflict", /a\/b/);
      }
      assert.deepEqual(await log.get("a/b"), bytes("same"));
      assert.deepEqual(await log.list("a"), [{ path: "a/b", byteLength: 4 }]);
    });
  });

  it("lets one of two racing puts win", async (t) => {
    await withLog(make, t, async (log) => {
      const puts = ["x", "y", "x", "z"].map((text) => log.put("raced", bytes(text)));
      const results = await Promise.allSettled(puts);
      const won = new TextDecoder().decode((await log.get("raced"))!);
      results.forEach((result, i) => {
        assert.equal(result.status === "fulfilled", "xyxz"[i] === won);
      });
    });
  });

  it("hands out and takes in copies", async (t) => {
    await withLog(make, t, async (log) => {
      const given = bytes("given");
      await log.put("a", given);
      given.fill(0);
      const got = (await log.get("a"))!;
      got.fill(0);
      (await log.read("a", 0, 5))!.fill(0);
      assert.deepEqual(await log.get("a"), bytes("given"));
      await log.commit(commitOf(1));
      (await log.commits())[0]!.root.fill(9);
      assert.deepEqual(await log.commits(), [commitOf(1)]);
    });
  });

  it("reads any part", async (t) => {
    await withLog(make, t, async (log) => {
      await log.put("a", bytes("0123456789"));
      assert.deepEqual(await log.read("a", 0, 10), bytes("0123456789"));
      assert.deepEqual(await log.read("a", 3, 4), bytes("3456"));
      assert.deepEqual(await log.read("a", 8, 10), bytes("89"));
      assert.deepEqual(await log.read("a", 3, 0), new Uint8Array(0));
      assert.deepEqual(await log.read("a", 10, 1), new Uint8Array(0));
      assert.deepEqual(await log.read("a", 99, Number.MAX_SAFE_INTEGER), new Uint8Array(0));
      assert.equal(await log.read("absent", 0, 1), undefined);
    });
  });

  it("lists what lies directly in a folder, in order", async (t) => {
    await withLog(make, t, async (log) => {
      for (const path of ["b", "a", "x/2", "x/10", "x/y/z", "x-1"]) {
        await log.put(path, bytes(path));
      }
      assert.deepEqual(await log.list(""), [
        { path: "a", byteLength: 1 },
        { path: "b", byteLength: 1 },
        { path: "x-1", byteLength: 3 },
      ]);
      assert.deepEqual(
        (await log.list("x")).map((each) => each.path),
        ["x/10", "x/2"],
      );
      assert.deepEqual(await log.list("x/y"), [{ path: "x/y/z", byteLength: 5 }]);
      assert.deepEqual(await log.list("absent"), []);
    });
  });

  it("replaces a note as a whole", async (t) => {
    await withLog(make, t, async (log) => {
      for (const text of ["first, and long", "second", ""]) {
        await log.replace("checkpoint", bytes(text));
        assert.deepEqual(await log.get("checkpoint"), bytes(text));
      }
      assert.deepEqual(await log.list(""), [{ path: "checkpoint", byteLength: 0 }]);
    });
  });

  it("removes, and minds no repetition", async (t) => {
    await withLog(make, t, async (log) => {
      await log.put("a/b", bytes("b"));
      await log.appendTail([{ first: 7, offset: 0, bytes: bytes("tail") }]);
      for (let i = 0; i < 2; i++) {
        await log.remove("a/b");
        await log.remove("tail/0000000000000007");
        await log.remove("never/was");
      }
      assert.equal(await log.get("a/b"), undefined);
      assert.equal(await log.get("tail/0000000000000007"), undefined);
      assert.deepEqual(await log.list("a"), []);
      await log.appendTail([{ first: 7, offset: 0, bytes: bytes("new") }]);
      assert.deepEqual(await log.get("tail/0000000000000007"), bytes("new"));
    });
  });

  it("takes a path that leads elsewhere for a bug of the caller", async (t) => {
    await withLog(make, t, async (log) => {
      const paths = ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "A", "a b", "commits", "LOCK"];
      for (const path of [...paths, "a.tmp-1"]) {
        await assert.rejects(async () => log.put(path, bytes("x")), /invariant/);
        await assert.rejects(async () => log.get(path), /invariant/);
      }
      await assert.rejects(async () => log.replace("tail/0000000000000000", bytes("x")), /tail/);
    });
  });
}

function describeWriters(make: MakeStore): void {
  it("shows a streamed object when it is finished, and not before", async (t) => {
    await withLog(make, t, async (log) => {
      const writer = await log.begin("sealed/0000000000000000");
      await Promise.all([writer.write(bytes("one ")), writer.write(bytes("two "))]);
      await writer.write(bytes("three"));
      assert.deepEqual(await writer.read(4, 3), bytes("two"));
      assert.deepEqual(await writer.read(8, 99), bytes("three"));
      assert.equal(await log.get("sealed/0000000000000000"), undefined);
      assert.deepEqual(await log.list("sealed"), []);
      await writer.finish();
      await writer.abandon();
      assert.deepEqual(await log.get("sealed/0000000000000000"), bytes("one two three"));
      assert.equal((await log.list("sealed")).length, 1);
      await assert.rejects(writer.write(bytes("more")));
    });
  });

  it("drops an abandoned object", async (t) => {
    await withLog(make, t, async (log) => {
      const writer = await log.begin("a/b");
      await writer.write(bytes("gone"));
      await writer.abandon();
      await writer.abandon();
      assert.equal(await log.get("a/b"), undefined);
      await assert.rejects(writer.finish());
      await log.put("a/b", bytes("other"));
      assert.deepEqual(await log.list("a"), [{ path: "a/b", byteLength: 5 }]);
    });
  });

  it("refuses to finish over other bytes, and succeeds over the same", async (t) => {
    await withLog(make, t, async (log) => {
      const [same, other] = [await log.begin("a"), await log.begin("a")];
      await same.write(bytes("bytes"));
      await other.write(bytes("Bytes"));
      await log.put("a", bytes("bytes"));
      await same.finish();
      await rejects(other.finish(), "conflict");
      await other.abandon();
      assert.deepEqual(await log.get("a"), bytes("bytes"));
      assert.equal((await log.list("")).length, 1);
    });
  });

  it("drops what is unfinished when the log is closed", async (t) => {
    await withLog(make, t, async (log, store) => {
      const writer = await log.begin("a");
      await writer.write(bytes("a"));
      await log.close();
      const again = await store.open("first");
      assert.deepEqual(await again.list(""), []);
      await assert.rejects(writer.finish());
      assert.deepEqual(await again.list(""), []);
      await again.close();
    });
  });
}

function describeTails(make: MakeStore): void {
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

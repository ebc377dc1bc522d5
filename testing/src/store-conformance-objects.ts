/** The part of the store's conformance suite about objects and notes: whole, written once, listed in order. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom } from "./seeded.ts";
import { bytes, commitOf, rejects, withLog, type MakeStore } from "./store-conformance-kit.ts";

export function describeObjects(make: MakeStore): void {
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
      const won = new TextDecoder().decode(await log.get("raced"));
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

  it("tells how long a file is", async (t) => {
    await withLog(make, t, async (log) => {
      await log.put("a", bytes("0123456789"));
      await log.put("b/empty", new Uint8Array(0));
      await log.reserveTail(0, 300_000);
      assert.equal(await log.byteLength("a"), 10);
      assert.equal(await log.byteLength("b/empty"), 0);
      assert.equal(await log.byteLength("tail/0000000000000000"), 300_000);
      assert.equal(await log.byteLength("absent"), undefined);
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

export function describeWriters(make: MakeStore): void {
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

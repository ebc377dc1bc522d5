/**
 * Goal: what the files store promises beyond the common suite: permissions, what it makes of a damaged or
 * unfinished folder, what failures are called, and that nothing that resolved is lost in a power loss.
 * Method: a real folder for what the system decides; the simulated disk, with many seeds, for failures.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import { SeededRandom, SimulatedDisk, withSeed, type Fault } from "@cairnlog/testing";
import { filesStore } from "./files.ts";
import { processLock } from "./lock.ts";
import type { Commit, LogStore, Store } from "./store.ts";

const tail = "tail/0000000000000000";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function commitOf(number: number): Commit {
  const root = new Uint8Array(32).fill(number);
  return { number, size: number, root, tailFirst: 0, tailOffset: 100 * number };
}

function isCode(code: CairnErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCairnError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
}

function realStore(t: TestContext): Store {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-files-"));
  t.after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return filesStore({ folder: `${folder}/data` });
}

function simulatedStore(disk: SimulatedDisk): Store {
  return filesStore({ folder: "/var/data", disk, lock: processLock() });
}

async function newDisk(random: SeededRandom): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random });
  await disk.makeFolder("/var");
  await disk.syncFolder("/");
  return disk;
}

describe("files: the folder", () => {
  it("belongs to its owner alone", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    await log.put("sealed/0000000000000000", bytes("x"));
    await log.replace("checkpoint", bytes("x"));
    await log.reserveTail(0, 10);
    await log.commit(commitOf(1));
    const mode = (name: string): string =>
      (fs.statSync(path.join(store.location, name)).mode & 0o7777).toString(8);
    for (const folder of ["", "a", "a/tail", "a/sealed"]) assert.equal(mode(folder), "700", folder);
    for (const file of ["LOCK", "commits", "checkpoint", tail])
      assert.equal(mode(`a/${file}`), "600");
    assert.equal(mode("a/sealed/0000000000000000"), "400");
    assert.equal(fs.statSync(`${store.location}/a/commits`).size, 64 * 4096);
    await log.close();
  });

  it("really allocates what is reserved", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    await log.reserveTail(0, 1_000_000);
    const { blocks } = fs.statSync(`${store.location}/a/${tail}`);
    assert.ok(blocks * 512 >= 1_000_000, `${blocks} blocks`);
    await log.close();
  });

  it("loses its leftovers at the next opening for writing, not for reading", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    await log.put("sealed/x", bytes("x"));
    await log.close();
    const leftovers = ["sealed/y.tmp-3", "checkpoint.tmp-1"].map(
      (each) => `${store.location}/a/${each}`,
    );
    for (const leftover of leftovers) fs.writeFileSync(leftover, "unfinished");
    const reader = await store.openReader("a");
    assert.deepEqual(await reader.list("sealed"), [{ path: "sealed/x", byteLength: 1 }]);
    assert.deepEqual(await reader.list(""), []);
    assert.ok(leftovers.every((each) => fs.existsSync(each)));
    await (await store.open("a")).close();
    assert.ok(leftovers.every((each) => !fs.existsSync(each)));
  });

  it("may hold what another thread has not finished", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    for (const n of [1, 2]) fs.writeFileSync(`${store.location}/a/x.tmp-${n}`, "theirs");
    await log.put("x", bytes("ours"));
    assert.deepEqual(await log.get("x"), bytes("ours"));
    assert.equal(fs.readFileSync(`${store.location}/a/x.tmp-1`, "utf8"), "theirs");
    await log.close();
  });

  it("may have come without its empty folders", async (t) => {
    const store = realStore(t);
    await (await store.create("a")).close();
    fs.rmdirSync(`${store.location}/a/tail`);
    const log = await store.open("a");
    await log.appendTail([{ first: 0, offset: 0, bytes: bytes("x") }]);
    assert.deepEqual(await log.get(tail), bytes("x"));
    await log.close();
  });

  it("of a log whose ring is gone is no empty place", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    await log.appendTail([{ first: 0, offset: 0, bytes: bytes("x") }]);
    await log.close();
    fs.unlinkSync(`${store.location}/a/commits`);
    assert.deepEqual(await store.logs(), ["a"]);
    await assert.rejects(store.create("a"), isCode("conflict", /already/));
    await assert.rejects(store.open("a"), isCode("tampered", /commits is gone/));
    assert.deepEqual(await (await store.openReader("a")).commits(), []);
  });

  it("with a commit record of a newer release is refused by name", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    await log.close();
    const slot = Buffer.alloc(4096);
    slot.write("cairn commit");
    slot.writeUInt32BE(2, 12);
    const { hash } = await import("node:crypto");
    slot.set(hash("sha256", slot.subarray(0, 4064), "buffer"), 4064);
    const ring = fs.openSync(`${store.location}/a/commits`, "r+");
    fs.writeSync(ring, slot, 0, 4096, 5 * 4096);
    fs.closeSync(ring);
    await assert.rejects(store.open("a"), isCode("unsupported_version", /version 2/));
    // The refusal let go of the lock.
    await assert.rejects(store.open("a"), isCode("unsupported_version", /slot 5/));
  });

  it("falls back to the commit before a torn one", async (t) => {
    const store = realStore(t);
    const log = await store.create("a");
    for (let number = 1; number <= 70; number++) await log.commit(commitOf(number));
    await log.close();
    const ring = fs.openSync(`${store.location}/a/commits`, "r+");
    fs.writeSync(ring, Buffer.alloc(2048), 0, 2048, (70 % 64) * 4096 + 2048);
    fs.closeSync(ring);
    const again = await store.open("a");
    assert.deepEqual((await again.commits())[0], commitOf(69));
    await again.commit(commitOf(70));
    await again.close();
  });

  it("where a file is in the way is named in the refusal", async (t) => {
    const store = realStore(t);
    fs.writeFileSync(store.location, "a file");
    await assert.rejects(store.create("a"), isCode("unavailable", /data.*choose another/));
  });
});

/** The data that a caller would expect after what resolved. */
async function someWork(log: LogStore): Promise<void> {
  await log.reserveTail(0, 4096);
  for (let number = 1; number <= 3; number++) {
    await log.appendTail([
      { first: 0, offset: 1000 * (number - 1), bytes: new Uint8Array(1000).fill(number) },
    ]);
    await log.commit(commitOf(number));
  }
  await log.put("sealed/a", bytes("object"));
  const writer = await log.begin("sealed/b");
  await writer.write(bytes("streamed"));
  await writer.finish();
  await log.replace("checkpoint", bytes("one"));
  await log.replace("checkpoint", bytes("two"));
  await log.put("gone", bytes("gone"));
  await log.remove("gone");
}

describe("files: power loss", () => {
  it("keeps all that resolved", async () => {
    for (let seed = 0; seed < 150; seed++) {
      await withSeed(seed, async (random) => {
        const disk = await newDisk(random);
        await someWork(await simulatedStore(disk).create("a"));
        const log = await simulatedStore(disk.powerLoss()).open("a");
        assert.deepEqual(await log.commits(), [3, 2, 1].map(commitOf));
        const left = (await log.get(tail))!;
        for (let at = 0; at < 3000; at++) assert.equal(left[at], 1 + Math.floor(at / 1000));
        assert.deepEqual(await log.get("sealed/a"), bytes("object"));
        assert.deepEqual(await log.get("sealed/b"), bytes("streamed"));
        assert.deepEqual(await log.get("checkpoint"), bytes("two"));
        assert.equal(await log.get("gone"), undefined);
        assert.deepEqual(
          (await log.list("sealed")).map((each) => each.path),
          ["sealed/a", "sealed/b"],
        );
      });
    }
  });

  it("at any operation leaves whole objects, whole notes, and a log or none", async () => {
    const whole = await newDisk(new SeededRandom(1));
    await someWork(await simulatedStore(whole).create("a"));
    for (let seed = 0; seed < 4 * whole.operations; seed++) {
      await withSeed(seed, async (random) => {
        const disk = await newDisk(random);
        const stopAt = disk.operations + (seed % whole.operations);
        disk.fault = (_operation, _path, n) => (n === stopAt ? "crash" : "ok");
        await assert.rejects(async () => {
          await someWork(await simulatedStore(disk).create("a"));
          throw new Error("the end");
        });
        const after = random.chance(0.3) ? disk.kill().powerLoss() : disk.powerLoss();
        const store = simulatedStore(after);
        const names = await store.logs();
        const log = names.length === 0 ? await store.create("a") : await store.open("a");
        for (const [object, content] of [
          ["sealed/a", "object"],
          ["sealed/b", "streamed"],
        ] as const) {
          const found = await log.get(object);
          if (found !== undefined) assert.deepEqual(found, bytes(content));
          await log.put(object, bytes(content));
        }
        const note = await log.get("checkpoint");
        if (note !== undefined) assert.match(new TextDecoder().decode(note), /^(one|two)$/);
        const commits = await log.commits();
        assert.deepEqual(commits, [3, 2, 1].map(commitOf).slice(3 - commits.length));
        await log.appendTail([{ first: 0, offset: 0, bytes: bytes("goes on") }]);
        await log.commit(commitOf(commits.length + 1));
        await log.close();
      });
    }
  });

  it("finds durable what was put again after a put that failed", async () => {
    for (let seed = 0; seed < 200; seed++) {
      await withSeed(seed, async (random) => {
        const disk = await newDisk(random);
        const log = await simulatedStore(disk).create("a");
        const failAt = disk.operations + random.below(9);
        const fault = random.pick<Fault>(["fail", "fail-after", "torn", "full"]);
        disk.fault = (_operation, _path, n) => (n === failAt ? fault : "ok");
        await log.put("sealed/a", bytes("object")).catch((error: unknown) => {
          assert.ok(isCairnError(error), String(error));
        });
        disk.fault = () => "ok";
        await log.put("sealed/a", bytes("object"));
        await assert.rejects(log.put("sealed/a", bytes("other")), isCode("conflict", /sealed/));
        const after = await simulatedStore(disk.powerLoss()).openReader("a");
        assert.deepEqual(await after.get("sealed/a"), bytes("object"));
      });
    }
  });
});

describe("files: after a failed sync", () => {
  it("what is appended once more is durable, whatever became of the first time", async () => {
    const fates = new Set<boolean>();
    for (let seed = 0; seed < 60; seed++) {
      await withSeed(seed, async (random) => {
        const disk = await newDisk(random);
        const store = simulatedStore(disk);
        const part = { first: 0, offset: 0, bytes: bytes("entries") };
        const log = await store.create("a");
        await log.reserveTail(0, 100);
        disk.fault = (operation) => (operation === "datasync" ? "fail" : "ok");
        await assert.rejects(log.appendTail([part]));
        await log.close();
        const restarted = disk.kill();
        const again = await simulatedStore(restarted).open("a");
        // The running system shows the bytes; on the medium they may be missing, and only a power loss tells.
        assert.deepEqual(await again.read(tail, 0, 7), part.bytes);
        const shadow = restarted.kill();
        fates.add(shadow.powerLoss().peek(`/var/data/a/${tail}`)![0] === part.bytes[0]);
        const next = shadow.kill();
        const recovering = await simulatedStore(next).open("a");
        await recovering.appendTail([part]);
        const after = await simulatedStore(next.powerLoss()).openReader("a");
        assert.deepEqual(await after.read(tail, 0, 7), part.bytes);
      });
    }
    assert.deepEqual(fates, new Set([true, false]));
  });
});

describe("files: a failed write", () => {
  const part = { first: 0, offset: 0, bytes: new Uint8Array(600).fill(1) };

  for (const fault of ["fail", "fail-after", "torn", "full"] as const) {
    for (const operation of ["write", "datasync"] as const) {
      for (const call of ["appendTail", "commit"] as const) {
        it(`(${operation}: ${fault}) in ${call} ends both until the log is opened anew`, async () => {
          const disk = await newDisk(new SeededRandom(9));
          const store = simulatedStore(disk);
          const log = await store.create("a");
          await log.appendTail([part]);
          await log.commit(commitOf(1));
          disk.fault = (each) => (each === operation ? fault : "ok");
          const code = fault === "full" ? "storage_full" : "unavailable";
          const failing = call === "commit" ? log.commit(commitOf(2)) : log.appendTail([part]);
          await assert.rejects(failing, isCode(code, /simulated/));
          const operations = disk.operations;
          disk.fault = () => "ok";
          const ended = isCode("unavailable", /opened anew.*simulated/);
          await assert.rejects(log.appendTail([part]), ended);
          await assert.rejects(log.commit(commitOf(2)), ended);
          await assert.rejects(log.commit(commitOf(3)), ended);
          assert.equal(disk.operations, operations);
          await log.put("still", bytes("works"));
          await log.close();
          await (await store.open("a")).close();
        });
      }
    }
  }

  it("while reserving is no harm on a full disk, and the end otherwise", async () => {
    for (const [fault, code] of [
      ["full", "storage_full"],
      ["fail", "unavailable"],
    ] as const) {
      const disk = await newDisk(new SeededRandom(9));
      const log = await simulatedStore(disk).create("a");
      await log.reserveTail(0, 1000);
      disk.fault = (operation) => (operation === "write" ? fault : "ok");
      await assert.rejects(log.reserveTail(0, 9000), isCode(code, /reserve/));
      disk.fault = () => "ok";
      if (fault === "full") {
        await log.appendTail([part]);
        await log.reserveTail(0, 9000);
        assert.deepEqual((await log.get(tail))!.subarray(0, 600), part.bytes);
        assert.equal((await log.get(tail))!.length, 9000);
      } else {
        await assert.rejects(log.appendTail([part]), isCode("unavailable", /opened anew/));
      }
    }
  });

  it("of a reservation's sync reaches the append beside it", async () => {
    for (let seed = 0; seed < 50; seed++) {
      await withSeed(seed, async (random) => {
        const disk = await newDisk(random);
        const log = await simulatedStore(disk).create("a");
        await log.reserveTail(0, 1000);
        let syncs = 0;
        disk.fault = (operation) => (operation === "datasync" && syncs++ === 0 ? "fail" : "ok");
        const results = await Promise.allSettled([
          log.reserveTail(0, 9000),
          log.appendTail([part]),
        ]);
        const appended = results[1].status === "fulfilled";
        const left = disk.powerLoss().peek(`/var/data/a/${tail}`)!;
        if (appended) assert.deepEqual(left.subarray(0, 600), part.bytes);
        await assert.rejects(log.commit(commitOf(1)));
      });
    }
  });
});

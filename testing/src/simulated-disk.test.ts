/**
 * Goal: the simulated disk keeps what it promised to keep, and nothing more; a seed gives the same disk again.
 * Method: many seeds of a power loss; what may survive is compared with what did, and each fate must occur.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ManualClock } from "./manual-clock.ts";
import { SeededRandom, withSeed } from "./seeded.ts";
import { SimulatedDisk, type Fault } from "./simulated-disk.ts";

const seeds = Array.from({ length: 500 }, (_, i) => i);

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(content: Uint8Array | undefined): string | undefined {
  return content === undefined ? undefined : new TextDecoder().decode(content);
}

async function written(disk: SimulatedDisk, path: string, content: Uint8Array): Promise<void> {
  const file = await disk.open(path, "create");
  await file.write(content, 0);
  await file.close();
}

async function synced(disk: SimulatedDisk, path: string): Promise<void> {
  const file = await disk.open(path, "write");
  await file.datasync();
  await file.close();
}

/** The set of outcomes over all seeds. */
async function outcomes(
  work: (random: SeededRandom) => Promise<string | undefined>,
): Promise<Set<string | undefined>> {
  const found = new Set<string | undefined>();
  for (const seed of seeds) found.add(await withSeed(seed, work));
  return found;
}

describe("simulated disk: power loss", () => {
  it("keeps what was synced, content and name", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await disk.makeFolder("/d");
      await written(disk, "/d/a", bytes("kept"));
      await synced(disk, "/d/a");
      await disk.syncFolder("/d");
      await disk.syncFolder("/");
      return text(disk.powerLoss().powerLoss().peek("/d/a"));
    });
    assert.deepEqual(found, new Set(["kept"]));
  });

  it("may take a name that was not synced, and everything in its folder", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await disk.makeFolder("/d");
      await written(disk, "/d/a", bytes("kept"));
      await synced(disk, "/d/a");
      await disk.syncFolder("/d");
      return text(disk.powerLoss().peek("/d/a"));
    });
    assert.deepEqual(found, new Set(["kept", undefined]));
  });

  it("loses, keeps, tears and reorders what was not synced", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await written(disk, "/a", new Uint8Array(1024));
      await synced(disk, "/a");
      await disk.syncFolder("/");
      const file = await disk.open("/a", "write");
      await file.write(new Uint8Array(1024).fill(1), 0);
      await file.write(bytes("z"), 1024);
      const left = disk.powerLoss().peek("/a")!;
      const first = left[0] === 1 ? "new" : "old";
      const second = left[1023] === 1 ? "new" : "old";
      return `${first} ${second} ${left.length}`;
    });
    const both = ["old old", "new old", "new new", "old new"];
    assert.deepEqual(found, new Set(both.flatMap((each) => [`${each} 1024`, `${each} 1025`])));
  });

  it("may undo a rename that was not synced, never half of it", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      for (const path of ["/old", "/new"]) {
        await written(disk, path, bytes(path));
        await synced(disk, path);
      }
      await disk.syncFolder("/");
      await disk.rename("/new", "/old");
      const left = disk.powerLoss();
      return `${text(left.peek("/old"))} ${text(left.peek("/new"))}`;
    });
    assert.deepEqual(found, new Set(["/new undefined", "/old /new"]));
  });

  it("may show an empty file under a name whose content was not synced", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await written(disk, "/a.tmp", bytes("xy"));
      await disk.rename("/a.tmp", "/a");
      await disk.syncFolder("/");
      return text(disk.powerLoss().peek("/a"));
    });
    assert.deepEqual(found, new Set(["", "x", "xy"]));
  });

  it("may bring back a file whose removal was not synced", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await written(disk, "/a", bytes("a"));
      await synced(disk, "/a");
      await disk.syncFolder("/");
      await disk.unlink("/a");
      return text(disk.powerLoss().peek("/a"));
    });
    assert.deepEqual(found, new Set([undefined, "a"]));
  });

  it("forgets after a failed sync, while the running system still reads it", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await written(disk, "/a", bytes("a"));
      await disk.syncFolder("/");
      disk.fault = (operation) => (operation === "datasync" ? "fail" : "ok");
      await assert.rejects(synced(disk, "/a"), { code: "EIO" });
      disk.fault = () => "ok";
      await synced(disk, "/a");
      assert.equal(text(disk.peek("/a")), "a");
      return text(disk.powerLoss().peek("/a"));
    });
    assert.deepEqual(found, new Set(["", "a"]));
  });

  it("ends the old disk", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    await written(disk, "/a", bytes("a"));
    const file = await disk.open("/a", "read");
    disk.powerLoss();
    await assert.rejects(disk.entries("/"), { code: "EIO" });
    await assert.rejects(file.read(new Uint8Array(1), 0), { code: "EIO" });
  });

  it("is the same for the same seed", async () => {
    const run = async (): Promise<string> => {
      const disk = new SimulatedDisk({ random: new SeededRandom(77) });
      for (let i = 0; i < 20; i++) await written(disk, `/${i}`, new Uint8Array(2000).fill(i));
      const left = disk.powerLoss();
      return left
        .paths()
        .map((path) => `${path}:${left.peek(path)!.join()}`)
        .join("\n");
    };
    assert.equal(await run(), await run());
  });
});

describe("simulated disk: kill", () => {
  it("loses nothing, and makes nothing durable", async () => {
    const found = await outcomes(async (random) => {
      const disk = new SimulatedDisk({ random });
      await written(disk, "/a", bytes("a"));
      const after = disk.kill();
      assert.equal(text(after.peek("/a")), "a");
      return text(after.powerLoss().peek("/a"));
    });
    assert.deepEqual(found, new Set([undefined, "", "a"]));
  });

  it("keeps two names of one file one file", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    await written(disk, "/a", bytes("a"));
    await disk.link("/a", "/b");
    const after = disk.kill();
    const file = await after.open("/b", "write");
    await file.write(bytes("B"), 0);
    assert.equal(text(after.peek("/a")), "B");
  });
});

describe("simulated disk: faults", () => {
  const fileAfter = async (fault: Fault, code: string): Promise<string | undefined> => {
    const disk = new SimulatedDisk({ random: new SeededRandom(3) });
    await written(disk, "/a", bytes("12345678"));
    const file = await disk.open("/a", "write");
    disk.fault = (operation) => (operation === "write" ? fault : "ok");
    await assert.rejects(file.write(bytes("abcdefgh"), 0), { code });
    return text(disk.peek("/a"));
  };

  it("fails, fails after, tears, fills up", async () => {
    assert.equal(await fileAfter("fail", "EIO"), "12345678");
    assert.equal(await fileAfter("fail-after", "EIO"), "abcdefgh");
    assert.match((await fileAfter("torn", "EIO"))!, /^a?b?c?d?e?f?g?[1-8]*$/);
    assert.match((await fileAfter("full", "ENOSPC"))!, /^a?b?c?d?e?f?g?[1-8]*$/);
  });

  it("flips one bit of a read, and not of the file", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(3) });
    await written(disk, "/a", new Uint8Array(64));
    const file = await disk.open("/a", "read");
    disk.fault = (operation) => (operation === "read" ? "flip" : "ok");
    const into = new Uint8Array(64);
    assert.equal(await file.read(into, 0), 64);
    assert.equal(into.filter((byte) => byte !== 0).length, 1);
    disk.fault = () => "ok";
    await file.read(into, 0);
    assert.ok(into.every((byte) => byte === 0));
  });

  it("stops at a crash, before or after the operation", async () => {
    for (const [fault, content] of [
      ["crash", ""],
      ["crash-after", "a"],
    ] as const) {
      const disk = new SimulatedDisk({ random: new SeededRandom(1) });
      disk.fault = (operation) => (operation === "write" ? fault : "ok");
      await assert.rejects(written(disk, "/a", bytes("a")));
      assert.ok(disk.isStopped);
      await assert.rejects(disk.entries("/"));
      assert.equal(text(disk.kill().peek("/a")), content);
    }
  });

  it("numbers the operations from 0", async () => {
    const seen: string[] = [];
    const disk = new SimulatedDisk({
      random: new SeededRandom(1),
      fault: (operation, path, n) => {
        seen.push(`${n} ${operation} ${path}`);
        return "ok";
      },
    });
    await written(disk, "/a", bytes("a"));
    await synced(disk, "/a");
    assert.deepEqual(seen, ["0 create /a", "1 write /a", "2 open /a", "3 datasync /a"]);
    assert.equal(disk.operations, 4);
  });

  it("is full when its capacity is used", async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1), capacity: 10 });
    await written(disk, "/a", bytes("123456"));
    assert.equal(await disk.freeBytes("/"), 4);
    await assert.rejects(written(disk, "/b", bytes("123456")), { code: "ENOSPC" });
    assert.equal(text(disk.peek("/b")), "1234");
    await disk.unlink("/b");
    assert.equal(await disk.freeBytes("/"), 4);
  });
});

describe("seeded randomness", () => {
  it("repeats, spreads, and names the seed of a failure", async () => {
    const [one, same, other] = [new SeededRandom(1), new SeededRandom(1), new SeededRandom(2)];
    const draw = (random: SeededRandom): number[] =>
      Array.from({ length: 50 }, () => random.next());
    const drawn = draw(one);
    assert.deepEqual(drawn, draw(same));
    assert.notDeepEqual(drawn, draw(other));
    const counts = Array.from({ length: 8 }, () => 0);
    for (let i = 0; i < 8000; i++) counts[one.below(8)]! += 1;
    assert.ok(
      counts.every((count) => count > 850 && count < 1150),
      counts.join(),
    );
    await assert.rejects(
      withSeed(42, () => {
        throw new Error("broken");
      }),
      /^Error: with seed 42: broken$/,
    );
  });
});

describe("manual clock", () => {
  it("moves when told, and tells passing time from a set clock", () => {
    const clock = new ManualClock(1000);
    clock.advance(5);
    clock.step(-100);
    assert.equal(clock.now(), 905);
    assert.equal(clock.monotonic(), 5);
    assert.throws(() => {
      clock.advance(-1);
    });
  });
});

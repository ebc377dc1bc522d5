/**
 * Goal: what an opening shows stays. A process may be killed between giving a file its name and syncing the folder; the
 * next one sees the name and decides by it (a tail is removed because its segment is sealed), and then the power fails.
 *
 * Method: a simulated disk; a kill after each operation of creating a log, of writing an object and replacing a note;
 * an opening, and a loss of power at once after it, which takes whatever was not synced.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { filesStore, processLock, type Store } from "./index.ts";

const bytes = new Uint8Array([1, 2, 3]);

function storeOn(disk: SimulatedDisk): Store {
  return filesStore({ folder: "/data", disk, lock: processLock() });
}

/** Writes, until the process is killed after operation `n` from the creation on; false if it came to its end before. */
async function killedAfter(disk: SimulatedDisk, n: number): Promise<boolean> {
  const log = await storeOn(disk).create("main");
  const from = disk.operations;
  disk.fault = (_operation, _path, at) => (at === from + n ? "crash-after" : "ok");
  try {
    await log.put("sealed/0000000000000000", bytes);
    await log.replace("checkpoint", bytes);
    return false;
  } catch {
    return true;
  }
}

it("makes the names that it shows durable", async () => {
  let shown = 0;
  for (let n = 0; n < 100; n++) {
    for (let seed = 0; seed < 8; seed++) {
      const disk = new SimulatedDisk({ random: new SeededRandom(seed) });
      const isKilled = await killedAfter(disk, n);
      if (!isKilled) {
        assert.ok(shown > 10, `${shown} times a name was there to be kept`);
        return;
      }
      const next = disk.kill();
      const log = await storeOn(next).open("main");
      for (const path of ["sealed/0000000000000000", "checkpoint"]) {
        const found = await log.get(path);
        if (found === undefined) continue;
        shown++;
        const after = await storeOn(next.copy(new SeededRandom(seed)).powerLoss()).openReader(
          "main",
        );
        assert.deepEqual(await after.get(path), bytes, `${path}, operation ${n}, seed ${seed}`);
      }
      await log.close();
    }
  }
  assert.fail("the writing never came to its end");
});

it("makes the names of folders durable that a creation before it has made", async () => {
  let n = 0;
  for (; ; n++) {
    for (let seed = 0; seed < 8; seed++) {
      const disk = new SimulatedDisk({ random: new SeededRandom(seed) });
      const storeIn = (on: SimulatedDisk): Store =>
        filesStore({ folder: "/srv/audit/data", disk: on, lock: processLock() });
      disk.fault = (_operation, _path, at) => (at === n ? "crash-after" : "ok");
      const isMade = await storeIn(disk)
        .create("main")
        .then(
          () => true,
          () => false,
        );
      if (isMade && n >= disk.operations) {
        assert.ok(n > 8, `${n} operations`);
        return;
      }
      const next = disk.kill();
      const isThere = (await storeIn(next).logs()).includes("main");
      const log = await (isThere ? storeIn(next).open("main") : storeIn(next).create("main"));
      const after = storeIn(next.copy(new SeededRandom(seed)).powerLoss());
      assert.ok(await after.openReader("main"), `operation ${n}, seed ${seed}`);
      await log.close();
    }
  }
});

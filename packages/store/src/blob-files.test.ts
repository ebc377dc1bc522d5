/**
 * Goal: no crash or failure, at whichever step, leaves a blob's name with other bytes than its hash says, nor takes
 * back a blob that was acknowledged. Method: a put on the simulated disk, with each kind of fault at each of its
 * operations in turn; then a power loss, an opening, and a look at every name.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { SeededRandom, SimulatedDisk, withSeed, type Fault } from "@cairnlog/testing";
import { blobPath, findBlobHash, listBlobs, readBlob, writeBlob } from "./blob-files.ts";
import { filesStore } from "./files.ts";
import { processLock } from "./lock.ts";
import type { LogStore, Store } from "./store.ts";

const faults: readonly Fault[] = ["fail", "fail-after", "torn", "full", "crash", "crash-after"];
const content = new SeededRandom(9).bytes(5000);
const sha256 = createHash("sha256").update(content).digest("hex");

function storeOn(disk: SimulatedDisk): Store {
  return filesStore({ folder: "/data", disk, lock: processLock() });
}

async function put(log: LogStore): Promise<void> {
  const pieces = [content.subarray(0, 1000), content.subarray(1000)];
  const written = await writeBlob(log, sha256, pieces, content.length);
  await written.finish();
}

test("a fault at any step of a put", async () => {
  let stopped = 0;
  let kept = 0;
  const one = async (random: SeededRandom, at: number, fault: Fault): Promise<boolean> => {
    const disk = new SimulatedDisk({ random });
    const log = await storeOn(disk).create("a");
    const begun = disk.operations;
    let isPast = true;
    disk.fault = (_operation, _path, n) => {
      if (n !== begun + at) return "ok";
      isPast = false;
      return fault;
    };
    const isAcknowledged = await put(log).then(
      () => true,
      () => false,
    );
    const next = random.chance(0.7) ? disk.powerLoss(random) : disk.kill();
    const again = await storeOn(next).open("a");
    const names: string[] = [];
    for await (const { path, byteLength } of listBlobs(again)) {
      names.push(path);
      assert.equal(findBlobHash(path), sha256);
      assert.equal(byteLength, content.length);
    }
    if (isAcknowledged) assert.deepEqual(names, [blobPath(sha256)]);
    for (const _ of names) for await (const piece of readBlob(again, sha256)) void piece;
    const left = next.paths().filter((path) => path.includes(".tmp-"));
    assert.deepEqual(left, [], "nothing unfinished outlives an opening");
    if (isAcknowledged) kept++;
    else stopped++;
    // Whatever happened, putting it again succeeds.
    await put(again);
    await again.close();
    return isPast;
  };
  for (let seed = 1; seed <= 20; seed++) {
    for (const fault of faults) {
      for (let at = 0; ; at++) {
        assert.ok(at < 100, "a put takes few operations");
        if (await withSeed(seed, (random) => one(random, at, fault))) break;
      }
    }
  }
  assert.ok(stopped > 100 && kept > 100, `${stopped} puts failed, ${kept} were acknowledged`);
});

test("the path of a blob, and nothing else, is one", () => {
  assert.equal(findBlobHash(blobPath(sha256)), sha256);
  const upper = sha256.toUpperCase();
  for (const path of [sha256, `blobs/${sha256}`, `blobs/00/${sha256}`, `blobs/${upper}`, "x"]) {
    assert.equal(findBlobHash(path), undefined, path);
  }
  for (const name of ["", "../../LOCK", upper, sha256.slice(1)]) {
    assert.throws(() => blobPath(name), /invariant/);
  }
});

/**
 * Goal: a mirror that loses power, or whose disk refuses, at any step of its work comes back with a copy that is
 * whole for the checkpoint it remembers, and catches up from there.
 * Method: the same seeded work is cut off at every other one of its disk operations on the simulated disk; then what
 * survived is opened, checked tile by tile, and brought up to date. The seed is printed where it fails.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { policyOfKeys } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { SeededRandom, SimulatedDisk, withSeed, type Fault } from "@cairnlog/testing";
import { checkpointOf, firstState } from "./follow-state.ts";
import { bundleOf, FollowedLog, followedStartMs } from "./followed-log.testing.ts";
import { Follower } from "./follower.ts";
import { MirrorFiles } from "./mirror-files.ts";

const { sha256 } = nodeCrypto;
const folder = "/mirror";
const largest = 520;
const sizes = [3, 260, largest];
const full = new FollowedLog().append(largest);
const notes = new Map<number, Uint8Array>();
for (const size of sizes) notes.set(size, (await full.publish(size)).checkpoint);

async function look(files: MirrorFiles, size: number): Promise<void> {
  const log = full;
  log.checkpoint = notes.get(size)!;
  const policy = policyOfKeys(sha256, [log.signer.vkey]);
  const follower = await Follower.open({
    ...{ source: log, crypto: nodeCrypto, policy, memory: files, sink: files },
    now: () => followedStartMs,
  });
  const { kind } = await follower.look();
  assert.equal(kind, "seen");
}

/** All that the copy shows is of the log, and it shows all up to the size that it remembers; returns that size. */
async function checkCopy(files: MirrorFiles): Promise<number> {
  const size = checkpointOf((await files.load()) ?? firstState)?.size ?? 0;
  for (let index = 0; 256 * index < size; index++) {
    const width = Math.min(256, size - 256 * index);
    const expected = bundleOf(full.entries.slice(256 * index, 256 * index + width));
    assert.deepEqual(await files.tile({ level: "entries", index, width }), expected);
    const tile = await files.tile({ level: 0, index, width });
    assert.equal(tile?.length, 32 * width, `tile ${index} of ${width}`);
  }
  return size;
}

/** Works until `at`, where the disk does what `fault` says; then opens what is left. */
async function cutOff(disk: SimulatedDisk, at: number, fault: Fault): Promise<SimulatedDisk> {
  disk.fault = (_operation, _path, n) => (n === at ? fault : "ok");
  try {
    for (const size of sizes) await look(new MirrorFiles(folder, sha256, disk), size);
  } catch {
    // The disk stopped, or refused: that is the test. What is there now says whether all is well.
  }
  return disk.isStopped ? disk.powerLoss() : disk.kill();
}

describe("a mirror whose disk fails", () => {
  for (const [i, fault] of (["crash", "crash-after", "fail", "torn", "full"] as const).entries()) {
    it(`by "${fault}"`, async () => {
      const whole = new SimulatedDisk({ random: new SeededRandom(1) });
      for (const size of sizes) await look(new MirrorFiles(folder, sha256, whole), size);
      assert.ok(whole.operations > 100, "there are steps to be cut off");
      for (let at = i % 2; at < whole.operations; at += 2) {
        await withSeed(1000 * i + at, async (random) => {
          const survived = await cutOff(new SimulatedDisk({ random }), at, fault);
          const files = new MirrorFiles(folder, sha256, survived);
          const size = await checkCopy(files);
          assert.ok(size === 0 || sizes.includes(size), `size ${size}`);
          await look(new MirrorFiles(folder, sha256, survived), largest);
          assert.equal(await checkCopy(new MirrorFiles(folder, sha256, survived)), largest);
        });
      }
    });
  }
});

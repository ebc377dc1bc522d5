/**
 * Goal: everything that should be copied is, once, and nothing that is there is ever touched; what differs raises an
 * alarm; trouble is waited out and shown. Method: a log whose history is written by hand, an S3 in this process over
 * real HTTP, a clock that the test winds.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeS3, ManualClock, type FakeS3Options } from "@cairnlog/testing";
import { Bucket, openClient } from "./bucket.ts";
import { WormCopier } from "./copier.ts";
import { findWormTrouble } from "./copier-status.ts";
import { StubLog } from "./stub-log.testing.ts";

const place = { bucket: "bucket", prefix: "worm/main" };
const retentionMs = 30 * 24 * 3_600_000;
const sealed = (first: number): string => `worm/main/sealed/${String(first).padStart(16, "0")}`;
const checkpoint = (size: number): string =>
  `worm/main/checkpoints/${String(size).padStart(16, "0")}`;

describe("the copier", () => {
  let clock: ManualClock;
  let fake: FakeS3;
  let bucket: Bucket;
  const copiers: WormCopier[] = [];

  const begin = async (options: FakeS3Options = {}): Promise<void> => {
    clock = new ManualClock();
    fake = new FakeS3({ now: clock.now, ...options });
    const credentials = { accessKeyId: "a", secretAccessKey: "b" };
    const client = openClient({ endpoint: await fake.listen(), pathStyle: true, credentials });
    bucket = new Bucket(client, place);
  };
  const copierOf = (log: StubLog): WormCopier => {
    const copier = new WormCopier({ log, reader: log.reader, bucket, clock, retentionMs });
    copiers.push(copier);
    return copier;
  };
  const codes = (copier: WormCopier): string[] => copier.status().alarms.map(({ code }) => code);
  const puts = (): string[] =>
    fake.requests.filter((request) => request.startsWith("PUT")).map((request) => request.slice(4));

  beforeEach(() => begin());
  afterEach(async () => {
    for (const copier of copiers.splice(0)) await copier.close();
    bucket.close();
    await fake.close();
  });

  it("copies keys, sealed files and the checkpoint under locks; a restart finds them there", async () => {
    const log = new StubLog();
    const copier = copierOf(log);
    const sizes = [1, 100, 139_000, 140_000];
    for (const size of sizes) {
      await log.grow(size);
      await copier.copyNow();
    }
    const expected = ["log.json", "vkeys"].map((name) => `worm/main/${name}`);
    expected.push(...sizes.map(checkpoint), sealed(0), sealed(65_536));
    assert.deepEqual(fake.versions.map(({ key }) => key).sort(), expected.sort());
    for (const { mode, untilMs, sha256, claimedSha256 } of fake.versions) {
      assert.equal(mode, "COMPLIANCE");
      assert.equal(claimedSha256, sha256, "the server was told what to check");
      assert.ok(untilMs >= clock.now() + retentionMs);
    }
    // Longer than a piece that is read at a time.
    assert.deepEqual(fake.of(sealed(65_536))[0]!.bytes, log.segment(65_536));
    assert.equal(
      String(Buffer.from(fake.of("worm/main/vkeys")[0]!.bytes)),
      `${log.vkeys.join("\n")}\n`,
    );
    const { state, copiedSize, entriesBehind, checkpointSize, alarms, objects } = copier.status();
    assert.deepEqual(
      { state, copiedSize, entriesBehind, checkpointSize, alarms, objects },
      {
        ...{ state: "current", copiedSize: 131_072, entriesBehind: 8_928, alarms: [] },
        ...{ checkpointSize: 140_000, objects: 8 },
      },
    );

    await log.publish();
    const again = copierOf(log);
    fake.requests.length = 0;
    await again.copyNow();
    assert.deepEqual(codes(again), []);
    assert.equal(fake.versions.length, 8);
    assert.deepEqual(puts(), []);
    assert.equal(again.status().copiedSize, 131_072);
    assert.equal(again.status().checkpointSize, 140_000);
  });

  it("copies a checkpoint once a minute, and the last one at the end", async () => {
    const log = new StubLog();
    await log.grow(1);
    const copier = copierOf(log);
    copier.start();
    for (let second = 1; second <= 150; second++) {
      clock.advance(1000);
      await settled(copier);
      await log.grow(second + 1);
    }
    assert.deepEqual(
      fake.versions.filter(({ key }) => key.includes("checkpoints")).map(({ key }) => key),
      [checkpoint(1), checkpoint(61), checkpoint(121)],
    );
    await copier.close();
    assert.equal(fake.of(checkpoint(151)).length, 1);
  });

  it("takes another note of the same checkpoint for what it is", async () => {
    const log = new StubLog();
    await log.grow(10);
    const { note } = log.publishedCheckpoint();
    const copier = copierOf(log);
    await copier.copyNow();
    fake.versions.length = 0;
    await log.publish();
    assert.notEqual(log.publishedCheckpoint().note, note);
    // Somebody else (an earlier process) was faster, between the listing and the put.
    const lock = { mode: "COMPLIANCE", untilMs: clock.now() + retentionMs };
    fake.intercept = (method, key) => {
      if (method === "PUT" && key === checkpoint(10) && fake.of(key).length === 0) {
        fake.add(key, Buffer.from(note), lock);
      }
      return undefined;
    };
    const again = copierOf(log);
    await again.copyNow();
    assert.deepEqual(codes(again), []);
    assert.equal(fake.of(checkpoint(10)).length, 1);
    assert.equal(String(Buffer.from(fake.of(checkpoint(10))[0]!.bytes)), note);
  });

  it("raises an alarm over other bytes, and never touches them", async () => {
    const log = new StubLog();
    await log.grow(140_000);
    fake.add(sealed(0), Buffer.from("somebody else's"));
    const copier = copierOf(log);
    await copier.copyNow();
    assert.deepEqual(codes(copier), ["another_history"]);
    assert.equal(fake.of(sealed(0)).length, 1);
    assert.equal(copier.status().copiedSize, 0);
    assert.equal(fake.of(sealed(65_536)).length, 1, "the others are copied all the same");
    assert.match(findWormTrouble(copier.status())!, /another history/);
    // Of the same length: found when the put is refused.
    const bytes = log.segment(131_072);
    bytes[5]! ^= 1;
    fake.add(sealed(131_072), bytes, { mode: "COMPLIANCE", untilMs: clock.now() + 1e9 });
    await log.grow(200_000);
    await copier.copyNow();
    assert.deepEqual(codes(copier), ["another_history", "another_history"]);
    assert.deepEqual(fake.of(sealed(131_072))[0]!.bytes, bytes);
  });

  it("refuses the place of another log", async () => {
    const [first, second] = [new StubLog(), new StubLog()];
    await first.grow(100);
    await second.grow(70_000);
    await copierOf(first).copyNow();
    const copier = copierOf(second);
    await copier.copyNow();
    assert.equal(copier.status().state, "refused");
    assert.ok(codes(copier).includes("another_history"));
    assert.equal(fake.versions.length, 3);
  });

  it("notices at its start that the log was rewritten, rolled back, or its copies covered", async () => {
    const log = new StubLog();
    await log.grow(140_000);
    await copierOf(log).copyNow();
    const rewritten = log.rewritten("two");
    await rewritten.grow(150_000);
    const found = copierOf(rewritten);
    await found.copyNow();
    assert.deepEqual(codes(found), ["another_history"]);
    assert.match(found.status().alarms[0]!.message, /under this log's own key/);
    assert.equal(found.status().state, "refused");

    const older = log.rewritten("one");
    await older.grow(100_000);
    const rolledBack = copierOf(older);
    await rolledBack.copyNow();
    assert.deepEqual(codes(rolledBack), ["rolled_back"]);
    assert.equal(rolledBack.status().state, "refused");
    assert.equal(fake.versions.length, 5, "a second history is not put beside the first");

    fake.add(checkpoint(9_000_000), Buffer.from("litter"));
    fake.versions.splice(0, 0, ...fake.versions.splice(-1));
    fake.versions.push({ ...fake.of(sealed(0))[0]!, id: "z1", isDeleteMarker: true });
    fake.add(sealed(65_536), Buffer.from("over it"));
    const covered = copierOf(log);
    await covered.copyNow();
    assert.deepEqual(codes(covered).sort(), ["another_history", "covered", "covered"]);
  });

  it("says that a server did not lock what it took", async () => {
    await fake.close();
    await begin({ lies: ["drops locks"] });
    const log = new StubLog();
    await log.grow(70_000);
    const copier = copierOf(log);
    await copier.copyNow();
    assert.deepEqual(codes(copier), ["unlocked", "unlocked", "unlocked", "unlocked"]);
  });

  it("waits longer each time while the server is in trouble, shows the lag, and catches up", async () => {
    const log = new StubLog();
    await log.grow(70_000);
    let inTrouble = true;
    fake.intercept = () => (inTrouble ? { status: 503 } : undefined);
    const failures: string[] = [];
    const copier = new WormCopier({
      ...{ log, reader: log.reader, bucket, clock, retentionMs },
      onFailure: (error) => failures.push(error.message),
    });
    copiers.push(copier);
    copier.start();
    const tried: number[] = [];
    for (let second = 1; second <= 40; second++) {
      const before = copier.status().failures;
      clock.advance(1000);
      await settled(copier);
      if (copier.status().failures > before) tried.push(second);
    }
    assert.deepEqual(tried, [1, 2, 4, 8, 16, 32]);
    assert.equal(failures.length, 1);
    const { state, failure, secondsBehind, entriesBehind } = copier.status();
    assert.equal(state, "failing");
    assert.match(failure!, /503/);
    assert.equal(secondsBehind, 40);
    assert.equal(entriesBehind, 70_000);
    assert.equal(findWormTrouble(copier.status()), undefined);
    clock.advance(270_000);
    await settled(copier);
    assert.match(findWormTrouble(copier.status())!, /310 s behind.*503/);
    inTrouble = false;
    clock.advance(60_000);
    await settled(copier);
    assert.equal(copier.status().state, "current");
    assert.equal(copier.status().secondsBehind, 0);
    assert.equal(findWormTrouble(copier.status()), undefined);
  });
});

/** Waits until the copier has nothing in flight: until its status stands still while requests would move it. */
async function settled(copier: WormCopier): Promise<void> {
  await copier.idle();
  await turn();
}

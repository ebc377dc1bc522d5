/**
 * Goal: what is said about write-once copies holds with a real S3 under real locks, not only with our own idea of one.
 * Method: SeaweedFS in a process of its own; a real log is copied into it, attacked with all that its owner's
 * credentials can do, and verified.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { systemClock } from "@cairnlog/log";
import { missingSeaweed, startSeaweed, type Seaweed } from "@cairnlog/testing";
import { Bucket, openClient } from "./bucket.ts";
import { examineStore } from "./doctor.ts";
import { copierOf, growTo, wholeSegments, withRealLog } from "./real-log.testing.ts";
import { StubLog } from "./stub-log.testing.ts";
import { verifyBucket } from "./verify-bucket.ts";
import { WormCopier } from "./copier.ts";

const name = "cairn-worm";
const place = { bucket: name, prefix: "logs/main" };
const target = `s3://${name}/logs/main`;
const retentionMs = 24 * 3_600_000;

describe("with SeaweedFS", { skip: missingSeaweed() }, () => {
  let server: Seaweed;
  let client: S3Client;
  let s3: { endpoint: string; pathStyle: boolean; credentials: Seaweed["credentials"] };

  before(async () => {
    server = await startSeaweed();
    s3 = { endpoint: server.endpoint, pathStyle: true, credentials: server.credentials };
    client = openClient(s3);
    await server.makeBucket(name, true);
    await server.makeBucket(`${name}-unlocked`, false);
  });
  after(async () => {
    client.destroy();
    await server.stop();
  });

  it("keeps all its promises", async () => {
    // It serves those who want one object one after another, each with a pause of a second.
    const races = { racers: 4, rounds: 1 };
    const { ok, checks } = await examineStore(`s3://${name}/doctor`, { s3, races });
    assert.deepEqual(
      checks.filter((check) => !check.ok),
      [],
    );
    assert.ok(ok);
  });

  it("a bucket without Object Lock is refused", async () => {
    const bucket = new Bucket(client, { bucket: `${name}-unlocked`, prefix: "" });
    await assert.rejects(bucket.checkLockEnabled(), { code: "usage" });
    await new Bucket(client, place).checkLockEnabled();
  });

  it("a log is copied, found again after a restart, attacked, and verified", async () => {
    const bucket = new Bucket(client, place);
    await withRealLog("main", async (real) => {
      await growTo(real, 1000);
      const copier = copierOf(real, bucket, retentionMs);
      await copier.copyNow();
      await growTo(real, wholeSegments(2) + 500);
      await copier.copyNow();
      const { alarms, copiedSize, checkpointSize, objects } = copier.status();
      assert.deepEqual(alarms, []);
      assert.deepEqual([copiedSize, checkpointSize], [wholeSegments(2), wholeSegments(2) + 500]);
      assert.equal(objects, 6);

      const again = copierOf(real, bucket, retentionMs);
      await again.copyNow();
      assert.deepEqual(again.status().alarms, []);
      assert.equal(again.status().objects, 0);
      assert.equal(again.status().copiedSize, wholeSegments(2));

      const options = { s3, vkeys: real.log.vkeys };
      const good = await verifyBucket(target, options);
      assert.deepEqual(good.problems, []);
      assert.equal(good.verdict, "verified");
      assert.equal(good.entriesChecked, wholeSegments(2));

      await attack(client);
      const report = await verifyBucket(target, options);
      assert.deepEqual(
        report.problems.map(({ code, path }) => `${code} ${path}`).sort(),
        [
          "versions log.json",
          "versions sealed/0000000000000000",
          "versions sealed/0000000000065536",
        ],
        "what was laid over the copies is told, and the copies below are as they were",
      );
      assert.equal(report.entriesChecked, wholeSegments(2));

      const later = copierOf(real, bucket, retentionMs);
      await later.copyNow();
      assert.equal(later.status().state, "current");
      assert.deepEqual(
        later.status().alarms.map(({ code }) => code),
        ["covered", "covered", "covered"],
      );
    });
  });

  it("two copiers of one log put each object once; another history of it is an alarm", async () => {
    const bucket = new Bucket(client, { bucket: name, prefix: "logs/two" });
    const log = new StubLog();
    await log.grow(70_000);
    const parts = { reader: log.reader, bucket, clock: systemClock, retentionMs };
    const copiers = [1, 2].map(() => new WormCopier({ ...parts, log }));
    await Promise.all(copiers.map((copier) => copier.copyNow()));
    const statuses = copiers.map((copier) => copier.status());
    assert.deepEqual(
      statuses.flatMap(({ alarms }) => alarms),
      [],
    );
    assert.equal(statuses[0]!.objects + statuses[1]!.objects, 4);
    assert.deepEqual(
      statuses.map(({ state }) => state),
      ["current", "current"],
    );
    const forked = log.rewritten("two");
    await forked.grow(80_000);
    const copier = new WormCopier({ ...parts, log: forked, reader: forked.reader });
    await copier.copyNow();
    assert.equal(copier.status().state, "refused");
    const listed = await client.send(
      new ListObjectVersionsCommand({ Bucket: name, Prefix: "logs/two/" }),
    );
    assert.equal(listed.Versions?.length, 4);
  });
});

/** What the owner of the bucket may try; what is locked stays. */
async function attack(client: S3Client): Promise<void> {
  const [first, second] = ["sealed/0000000000000000", "sealed/0000000000065536"];
  const at = (key: string) => ({ Bucket: name, Key: `${place.prefix}/${key}` });
  const listed = await client.send(
    new ListObjectVersionsCommand({ Bucket: name, Prefix: at(first).Key }),
  );
  const VersionId = listed.Versions![0]!.VersionId!;
  const soon = new Date(Date.now() + 2000);
  const refused = [
    () => client.send(new DeleteObjectCommand({ ...at(first), VersionId })),
    () =>
      client.send(
        new DeleteObjectCommand({ ...at(first), VersionId, BypassGovernanceRetention: true }),
      ),
    () =>
      client.send(
        new PutObjectRetentionCommand({
          ...{ ...at(first), VersionId, BypassGovernanceRetention: true },
          Retention: { Mode: "COMPLIANCE", RetainUntilDate: soon },
        }),
      ),
  ];
  for (const send of refused) await assert.rejects(send(), { name: "AccessDenied" });
  // These are allowed, and only cover what is locked.
  await client.send(new DeleteObjectCommand(at(first)));
  await client.send(new PutObjectCommand({ ...at(second), Body: "forged" }));
  await client.send(new PutObjectCommand({ ...at("log.json"), Body: "{}" }));
}

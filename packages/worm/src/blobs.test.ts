/**
 * Goal: where sealed entries lie in a bucket, the blobs that they name do too, and a verification of the bucket says
 * which are missing or changed; what is damaged here is not locked for years. Method: a real log with one sealed file,
 * copied into an S3 in this process; then its blobs are changed, here and there.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { utf8 } from "@cairnlog/core";
import { systemClock } from "@cairnlog/log";
import { blobPath } from "@cairnlog/store";
import { FakeS3, type FakeVersion } from "@cairnlog/testing";
import { Bucket, openClient } from "./bucket.ts";
import { WormCopier, type CopierOptions } from "./copier.ts";
import { openLockedCopy } from "./locked-copy.ts";
import { growTo, wholeSegments, withRealLog } from "./real-log.testing.ts";
import { verifyBucket } from "./verify-bucket.ts";

const credentials = { accessKeyId: "a", secretAccessKey: "b" };
const dayMs = 24 * 3_600_000;
const fake = new FakeS3();
let s3: { endpoint: string; pathStyle: boolean; credentials: typeof credentials };
let whole: readonly FakeVersion[];
let damaged: readonly FakeVersion[];

const pathOf = (text: string): string => blobPath(createHash("sha256").update(text).digest("hex"));
const [first, second, late] = ["the first blob", "the second blob", "named in the tail"];
const key = (text: string): string => `worm/main/${pathOf(text)}`;

before(async () => {
  s3 = { endpoint: await fake.listen(), pathStyle: true, credentials };
  await withRealLog("main", async (real) => {
    const { log, reader } = real;
    const naming = async (...texts: string[]): Promise<void> => {
      const blobs: object[] = [];
      for (const text of texts) {
        blobs.push({ sha256: await log.putBlob(utf8(text)), byteLength: text.length });
      }
      const event = { type: "a.b", actor: { id: "c" }, action: "d", blobs };
      const { refused } = await log.appendNdjson(utf8(JSON.stringify(event)), "api");
      assert.equal(refused, 0);
    };
    await naming(first);
    await naming(second, first);
    await growTo(real, wholeSegments(1) + 10);
    await naming(late);
    await log.publish();
    const copyInto = async (prefix: string, from: CopierOptions["reader"]) => {
      const bucket = new Bucket(openClient(s3), { bucket: "bucket", prefix });
      const options = { log, reader: from, bucket, clock: systemClock, retentionMs: 30 * dayMs };
      const copier = new WormCopier(options);
      await copier.copyNow();
      await copier.copyNow();
      bucket.close();
      return copier.status();
    };
    const status = await copyInto("worm/main", reader);
    assert.deepEqual(status.alarms, []);
    // Settings, keys, sealed file, checkpoint, two blobs.
    assert.equal(status.objects, 6);
    whole = fake.versions.splice(0, Infinity);

    // The same log whose first blob was changed here, and whose second one is gone.
    const bad: CopierOptions["reader"] = {
      get: (path) => reader.get(path),
      byteLength: async (path) => (path === pathOf(second) ? undefined : reader.byteLength(path)),
      read: async (path, offset, length) => {
        const bytes = await reader.read(path, offset, length);
        if (path === pathOf(first) && bytes !== undefined) bytes[0]! ^= 1;
        return bytes;
      },
    };
    const told = await copyInto("worm/main", bad);
    assert.deepEqual(
      told.alarms.map(({ code, path }) => [code, path]),
      [
        ["blob_lost", pathOf(first)],
        ["blob_lost", pathOf(second)],
      ],
    );
    assert.match(told.alarms[0]!.message, /entry 1 names, was changed/);
    assert.match(told.alarms[1]!.message, /entry 2 names, is gone/);
    assert.equal(told.copiedSize, wholeSegments(1), "the entries are copied all the same");
    damaged = fake.versions.splice(0, Infinity);
  });
});
beforeEach(() => {
  fake.versions.splice(0, Infinity, ...whole.map((version) => ({ ...version })));
});
after(() => fake.close());

const check = async (): Promise<[string, string | undefined, number | undefined][]> => {
  const { problems } = await verifyBucket("s3://bucket/worm/main", { s3 });
  return problems.map(({ code, path, seq }) => [code, path, seq]);
};

test("the blobs of sealed entries are there, locked, and verify", async () => {
  assert.deepEqual(await check(), []);
  for (const text of [first, second]) {
    const [version] = fake.of(key(text));
    assert.equal(version?.mode, "COMPLIANCE");
    assert.equal(String(version.bytes), String(utf8(text)));
  }
  assert.deepEqual(fake.of(key(late)), [], "entries that are not sealed are not copied either");
  const copy = await openLockedCopy("s3://bucket/worm/main", s3);
  const bytes = await copy.folder.get(pathOf(first), 100);
  assert.deepEqual([...bytes!], [...utf8(first)], "a repair finds them");
  copy.close();
});

test("a blob that is missing or changed in the bucket is found", async () => {
  const [version] = fake.of(key(first));
  version!.bytes = utf8("The first blob");
  assert.deepEqual(await check(), [["blob", pathOf(first), 1]]);
  fake.versions.splice(fake.versions.indexOf(version!), 1);
  assert.deepEqual(await check(), [["blob", pathOf(first), 1]]);
});

test("blobs that were lost before they were copied are missed", async () => {
  fake.versions.splice(0, Infinity, ...damaged);
  assert.deepEqual(await check(), [
    ["blob", pathOf(first), 1],
    ["blob", pathOf(second), 2],
  ]);
});

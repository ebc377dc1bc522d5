/**
 * Goal: a survey finds the newest checkpoint at or below any size, and whether there is one above, without listing
 * them all. Method: every size over a few sets of small checkpoints, against a search through all of them; and one
 * large set, with the requests counted.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeS3 } from "@cairnlog/testing";
import { Bucket, openClient } from "./bucket.ts";
import { checkpointsFolder, numberedKey } from "./place.ts";
import { surveyBucket } from "./survey.ts";

const fake = new FakeS3();
let bucket: Bucket;

before(async () => {
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const client = openClient({ endpoint: await fake.listen(), pathStyle: true, credentials });
  bucket = new Bucket(client, { bucket: "bucket", prefix: "p" });
});
after(async () => {
  bucket.close();
  await fake.close();
});

function hold(sizes: readonly number[]): void {
  fake.versions.length = 0;
  for (const size of sizes) fake.add(`p/${numberedKey(checkpointsFolder, size)}`, Buffer.from("x"));
  // Neither of these is a checkpoint of this place.
  fake.add("p/checkpoints/litter", Buffer.from("x"));
  fake.add("q/checkpoints/0000000000000001", Buffer.from("x"));
}

test("the newest checkpoint up to a size, and the first above it", async () => {
  for (const sizes of [[], [0], [1, 2, 3], [5], [2, 7, 8, 12]]) {
    hold(sizes);
    for (let size = 0; size <= 13; size++) {
      const { newest, ahead } = await surveyBucket(bucket, size);
      const place = `${sizes.join(" ")}, asked for ${size}`;
      assert.equal(
        newest?.size,
        sizes.findLast((each) => each <= size),
        place,
      );
      const above = sizes.find((each) => each > size);
      const key = above === undefined ? undefined : numberedKey(checkpointsFolder, above);
      assert.equal(ahead?.key, key, place);
    }
  }
});

test("a year of checkpoints takes some twenty requests", async () => {
  hold(Array.from({ length: 3000 }, (_, i) => 350 * i + 1));
  fake.requests.length = 0;
  const { newest } = await surveyBucket(bucket, 1_000_000);
  assert.equal(newest?.size, 350 * 2857 + 1);
  assert.ok(fake.requests.length < 25, `${fake.requests.length} requests`);
});

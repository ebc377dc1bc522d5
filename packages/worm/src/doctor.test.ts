/**
 * Goal: a server that breaks one promise is found out, by the check that is about that promise; one that keeps them all
 * passes. Method: an S3 in this process that tells chosen lies, over real HTTP.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeS3, type S3Lie } from "@cairnlog/testing";
import { examineStore, type StoreDiagnosis } from "./doctor.ts";

const credentials = { accessKeyId: "a", secretAccessKey: "b" };

async function examine(fake: FakeS3): Promise<StoreDiagnosis> {
  const endpoint = await fake.listen();
  try {
    const s3 = { endpoint, pathStyle: true, credentials };
    return await examineStore("s3://bucket/prefix", { s3, races: { racers: 4, rounds: 1 } });
  } finally {
    await fake.close();
  }
}

test("a server that keeps its word passes, and little is left behind", async () => {
  const fake = new FakeS3();
  const { ok, checks, place, lockedUntil } = await examine(fake);
  assert.deepEqual(
    checks.filter((check) => !check.ok),
    [],
  );
  assert.ok(ok);
  assert.ok(checks.length > 15);
  const left = fake.versions;
  assert.deepEqual(
    left.map(({ mode }) => mode),
    ["COMPLIANCE"],
  );
  assert.ok(place.startsWith("s3://bucket/prefix/cairn-doctor/"));
  assert.ok(`s3://bucket/${left[0]!.key}`.startsWith(`${place}/`));
  assert.equal(new Date(left[0]!.untilMs).toISOString(), lockedUntil);
  assert.ok(left[0]!.untilMs - Date.now() < 200_000, "the lock is short");
});

const lies: Readonly<Record<S3Lie, string>> = {
  "ignores If-None-Match": "put if absent",
  "checks If-None-Match, then writes later": "racing puts if absent",
  "ignores If-Match": "overwrite if matching",
  "checks If-Match, then writes later": "racing overwrites if matching",
  "reads late": "read after write",
  "lists late": "list after write",
  "ignores markers of listings": "list versions behind a key",
  "ignores checksums": "wrong SHA-256",
  "overwrites in place": "versions",
  "loses older versions": "versions",
  "lists oldest first": "versions",
  "drops locks": "lock is set",
  "shortens locks": "lock: earlier date",
  "shortens locks when governance is bypassed": "lock: earlier date, bypassing governance",
  "turns compliance into governance": "lock: governance mode",
  "refuses longer locks": "lock: later date",
  "deletes locked versions": "delete of a locked version",
  "deletes locked versions when governance is bypassed":
    "delete of a locked version, bypassing governance",
  "says it deletes nothing, and deletes": "locked version: after all of this",
};

for (const [lie, name] of Object.entries(lies) as [S3Lie, string][]) {
  test(`a server that ${lie} is found out`, async () => {
    const { ok, checks } = await examine(new FakeS3({ lies: [lie] }));
    assert.equal(ok, false);
    const failed = checks.filter((check) => !check.ok).map((check) => check.name);
    assert.ok(failed.includes(name), `${name} passed; failed: ${failed.join(", ")}`);
  });
}

test("a bucket without Object Lock is found out, and refuses locks", async () => {
  const { ok, checks } = await examine(new FakeS3({ hasObjectLock: false }));
  assert.equal(ok, false);
  const failed = checks.filter((check) => !check.ok).map((check) => check.name);
  for (const name of ["Object Lock of the bucket", "put under a lock"]) {
    assert.ok(failed.includes(name), name);
  }
});

test("a server that cannot be asked is an error, not a diagnosis", async () => {
  for (const [status, code] of [
    [403, "forbidden"],
    [404, "not_found"],
    [503, "unavailable"],
  ] as const) {
    await assert.rejects(examine(new FakeS3({ intercept: () => ({ status }) })), { code });
  }
  const gone = new FakeS3();
  const endpoint = await gone.listen();
  await gone.close();
  const s3 = { endpoint, pathStyle: true, credentials };
  await assert.rejects(examineStore("s3://bucket/prefix", { s3 }), { code: "unavailable" });
});

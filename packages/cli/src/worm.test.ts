/**
 * Goal: `serve --worm` copies what it serves, `verify s3://…` and `doctor store` say what they find, with the exit
 * status that goes with it. Method: the commands in this process, an S3 in this process over real HTTP.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cosigner, formatVkey } from "@cairnlog/core";
import { generateSigner, nodeCrypto } from "@cairnlog/crypto";
import { FakeS3 } from "@cairnlog/testing";
import { Workplace, type Ran } from "./run-command.testing.ts";

describe("write-once copies", () => {
  const work = new Workplace();
  const fake = new FakeS3();
  let env: Record<string, string> = {};

  before(async () => {
    env = { CAIRN_S3_ENDPOINT: await fake.listen(), CAIRN_S3_PATH_STYLE: "true" };
    // The SDK reads these itself.
    process.env.AWS_ACCESS_KEY_ID = "test";
    process.env.AWS_SECRET_ACCESS_KEY = "test";
    await work.ok("init");
    writeFileSync(work.path("vkeys"), await work.ok("logs show --vkeys"));
  });
  after(async () => {
    await fake.close();
    work.remove();
  });

  async function serve(flags: string, isDone: () => boolean): Promise<Ran> {
    const stop = new AbortController();
    const line = `serve --listen 127.0.0.1:0 --json ${flags}`;
    const serving = work.run(line, { env, interrupted: stop.signal });
    for (let i = 0; i < 1000 && !isDone(); i++) {
      const isOver = await Promise.race([serving.then(() => true), sleep(10, false)]);
      if (isOver) break;
    }
    stop.abort();
    return serving;
  }

  it("serve copies keys and checkpoint, and verify finds them", async () => {
    const names = ["checkpoints/0000000000000001", "log.json", "vkeys"];
    const keys = names.map((name) => `logs/main/${name}`);
    const flags = "--worm s3://bucket/logs --worm-retention-days 7";
    const { exit, err } = await serve(flags, () => fake.versions.length >= keys.length);
    assert.deepEqual([exit, err], [0, ""]);
    assert.deepEqual(fake.versions.map(({ key }) => key).sort(), keys);
    for (const { mode, untilMs } of fake.versions) {
      assert.equal(mode, "COMPLIANCE");
      assert.ok(Math.abs(untilMs - Date.now() - 7 * 24 * 3_600_000) < 60_000);
    }
    const text = await work.ok("verify s3://bucket/logs --vkey vkeys", { env });
    assert.match(text, /^VERIFIED {2}s3:\/\/bucket\/logs\/main \(bucket\)/);
  });

  it("how far the copies are is in the metrics", async () => {
    const created = await work.ok("keys create --source ops --scopes operate --json");
    const { key } = JSON.parse(created) as { readonly key: string };
    const stop = new AbortController();
    const metrics = Promise.withResolvers<string>();
    const line =
      "serve --listen 127.0.0.1:0 --json --worm s3://bucket/logs --worm-retention-days 7";
    const serving = work.run(line, {
      env,
      interrupted: stop.signal,
      onOut: (piece) => {
        const { url } = JSON.parse(piece) as { readonly url: string };
        const asked = fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
        metrics.resolve(asked.then((response) => response.text()));
      },
    });
    const text = await Promise.race([metrics.promise, serving.then(({ err }) => err)]);
    stop.abort();
    await serving;
    for (const name of ["lag_seconds", "lag_entries", "copied_size", "alarms"]) {
      assert.match(text, new RegExp(`^cairn_worm_${name}\\{log="main"\\} [0-9]`, "m"));
    }
  });

  it("verify asks for the witnesses of a policy", async () => {
    const logs = readFileSync(work.path("vkeys"), "utf8").replaceAll(/^/gm, "log ").slice(0, -4);
    const { vkey } = cosigner(nodeCrypto.sha256, "witness.example/w1", generateSigner("ed25519"));
    writeFileSync(work.path("none.policy"), `${logs}quorum none\n`);
    const witness = `witness w1 ${formatVkey(vkey)}\nquorum w1\n`;
    writeFileSync(work.path("w1.policy"), logs + witness);
    const good = await work.ok("verify s3://bucket/logs --policy none.policy", { env });
    assert.match(good, /^VERIFIED/);
    const { exit, out } = await work.run("verify s3://bucket/logs --policy w1.policy", { env });
    assert.equal(exit, 1);
    assert.match(out, /checkpoints\/0000000000000001: the policy's quorum "w1" is not there/);
  });

  it("verify ends with 1 where somebody deleted a copy", async () => {
    fake.versions.push({ ...fake.of("logs/main/vkeys")[0]!, id: "z", isDeleteMarker: true });
    const { exit, out } = await work.run("verify s3://bucket/logs/main --vkey vkeys", { env });
    fake.versions.pop();
    assert.equal(exit, 1);
    assert.match(out, /^NOT VERIFIED/);
    assert.match(out, /vkeys: a delete marker lies over the locked copy/);
  });

  it("serve says what is wrong with its settings, and waits for a bucket in trouble", async () => {
    const never = (): boolean => false;
    const missing = await serve("--worm s3://bucket/logs", never);
    assert.equal(missing.exit, 2);
    assert.match(missing.err, /--worm-retention-days/);
    assert.equal((await serve("--worm bucket --worm-retention-days 7", never)).exit, 2);
    const requests = fake.requests.length;
    fake.intercept = () => ({ status: 503 });
    const flags = "--worm s3://bucket/logs --worm-retention-days 7";
    const waiting = await serve(flags, () => fake.requests.length > requests + 4);
    fake.intercept = undefined;
    assert.equal(waiting.exit, 0);
    assert.match(waiting.err, /write-once copies have to wait/);
  });

  it("serve says an alarm aloud", async () => {
    const [version] = fake.of("logs/main/log.json");
    const { bytes } = version!;
    version!.bytes = Buffer.from("{}");
    const flags = "--worm s3://bucket/logs --worm-retention-days 7";
    fake.requests.length = 0;
    const { err } = await serve(flags, () => fake.requests.includes("HEAD logs/main/log.json"));
    version!.bytes = bytes;
    assert.match(err, /ALARM another_history, main, log.json/);
  });

  it("doctor store: 0 where every promise is kept, 1 where one is not, 3 where nobody answers", async () => {
    const good = await work.run("doctor store s3://bucket/logs", { env });
    assert.equal(good.exit, 0, good.out + good.err);
    assert.match(good.out, /All [0-9]+ promises were kept\./);
    assert.match(good.out, /expected: .*\n +seen: /);
    const lying = new FakeS3({ lies: ["ignores If-None-Match"] });
    const endpoint = await lying.listen();
    const bad = await work.run("doctor store s3://bucket/logs --json", {
      env: { ...env, CAIRN_S3_ENDPOINT: endpoint },
    });
    await lying.close();
    assert.equal(bad.exit, 1);
    const { ok, checks } = JSON.parse(bad.out) as { ok: boolean; checks: { ok: boolean }[] };
    assert.equal(ok, false);
    assert.ok(checks.some((check) => !check.ok));
    const gone = await work.run("doctor store s3://bucket/logs", {
      env: { ...env, CAIRN_S3_ENDPOINT: endpoint },
    });
    assert.equal(gone.exit, 3);
    assert.equal((await work.run("doctor store bucket", { env })).exit, 2);
  });
});

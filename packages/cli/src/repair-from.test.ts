/**
 * Goal: what was damaged comes back from every place that `cairn repair --from` names: the write-once copies in a
 * bucket, a mirror's folder, a folder in the static layout of tlog-tiles; and what in them does not verify does not.
 * Method: one log with a sealed file and a tail, served once with a bucket and a mirror beside it; then copies of it
 * are damaged, repaired, and compared byte for byte. The bucket is an S3 in this process, and SeaweedFS where it is.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import { utf8 } from "@cairnlog/core";
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { FakeS3, missingSeaweed, startSeaweed } from "@cairnlog/testing";
import { openLockedCopy } from "@cairnlog/worm";
import { Workplace } from "./run-command.testing.ts";

const work = new Workplace();
const sealed = "sealed/0000000000000000";
const tail = "tail/0000000000065536";
const sealedKey = `logs/main/${sealed}`;

/** A copy of the log in which `damage` was done; returns its folder relative to the workplace. */
let copies = 0;
function damagedCopy(damage: (folder: string) => void): string {
  const name = `copy-${copies++}/main`;
  cpSync(work.path("cairn-data/main"), work.path(name), { recursive: true });
  damage(work.path(name));
  return name;
}

function flip(folder: string, path: string, byte: number): void {
  const bytes = readFileSync(join(folder, path));
  bytes[byte] = bytes[byte]! ^ 1;
  rmSync(join(folder, path));
  writeFileSync(join(folder, path), bytes);
}

const flipSealed = (folder: string): void => flip(folder, sealed, 4000);
const flipTail = (folder: string): void => flip(folder, tail, 200);
const loseSealed = (folder: string): void => rmSync(join(folder, sealed));

/** Repairs, and holds each of `paths` to be what it was; the damaged bytes are kept. */
async function repaired(
  damage: (folder: string) => void,
  from: string,
  paths: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const name = damagedCopy(damage);
  const damaged = paths.map((path) => findBytes(work.path(`${name}/${path}`)));
  const report = JSON.parse(await work.ok(`repair ${name} --from ${from} --json`, { env })) as {
    readonly restored: readonly { readonly path: string }[];
    readonly kept: string;
  };
  assert.deepEqual(
    report.restored.map(({ path }) => path),
    paths,
  );
  for (const [i, path] of paths.entries()) {
    const right = readFileSync(work.path(`cairn-data/main/${path}`));
    assert.ok(readFileSync(work.path(`${name}/${path}`)).equals(right), `${path} is as it was`);
    const kept = findBytes(work.path(`${name}/${report.kept}/${path.replaceAll("/", "-")}`));
    assert.deepEqual(kept, damaged[i], `the damaged ${path} is kept`);
  }
}

async function refused(
  damage: (folder: string) => void,
  from: string,
  status: number,
  why: RegExp,
  env: Record<string, string> = {},
): Promise<void> {
  const name = damagedCopy(damage);
  const before = readdirSync(work.path(name), { recursive: true });
  const { exit, err } = await work.run(`repair ${name} --from ${from}`, { env });
  assert.equal(exit, status, err);
  assert.match(err, why);
  assert.deepEqual(readdirSync(work.path(name), { recursive: true }), before);
}

function findBytes(path: string): Buffer | undefined {
  return existsSync(path) ? readFileSync(path) : undefined;
}

/** Serves the log until its copies are in the bucket, and has it mirrored meanwhile. */
async function serveAndCopy(env: Record<string, string>, isCopied: () => Promise<boolean>) {
  const stop = new AbortController();
  const started = Promise.withResolvers<string>();
  const flags = "--worm s3://bucket/logs --worm-retention-days 1 --worm-interval 1s --scrub off";
  const serving = work.run(`serve --listen 127.0.0.1:0 --json ${flags}`, {
    env,
    interrupted: stop.signal,
    onOut: (piece) => started.resolve((JSON.parse(piece) as { readonly url: string }).url),
  });
  void serving.then(({ err }) => started.reject(new Error(err)));
  try {
    const url = await started.promise;
    await work.ok(`mirror ${url} --once --to mirrored --vkey vkeys`);
    const deadline = performance.now() + 60_000;
    while (!(await isCopied())) {
      assert.ok(performance.now() < deadline, "the log is copied");
      await sleep(20);
    }
  } finally {
    stop.abort();
    await serving;
  }
}

before(async () => {
  // The SDK reads these itself.
  process.env.AWS_ACCESS_KEY_ID = "cairn";
  process.env.AWS_SECRET_ACCESS_KEY = "not-a-secret";
  const store = filesStore({ folder: work.path("cairn-data") });
  const options = { name: "main", origin: "example.com/logs/main", isPublic: true };
  const log = await createLog(store, options);
  const event = { type: "api.call", actor: { id: "alice@example.com" }, action: "GET" };
  const lines = utf8(`${JSON.stringify(event)}\n`.repeat(6000));
  for (let i = 0; i < 11; i++) await log.appendNdjson(lines, "api");
  await log.publish();
  await log.sealed();
  writeFileSync(work.path("vkeys"), log.vkeys.map((vkey) => `${vkey}\n`).join(""));
  await log.close();
});
after(() => work.remove());

describe("repair from an S3 in this process, and from a mirror", () => {
  const fake = new FakeS3();
  const env: Record<string, string> = { CAIRN_S3_PATH_STYLE: "true" };

  before(async () => {
    env.CAIRN_S3_ENDPOINT = await fake.listen();
    await serveAndCopy(env, async () =>
      [sealedKey, "logs/main/checkpoints/0000000000066001"].every((key) => fake.of(key).length > 0),
    );
  });
  after(() => fake.close());

  it("a bucket: sealed files, damaged or gone; by the place of the server or of the log", async () => {
    await repaired(flipSealed, "s3://bucket/logs/main", [sealed], env);
    assert.match(await work.ok(`verify copy-${copies - 1}/main --vkey vkeys`), /^VERIFIED/);
    // The copy's folder is called as the log is.
    await repaired(loseSealed, "s3://bucket/logs", [sealed], env);
  });

  it("a bucket: the checkpoint of the largest size that the log has", async () => {
    // One of a size that the log never had must not be taken for it.
    fake.add("logs/main/checkpoints/0000000000070000", utf8("of another day\n"));
    const lose = (folder: string): void => rmSync(join(folder, "checkpoint"));
    await repaired(lose, "s3://bucket/logs", ["checkpoint"], env);
  });

  it("a bucket: what was put over the locked version is not taken", async () => {
    fake.add(sealedKey, utf8("forged"));
    await repaired(flipSealed, "s3://bucket/logs", [sealed], env);
  });

  it("a bucket: a copy that does not verify is refused, nothing is changed", async () => {
    const [version] = fake.of(sealedKey);
    const { bytes } = version!;
    version!.bytes = Uint8Array.from(bytes, (byte, i) => (i === 9000 ? byte ^ 1 : byte));
    await refused(loseSealed, "s3://bucket/logs", 1, /nothing in its place that verifies/, env);
    version!.bytes = bytes;
    await refused(flipTail, "s3://bucket/logs", 1, /does not come to the root/, env);
  });

  it("a bucket that is not there, or does not answer, is said to be so", async () => {
    await refused(flipSealed, "s3://bucket/other", 3, /there is no copy of a log/, env);
    fake.intercept = (method, key) =>
      method === "GET" && key === sealedKey ? { status: 500 } : undefined;
    await refused(flipSealed, "s3://bucket/logs", 3, /read sealed\/0000000000000000/, env);
    fake.intercept = undefined;
    await refused(flipSealed, "s3://Bucket!/", 2, /expected a place in a bucket/, env);
  });

  it("a mirror's folder: sealed files, and the tail", async () => {
    await repaired(flipSealed, "mirrored", [sealed]);
    await repaired(flipTail, "mirrored", [tail]);
  });

  it("a mirror's folder: a sealed file that is gone, sealed anew by the log's keys", async () => {
    const name = damagedCopy(loseSealed);
    const out = await work.ok(`repair ${name} --from mirrored`);
    assert.match(out, /restored {2}sealed\/0000000000000000 {2}from its entries, sealed anew/);
    assert.match(await work.ok(`verify ${name} --vkey vkeys`), /^VERIFIED/);
  });

  it("a mirror's folder that was tampered with gives nothing", async () => {
    cpSync(work.path("mirrored"), work.path("tampered"), { recursive: true });
    flip(work.path("tampered"), "tile/entries/000.zst", 700);
    flip(work.path("tampered"), "tile/entries/257.p/209", 700);
    await refused(flipSealed, "tampered", 1, /nothing in its place that verifies/);
    await refused(flipTail, "tampered", 1, /does not come to the root/);
    const bomb = zstdCompressSync(new Uint8Array(64 * 2 ** 20));
    for (const content of [bomb, bomb.subarray(0, 100), Buffer.from("no frame")]) {
      rmSync(work.path("tampered/tile/entries/000.zst"));
      writeFileSync(work.path("tampered/tile/entries/000.zst"), content);
      await refused(loseSealed, "tampered", 1, /tile\/entries\/000 .* cannot be decompressed/);
    }
    writeFileSync(work.path("tampered/follow.json"), "{}");
    await refused(flipTail, "tampered", 2, /follow.json is not as it was written/);
  });

  it("a folder in the static layout of tlog-tiles", async () => {
    await staticCopy("static");
    await repaired(flipSealed, "static", [sealed]);
    await repaired(flipTail, "static", [tail]);
    // One that is behind, or has lost a part, gives what it has; the own entries follow.
    rmSync(work.path("static/tile/entries/257.p"), { recursive: true });
    await repaired(flipTail, "static", [tail]);
    mkdirSync(work.path("empty"));
    await refused(flipTail, "empty", 2, /no log's folder/);
  });
});

/** What a web server in front of the mirror would show, as files. */
async function staticCopy(to: string): Promise<void> {
  const { openMirrorTiles } = await import("@cairnlog/witness");
  const { nodeCrypto } = await import("@cairnlog/crypto");
  const tiles = (await openMirrorTiles(work.path("mirrored"), nodeCrypto.sha256))!;
  const names = readdirSync(work.path("mirrored/tile"), { recursive: true, encoding: "utf8" });
  const files = names.filter(
    (name) => name.startsWith("entries/") && /[0-9](?:\.zst)?$/.test(name),
  );
  for (const path of ["checkpoint", ...files.map((name) => `tile/${name.replace(/\.zst$/, "")}`)]) {
    const full = work.path(`${to}/${path}`);
    mkdirSync(dirname(full), { recursive: true });
    if (existsSync(full)) continue;
    writeFileSync(full, await tiles.get(path, 1 << 25));
  }
}

describe("repair from SeaweedFS", { skip: missingSeaweed() }, () => {
  it("sealed file and checkpoint, from locked versions under delete markers", async () => {
    const server = await startSeaweed();
    try {
      const { endpoint, credentials } = server;
      const s3 = { endpoint, pathStyle: true, credentials };
      await server.makeBucket("bucket", true);
      const env = { CAIRN_S3_PATH_STYLE: "true", CAIRN_S3_ENDPOINT: endpoint };
      await serveAndCopy(env, async () => {
        const copy = await openLockedCopy("s3://bucket/logs", s3, "main").catch(() => undefined);
        const isWhole = copy?.sealed.length === 1 && (await copy.checkpoint(66_001)) !== undefined;
        copy?.close();
        return isWhole;
      });
      const lose = (folder: string): void => {
        rmSync(join(folder, sealed));
        rmSync(join(folder, "checkpoint"));
      };
      await repaired(lose, "s3://bucket/logs", [sealed, "checkpoint"], env);
    } finally {
      await server.stop();
    }
  });
});

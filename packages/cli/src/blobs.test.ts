/**
 * Goal: files go into a log beside an event, through a server and in a folder, and come out the same; what is missing,
 * damaged or in the way is said, and leaves no file. Method: the commands in this process, `cairn serve` among them,
 * on a free port of loopback.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const stop = new AbortController();
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const append = "append --type change.applied --actor alice --action apply";
const content = randomBytes(300_000);
const sha256 = createHash("sha256").update(content).digest("hex");
const named = [
  { sha256, byteLength: content.length },
  { sha256: createHash("sha256").update("").digest("hex"), byteLength: 0 },
];
after(() => work.remove());

/** Appends an event with two files, and fetches one of them. */
async function thereAndBack(env: Record<string, string>, out: string): Promise<void> {
  const receipt = json(await work.ok(`${append} --blob plan.bin --blob empty --json`, { env }));
  const entry = json(await work.ok(`get ${String(receipt["seq"])} --json`, { env }));
  assert.deepEqual((entry["event"] as { blobs: unknown }).blobs, named);
  const { err } = await work.run(`get --blob ${sha256} --out ${out}`, { env });
  assert.match(err, /300000 bytes/);
  assert.ok(readFileSync(work.path(out)).equals(content));
}

describe("blobs", () => {
  let serving: Promise<Ran>;
  let env: Record<string, string> = {};

  before(async () => {
    writeFileSync(work.path("plan.bin"), content);
    writeFileSync(work.path("empty"), "");
    const { key } = json(await work.ok("init --json"));
    writeFileSync(work.path("api.key"), `${String(key)}\n`);
  });

  it("in a folder: there and back, and what is asked for wrongly", async () => {
    await thereAndBack({}, "from-folder");
    const taken = await work.run(`get --blob ${sha256} --out from-folder`);
    assert.equal(taken.exit, 2);
    assert.match(taken.err, /is there already; --force replaces it/);
    await work.ok(`get --blob ${sha256} --out from-folder --force`);
    for (const wrong of [
      `get --blob ${sha256}`,
      `get --blob ${sha256} --out x 1`,
      `get --blob ${sha256.toUpperCase()} --out x`,
      "get",
      `${append} --blob not-there`,
      "append events.ndjson --blob plan.bin",
    ]) {
      assert.equal((await work.run(wrong)).exit, 2, wrong);
    }
    const gone = await work.run(`get --blob ${"0".repeat(64)} --out x`);
    assert.equal(gone.exit, 3);
    assert.match(gone.err, /there is no blob 0000/);
    assert.ok(!existsSync(work.path("x")));
  });

  it("verify says which blob was changed, and get does not give it out", async () => {
    const path = `cairn-data/main/blobs/${sha256.slice(0, 2)}/${sha256}`;
    assert.match((await work.run("verify cairn-data/main")).out, /CONSISTENT|VERIFIED/);
    const damaged = Buffer.from(content);
    damaged[299_999]! ^= 1;
    chmodSync(work.path(path), 0o600);
    writeFileSync(work.path(path), damaged);
    const verified = await work.run("verify cairn-data/main");
    assert.equal(verified.exit, 1);
    assert.match(verified.out, new RegExp(`entry 1.*names`));
    assert.match(verified.out, new RegExp(path.slice("cairn-data/main/".length)));
    const got = await work.run(`get --blob ${sha256} --out y`);
    assert.equal(got.exit, 1);
    const again = await work.run(`${append} --blob plan.bin`);
    assert.equal(again.exit, 1);
    assert.match(again.err, /holds other bytes than its name says/);
    writeFileSync(work.path(path), content);
    const left = readdirSync(work.folder).filter((name) => /^y|partial/.test(name));
    assert.deepEqual(left, []);
  });

  it("through a server: there and back; its limit is said", async () => {
    const url = await new Promise<string>((resolve, reject) => {
      serving = work.run("serve --listen 127.0.0.1:0 --blob-bytes-max 400000 --json", {
        interrupted: stop.signal,
        onOut: (piece) => resolve(String(json(piece)["url"])),
      });
      void serving.then((ran) => reject(new Error(ran.err)));
    });
    env = { CAIRN_URL: url, CAIRN_KEY_FILE: "api.key" };
    await thereAndBack(env, "from-server");
    writeFileSync(work.path("large.bin"), Buffer.alloc(400_001));
    const large = await work.run(`${append} --blob large.bin`, { env });
    assert.equal(large.exit, 2);
    assert.match(large.err, /at most 400000 bytes/);
    const gone = await work.run(`get --blob ${"0".repeat(64)} --out x`, { env });
    assert.equal(gone.exit, 3);
    assert.ok(!existsSync(work.path("x")));
    const stdin = JSON.stringify({
      type: "a.b",
      actor: { id: "c" },
      action: "d",
      blobs: [{ ...named[0], byteLength: 5 }],
    });
    const missing = await work.run("append -", { env, stdin });
    assert.equal(missing.exit, 2);
    assert.match(missing.err, /\/blobs\/0: the blob .* has 300000 bytes, not 5/);
    stop.abort();
    assert.equal((await serving).exit, 0);
  });
});

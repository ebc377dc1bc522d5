/**
 * Goal: `cairn witness` and the commands below it: a witness is started, told of a log while it runs, cosigns, is asked
 * for its keys, and stops.
 * Method: the command in this process, its server on a free port of loopback; the checkpoint is that of a log which
 * `cairn init` made.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { formatAddCheckpoint } from "@cairnlog/core";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const stop = new AbortController();
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const origin = "example.com/logs/main";

describe("cairn witness", () => {
  let serving: Promise<Ran>;
  let started: Record<string, unknown> = {};
  let body = "";

  const post = (): Promise<Response> =>
    fetch(`${String(started["url"])}/add-checkpoint`, { method: "POST", body });

  before(async () => {
    await work.ok(`init --origin ${origin}`);
    writeFileSync(work.path("main.vkeys"), await work.ok("logs show --vkeys"));
    const checkpoint = readFileSync(work.path("cairn-data/main/checkpoint"), "utf8");
    body = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint });
    started = await new Promise((resolve, reject) => {
      serving = work.run(
        "witness --data w --name witness.example/w1 --listen 127.0.0.1:0 --prefix /w1 --metrics-listen 127.0.0.1:0 --json",
        { interrupted: stop.signal, onOut: (piece) => resolve(json(piece)) },
      );
      void serving.then((ran) => reject(new Error(ran.err)));
    });
  });
  after(() => work.remove());

  it("says who it is", async () => {
    assert.equal(started["name"], "witness.example/w1");
    assert.match(String(started["url"]), /^http:\/\/127\.0\.0\.1:[0-9]+\/w1$/);
    const vkeys = started["vkeys"] as string[];
    assert.deepEqual((await work.ok("witness keys --data w --vkeys")).trimEnd().split("\n"), vkeys);
    assert.match(
      await work.ok("witness keys --data w"),
      /^witness\.example\/w1\n {2}ed25519 +fing/,
    );
    const { name, keys } = json(await work.ok("witness keys --data w --json"));
    assert.equal(name, "witness.example/w1");
    assert.equal((keys as unknown[]).length, 2);
  });

  it("tells who may send checkpoints nothing of its logs: metrics have an address of their own", async () => {
    const { origin: base } = new URL(String(started["url"]));
    assert.equal((await fetch(`${base}/metrics`)).status, 404);
    assert.equal(await (await fetch(`${base}/healthz`)).text(), "ok\n");
    const metrics = await (await fetch(String(started["metrics"]))).text();
    assert.match(metrics, /^cairn_witness_logs 0$/m);
  });

  it("cosigns for a log from the moment it is added, until it is removed", async () => {
    assert.equal((await post()).status, 404);
    assert.equal(await work.ok("witness add-log main.vkeys --data w"), `Added ${origin}\n`);
    assert.equal((await post()).status, 200);
    assert.match(
      await work.ok("witness logs --data w"),
      /^example\.com\/logs\/main {2}size 1 at 20/,
    );
    const listed = json(await work.ok("witness logs --data w --json"));
    assert.deepEqual([listed["origin"], listed["size"], listed["isListed"]], [origin, 1, true]);
    assert.match(
      (await work.run(`witness logs --data w --evidence ${origin}`)).err,
      /Nothing is kept against this log/,
    );
    assert.equal(await work.ok(`witness remove-log ${origin} --data w`), `Removed ${origin}\n`);
    assert.equal((await post()).status, 404);
    assert.match(await work.ok("witness logs --data w"), /removed/);
    assert.match(await work.ok("witness add-log main.vkeys --data w"), /from size 1 on/);
    assert.deepEqual(await (await post()).text(), "1\n");
  });

  it("says what is wrong", async () => {
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ["witness --data w --listen 0", 3, /running on .*w already.*process [0-9]+/],
      ["witness --data new --listen 0", 2, /needs a name/],
      ["witness --name a/b --listen 0", 2, /holds .*which is not a witness's/],
      ["witness --data new --name a/b --cosign 05", 2, /expected 04, 06/],
      ["witness --data new --name a/b --rate-limit 0", 2, /at least 1/],
      ["witness --data new --name a/b --prefix x --listen 0", 2, /not a path prefix/],
      ["witness --data new --name a/b --log nothing", 2, /nothing/],
      ["witness keys --data nowhere", 3, /there is no witness in/],
      ["witness logs", 3, /there is no witness in/],
      ["witness remove-log example.com/no --data w", 3, /does not cosign for/],
      ["witness add-log x+00000000+AAAA --data w", 2, /not a verifier key/],
      ["witness ads-log x", 2, /too many arguments|unknown command/],
    ];
    for (const [line, status, expected] of cases) {
      const { exit, err } = await work.run(line);
      assert.match(err, expected, line);
      assert.equal(exit, status, line);
    }
  });

  it("stops when it is asked to, and starts again without a name", async () => {
    stop.abort();
    assert.equal((await serving).exit, 0);
    const again = new AbortController();
    const { exit, out } = await work.run("witness --data w --listen 127.0.0.1:0", {
      interrupted: again.signal,
      onOut: () => again.abort(),
    });
    assert.equal(exit, 0);
    assert.match(out, /^Witness witness\.example\/w1 at http:.*, for 1 logs\n/);
  });
});

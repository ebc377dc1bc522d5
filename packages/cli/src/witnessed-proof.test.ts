/**
 * Goal: `cairn proof --witnessed` upgrades a receipt of any form to a proof that `cairn verify` takes,
 * and a log that contradicts the receipt ends in exit status 1 with both signed notes in a file.
 * Method: a data folder and copies of it, so that there are several histories under one key; a
 * witness's cosignature is added to the published note by hand; the same receipt through a server.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  cosignCheckpoint,
  cosigner,
  formatNote,
  formatVkey,
  parseNote,
  parseTlogProof,
  parseVkey,
  utf8,
  verifyCheckpoint,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { Workplace } from "./run-command.testing.ts";

const { sha256 } = nodeCrypto;
const work = new Workplace();
const witness = cosigner(sha256, "witness.example/w", signerFromSeed("ed25519", sha256(utf8("w"))));
const published = "cairn-data/main/checkpoint";
const read = (name: string): string => readFileSync(work.path(name), "utf8");
const append = (action: string): Promise<string> =>
  work.ok(`append --type a.b --actor x --action ${action} --receipt full --json`);
const restore = (name: string): void => {
  rmSync(work.path("cairn-data"), { recursive: true });
  cpSync(work.path(name), work.path("cairn-data"), { recursive: true });
};

/** Sizes of the notes in the evidence file, each signed by the log. */
async function sizesIn(name: string): Promise<number[]> {
  const evidence = JSON.parse(read(name)) as { known: string; shown: string };
  const vkeys = read("main.vkeys").trimEnd().split("\n");
  const keys = vkeys.map((text) => parseVkey(sha256, text));
  const sizes: number[] = [];
  for (const note of [evidence.known, evidence.shown]) {
    const { name: origin } = keys[0]!;
    sizes.push((await verifyCheckpoint(nodeCrypto, utf8(note), keys, origin)).checkpoint.size);
  }
  return sizes;
}

describe("cairn proof --witnessed", () => {
  before(async () => {
    await work.ok("init --origin example.com/logs/main");
    const vkeys = await work.ok("logs show --vkeys");
    writeFileSync(work.path("main.vkeys"), vkeys);
    const logs = vkeys.trimEnd().split("\n");
    writeFileSync(
      work.path("main.policy"),
      `${logs.map((vkey) => `log ${vkey}\n`).join("")}witness w ${formatVkey(witness.vkey)}\nquorum w\n`,
    );
    await append("before");
    cpSync(work.path("cairn-data"), work.path("snapshot"), { recursive: true });
    writeFileSync(work.path("receipt.json"), await append("mine"));
    await append("after");
    cpSync(work.path("cairn-data"), work.path("grown"), { recursive: true });
  });
  beforeEach(() => restore("grown"));
  after(() => work.remove());

  it("upgrades a receipt, in each form that it has", async () => {
    const receipt = JSON.parse(read("receipt.json")) as Record<string, unknown>;
    const { proof: _, ...short } = receipt;
    const ofSdk = { ...short, duplicate: false, eventId: "x" };
    writeFileSync(work.path("sdk.json"), JSON.stringify(ofSdk));
    await work.ok("proof 2 --out kept.tlog-proof");
    writeFileSync(work.path("stored.json"), await work.ok("proof 2 --json"));
    for (const target of ["receipt.json", "sdk.json", "kept.tlog-proof", "stored.json", "2"]) {
      rmSync(work.path("2.tlog-proof"), { force: true });
      const line = `proof --witnessed ${target} --vkey main.vkeys --out 2.tlog-proof`;
      const { exit, err } = await work.run(line);
      assert.equal(exit, 0, err);
      assert.match(err, /under the published checkpoint of size 4: 2 signatures of the log/);
      assert.equal(parseTlogProof(utf8(read("2.tlog-proof"))).checkpoint, read(published));
      await work.ok("verify 2.tlog-proof --vkey main.vkeys");
    }
    const { exit, err } = await work.run("proof --witnessed 2");
    assert.equal(exit, 0, err);
    assert.match(err, /Neither --policy nor --vkey/);
  });

  it("asks for the quorum of the policy", async () => {
    const line = "proof --witnessed receipt.json --policy main.policy";
    const missing = await work.run(line);
    assert.deepEqual([missing.exit, missing.out], [1, ""]);
    assert.match(missing.err, /quorum "w" is not there/);
    const note = parseNote(utf8(read(published)));
    const lines = await cosignCheckpoint([witness], note.text, 1_795_410_000);
    writeFileSync(work.path(published), formatNote(note.text, [...note.signatures, ...lines]));
    const { exit, out, err } = await work.run(line);
    assert.equal(exit, 0, err);
    assert.match(err, /cosigned by w; it continues the receipt's, of size 3/);
    assert.equal(parseTlogProof(utf8(out)).checkpoint, read(published));
  });

  it("a rewritten, a forked and a rolled back log: both notes are kept, exit status 1", async () => {
    const upgrade = "proof --witnessed receipt.json --vkey main.vkeys";
    const cases: [string[], string, string, number[]][] = [
      [[], "rollback", "main-2-alarm.json", [3, 2]],
      [["other"], "fork", "main-2-alarm-2.json", [3, 3]],
      [["other", "more"], "inconsistent", "main-2-alarm-3.json", [3, 4]],
    ];
    for (const [actions, code, file, sizes] of cases) {
      restore("snapshot");
      for (const action of actions) await append(action);
      const { exit, out, err } = await work.run(upgrade);
      assert.deepEqual([exit, out], [1, ""], err);
      assert.match(err, /^ALARM: THE LOG CONTRADICTS A CHECKPOINT THAT IT SIGNED\n/);
      assert.ok(err.includes(file), err);
      assert.equal((JSON.parse(read(file)) as { code: string }).code, code);
      assert.deepEqual(await sizesIn(file), sizes);
    }
  });

  it("refuses what is no receipt of this log, and flags that mean nothing", async () => {
    const changed = (_: string, first: string): string =>
      `"leafHash":"${first === "A" ? "B" : "A"}`;
    const damage = read("receipt.json").replace(/"leafHash":"(.)/, changed);
    writeFileSync(work.path("damaged.json"), damage);
    const damaged = await work.run("proof --witnessed damaged.json --vkey main.vkeys");
    assert.equal(damaged.exit, 1, damaged.err);
    assert.match(damaged.err, /damaged\.json/);
    // Without an inclusion proof it is the log's entry that shows it.
    const { proof: _, ...short } = JSON.parse(damage) as Record<string, unknown>;
    writeFileSync(work.path("short.json"), JSON.stringify(short));
    const other = await work.run("proof --witnessed short.json --vkey main.vkeys");
    assert.equal(other.exit, 1);
    assert.match(other.err, /entry 2 is not the one that the receipt is for/);
    writeFileSync(work.path("none.json"), "[]");
    const wrong = [
      "proof --witnessed none.json",
      "proof --witnessed missing.json",
      "proof --witnessed",
      "proof 2 --policy main.policy",
      "proof --consistency 1 2 --witnessed",
      "proof receipt.json",
      "proof --witnessed 2 --json",
    ];
    for (const line of wrong) assert.equal((await work.run(line)).exit, 2, line);
    assert.equal((await work.run("proof --witnessed 1000000 --vkey main.vkeys")).exit, 3);
    assert.ok(!existsSync(work.path("main-1-alarm.json")));
  });

  it("through a server, which waits until the entry is published", async () => {
    const create = "keys create --source ops --scopes read,write --json";
    const { key } = JSON.parse(await work.ok(create)) as { key: string };
    const stop = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const line = "serve --listen 127.0.0.1:0 --publish-interval 50ms --scrub off --json";
    const serving = work.run(line, {
      interrupted: stop.signal,
      onOut: (piece) => resolve((JSON.parse(piece) as { url: string }).url),
    });
    void serving.then(({ err }) => reject(new Error(err)));
    try {
      const env = { CAIRN_URL: await promise, CAIRN_KEY: key };
      const flags = "append --type a.b --actor x --action y --receipt full --json";
      writeFileSync(work.path("served.json"), await work.ok(flags, { env }));
      const { seq } = JSON.parse(read("served.json")) as { seq: number };
      const upgrade = "proof --witnessed served.json --vkey main.vkeys";
      const proof = parseTlogProof(utf8(await work.ok(upgrade, { env })));
      assert.equal(proof.index, seq);
    } finally {
      stop.abort();
      await serving;
    }
  });
});

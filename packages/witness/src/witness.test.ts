/**
 * Goal: a witness answers add-checkpoint as tlog-witness says, with every status of it, forgets nothing, and cosigns
 * one history only.
 * Method: a witness in this process, behind its server on a free port of loopback, with a clock that the test moves;
 * logs that are made here send it honest and dishonest requests. Cosignatures are verified with core alone.
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import {
  formatAddCheckpoint,
  formatNote,
  isCairnError,
  parseCosignatureLines,
  parseNote,
  parseVkey,
  utf8,
  verifyCheckpoint,
  verifyCosignatures,
  type CairnErrorCode,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { ManualClock } from "@cairnlog/testing";
import { GrowingLog } from "./growing-log.testing.ts";
import { openLogList } from "./log-list.ts";
import {
  freshFolder,
  pathOf,
  startSeconds,
  startWitness,
  witnessName,
  type RunningWitness,
} from "./running-witness.testing.ts";
import { Witness } from "./witness.ts";

const { sha256 } = nodeCrypto;
const hasCode = (code: CairnErrorCode, message: RegExp) => (error: unknown) =>
  isCairnError(error, code) && message.test(error.message);

/** The timestamps of the answer's cosignatures, which must be by all the keys of the witness. */
async function timestamps(
  bench: RunningWitness,
  checkpoint: string,
  answer: string,
): Promise<number[]> {
  const { text } = parseNote(utf8(checkpoint));
  const keys = bench.witness.vkeys.map((vkey) => parseVkey(sha256, vkey));
  const lines = parseCosignatureLines(utf8(answer));
  const { verified } = await verifyCosignatures(nodeCrypto, text, lines, keys);
  assert.equal(verified.length, keys.length);
  return verified.map(({ timestamp }) => timestamp!);
}

describe("add-checkpoint", () => {
  const log = new GrowingLog("example.com/log", { isPostQuantum: true });
  const liar = new GrowingLog("example.com/log", { isPostQuantum: true, branch: "other" });
  let bench: RunningWitness;
  before(async () => {
    bench = await startWitness([log]);
  });
  after(() => bench.close());

  it("404 for an unknown origin", async () => {
    const { status } = await bench.post(await new GrowingLog("example.com/no").request(0, 1));
    assert.equal(status, 404);
  });

  it("409 with size 0 for a log that was never cosigned, 404 for its checkpoint", async () => {
    const { status, body } = await bench.post(await log.request(3, 5));
    assert.deepEqual([status, body], [409, "0\n"]);
    assert.equal((await bench.get(pathOf(log))).status, 404);
  });

  it("422 for a proof from size 0, and for an empty tree without the empty root", async () => {
    const checkpoint = await log.checkpoint(5);
    const proof = log.proof(3, 5);
    const proven = await bench.post(formatAddCheckpoint({ oldSize: 0, proof, checkpoint }));
    assert.equal(proven.status, 422);
    const wrong = await log.checkpoint(0, log.root(5));
    const empty = await bench.post(
      formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: wrong }),
    );
    assert.equal(empty.status, 422);
  });

  it("200 for an empty tree, the first entries, more of them, and the same again", async () => {
    for (const [from, to] of [
      [0, 0],
      [0, 5],
      [5, 9],
      [9, 9],
    ] as const) {
      bench.clock.advance(1000);
      const checkpoint = await log.checkpoint(to);
      const answer = await bench.post(await log.request(from, to));
      assert.equal(answer.status, 200, `${from} to ${to}: ${answer.body}`);
      const now = Math.floor(bench.clock.now() / 1000);
      assert.deepEqual(await timestamps(bench, checkpoint, answer.body), [now, now]);
    }
  });

  it("409 with the size that is held, in its own media type", async () => {
    for (const [from, to] of [
      [0, 9],
      [5, 9],
      [8, 12],
      [10, 12],
    ] as const) {
      const { status, body, headers } = await bench.post(await log.request(from, to));
      assert.deepEqual([status, body], [409, "9\n"], `${from} to ${to}`);
      assert.equal(headers.get("content-type"), "text/x.tlog.size");
    }
  });

  it("422 where the proof does not verify, is missing, too long, or another root stands for the size", async () => {
    const checkpoint = await log.checkpoint(12);
    const honest = log.proof(9, 12);
    const flipped = honest.map((hash) => Uint8Array.from(hash));
    flipped[0]![5]! ^= 1;
    for (const proof of [
      flipped,
      [],
      honest.slice(1),
      [...honest, honest[0]!],
      liar.proof(9, 12),
    ]) {
      const { status } = await bench.post(formatAddCheckpoint({ oldSize: 9, proof, checkpoint }));
      assert.equal(status, 422);
    }
    assert.equal((await bench.post(await liar.request(9, 12))).status, 422);
    assert.equal((await bench.post(await liar.request(9, 9))).status, 422);
  });

  it("403 where no trusted key signed, or a trusted key's signature does not match", async () => {
    const stranger = new GrowingLog("example.com/log", { seed: 2 });
    assert.equal((await bench.post(await stranger.request(9, 12))).status, 403);
    const other = parseNote(utf8(await log.checkpoint(13)));
    const mixed = formatNote(parseNote(utf8(await log.checkpoint(12))).text, other.signatures);
    const body = formatAddCheckpoint({ oldSize: 9, proof: log.proof(9, 12), checkpoint: mixed });
    assert.equal((await bench.post(body)).status, 403);
    // The signature is looked at before the sizes.
    assert.equal((await bench.post(await stranger.request(3, 12))).status, 403);
  });

  it("400 for an old size above the new one, and for what does not parse", async () => {
    const checkpoint = await log.checkpoint(9);
    const above = formatAddCheckpoint({ oldSize: 10, proof: [], checkpoint });
    const honest = await log.request(9, 12);
    for (const body of [
      ...[above, "", "old 9\n", honest.slice(0, -1), honest.replace("old 9", "old 09")],
      ...[honest.replaceAll("\n", "\r\n"), honest.replace("old ", "old  "), `\n${honest}`],
    ]) {
      assert.equal((await bench.post(body)).status, 400, JSON.stringify(body.slice(0, 40)));
    }
  });

  it("nothing of that moved the head; signatures of strangers are ignored and not handed on", async () => {
    const text = parseNote(utf8(await log.checkpoint(12))).text;
    const own = parseNote(utf8(await log.checkpoint(12))).signatures;
    const stranger = new GrowingLog("example.com/log", { seed: 3 });
    const strange = parseNote(utf8(await stranger.checkpoint(12))).signatures;
    const checkpoint = formatNote(text, [...strange, ...own]);
    const proof = log.proof(9, 12);
    const answer = await bench.post(formatAddCheckpoint({ oldSize: 9, proof, checkpoint }));
    assert.equal(answer.status, 200);
    const served = await (await bench.get(pathOf(log))).text();
    // Ed25519 signatures are always the same: the log's own first line is that of the request.
    assert.equal(served, formatNote(text, own) + answer.body);
    const keys = [...log.vkeys, ...bench.witness.vkeys].map((vkey) => parseVkey(sha256, vkey));
    const { verified } = await verifyCheckpoint(nodeCrypto, utf8(served), keys, log.origin);
    assert.equal(verified.length, 4);
  });

  it("takes extension lines, which other logs may have, and says nothing about them", async () => {
    const text = `${parseNote(utf8(await log.checkpoint(12))).text}an extension\n`;
    const checkpoint = await log.sign(text);
    const body = formatAddCheckpoint({ oldSize: 12, proof: [], checkpoint });
    assert.equal((await bench.post(body)).status, 200);
    assert.ok((await (await bench.get(pathOf(log))).text()).startsWith(checkpoint));
  });
});

describe("the server", () => {
  it("has its paths and methods, a prefix, health and metrics, and no others", async () => {
    const log = new GrowingLog("example.com/paths");
    const bench = await startWitness([log], {}, { prefix: "/w" });
    assert.ok(bench.url.endsWith("/w"));
    assert.equal((await bench.post(await log.request(0, 2))).status, 200);
    const served = await bench.get(pathOf(log));
    assert.equal(served.status, 200);
    assert.equal(served.headers.get("content-type"), "text/plain; charset=utf-8");
    const origin = new URL(bench.url).origin;
    const statusOf = async (path: string, method = "GET"): Promise<number> => {
      const response = await fetch(origin + path, { method });
      await response.arrayBuffer();
      return response.status;
    };
    assert.equal(await statusOf("/w/add-checkpoint"), 405);
    assert.equal(await statusOf(`/w${pathOf(log)}`, "HEAD"), 200);
    assert.equal(await statusOf(`/w${pathOf(log)}`, "DELETE"), 405);
    for (const path of [
      "/",
      "/add-checkpoint",
      pathOf(log),
      "/w/add-checkpoint/",
      "/w/sign-subtree",
    ]) {
      assert.equal(await statusOf(path, "POST"), 404, path);
    }
    assert.equal(await statusOf(`/w/${"A".repeat(64)}/checkpoint`), 404);
    assert.equal(await (await fetch(`${origin}/healthz`)).text(), "ok\n");
    // They tell of other people's logs: not to whoever may send a checkpoint.
    assert.equal(await statusOf("/metrics"), 404);
    const metrics = await bench.metrics();
    assert.match(metrics, /^cairn_witness_logs 1$/m);
    assert.match(
      metrics,
      /^cairn_witness_add_checkpoint_duration_seconds_count\{status="200"\} 1$/m,
    );
    await bench.close();
  });

  it("bounds bodies in size and time, and goes on for others", async () => {
    const log = new GrowingLog("example.com/slow");
    const limits = { bodyBytesMax: 2000, headersTimeoutMs: 200, requestTimeoutMs: 200 };
    const bench = await startWitness([log], {}, { limits });
    assert.equal((await bench.post("x".repeat(2001))).status, 413);
    const slow = new ReadableStream({
      start: (controller) => controller.enqueue(utf8("old 0\n")),
    });
    const pending = fetch(`${bench.url}/add-checkpoint`, {
      method: "POST",
      body: slow,
      duplex: "half",
    });
    const ended = pending.then(
      ({ status }) => status,
      () => 408,
    );
    assert.equal((await bench.post(await log.request(0, 2))).status, 200);
    assert.equal(await ended, 408);
    await bench.close();
  });

  it("stops while a client keeps its connection open", async () => {
    const bench = await startWitness([]);
    await (await bench.get("/healthz")).text();
    await bench.close();
    await assert.rejects(bench.get("/healthz"));
  });
});

describe("memory", () => {
  it("of those that race from one size exactly one wins, over HTTP", async () => {
    const log = new GrowingLog("example.com/race");
    const bench = await startWitness([log]);
    for (let old = 0, round = 0; round < 10; round++) {
      const sizes = Array.from({ length: 8 }, (_, i) => old + 1 + i);
      const bodies = await Promise.all(sizes.map((size) => log.request(old, size)));
      const answers = await Promise.all(bodies.map((body) => bench.post(body)));
      const won = sizes.filter((_, i) => answers[i]!.status === 200);
      assert.equal(won.length, 1, JSON.stringify(answers.map(({ status }) => status)));
      old = won[0]!;
      for (const { status, body } of answers) {
        if (status !== 200) assert.deepEqual([status, body], [409, `${old}\n`]);
      }
    }
    await bench.close();
  });

  it("a flood shares commits, and each builds on the one before", async () => {
    const log = new GrowingLog("example.com/flood");
    const bench = await startWitness([log], { cosignWith: ["ed25519"] });
    const bodies = await Promise.all(
      Array.from({ length: 100 }, (_, size) => log.request(size, size + 1)),
    );
    const answers = await Promise.all(
      bodies.map((body) => bench.witness.addCheckpoint(utf8(body), "test")),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(bench.witness.counters.changes, 100);
    assert.ok(bench.witness.counters.commits <= 3, `${bench.witness.counters.commits} commits`);
    await bench.close();
  });

  it("survives a restart, with its keys; has one name, one holder, private files", async () => {
    const log = new GrowingLog("example.com/kept");
    const first = await startWitness([log]);
    const { folder } = first;
    assert.equal((await first.post(await log.request(0, 7))).status, 200);
    const note = await (await first.get(pathOf(log))).text();
    assert.throws(
      () => Witness.open({ folder, name: witnessName, clock: first.clock }),
      hasCode("locked", new RegExp(`process ${process.pid}`)),
    );
    await first.close();
    assert.throws(
      () => Witness.open({ folder, name: "witness.example/w2", clock: first.clock }),
      hasCode("usage", /is called witness\.example\/w1/),
    );
    const second = await startWitness([], { folder });
    assert.deepEqual(second.witness.vkeys, first.witness.vkeys);
    assert.equal(await (await second.get(pathOf(log))).text(), note);
    assert.equal((await second.post(await log.request(0, 9))).body, "7\n");
    assert.equal((await second.post(await log.request(7, 9))).status, 200);
    for (const file of ["witness.json", "witness.db", "keys/ed25519.pem", "keys/ml-dsa-44.pem"]) {
      assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file);
    }
    await second.close();
  });

  it("needs a name at first, a folder of its own, and its own keys later", () => {
    const folder = freshFolder();
    const clock = new ManualClock();
    assert.throws(() => Witness.open({ folder, clock }), hasCode("usage", /needs a name/));
    new DatabaseSync(join(folder, "strange.db")).close();
    assert.throws(
      () => Witness.open({ folder, clock, name: witnessName }),
      hasCode("usage", /strange\.db/),
    );
  });

  it("never gives a log an earlier time, nor none at all, whatever the clock does", async () => {
    const log = new GrowingLog("example.com/clock");
    const bench = await startWitness([log], { cosignWith: ["ed25519"] });
    const seen: number[] = [];
    for (const [size, stepMs] of [0, 5000, -60_000, 10_000, 60_000].entries()) {
      bench.clock.step(stepMs);
      const { body } = await bench.post(await log.request(size, size + 1));
      const keys = [parseVkey(sha256, bench.witness.vkeys[0]!)];
      const { text } = parseNote(utf8(await log.checkpoint(size + 1)));
      const lines = parseCosignatureLines(utf8(body));
      const { verified } = await verifyCosignatures(nodeCrypto, text, lines, keys);
      seen.push(verified[0]!.timestamp! - startSeconds);
    }
    assert.deepEqual(seen, [0, 5, 5, 5, 15]);
    await bench.close();
    const early = await startWitness([log], {
      clock: new ManualClock(-5),
      cosignWith: ["ed25519"],
    });
    assert.equal((await early.post(await log.request(0, 1))).status, 200);
    assert.equal(openLogList(early.folder).list()[0]?.cosigned, 1);
    await early.close();
  });
});

/**
 * Goal: a receipt can be upgraded: the proof of an entry under the published checkpoint, waited for
 * where it is not there yet; and one request holds many checkpoints to one.
 * Method: a log whose published checkpoint moves only when the test says so, behind a real server;
 * the proofs are verified with the core.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseBase64,
  parseTlogProof,
  parseVkey,
  receiptFromJson,
  verifyConsistency,
  verifyReceipt,
  verifyTlogProof,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Log, SignedCheckpoint } from "@cairnlog/log";
import { eventsPath, eventText, post, postLines, serve, type TestServer } from "./serving.test.ts";

/** A server that shows `shown` as published. */
interface Held extends TestServer {
  shown: SignedCheckpoint;
}

async function serveHeld(t: Parameters<typeof serve>[0]): Promise<Held> {
  const holder: { shown?: SignedCheckpoint } = {};
  const disguise = (log: Log): Log => {
    holder.shown = log.publishedCheckpoint();
    return Object.defineProperty(log, "publishedCheckpoint", { value: () => holder.shown });
  };
  return Object.assign(holder, await serve(t, { disguise })) as Held;
}

test("the proof under the published checkpoint, as text and as JSON", async (t) => {
  const served = await serveHeld(t);
  assert.equal((await served.send(postLines(`${eventText("a")}\n${eventText("b")}`))).status, 200);
  served.shown = await served.log.publish();
  await served.send(post(eventText("later")));
  const vkeys = served.log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  const { origin } = served.log;
  const path = `${eventsPath}/2/proof?checkpoint=published`;
  const text = await served.send({ path });
  const proof = parseTlogProof(text.bytes);
  assert.equal(proof.checkpoint, served.shown.note, "all the log's signatures are there");
  const leafHash = await served.log.leafHash(2);
  const { verified } = await verifyTlogProof(nodeCrypto, proof, { leafHash, vkeys, origin });
  assert.equal(verified.length, 2);

  const json = await served.send({ path, headers: { accept: "application/json" } });
  const { entry, ...fields } = JSON.parse(json.text) as { entry: string };
  const receipt = receiptFromJson(fields);
  assert.equal(receipt.checkpoint, served.shown.note);
  await verifyReceipt(nodeCrypto, receipt, {
    recorded: { entry: Buffer.from(entry) },
    vkeys,
    origin,
  });

  const durable = await served.send({ path: `${eventsPath}/2/proof?checkpoint=durable` });
  assert.equal(durable.text, (await served.send({ path: `${eventsPath}/2/proof` })).text);
  assert.notEqual(durable.text, text.text);
});

test("an entry that is not published yet: told so, or waited for", async (t) => {
  const served = await serveHeld(t);
  await served.send(post(eventText("a")));
  const path = `${eventsPath}/1/proof?checkpoint=published`;
  for (const query of ["", "&wait=0"]) {
    const answer = await served.send({ path: path + query });
    const { code, seq } = JSON.parse(answer.text) as { code: string; seq: number };
    assert.deepEqual([answer.status, code, seq], [503, "unavailable", 1]);
    assert.equal(answer.headers["retry-after"], "1");
  }
  const waiting = served.send({ path: `${path}&wait=60` });
  served.shown = await served.log.publish();
  const answer = await waiting;
  assert.equal(answer.status, 200);
  assert.equal(parseTlogProof(answer.bytes).checkpoint, served.shown.note);

  const wrong = [
    [`${eventsPath}/1/proof?checkpoint=published&wait=61`, 400],
    [`${eventsPath}/1/proof?wait=1`, 400],
    [`${eventsPath}/1/proof?checkpoint=newest`, 400],
    [`${eventsPath}/2/proof?checkpoint=published&wait=60`, 404],
  ] as const;
  for (const [path, status] of wrong) assert.equal((await served.send({ path })).status, status);
});

test("who waits is let go when the server stops", async (t) => {
  const served = await serveHeld(t);
  await served.send(post(eventText("a")));
  const waiting = served.send({ path: `${eventsPath}/1/proof?checkpoint=published&wait=60` });
  // Its connection comes after the one above: when this is answered, that one has begun to wait.
  await served.send({ path: "/v1/logs/main" });
  await served.server.stop();
  assert.equal((await waiting).status, 503);
});

test("the published checkpoint, for a key that may only write", async (t) => {
  const served = await serveHeld(t);
  const key = served.newKey({ scopes: ["write"] });
  const get = async (query: string): Promise<string> =>
    (await served.send({ path: `/v1/logs/main/checkpoint${query}`, key })).text;
  await served.send(post(eventText("a")));
  assert.equal(await get("?kind=published"), served.shown.note);
  assert.equal(await get("?kind=durable"), (await served.log.durableCheckpoint()).note);
  assert.equal(await get(""), await get("?kind=durable"));
  assert.match(await get("?kind=other"), /"code":"usage"/);
});

test("many sizes are held to one in one request", async (t) => {
  const served = await serve(t);
  const lines = Array.from({ length: 20 }, (_, i) => eventText(`${i}`)).join("\n");
  await served.send(postLines(lines));
  const path = "/v1/logs/main/consistency";
  const { text } = await served.send({ path: `${path}?from=1,7,8,20&to=20` });
  const answer = JSON.parse(text) as { to: number; proofs: { from: number; proof: string[] }[] };
  assert.deepEqual(
    answer.proofs.map(({ from }) => from),
    [1, 7, 8, 20],
  );
  for (const { from, proof } of answer.proofs) {
    verifyConsistency(nodeCrypto.sha256, {
      size1: from,
      size2: answer.to,
      root1: await served.log.root(from),
      root2: await served.log.root(20),
      proof: proof.map(parseBase64),
    });
  }
  const many = Array.from({ length: 501 }, (_, i) => i + 1).join(",");
  for (const query of ["1,1", "7,3", "0,1", "1,", "1,21", many]) {
    const refused = await served.send({ path: `${path}?from=${query}&to=20` });
    assert.equal(refused.status, 400, query);
  }
});

/**
 * Goal: what is read is what the log holds, byte for byte and without a gap, or an error that says
 * what is wrong.
 *
 * Method: the scripted log, whose answers come in pieces and in pages of three; damaged answers by
 * a `fetch` that changes them.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseTlogProof, utf8 } from "@cairnlog/core";
import { CairnClient, type EntriesOptions, type Fetch } from "./index.ts";
import { ScriptedLog, until } from "./scripted-log.testing.ts";

let log: ScriptedLog;
let cairn: CairnClient;

before(async () => {
  log = await ScriptedLog.open();
  cairn = new CairnClient({ url: `${log.url}/`, vkeys: [log.vkey] });
  const actor = { id: "alice" };
  for (let i = 0; i < 8; i++) void cairn.log({ id: `e${i}`, type: "api.call", actor, action: "é" });
  await cairn.flush();
});
after(() => log.close());

function reader(fetch: Fetch): CairnClient {
  return new CairnClient({ url: log.url, vkeys: [log.vkey], fetch });
}

async function seqs(options: EntriesOptions, client = cairn): Promise<number[]> {
  const found: number[] = [];
  for await (const entry of client.entries(options)) {
    assert.deepEqual(Buffer.from(entry.bytes), Buffer.from(log.entries[entry.seq]!));
    found.push(entry.seq);
  }
  return found;
}

test("info, one entry, checkpoint", async () => {
  assert.equal((await cairn.info()).size, 8);
  const entry = await cairn.get(3);
  assert.equal(entry.event, log.recordedEvents[3]);
  assert.equal(entry.source, "scripted");
  const { size, isVerified, note } = await cairn.checkpoint();
  assert.deepEqual([size, isVerified, note], [8, true, await log.checkpoint()]);
  await assert.rejects(cairn.get(8), { code: "not_found" });
  await assert.rejects(cairn.get(-1), { code: "usage" });
});

test("a proof is verified, and one of another entry is refused", async () => {
  const proof = parseTlogProof(utf8(await cairn.proof(5)));
  assert.equal(proof.index, 5);
  const swapped = reader((url, init) => fetch(url.replace("/5/", "/6/"), init));
  await assert.rejects(swapped.proof(5), { code: "unverified" });
  const damaged = reader(async (url, init) => {
    const text = await (await fetch(url, init)).text();
    return new Response(
      text.replace(/index 5\n(.)/, (_, a) => `index 5\n${a === "A" ? "B" : "A"}`),
    );
  });
  await assert.rejects(damaged.proof(5), { code: "unverified" });
});

test("ranges cross pages", async () => {
  assert.deepEqual(await seqs({}), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(await seqs({ from: 2, to: 7 }), [2, 3, 4, 5, 6]);
  assert.deepEqual(await seqs({ from: 2, limit: 4 }), [2, 3, 4, 5]);
  assert.deepEqual(await seqs({ from: 8 }), []);
});

test("since is asked for once, then the place goes on", async () => {
  const asked: string[] = [];
  const client = reader((url, init) => {
    asked.push(new URL(url).search);
    return fetch(url, init);
  });
  await seqs({ since: "2026-11-23T05:00:00Z" }, client);
  assert.deepEqual(asked, ["?since=2026-11-23T05%3A00%3A00Z", "?from=3", "?from=6", "?from=8"]);
});

test("with wait, the entries go on as they come, until the caller has enough", async () => {
  const found: number[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { seq } of cairn.entries({ from: 6, wait: 1, signal: stop.signal })) {
      found.push(seq);
      if (seq === 8) return;
    }
  })();
  await until(() => found.length === 2);
  await cairn.log({ id: "late", type: "api.call", actor: { id: "alice" }, action: "GET" });
  await reading;
  assert.deepEqual(found, [6, 7, 8]);
  const waiting = seqs({ from: 9, wait: 1, signal: stop.signal });
  stop.abort();
  assert.deepEqual(await waiting, []);
});

test("a gap, a cut answer and a line that is no entry are refused", async () => {
  const changed = (change: (text: string) => string): CairnClient =>
    reader(async (url, init) => new Response(change(await (await fetch(url, init)).text())));
  const gap = changed((text) => text.slice(text.indexOf("\n") + 1));
  await assert.rejects(seqs({ from: 0 }, gap), { code: "unverified", place: { seq: 0 } });
  const cut = changed((text) => text.slice(0, -5));
  await assert.rejects(seqs({ from: 0 }, cut), { code: "unavailable" });
  const other = changed((text) => text.replace('{"seq":1,', '{"seq": 1,'));
  await assert.rejects(seqs({ from: 0 }, other), { code: "malformed" });
  const endless = changed(() => "x".repeat(70_000));
  await assert.rejects(seqs({ from: 0 }, endless), { code: "malformed" });
});

test("a reader that stops early lets go of the answer", async () => {
  const line = Buffer.concat([log.entries[0]!, Buffer.from("\n")]);
  let isLetGo = false;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(line),
    cancel: () => void (isLetGo = true),
  });
  for await (const entry of reader(async () => new Response(endless)).entries()) {
    assert.equal(entry.seq, 0);
    break;
  }
  assert.equal(isLetGo, true);
});

/**
 * Goal: what is read back is what was recorded, provably, in every form that the contract names.
 * Method: a small log (300 entries, so that there is a full tile), each form compared with the log
 * itself or verified with the core.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  base64,
  parseBase64,
  parseEntryBundle,
  parseTlogProof,
  parseVkey,
  receiptFromJson,
  verifyConsistency,
  verifyReceipt,
  verifyTlogProof,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { eventsPath, eventText, post, postLines, serve, type TestServer } from "./serving.test.ts";

const entryCount = 300;

async function serveEntries(t: Parameters<typeof serve>[0]): Promise<TestServer> {
  const served = await serve(t);
  const lines = Array.from({ length: entryCount - 1 }, (_, i) => eventText(`${i}`)).join("\n");
  assert.equal((await served.send(postLines(lines))).status, 200);
  return served;
}

async function entriesOf(served: TestServer, from: number, to: number): Promise<string> {
  let text = "";
  for await (const { bytes } of served.log.entries(from, to))
    text += `${Buffer.from(bytes).toString()}\n`;
  return text;
}

test("one entry, byte for byte", async (t) => {
  const served = await serveEntries(t);
  const { bytes } = await served.log.entry(42);
  const answer = await served.send({ path: `${eventsPath}/42` });
  assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
  assert.deepEqual(answer.bytes, Buffer.from(bytes));
});

test("proofs, as text and as JSON, convince somebody who has only the log's key", async (t) => {
  const served = await serveEntries(t);
  const { origin } = served.log;
  const vkeys = served.log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  for (const seq of [0, 255, 256, 299]) {
    const path = `${eventsPath}/${seq}/proof`;
    const text = await served.send({ path });
    assert.equal(text.headers["content-type"], "text/plain; charset=utf-8");
    const proof = parseTlogProof(text.bytes);
    const entry = await served.send({ path: `${eventsPath}/${seq}` });
    assert.deepEqual(Buffer.from(proof.extra!), entry.bytes);
    const leafHash = await served.log.leafHash(seq);
    await verifyTlogProof(nodeCrypto, proof, { leafHash, vkeys, origin });

    const json = await served.send({ path, headers: { accept: "application/json" } });
    const { entry: told, ...fields } = JSON.parse(json.text) as { entry: string };
    assert.equal(told, entry.text);
    const recorded = { entry: entry.bytes };
    await verifyReceipt(nodeCrypto, receiptFromJson(fields), { recorded, vkeys, origin });
  }
});

test("a range, by seq and by time, page by page", async (t) => {
  const served = await serveEntries(t);
  const get = async (query: string): Promise<[string, string]> => {
    const answer = await served.send({ path: `${eventsPath}${query}` });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers["content-type"], "application/x-ndjson; charset=utf-8");
    return [answer.text, String(answer.headers["cairn-next"])];
  };
  const all = await entriesOf(served, 0, entryCount);
  const last = JSON.parse(all.trimEnd().split("\n").at(-1)!) as { time: string };
  assert.deepEqual(await get(""), [all, "300"]);
  assert.deepEqual(await get("?from=10&to=12"), [await entriesOf(served, 10, 12), "12"]);
  assert.deepEqual(await get("?from=290&limit=7"), [await entriesOf(served, 290, 297), "297"]);
  assert.deepEqual(await get("?from=300"), ["", "300"]);
  assert.deepEqual(await get("?from=5&to=5&wait=60"), ["", "5"]);
  assert.deepEqual(await get("?to=1000"), [all, "300"]);
  assert.deepEqual(await get("?since=2000-01-01T00:00:00Z"), [all, "300"]);
  assert.deepEqual(await get("?since=9999-01-01T00:00:00Z"), ["", "300"]);
  assert.deepEqual(await get("?until=2000-01-01T00:00:00.000Z"), ["", "0"]);
  const first = (await get(`?since=${last.time}&limit=1`))[1];
  const bound = await served.log.seqAtTime(Date.parse(last.time));
  assert.equal(first, String(bound + 1));
  assert.equal((await get(`?until=${last.time}`))[1], String(bound));
});

test("a reader that waits gets the entry when it is there", async (t) => {
  const served = await serve(t);
  const waiting = served.send({ path: `${eventsPath}?from=1&wait=60` });
  // The wait has begun when the log is asked for it; a commit before that is not missed either.
  assert.equal((await served.send(post(eventText("awaited")))).status, 201);
  const answer = await waiting;
  assert.deepEqual(
    [answer.text, answer.headers["cairn-next"]],
    [await entriesOf(served, 1, 2), "2"],
  );
  const late = await served.send({ path: `${eventsPath}?from=2&wait=1` });
  assert.deepEqual([late.status, late.text, late.headers["cairn-next"]], [200, "", "2"]);
});

test("ranges and entry bundles are compressed for those who understand it", async (t) => {
  const served = await serveEntries(t);
  const decoders = { gzip: gunzipSync, zstd: zstdDecompressSync };
  for (const path of [eventsPath, "/logs/main/tile/entries/000"]) {
    const plain = await served.send({ path });
    for (const [accept, encoding] of [
      ["gzip", "gzip"],
      ["GZIP;q=0.5, deflate", "gzip"],
      ["gzip, zstd", "zstd"],
      ["zstd;q=0, gzip;q=0.000", undefined],
      ["br", undefined],
    ] as const) {
      const answer = await served.send({ path, headers: { "accept-encoding": accept } });
      assert.equal(answer.headers["content-encoding"], encoding, accept);
      assert.equal(answer.headers["vary"], "Accept-Encoding");
      const bytes = encoding === undefined ? answer.bytes : decoders[encoding](answer.bytes);
      assert.deepEqual(Buffer.from(bytes), plain.bytes);
    }
  }
});

test("tiles: at every width that the tree has, for ever", async (t) => {
  const served = await serveEntries(t);
  const get = (path: string) => served.send({ path: `/logs/main/${path}` });
  const full = await get("tile/0/000");
  assert.equal(full.headers["content-type"], "application/octet-stream");
  assert.equal(full.headers["cache-control"], "private, max-age=31536000, immutable");
  assert.equal(full.bytes.length, 256 * 32);
  for (const width of [1, 43, 44]) {
    const tile = await get(`tile/0/001.p/${width}`);
    assert.deepEqual(tile.bytes, Buffer.from((await served.log.tile(0, 1, width))!));
    assert.equal(base64(tile.bytes.subarray(0, 32)), base64(await served.log.leafHash(256)));
    const bundle = await get(`tile/entries/001.p/${width}`);
    assert.equal(parseEntryBundle(bundle.bytes).length, width);
  }
  assert.equal((await get("tile/1/000.p/1")).bytes.length, 32);
  for (const path of [
    "tile/0/001.p/45",
    "tile/0/001",
    "tile/1/000",
    "tile/2/000.p/1",
    "tile/0/000.p/256",
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
});

test("checkpoints: the newest durable one, and the published one", async (t) => {
  const served = await serveEntries(t);
  const durable = await served.send({ path: "/v1/logs/main/checkpoint" });
  assert.equal(durable.text, (await served.log.durableCheckpoint()).note);
  const { note } = await served.log.publish();
  const published = await served.send({ path: "/logs/main/checkpoint" });
  assert.equal(published.text, note);
  assert.equal(published.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(published.headers["cache-control"], "no-cache");
});

test("consistency between two sizes", async (t) => {
  const served = await serveEntries(t);
  for (const [from, to] of [
    [1, 300],
    [255, 257],
    [300, 300],
  ] as const) {
    const { text } = await served.send({ path: `/v1/logs/main/consistency?from=${from}&to=${to}` });
    const answer = JSON.parse(text) as { from: number; to: number; proof: string[] };
    assert.deepEqual([answer.from, answer.to], [from, to]);
    verifyConsistency(nodeCrypto.sha256, {
      size1: from,
      size2: to,
      root1: await served.log.root(from),
      root2: await served.log.root(to),
      proof: answer.proof.map(parseBase64),
    });
  }
  const { text } = await served.send({ path: "/v1/logs/main/consistency?from=7" });
  assert.equal((JSON.parse(text) as { to: number }).to, 300);
});

test("logs are created, listed and described", async (t) => {
  const served = await serveEntries(t);
  const body = '{"name":"b","origin":"example.org/b","public":true}';
  const headers = { "content-type": "application/json" };
  const created = await served.send({ method: "POST", path: "/v1/logs", headers, body });
  assert.equal(created.status, 201);
  assert.equal(created.headers["location"], "/v1/logs/b");
  const { vkeys, ...rest } = JSON.parse(created.text) as { vkeys: string[] };
  assert.equal(vkeys.length, 2);
  assert.deepEqual(rest, {
    name: "b",
    origin: "example.org/b",
    public: true,
    size: 1,
    sealedSize: 0,
    publishedSize: 1,
  });
  const described = await served.send({ path: "/v1/logs/main" });
  assert.equal((JSON.parse(described.text) as { size: number }).size, 300);
  const key = served.newKey({ logs: ["b"], scopes: ["write"] });
  const listed = await served.send({ path: "/v1/logs", key });
  const { logs } = JSON.parse(listed.text) as { logs: { name: string }[] };
  assert.deepEqual(
    logs.map((log) => log.name),
    ["b"],
  );
});

/**
 * Goal: the SDK and the real server agree on every byte of docs/spec/http.md: receipts verify under
 * the log's pinned key, refusals come back event by event, reading gives what was written, receipts
 * become witnessed proofs, and a history that was rewritten behind them is noticed.
 *
 * Method: a server over a log in memory, on a free port of loopback; the network breaks by a
 * `fetch` that loses the answers of requests which were recorded. A second history under the same
 * key is a copy of a log's folder that goes another way.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CairnClient, type CairnClientOptions, type CairnEvent } from "@cairnlog/client";
import { CairnError } from "@cairnlog/core";
import { createLog, type Log } from "@cairnlog/log";
import { createServer, type CairnServer, type Principal } from "@cairnlog/server";
import { memoryStore } from "@cairnlog/store";

const key = "the-key";
let log: Log;
let server: CairnServer;
let url: string;

before(async () => {
  log = await createLog(memoryStore(), { name: "main", origin: "example.com/main" });
  const principal: Principal = {
    id: "k",
    source: "sdk",
    scopes: new Set(["write", "read"] as const),
    coversAll: true,
    covers: () => true,
  };
  server = await createServer({
    logs: { get: (name) => (name === "main" ? log : undefined), list: () => [log], create },
    keys: {
      authenticate(header) {
        if (header !== `Bearer ${key}`) throw new CairnError("unauthenticated", "no such key");
        return principal;
      },
    },
  });
  url = await server.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  await server.stop();
  await log.close();
});

function create(): Promise<never> {
  throw new CairnError("usage", "this test has one log");
}

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({ url, key, vkeys: log.vkeys, onError() {}, ...options });
}

function event(id: string, extra: object = {}): CairnEvent {
  return { id, type: "api.call", actor: { id: "älice" }, action: "GET", ...extra };
}

test("receipts verify, in full, and reading gives what was written", async () => {
  const cairn = open({ gzipBytesMin: 10_000 });
  const ids = Array.from({ length: 700 }, (_, i) => `e${i}`);
  const receipts = await Promise.all(ids.map((id) => cairn.log(event(id))));
  const first = receipts[0]!.seq;
  assert.deepEqual(
    receipts.map((receipt) => receipt.seq),
    ids.map((_, i) => first + i),
  );
  const { entry } = await receipts[333]!.full();
  assert.equal(entry, Buffer.from((await cairn.get(first + 333)).bytes).toString());
  await cairn.proof(first + 333);
  const { size } = await cairn.checkpoint();
  assert.equal(size, (await cairn.info()).size);
  const read: string[] = [];
  for await (const { event } of cairn.entries({ from: first, to: size })) {
    read.push((JSON.parse(event) as { id: string }).id);
  }
  assert.deepEqual(read, ids);
  await cairn.close();
});

test("an answer that was lost does not record twice", async () => {
  let losses = 2;
  const cairn = open({
    retryDelayMs: 1,
    async fetch(address, init) {
      const response = await fetch(address, init);
      if (losses-- > 0) throw new TypeError("fetch failed");
      return response;
    },
  });
  const { size } = log.status();
  const [a, b] = await Promise.all([cairn.log(event("lost-a")), cairn.log(event("lost-b"))]);
  assert.deepEqual([a.seq, b.seq, a.duplicate, b.duplicate], [size, size + 1, true, true]);
  assert.equal(log.status().size, size + 2);
});

test("refusals come back with code and pointer, event by event", async () => {
  const cairn = open();
  const bad = cairn.log(event("bad", { outcome: "maybe" }));
  const good = cairn.log(event("good"));
  await assert.rejects(bad, { code: "invalid", place: { pointer: "/outcome" } });
  await good;
  await assert.rejects(cairn.log(event("good", { action: "PUT" })), { code: "conflict" });
  await assert.rejects(cairn.log(event("alone", { type: "system.mine" })), { code: "invalid" });
  await assert.rejects(open({ key: "other" }).log(event("x")), { code: "unauthenticated" });
  await assert.rejects(open({ log: "none" }).log(event("x")), { code: "not_found" });
  await assert.rejects(cairn.get(1_000_000), { code: "not_found" });
});

test("following a log gives entries as they come", async () => {
  const cairn = open();
  const from = log.status().size;
  const following = (async () => {
    for await (const entry of cairn.entries({ from, wait: 30 })) return entry.seq;
    return -1;
  })();
  const { seq } = await cairn.log(event("followed"));
  assert.equal(await following, seq);
});

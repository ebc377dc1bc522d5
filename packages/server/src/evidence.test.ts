/**
 * Goal: evidence by API is the whole file of what was asked for, in the name of the key; nobody else's time or memory
 * is spent on it; a client that goes leaves nothing behind. Method: a real server; the file is verified by core;
 * exports that hang at a gate of the test.
 */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test, type TestContext } from "node:test";
import { parseVkey, policyOfKeys, verifyEvidence } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Log } from "@cairnlog/log";
import {
  disguised,
  eventText,
  postLines,
  serve,
  type Answer,
  type Sent,
  type TestServer,
} from "./serving.test.ts";

const path = "/v1/logs/main/evidence";
const json = { "content-type": "application/json" };
const ask = (body: object): Sent => ({
  method: "POST",
  path,
  headers: json,
  body: JSON.stringify({ why: "case 17", ...body }),
});

async function verified({ log }: TestServer, { bytes }: Answer) {
  const vkeys = log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  return verifyEvidence(nodeCrypto, bytes, policyOfKeys(nodeCrypto.sha256, vkeys));
}

async function withEvents(t: TestContext, options?: Parameters<typeof serve>[1]) {
  const served = await serve(t, options);
  const lines = Array.from({ length: 50 }, (_, i) =>
    eventText(String(i), { type: i % 2 === 0 ? "api.call" : "database.query" }),
  );
  await served.send(postLines(lines.join("\n")));
  return served;
}

test("a file of what was asked for, taken in the name of the key", async (t) => {
  const served = await withEvents(t);
  const key = served.newKey({ source: "siem", scopes: ["read"], logs: ["main"] });
  const answer = await served.send({ ...ask({ seqs: ["5-8", "2"], types: ["api.*"] }), key });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers["content-type"], "application/vnd.cairnlog.evidence");
  assert.equal(answer.headers["content-disposition"], 'attachment; filename="main-51.evidence"');
  const { verdict, evidence, isExportRecorded } = await verified(served, answer);
  assert.deepEqual([verdict, isExportRecorded], ["verified", true]);
  assert.deepEqual(
    evidence.parsed.map(({ seq }) => seq),
    [5, 7, 51],
  );
  const { who, why, query } = evidence.header.export;
  assert.deepEqual([who, why], ["siem", "case 17"]);
  assert.deepEqual(query, { seqs: ["5-8", "2"], types: ["api.*"] });
});

test("times and actors are understood", async (t) => {
  const served = await withEvents(t);
  const body = { since: "2020-01-01T00:00:00Z", actors: ["alice@example.com"] };
  const { evidence } = await verified(served, await served.send(ask(body)));
  assert.equal(evidence.entries.length, 51);
  const past = await served.send(ask({ until: "2020-01-01T00:00:00Z" }));
  assert.equal(past.status, 404);
});

test("what is no request is a problem, and no entry", async (t) => {
  const served = await withEvents(t, { limits: { evidenceEntriesMax: 10 } });
  const { size } = served.log.status();
  for (const [body, status] of [
    [{ why: "" }, 400],
    [{ who: "somebody else" }, 400],
    [{ seqs: [] }, 400],
    [{ seqs: ["10-5"] }, 400],
    [{ seqs: ["05"] }, 400],
    [{ seqs: [5] }, 400],
    [{ since: "yesterday" }, 400],
    [{ types: "api.*" }, 400],
    [{ seqs: ["52"] }, 404],
    [{ actors: ["nobody"] }, 404],
    [{ seqs: ["0-10"] }, 400],
    [{ why: "\ud800" }, 400],
  ] as const) {
    const answer = await served.send(ask(body));
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`);
    assert.equal(answer.headers["content-type"], "application/problem+json");
  }
  const noJson = { ...ask({}), headers: { "content-type": "text/plain" } };
  assert.equal((await served.send(noJson)).status, 415);
  assert.equal(served.log.status().size, size);
});

test("more bytes than the server holds at once are too large", async (t) => {
  const served = await withEvents(t, { limits: { evidenceBytesMax: 2000 } });
  const answer = await served.send(ask({ seqs: ["0-40"] }));
  assert.equal(answer.status, 413, answer.text);
});

/** A log whose reading waits for the test. */
function gated(): { disguise: (log: Log) => Log; begun: Promise<void>; open: () => void } {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const disguise = (log: Log): Log =>
    disguised(log, {
      async *search(from, to, filter) {
        begun.resolve();
        if (from === 0) await gate.promise;
        yield* log.search(from, to, filter);
      },
    });
  return { disguise, begun: begun.promise, open: () => gate.resolve() };
}

test("one export at a time, and the next one after it", async (t) => {
  const { disguise, begun, open } = gated();
  const served = await withEvents(t, { disguise });
  const first = served.send(ask({ types: ["api.*"] }));
  await begun;
  const second = await served.send(ask({ seqs: ["1"] }));
  assert.deepEqual([second.status, second.headers["retry-after"]], [429, "5"]);
  open();
  assert.equal((await first).status, 200);
  assert.equal((await served.send(ask({ seqs: ["1"] }))).status, 200);
});

test("a client that goes frees the place, and its export is neither made nor recorded", async (t) => {
  const { disguise, begun, open } = gated();
  const served = await withEvents(t, { disguise });
  const { size } = served.log.status();
  const leaving = httpRequest(served.url + path, {
    method: "POST",
    agent: false,
    headers: { ...json, authorization: `Bearer ${served.key}` },
  });
  const left = new Promise((resolve) => leaving.on("error", resolve));
  leaving.end(JSON.stringify({ why: "x", types: ["api.*"] }));
  await begun;
  leaving.destroy();
  await left;
  let next = await served.send(ask({ seqs: ["1"] }));
  for (let i = 0; next.status === 429 && i < 1000; i++)
    next = await served.send(ask({ seqs: ["1"] }));
  assert.equal(next.status, 200);
  open();
  // By its end the first one has run into the signal.
  assert.equal((await served.send(ask({ types: ["api.*"] }))).status, 200);
  assert.equal(served.log.status().size, size + 2, "what was given up was not recorded");
});

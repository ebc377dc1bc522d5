/**
 * Goal: whatever the shape of a request, each event in it is answered with its own fate, and a
 * receipt proves what it says. Method: real requests to a real log; receipts are verified with the
 * core against the entry that is served.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { parseBase64, parseVkey, receiptFromJson, utf8, verifyReceipt } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import {
  eventsPath,
  eventText,
  post,
  postLines,
  serve,
  type Answer,
  type TestServer,
} from "./serving.test.ts";

interface Recorded {
  readonly origin: string;
  readonly seq: number;
  readonly leafHash: string;
  readonly proof?: readonly string[];
  readonly checkpoint: string;
  readonly duplicate?: true;
}
interface Batch {
  readonly recorded: number;
  readonly refused: number;
  readonly checkpoint?: string;
  readonly results: (Omit<Recorded, "checkpoint" | "origin"> & {
    readonly error?: { readonly code: string; readonly status: number; readonly pointer?: string };
  })[];
}
const recordedOf = (answer: Answer): Recorded => JSON.parse(answer.text) as Recorded;
const batchOf = (answer: Answer): Batch => JSON.parse(answer.text) as Batch;

/** Checks a receipt as its holder would: hash the entry, walk the proof, verify the signature. */
async function checkReceipt(served: TestServer, receipt: Recorded): Promise<void> {
  const { origin, seq, leafHash, proof, checkpoint } = receipt;
  const entry = await served.send({ path: `${eventsPath}/${seq}` });
  assert.equal(entry.status, 200);
  const parsed = receiptFromJson({ origin, seq, leafHash, proof, checkpoint });
  const vkeys = served.log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  await verifyReceipt(nodeCrypto, parsed, {
    recorded: { entry: entry.bytes },
    vkeys,
    origin: served.log.origin,
  });
}

test("one event: a full receipt that proves it, however the request is spelt", async (t) => {
  const served = await serve(t);
  const types = [
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
  ];
  for (const [i, type] of types.entries()) {
    const answer = await served.send(post(eventText(`${i}`), { "content-type": type }));
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
    await checkReceipt(served, recordedOf(answer));
  }
  const short = await served.send({
    ...post(eventText("short")),
    path: `${eventsPath}?receipt=short`,
  });
  assert.equal(short.status, 201);
  assert.equal(recordedOf(short).proof, undefined);
  const spaced = `\r\n ${JSON.stringify(JSON.parse(eventText("spaced")), undefined, 2)}\n`;
  const { status, text } = await served.send(post(spaced));
  assert.equal(status, 201);
  const entry = await served.send({ path: `${eventsPath}/${(JSON.parse(text) as Recorded).seq}` });
  assert.ok(entry.text.includes(eventText("spaced")), "white space between tokens is not stored");
});

test("the same event again has its first place; another one under its id is refused", async (t) => {
  const served = await serve(t);
  const first = recordedOf(await served.send(post(eventText("a"))));
  const again = await served.send(post(eventText("a")));
  assert.equal(again.status, 200);
  assert.deepEqual(
    [recordedOf(again).seq, recordedOf(again).duplicate, recordedOf(again).leafHash],
    [first.seq, true, first.leafHash],
  );
  await checkReceipt(served, recordedOf(again));
  const other = await served.send(post(eventText("a", { action: "DELETE" })));
  assert.equal(other.status, 409);
  assert.equal((JSON.parse(other.text) as { code: string }).code, "conflict");
});

test("a batch: every event has its own fate, and the status says how it went", async (t) => {
  const served = await serve(t);
  const good = await served.send(post(`[${eventText("1")}, ${eventText("2")}]`));
  assert.equal(good.status, 200);
  assert.deepEqual(
    batchOf(good).results.map((each) => each.seq),
    [1, 2],
  );
  assert.equal(batchOf(good).results[0]!.proof, undefined);

  const bad = '{"type":"a.b","actor":{},"action":"x"}';
  const mixed = await served.send(postLines(`${eventText("1")}\r\n\n \n${bad}\n${eventText("3")}`));
  assert.equal(mixed.status, 207);
  const { recorded, refused, results, checkpoint } = batchOf(mixed);
  assert.deepEqual([recorded, refused], [2, 1]);
  assert.deepEqual([results[0]!.seq, results[0]!.duplicate], [1, true]);
  assert.deepEqual(
    [results[1]!.error!.code, results[1]!.error!.status, results[1]!.error!.pointer],
    ["invalid", 422, "/actor/id"],
  );
  assert.deepEqual([results[2]!.seq, results[2]!.duplicate], [3, undefined]);
  assert.ok(checkpoint!.startsWith("example.com/logs/main\n4\n"));

  const none = await served.send(postLines(`${bad}\n${bad}\n`));
  assert.equal(none.status, 422);
  assert.deepEqual([batchOf(none).recorded, batchOf(none).refused], [0, 2]);
  assert.equal(batchOf(none).checkpoint, undefined);

  const conflicts = await served.send(post(`[${eventText("1", { action: "x" })}]`));
  assert.equal(conflicts.status, 422);
  assert.equal(batchOf(conflicts).results[0]!.error!.code, "conflict");

  const empty = await served.send(post(" [ ] "));
  assert.equal(empty.status, 200);
  assert.deepEqual(batchOf(empty).results, []);
});

test("a batch with full receipts: each one proves its event", async (t) => {
  const served = await serve(t);
  const lines = Array.from({ length: 20 }, (_, i) => eventText(`${i}`)).join("\n");
  const answer = await served.send({ ...postLines(lines), path: `${eventsPath}?receipt=full` });
  const { results, checkpoint } = batchOf(answer);
  assert.equal(results.length, 20);
  for (const result of results) {
    assert.equal(parseBase64(result.leafHash).length, 32);
    const { seq, leafHash, proof } = result;
    await checkReceipt(served, {
      origin: served.log.origin,
      seq,
      leafHash,
      checkpoint: checkpoint!,
      ...(proof === undefined ? {} : { proof }),
    });
  }
});

test("bodies may be compressed, and may come in pieces", async (t) => {
  const served = await serve(t);
  const lines = utf8(Array.from({ length: 500 }, (_, i) => eventText(`c${i}`)).join("\n"));
  const gzipped = await served.send(postLines(gzipSync(lines), { "content-encoding": "gzip" }));
  assert.deepEqual([gzipped.status, batchOf(gzipped).recorded], [200, 500]);
  const zstd = await served.send(
    postLines(zstdCompressSync(lines), {
      "content-encoding": "zstd",
      "transfer-encoding": "chunked",
    }),
  );
  assert.equal(zstd.status, 200);
  assert.ok(batchOf(zstd).results.every((result) => result.duplicate === true));
  const single = await served.send(
    post(gzipSync(eventText("one")), { "content-encoding": "gzip" }),
  );
  assert.equal(single.status, 201);
  const identity = await served.send(post(eventText("two"), { "content-encoding": "identity" }));
  assert.equal(identity.status, 201);
});

test("the short way and the one through the framework answer alike", async (t) => {
  const served = await serve(t);
  const bodies = [
    post(eventText("a")),
    post(eventText("a")),
    post(eventText("a", { action: "DELETE" })),
    post("{}"),
    post("[]"),
    postLines(`${eventText("b")}\n{}`),
    post(eventText("c"), { "content-type": "text/plain" }),
    { ...post(eventText("d")), key: null },
    { ...post(eventText("d")), key: served.newKey({ scopes: ["read"] }) },
    { ...post(eventText("d")), headers: { host: "evil.example" } },
  ];
  const shapeOf = ({ status, headers, text }: Answer): unknown => {
    const isProblem = headers["content-type"] === "application/problem+json";
    const body = JSON.parse(text) as Record<string, unknown>;
    return [
      status,
      Object.keys(headers).toSorted(),
      isProblem ? { ...body, log: "" } : Object.keys(body),
    ];
  };
  const answers = async (path: string): Promise<unknown[]> => {
    const shapes: unknown[] = [];
    for (const each of bodies) shapes.push(shapeOf(await served.send({ ...each, path })));
    return shapes;
  };
  const created = await served.send({ ...post('{"name":"second"}'), path: "/v1/logs" });
  assert.equal(created.status, 201, created.text);
  // With an escape in its query a request is not in the plainest of shapes.
  const byFramework = await answers("/v1/logs/second/events?receipt=%66ull");
  assert.deepEqual(await answers(`${eventsPath}?receipt=full`), byFramework);
  assert.deepEqual(
    byFramework.map((shape) => (shape as [number])[0]),
    [201, 200, 409, 422, 200, 207, 415, 401, 403, 421],
  );
});

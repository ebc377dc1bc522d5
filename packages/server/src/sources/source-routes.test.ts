/**
 * Goal: what a sender delivers is durable when it is told so, under its source's name, once; and nobody else gets in.
 * Method: a real server and log; real senders (the packages `standardwebhooks` and `cloudevents`); then deliveries with
 * wrong secrets, changed bodies, too large, too fast, half wrong, and an adapter that speaks a protocol of its own.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import type { Adapter } from "@cairnlog/capture";
import { CairnError, parseEntryHead } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import type { TestContext } from "node:test";
import { addSource, type Source } from "../index.ts";
import {
  disguised,
  serve,
  type Answer,
  type Sent,
  type TestServer,
  type TestServerOptions,
} from "../serving.test.ts";

interface Recorded {
  readonly source: string;
  readonly event: Readonly<Record<string, unknown>>;
}

async function entriesOf(log: Log): Promise<Recorded[]> {
  const found: Recorded[] = [];
  for await (const { bytes } of log.entries(1, log.status().size)) {
    const { source, event } = parseEntryHead(bytes);
    found.push({ source, event: JSON.parse(new TextDecoder().decode(event)) as Recorded["event"] });
  }
  return found;
}

const webhookSecret = `whsec_${randomBytes(24).toString("base64")}`;
const sources: readonly Source[] = [
  newSource("hooks", "standard-webhooks", webhookSecret),
  newSource("events", "cloudevents", "events-token"),
  newSource("lines", "json", "lines-token"),
  newSource("finds", "ocsf", "finds-token"),
  newSource("own", "echo", "own-token"),
];

function newSource(name: string, kind: string, secret: string): Source {
  const created = "2026-11-23T05:00:00.000Z";
  return { name, kind, log: "main", secrets: [secret], options: {}, created };
}

type Served = TestServer & {
  readonly deliver: (source: string, sent?: Partial<Sent>) => Promise<Answer>;
};

async function serveSources(t: TestContext, options: TestServerOptions = {}): Promise<Served> {
  const served = await serve(t, options);
  for (const source of sources) addSource(served.folder, source);
  const deliver = (source: string, sent: Partial<Sent> = {}): Promise<Answer> =>
    served.send({ method: "POST", path: `/v1/logs/main/sources/${source}`, key: null, ...sent });
  return { ...served, deliver };
}

const bearer = (token: string): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  "content-type": "application/json",
});
const oneEvent = (id: string): string =>
  JSON.stringify({ id, type: "api.call", actor: { id: "alice" }, action: "GET" });
const lines = (body: string | Uint8Array, headers: Record<string, string> = {}): Partial<Sent> => ({
  headers: { ...bearer("lines-token"), ...headers },
  body,
});

function signed(body: string, atMs = Date.now(), id = "msg_1"): Partial<Sent> {
  const at = new Date(Math.floor(atMs / 1000) * 1000);
  return {
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(at.getTime() / 1000),
      "webhook-signature": new Webhook(webhookSecret).sign(id, at, body),
    },
  };
}

test("Standard Webhooks, sent by its own library: recorded once, also when it is tried again", async (t) => {
  const served = await serveSources(t);
  const body = JSON.stringify({ type: "user.created", data: { id: "u1" } });
  const first = await served.deliver("hooks", signed(body));
  assert.equal(first.status, 200, first.text);
  assert.equal(first.text, "{}");
  assert.match(first.headers["content-type"]!, /^application\/json/);
  // Tried again it has a new time, and so another signature.
  assert.equal((await served.deliver("hooks", signed(body, Date.now() - 60_000))).status, 200);
  const entries = await entriesOf(served.log);
  assert.deepEqual(
    entries.map(({ source, event }) => [source, event["id"], event["action"]]),
    [["hooks", "msg_1", "user.created"]],
  );
  const { headers, body: kept } = entries[0]!.event["original"] as {
    headers: Record<string, string>;
    body: string;
  };
  new Webhook(webhookSecret).verify(kept, headers);
  // Another body under the same id is another event.
  const other = await served.deliver("hooks", signed(body.replace("u1", "u2")));
  assert.equal(other.status, 409);
});

test("whoever is no source hears the same, whatever is wrong, and nothing is recorded", async (t) => {
  const served = await serveSources(t);
  const { size } = served.log.status();
  const body = JSON.stringify({ type: "user.created" });
  const good = signed(body);
  const refused: Answer[] = [
    await served.deliver("unknown", good),
    await served.deliver("hooks", { ...good, body: body.replace("user", "usur") }),
    await served.deliver("hooks", signed(body, Date.now() - 400_000)),
    await served.deliver("hooks", signed(body, Date.now() + 400_000)),
    await served.deliver("hooks", { body }),
    await served.deliver("hooks"),
    await served.deliver("lines", { headers: bearer("events-token"), body: oneEvent("1") }),
    await served.deliver("lines", { key: served.key, body: oneEvent("1") }),
    await served.deliver("lines/v1/logs", { body: oneEvent("1") }),
    await served.deliver("lines", { method: "PUT", body: oneEvent("1") }),
    await served.deliver("lines", { method: "GET" }),
    await served.deliver("events?access_token=wrong", { body: oneEvent("1") }),
    await served.send({ ...good, method: "POST", path: "/v1/logs/nowhere/sources/hooks" }),
    // A kind that this server has no adapter of.
    await served.deliver("own", { headers: bearer("own-token"), body: "" }),
  ];
  for (const [i, { status, text, headers }] of refused.entries()) {
    assert.equal(status, 401, `${i}: ${text}`);
    assert.equal(text, refused[0]!.text, String(i));
    assert.equal(headers["content-type"], "application/problem+json");
  }
  assert.equal(served.log.status().size, size);
});

test("other methods, other spellings of the path, and other hosts are refused as everywhere", async (t) => {
  const served = await serveSources(t);
  assert.equal((await served.deliver("lines", { method: "DELETE" })).status, 405);
  assert.equal((await served.deliver("li%6ees", lines(oneEvent("1")))).status, 404);
  const headers = { ...bearer("lines-token"), host: "evil.example" };
  assert.equal((await served.deliver("lines", { headers, body: oneEvent("1") })).status, 421);
});

test("CloudEvents, made by its own library, in all modes", async (t) => {
  const served = await serveSources(t);
  const event = (id: string): CloudEvent<unknown> =>
    new CloudEvent({ id, source: "/orders", type: "order.paid", data: { sum: 17 } });
  for (const message of [HTTP.structured(event("1")), HTTP.binary(event("2"))]) {
    const headers = {
      ...(message.headers as Record<string, string>),
      ...{ authorization: "Bearer events-token" },
    };
    const answer = await served.deliver("events", { headers, body: String(message.body) });
    assert.equal(answer.status, 200, answer.text);
  }
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const batch = JSON.stringify([event("2"), event("3")]);
  const path = "events?access_token=events-token";
  const again = await served.deliver(path, { headers, body: batch });
  // The library gives each event the time at which it was made: the second "2" is not the first one.
  assert.equal(again.status, 409);
  const found = await entriesOf(served.log);
  const ids = found.filter(({ source }) => source === "events").map(({ event: one }) => one["id"]);
  assert.deepEqual(ids, ["/orders 1", "/orders 2", "/orders 3"]);
});

test("OCSF is recorded as it is", async (t) => {
  const served = await serveSources(t);
  const record = { class_uid: 3002, activity_id: 1, metadata: { uid: "o1" }, time: 1764000000000 };
  const sent = { headers: bearer("finds-token"), body: JSON.stringify([record, record]) };
  assert.equal((await served.deliver("finds", sent)).status, 200);
  const [entry, ...others] = await entriesOf(served.log);
  assert.deepEqual([entry!.event, others], [{ id: "o1", ...record }, []]);
  const large = { ...record, metadata: { uid: "o2" }, evidence: "x".repeat(70_000) };
  const answer = await served.deliver("finds", { ...sent, body: JSON.stringify(large) });
  assert.equal(answer.status, 200, answer.text);
  const [, second] = await entriesOf(served.log);
  const [blob] = second!.event["blobs"] as { sha256: string; byteLength: number }[];
  const bytes = Buffer.from(JSON.stringify({ id: "o2", ...large }));
  assert.equal(blob!.sha256, createHash("sha256").update(bytes).digest("hex"));
  assert.equal(await served.log.blobByteLength(blob!.sha256), bytes.length);
});

test("bodies in every encoding; bombs and broken ones cost nobody anything", async (t) => {
  const served = await serveSources(t, { limits: { jsonBytesMax: 100_000 } });
  const encodings = { gzip: gzipSync, deflate: deflateSync, zstd: zstdCompressSync };
  for (const [name, encode] of Object.entries(encodings)) {
    const body = encode(Buffer.from(oneEvent(name)));
    const answer = await served.deliver("lines", lines(body, { "content-encoding": name }));
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
    const cut = lines(body.subarray(0, -4), { "content-encoding": name });
    assert.equal((await served.deliver("lines", cut)).status, 400, name);
    const bomb = encode(Buffer.alloc(200_000, " "));
    const shot = await served.deliver("lines", lines(bomb, { "content-encoding": name }));
    assert.equal(shot.status, 413, name);
  }
  assert.equal((await served.deliver("lines", lines("x".repeat(100_001)))).status, 413);
  assert.equal(
    (await served.deliver("lines", lines("{", { "content-encoding": "br" }))).status,
    415,
  );
  assert.equal((await served.deliver("lines", lines("{broken"))).status, 400);
  assert.equal((await served.deliver("lines", lines(""))).status, 400);
  const metrics = await served.send({ path: "/metrics" });
  assert.match(metrics.text, /^cairn_body_bytes 0$/m);
  assert.equal((await entriesOf(served.log)).length, 3);
});

test("strangers cannot use up the memory of those who have proven themselves", async (t) => {
  const served = await serveSources(t, { limits: { inFlightBytesMax: 400_000 } });
  const body = JSON.stringify({ filler: "x".repeat(120_000) });
  assert.equal((await served.deliver("unknown", { body })).status, 429);
  assert.equal((await served.deliver("lines", lines(body))).status, 200);
});

test("a delivery of which a part is refused is no success; the rest of it is recorded once", async (t) => {
  const served = await serveSources(t);
  const body = `${oneEvent("1")}\n{broken\n${oneEvent("2")}\n`;
  for (const attempt of [1, 2]) {
    const answer = await served.deliver("lines", lines(body));
    assert.equal(answer.status, 422, String(attempt));
    assert.match(answer.text, /one record of the delivery.*line 2/);
  }
  const ids = (await entriesOf(served.log)).map(({ event }) => event["id"]);
  assert.deepEqual(ids, ["1", "2"]);
  const other = oneEvent("1").replace("GET", "PUT");
  assert.equal((await served.deliver("lines", lines(`[${other}]`))).status, 409);
});

test("a log that cannot take it now says so, with when to try again", async (t) => {
  const busy = new CairnError("overloaded", "busy", { retryAfterMs: 5000 });
  const served = await serveSources(t, {
    disguise: (log) => disguised(log, { append: () => Promise.reject(busy) }),
  });
  const answer = await served.deliver("lines", lines(oneEvent("1")));
  assert.deepEqual([answer.status, answer.headers["retry-after"]], [429, "5"]);
});

test("quotas: by events and bytes, with Retry-After; a large batch is paid off", async (t) => {
  let nowMs = 1000;
  const clock = { now: () => Date.now(), monotonic: () => nowMs };
  const served = await serveSources(t, { clock });
  const limited = newSource("limited", "json", "lines-token");
  addSource(served.folder, { ...limited, quota: { eventsPerSecond: 2 } });
  const batch = (n: number): Partial<Sent> =>
    lines(Array.from({ length: n }, () => oneEvent(randomBytes(8).toString("hex"))).join("\n"));
  assert.equal((await served.deliver("limited", batch(6))).status, 200);
  const over = await served.deliver("limited", batch(1));
  assert.equal(over.status, 429);
  assert.equal(over.headers["retry-after"], "3");
  nowMs += 2600;
  assert.equal((await served.deliver("limited", batch(1))).status, 200);
  assert.equal((await served.deliver("limited", batch(1))).status, 429);
  // Others have their own share.
  const finding = { headers: bearer("finds-token"), body: '{"class_uid":3002}' };
  assert.equal((await served.deliver("finds", finding)).status, 200);
  const small = newSource("small", "ocsf", "small-token");
  addSource(served.folder, { ...small, quota: { bytesPerDay: 100 } });
  const large = JSON.stringify({ class_uid: 3002, x: "x".repeat(200) });
  const sent = { headers: bearer("small-token"), body: large };
  assert.equal((await served.deliver("small", sent)).status, 200);
  assert.equal((await served.deliver("small", sent)).status, 429);
});

/** Speaks a protocol of its own, on a path of its own. */
const echo: Adapter = {
  kind: "echo",
  title: "Echo",
  basis: "none",
  known: [],
  setup: { questions: [], secret: "token", instructions: () => "" },
  authenticate({ headers }, { secrets }) {
    if (headers["x-echo"] === secrets[0]) return;
    throw new CairnError("unauthenticated", "no");
  },
  capture: ({ method, path, query }, { name }) => ({
    events: [
      {
        event: { type: "api.echo", actor: { id: name }, action: `${method} ${path} ${query}` },
        blobs: [{ bytes: new Uint8Array([1, 2, 3]), mediaType: "text/plain", role: "raw" }],
      },
    ],
    answer: { status: 202, headers: { "x-id": "1" }, body: new Uint8Array([0, 255]) },
  }),
  answerError: ({ status, code }) => ({ status: status === 401 ? 403 : status, body: code }),
};

test("a protocol with answers and addresses of its own; there its token finds the source", async (t) => {
  const open = { "/health": { status: 200, body: '"healthy"' } };
  const methods = ["POST", "GET"] as const;
  const fixedPaths = [{ path: "/services/echo", kind: "echo", methods, open }];
  const served = await serveSources(t, { adapters: [echo], fixedPaths });
  addSource(served.folder, newSource("own2", "echo", "second-token"));
  const send = (below: string, token: string, method = "POST"): Promise<Answer> =>
    served.send({
      method,
      path: `/services/echo${below}`,
      key: null,
      headers: { "x-echo": token },
    });
  const answer = await send("/event/1.0?channel=7", "second-token");
  assert.equal(answer.status, 202);
  assert.deepEqual([...answer.bytes], [0, 255]);
  assert.equal(answer.headers["x-id"], "1");
  assert.equal((await send("", "own-token", "GET")).status, 202);
  const [first, second] = await entriesOf(served.log);
  assert.deepEqual(
    [first, second].map((one) => [one!.source, one!.event["action"]]),
    [
      ["own2", "POST /event/1.0 channel=7"],
      ["own", "GET  "],
    ],
  );
  const [{ sha256 }] = first!.event["blobs"] as [{ sha256: string }];
  assert.equal(await served.log.blobByteLength(sha256), 3);
  const wrong = await send("", "wrong");
  assert.deepEqual([wrong.status, wrong.text], [403, "unauthenticated"]);
  const healthy = await send("/health", "wrong", "GET");
  assert.deepEqual([healthy.status, healthy.text], [200, '"healthy"']);
  assert.equal((await send("/health", "", "PUT")).status, 405);
});

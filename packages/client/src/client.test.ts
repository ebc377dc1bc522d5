/**
 * Goal: what a caller relies on when handing events over. Each event ends in exactly one place: in
 * the log once, or as an error that was told. In order, in bounded memory, through every failure of
 * server and network.
 *
 * Method: a client with a clock that does not wait, against `ScriptedLog`, a real HTTP server that
 * fails as told.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  CairnClient,
  type CairnClientOptions,
  type CairnError,
  type CairnEvent,
  type FailureReport,
} from "./index.ts";
import { FastClock, ScriptedLog, until, type Step } from "./scripted-log.testing.ts";

let log: ScriptedLog;
let clock: FastClock;
let reports: { error: CairnError; report: FailureReport }[];

beforeEach(async () => {
  log = await ScriptedLog.open();
  clock = new FastClock();
  reports = [];
});
afterEach(() => log.close());

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({
    url: log.url,
    clock,
    random: (bytes) => bytes.fill(0),
    onError: (error, report) => reports.push({ error, report }),
    ...options,
  });
}

function event(id: string, action = "SELECT"): CairnEvent {
  return { id, type: "database.query", actor: { id: "alice" }, action };
}

function ids(count: number, prefix = "e"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

const lost = (): string[] =>
  reports.filter((r) => !r.report.willRetry).map((r) => `${r.report.eventId} ${r.error.code}`);

test("one event: its receipt, its bytes, the key", async () => {
  const cairn = open({ key: "k-1" });
  const receipt = await cairn.log({ type: "api.call", actor: { id: "bob" }, action: "GET" });
  assert.equal(receipt.seq, 0);
  assert.equal(receipt.origin, log.origin);
  assert.equal(receipt.duplicate, false);
  assert.equal(receipt.checkpoint, await log.checkpoint(1));
  const id = "01M83CCY40" + "0".repeat(16);
  assert.deepEqual(log.recordedEvents, [
    `{"id":"${id}","type":"api.call","actor":{"id":"bob"},"action":"GET","time":"2026-11-23T05:00:00.000Z"}`,
  ]);
  assert.equal(receipt.eventId, id);
  assert.equal(log.requests[0]!.authorization, "Bearer k-1");
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(receipt)) as object).sort(), [
    "checkpoint",
    "duplicate",
    "eventId",
    "leafHash",
    "origin",
    "seq",
  ]);
});

test("what is queued while a request is under way goes in the next one, in order", async () => {
  const cairn = open({ batchEventsMax: 4 });
  log.script.push("hold");
  const first = ids(2).map((id) => cairn.log(event(id)));
  await until(() => log.requests.length === 1);
  const rest = ids(9, "f").map((id) => cairn.log(event(id)));
  log.release();
  const receipts = await Promise.all([...first, ...rest]);
  assert.deepEqual(
    receipts.map((r) => r.seq),
    receipts.map((_, i) => i),
  );
  assert.deepEqual(
    log.requests.map((r) => r.ids.length),
    [2, 4, 4, 1],
  );
  assert.deepEqual(log.recordedIds, [...ids(2), ...ids(9, "f")]);
  assert.deepEqual(clock.delays, [], "no timer but the time limit");
});

const passing: Step[] = [
  ...[408, 429, 500, 502, 503, 504, 507].map((status) => ({ status })),
  "drop before",
  "drop after",
  { body: "<html>log in to the network</html>", type: "text/html" },
  { body: '{"recorded":1,"refused":0,"checkpoint":"x","results":[]}' },
];

for (const step of passing) {
  test(`tried again, recorded once: ${JSON.stringify(step)}`, async () => {
    log.script.push(step, step);
    const cairn = open();
    const receipts = await Promise.all(ids(3).map((id) => cairn.log(event(id))));
    assert.deepEqual(log.recordedIds, ids(3));
    assert.deepEqual(
      receipts.map((r) => r.seq),
      [0, 1, 2],
    );
    assert.equal(receipts[0]!.duplicate, step === "drop after");
    assert.equal(log.requests.length, 3);
    assert.equal(new Set(log.requests.map((r) => r.body)).size, 1, "the same bytes each time");
    // Half of each delay is left to chance, which is 0 here.
    assert.deepEqual(clock.delays, [100, 200]);
    assert.deepEqual(
      reports.map((r) => r.report),
      [{ willRetry: true }],
      "one report an outage",
    );
    assert.equal(cairn.status().failingSince, undefined);
  });
}

test("Retry-After is honoured, in seconds and as a date, and not for ever", async () => {
  const headers = (value: string): Step => ({ status: 503, headers: { "retry-after": value } });
  log.script.push(headers("7"), headers("Mon, 23 Nov 2026 05:00:19 GMT"), headers("soon"));
  const cairn = open();
  await cairn.log(event("a"));
  assert.deepEqual(clock.delays, [7_000, 12_000, 400]);
  clock.isHeld = true;
  log.script.push(headers("99999999"));
  const promise = cairn.log(event("b"));
  await until(() => clock.heldDelays.length > 0 && log.requests.length === 5);
  await until(() => clock.heldDelays.includes(600_000));
  clock.expire(600_000);
  assert.equal((await promise).seq, 1);
});

test("an answer that never comes is given up and asked again", async () => {
  log.script.push("hang");
  const cairn = open({ requestTimeoutMs: 25_000 });
  const promise = cairn.log(event("a"));
  await until(() => log.requests.length === 1);
  clock.expire(25_000);
  assert.equal((await promise).seq, 0);
  assert.match(reports[0]!.error.message, /no answer within 25000 ms/);
});

test("an event that is refused does not cost the others; its pointer comes back", async () => {
  const cairn = open();
  const refused = cairn.log(event("bad", log.refusedAction));
  const results = await Promise.allSettled([cairn.log(event("a")), refused, cairn.log(event("b"))]);
  assert.deepEqual(
    results.map((r) => r.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  await assert.rejects(refused, { code: "invalid", place: { pointer: "/action" } });
  await assert.rejects(cairn.log(event("a", "DELETE")), { code: "conflict" });
  await assert.rejects(cairn.log(event("c", log.refusedAction)), { code: "invalid" });
  assert.deepEqual(lost(), ["bad invalid", "a conflict", "c invalid"]);
  assert.deepEqual(log.recordedIds, ["a", "b"]);
  assert.equal(log.requests.length, 3, "nothing was tried twice");
});

for (const [status, code] of [
  [401, "unauthenticated"],
  [403, "forbidden"],
  [404, "not_found"],
  [415, "unsupported_media"],
  [422, "invalid"],
] as const) {
  test(`${status} rejects the batch, and the client goes on`, async () => {
    log.script.push({ status, code });
    const cairn = open();
    const both = await Promise.allSettled(ids(2).map((id) => cairn.log(event(id))));
    for (const one of both) {
      assert.equal(one.status, "rejected");
      assert.equal((one.reason as CairnError).code, code);
    }
    assert.deepEqual(lost(), [`e0 ${code}`, `e1 ${code}`]);
    assert.equal((await cairn.log(event("next"))).seq, 0);
  });
}

test("a redirect is not followed with events and key", async () => {
  log.script.push({ status: 307, headers: { location: "https://elsewhere.example/" } });
  await assert.rejects(open().log(event("a")), { code: "usage", message: /elsewhere/ });
  assert.equal(log.requests.length, 1);
});

test("413 splits the batch until it fits, keeps the order, and remembers", async () => {
  log.eventsMax = 3;
  const cairn = open();
  const receipts = await Promise.all(ids(10).map((id) => cairn.log(event(id))));
  assert.deepEqual(
    receipts.map((r) => r.seq),
    receipts.map((_, i) => i),
  );
  assert.deepEqual(log.recordedIds, ids(10));
  assert.deepEqual(
    log.requests.map((r) => r.ids.length),
    [10, 5, 3, 2, 5, 3, 2],
  );
  await Promise.all(ids(8, "f").map((id) => cairn.log(event(id))));
  const later = log.requests.slice(7).map((r) => r.ids.length);
  assert.ok(
    later.every((count) => count <= 3),
    `${later}`,
  );
  log.eventsMax = 0;
  await assert.rejects(cairn.log(event("g")), { code: "too_large" });
});

test("memory is bounded: a full queue rejects at once, and each rejection is told", async () => {
  const cairn = open({ queueEventsMax: 5 });
  log.script.push("hold");
  const kept = ids(5).map((id) => cairn.log(event(id)));
  await until(() => log.requests.length === 1);
  await assert.rejects(cairn.log(event("sixth")), { code: "overloaded" });
  assert.deepEqual(lost(), ["sixth overloaded"]);
  assert.equal(cairn.status().queuedEvents, 5);
  log.release();
  await Promise.all(kept);
  assert.deepEqual(
    { ...cairn.status() },
    {
      queuedEvents: 0,
      queuedBytes: 0,
      recordedEvents: 5,
      rejectedEvents: 1,
      failingSince: undefined,
      lastError: undefined,
      watch: undefined,
    },
  );
  assert.equal((await cairn.log(event("again"))).seq, 5);

  const byBytes = open({ queueBytesMax: 1_000 });
  const large = (id: string): Promise<unknown> =>
    byBytes.log({ ...event(id), note: "x".repeat(600) });
  await Promise.all([large("g1"), assert.rejects(large("g2"), { code: "overloaded" })]);
});

test("whenFull wait takes the event all the same", async () => {
  const cairn = open({ queueEventsMax: 2, whenFull: "wait" });
  const receipts = await Promise.all(ids(7).map((id) => cairn.log(event(id))));
  assert.deepEqual(
    receipts.map((r) => r.seq),
    [0, 1, 2, 3, 4, 5, 6],
  );
});

test("retryForMs ends the tries of what is too old, and only of that", async () => {
  const cairn = open({ retryForMs: 1_000, retryDelayMs: 600 });
  log.script.push({ status: 503 }, { status: 503 }, { status: 503 });
  clock.isHeld = true;
  const old = cairn.log(event("old"));
  await until(() => clock.heldDelays.includes(300));
  clock.expire(300);
  await until(() => clock.heldDelays.includes(600));
  clock.ms += 500;
  const young = cairn.log(event("young"));
  clock.expire(600);
  await assert.rejects(old, { code: "unavailable", message: /same id is safe/ });
  assert.equal((await young).seq, 0);
  assert.deepEqual(lost(), ["old unavailable"]);
});

test("retryForMs is counted for each event of a batch", async () => {
  const cairn = open({ retryForMs: 1_000 });
  log.script.push("hold", { status: 503 });
  const first = cairn.log(event("first"));
  await until(() => log.requests.length === 1);
  const old = cairn.log(event("old"));
  clock.ms += 600;
  const young = cairn.log(event("young"));
  clock.ms += 600;
  log.release();
  await first;
  await assert.rejects(old, { code: "unavailable" });
  assert.equal((await young).seq, 1);
  assert.deepEqual(
    log.requests.map((r) => r.ids),
    [["first"], ["old", "young"], ["young"]],
  );
});

test("status tells since when it fails, and why", async () => {
  const cairn = open();
  clock.isHeld = true;
  log.script.push({ status: 503 }, { status: 507, code: "storage_full" });
  const promise = cairn.log(event("a"));
  await until(() => clock.heldDelays.includes(100));
  clock.expire(100);
  await until(() => clock.heldDelays.includes(200));
  const { failingSince, lastError, queuedEvents } = cairn.status();
  assert.equal(failingSince?.toISOString(), "2026-11-23T05:00:00.000Z");
  assert.equal(lastError?.code, "storage_full");
  assert.equal(queuedEvents, 1);
  clock.expire(200);
  await promise;
});

test("large batches are zipped, and a retry sends the same bytes", async () => {
  const cairn = open({ gzipBytesMin: 1_000 });
  log.script.push("drop after");
  await Promise.all(ids(50).map((id) => cairn.log(event(id))));
  await cairn.log(event("small"));
  assert.deepEqual(
    log.requests.map((r) => r.encoding),
    ["gzip", "gzip", undefined],
  );
  assert.ok(log.requests[0]!.byteLength < log.requests[0]!.body.length / 4);
  assert.deepEqual(log.recordedIds, [...ids(50), "small"]);
});

test("lingerMs waits for company, and not when the batch is full or somebody flushes", async () => {
  const cairn = open({ lingerMs: 50, batchEventsMax: 3 });
  clock.isHeld = true;
  const lone = cairn.log(event("lone"));
  await until(() => clock.heldDelays.includes(50));
  assert.equal(log.requests.length, 0);
  clock.expire(50);
  await lone;
  const full = ids(3).map((id) => cairn.log(event(id)));
  await Promise.all(full);
  const flushed = cairn.log(event("flushed"));
  await until(() => clock.heldDelays.includes(50));
  await cairn.flush();
  assert.equal((await flushed).seq, 4);
  const atOnce = cairn.log(event("flushed before it lingered"));
  await cairn.flush();
  assert.equal((await atOnce).seq, 5);
  assert.deepEqual(
    log.requests.map((r) => r.ids.length),
    [1, 3, 1, 1],
  );
});

test("the caller's object may change after log() has returned", async () => {
  const mutable = { ...event("a"), details: { value: 1 } };
  const cairn = open();
  const promise = cairn.log(mutable);
  mutable.details.value = 2;
  await promise;
  assert.match(log.recordedEvents[0]!, /"value":1/);
});

/**
 * Goal: over HTTP, nothing is lost silently: heartbeats, refusals summed for each identity and minute, quotas of keys,
 * silence that a key agreed to, and the report of it all.
 * Method: a real server before a log whose clock the test winds.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { parseEntryHead } from "@cairnlog/core";
import { createLog, type ContinuityReport, type Log } from "@cairnlog/log";
import { memoryStore } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import { apiKeysPath, keyRing } from "./index.ts";
import { AgreedSilences } from "./agreed-silences.ts";
import { serve, type TestServer } from "./serving.test.ts";
import { noSources } from "./sources/source-ring.ts";

const json = { "content-type": "application/json" };
const lines = { "content-type": "application/x-ndjson" };

interface Timed extends TestServer {
  readonly clock: ManualClock;
  readonly timed: Log;
}

async function serveTimed(t: TestContext): Promise<Timed> {
  const clock = new ManualClock();
  const timed = await createLog(
    memoryStore(),
    { name: "main", origin: "example.com/m" },
    { clock },
  );
  const logs = {
    get: (name: string) => (name === "main" ? timed : undefined),
    list: () => [timed],
  };
  const create = (): Promise<Log> => Promise.reject(new Error("there is one log"));
  const registry = { ...logs, create };
  const served = await serve(t, { logs: registry, clock });
  t.after(() => timed.close());
  return { ...served, logs: registry, clock, timed };
}

function event(number: number): string {
  const sequence = { stream: "s", number };
  return JSON.stringify({ type: "a.b", actor: { id: "c" }, action: "d", sequence });
}

interface Own {
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
}

async function told(log: Log): Promise<Own[]> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  const own: Own[] = [];
  for await (const { bytes } of log.entries(0, log.status().size)) {
    const event = JSON.parse(new TextDecoder().decode(parseEntryHead(bytes).event)) as Own;
    if (event.type.startsWith("source.")) own.push(event);
  }
  return own;
}

test("a heartbeat is no entry; what it names and never comes is a gap, and in the report", async (t) => {
  const { send, clock, timed, newKey } = await serveTimed(t);
  const key = newKey({ source: "shop", scopes: ["write"] });
  const path = "/v1/logs/main/events";
  const recorded = await send({
    method: "POST",
    path,
    key,
    headers: lines,
    body: [1, 3].map(event).join("\n"),
  });
  assert.equal(recorded.status, 200);
  await told(timed);
  const { size } = timed.status();
  const beat = (streams: unknown): ReturnType<typeof send> =>
    send({
      method: "POST",
      path: "/v1/logs/main/heartbeat",
      key,
      headers: json,
      body: JSON.stringify({ streams }),
    });
  assert.equal((await beat([{ stream: "s", number: 5 }])).status, 204);
  assert.equal((await beat([{ stream: "s", number: -1 }])).status, 400);
  assert.equal((await beat([{ stream: "white space", number: 1 }])).status, 400);
  assert.equal(timed.status().size, size);
  clock.advance(30_000);
  assert.equal((await told(timed)).length, 2);
  const query = "since=2025-12-31T00:00:00Z&source=shop";
  const answer = await send({ path: `/v1/logs/main/continuity?${query}` });
  const report = JSON.parse(answer.text) as ContinuityReport;
  const [shop, ...others] = report.sources;
  assert.deepEqual(others, []);
  assert.deepEqual(shop?.streams[0]?.gaps, [
    { from: 2, to: 2 },
    { from: 4, to: 5 },
  ]);
  assert.equal(shop.streams[0].missing, 3);
  assert.equal(shop.events, 2);
  assert.equal((await send({ path: "/v1/logs/main/continuity?since=yesterday" })).status, 400);
});

test("what is refused is summed for each identity and minute, in the log it was meant for", async (t) => {
  const { send, clock, timed, newKey } = await serveTimed(t);
  const key = newKey({ source: "shop", scopes: ["write"] });
  const id = /^cairn_([a-z0-9]+)_/.exec(key)![1]!;
  const path = "/v1/logs/main/events";
  for (let i = 0; i < 3; i++)
    await send({ method: "POST", path, key: null, headers: json, body: event(1) });
  await send({
    method: "POST",
    path: "/v1/logs/other/events",
    key: null,
    headers: json,
    body: event(1),
  });
  await send({ path, key });
  const single = await send({ method: "POST", path, key, headers: json, body: '{"type":"a.b"}' });
  assert.equal(single.status, 422);
  const batch = await send({
    method: "POST",
    path,
    key,
    headers: lines,
    body: `${event(1)}\n{"no":1}\n{`,
  });
  assert.equal(batch.status, 207);
  // What a reader asks for in vain is no refusal of a source; nor is what an operator looks at.
  await send({ path: "/v1/logs/main/events/999" });
  await send({ path: "/healthz", key: null });
  assert.deepEqual(await told(timed), []);
  clock.advance(60_000);
  const own = await told(timed);
  assert.deepEqual(
    own.map(({ type, details: { identity, source, codes } }) => ({
      type,
      identity,
      source,
      codes,
    })),
    [
      {
        ...{ type: "source.refused", identity: "anonymous", source: undefined },
        codes: { unauthenticated: 3 },
      },
      {
        ...{ type: "source.refused", identity: id, source: "shop" },
        codes: { forbidden: 1, invalid: 2, malformed: 1 },
      },
    ],
  );
});

test("a key's quota: 429 with when to come again, and full again later", async (t) => {
  const { send, clock, timed, newKey } = await serveTimed(t);
  const key = newKey({ source: "shop", scopes: ["write"], quota: { eventsPerSecond: 2 } });
  const path = "/v1/logs/main/events";
  const record = (number: number): ReturnType<typeof send> =>
    send({ method: "POST", path, key, headers: json, body: event(number) });
  assert.equal((await record(1)).status, 201);
  assert.equal((await record(2)).status, 201);
  const refused = await record(3);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers["retry-after"], "1");
  clock.advance(1000);
  assert.equal((await record(3)).status, 201);
  clock.advance(60_000);
  assert.deepEqual(
    (await told(timed)).map(({ details }) => details["codes"]),
    [{ overloaded: 1 }],
  );
});

test("a key that agreed to speak: the log is told, and notices", async (t) => {
  const { clock, timed, newKey, folder, logs } = await serveTimed(t);
  newKey({ source: "shop", scopes: ["write"], logs: ["main"], silentAfterMs: 60_000 });
  assert.throws(() => newKey({ silentAfterMs: 1000 }), /names its logs/);
  const silences = new AgreedSilences(logs, keyRing(apiKeysPath(folder), clock), noSources);
  silences.look();
  await told(timed);
  clock.advance(60_002);
  const [silent] = await told(timed);
  assert.equal(silent?.type, "source.silent");
  assert.equal(silent.details["source"], "shop");
});

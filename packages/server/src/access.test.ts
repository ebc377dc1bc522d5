/**
 * Goal: no route can be reached without the key that it requires, and none is forgotten. Method:
 * every route that the server has, times every kind of wrong key; the table here must name each
 * route.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Scope } from "./index.ts";
import { eventText, serve, type Sent } from "./serving.test.ts";

const blob = createHash("sha256").update("blob").digest("hex");

type Requirement = Scope | "any" | "none";

const json = { "content-type": "application/json" };
/** What each route takes to be answered well. */
const routes: Record<
  string,
  {
    requires: Requirement;
    sent: Sent;
    isOfLog?: boolean;
    status?: number;
    /** Of a protocol that tells a wrong token from none. */
    wrongToken?: number;
  }
> = {
  "POST /v1/logs": {
    requires: "operate",
    sent: { method: "POST", path: "/v1/logs", headers: json, body: '{"name":"new"}' },
  },
  "GET /v1/logs": { requires: "any", sent: { path: "/v1/logs" } },
  "GET /v1/logs/:log": { requires: "any", sent: { path: "/v1/logs/main" }, isOfLog: true },
  "GET /v1/logs/:log/witnesses": reads("/v1/logs/main/witnesses"),
  "POST /v1/logs/:log/events": {
    requires: "write",
    sent: { method: "POST", path: "/v1/logs/main/events", headers: json, body: eventText("a") },
    isOfLog: true,
  },
  "GET /v1/logs/:log/events": reads("/v1/logs/main/events"),
  "GET /v1/logs/:log/events/:seq": reads("/v1/logs/main/events/0"),
  "GET /v1/logs/:log/events/:seq/proof": reads("/v1/logs/main/events/0/proof"),
  "POST /v1/logs/:log/evidence": {
    requires: "read",
    sent: {
      method: "POST",
      path: "/v1/logs/main/evidence",
      headers: json,
      body: '{"seqs":["0"],"why":"?"}',
    },
    isOfLog: true,
    status: 200,
  },
  "PUT /v1/logs/:log/blobs/:sha256": {
    requires: "write",
    sent: { method: "PUT", path: `/v1/logs/main/blobs/${blob}`, body: "blob" },
    isOfLog: true,
    status: 201,
  },
  "GET /v1/logs/:log/blobs/:sha256": reads(`/v1/logs/main/blobs/${blob}`),
  "POST /v1/logs/:log/heartbeat": {
    requires: "write",
    sent: {
      method: "POST",
      path: "/v1/logs/main/heartbeat",
      headers: json,
      body: '{"streams":[{"stream":"s","number":0}]}',
    },
    isOfLog: true,
    status: 204,
  },
  "GET /v1/logs/:log/continuity": reads("/v1/logs/main/continuity"),
  "GET /v1/logs/:log/consistency": {
    requires: "any",
    sent: { path: "/v1/logs/main/consistency?from=1" },
    isOfLog: true,
  },
  "GET /v1/logs/:log/checkpoint": {
    requires: "any",
    sent: { path: "/v1/logs/main/checkpoint" },
    isOfLog: true,
  },
  "GET /logs/:log/checkpoint": reads("/logs/main/checkpoint"),
  "GET /logs/:log/tile/:level/*": reads("/logs/main/tile/0/000.p/1"),
  "GET /logs/:log/tile/entries/*": reads("/logs/main/tile/entries/000.p/1"),
  ...Object.fromEntries(
    ["GET", "POST", "PUT", "OPTIONS"].flatMap((method) => [
      [`${method} /v1/logs/:log/sources/:source`, toSource(method, "")],
      [`${method} /v1/logs/:log/sources/:source/*`, toSource(method, "/v1/logs")],
    ]),
  ),
  ...Object.fromEntries(
    ["", "/*"].flatMap((below) => {
      const path = `/services/collector${below.replace("*", "event")}`;
      return [
        ...["GET", "POST"].map((method): [string, (typeof routes)[string]] => [
          `${method} /services/collector${below}`,
          { requires: "any", sent: { method, path }, status: 401, wrongToken: 403 },
        ]),
        [
          `OPTIONS /services/collector${below}`,
          { requires: "none", sent: { method: "OPTIONS", path } },
        ] as [string, (typeof routes)[string]],
      ];
    }),
  ),
  "GET /healthz": { requires: "none", sent: { path: "/healthz" } },
  "GET /readyz": { requires: "none", sent: { path: "/readyz" } },
  "GET /metrics": { requires: "operate", sent: { path: "/metrics" } },
  "GET /openapi.json": { requires: "any", sent: { path: "/openapi.json" } },
  "GET /errors": { requires: "none", sent: { path: "/errors" } },
  "GET /errors/:code": { requires: "none", sent: { path: "/errors/invalid" } },
};

function reads(path: string): (typeof routes)[string] {
  return { requires: "read", sent: { path }, isOfLog: true };
}

/** Sources prove themselves in ways of their own: to them no API key is any good. */
function toSource(method: string, below: string): (typeof routes)[string] {
  const path = `/v1/logs/main/sources/github${below}`;
  return { requires: "any", sent: { method, path }, status: 401 };
}

test("every route with every kind of key", async (t) => {
  const served = await serve(t);
  const known = served.server.routes
    .filter(({ method }) => method !== "HEAD")
    .map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(known.toSorted(), Object.keys(routes).toSorted(), "the table names all routes");

  const keys = {
    write: served.newKey({ scopes: ["write"] }),
    read: served.newKey({ scopes: ["read"] }),
    operate: served.newKey({ scopes: ["operate"] }),
    otherLog: served.newKey({ logs: ["other"] }),
    expired: served.newKey({ expires: "2020-01-01T00:00:00.000Z" }),
  };
  const stranger = `cairn_${"a".repeat(10)}_${"A".repeat(43)}`;
  const wrongSecret = `${served.key.slice(0, -1)}${served.key.endsWith("A") ? "B" : "A"}`;
  const status = async (sent: Sent, key: string | null): Promise<number> =>
    (await served.send({ ...sent, key })).status;

  for (const [name, { requires, sent, isOfLog, wrongToken = 401 }] of Object.entries(routes)) {
    const { size } = served.log.status();
    for (const key of [null, "x", stranger, wrongSecret, keys.expired]) {
      assert.equal(await status(sent, key), requires === "none" ? 200 : 401, `${name} with ${key}`);
    }
    const basic = { ...sent.headers, authorization: `Basic ${served.key}` };
    const refused = requires === "none" ? 200 : wrongToken;
    assert.equal(await status({ ...sent, headers: basic }, null), refused);
    for (const scope of ["write", "read", "operate"] as const) {
      if (requires === scope || requires === "any" || requires === "none") continue;
      assert.equal(await status(sent, keys[scope]), 403, `${name} with a key to ${scope}`);
    }
    if (isOfLog === true) {
      assert.equal(await status(sent, keys.otherLog), 403, `${name} with a key for another log`);
      const unknown = { ...sent, path: sent.path.replace("main", "nowhere") };
      assert.equal(await status(unknown, served.key), 404, `${name} of an unknown log`);
      assert.equal(
        await status(unknown, keys.otherLog),
        403,
        `${name}: a log that nobody may know of`,
      );
    }
    assert.equal(served.log.status().size, size, `${name}: nothing was recorded`);
    assert.equal(served.logs.get("new"), undefined, `${name}: no log was made`);
  }
  assert.equal(
    await status(routes["POST /v1/logs"]!.sent, keys.otherLog),
    403,
    "a log of another name",
  );
  assert.equal(
    await status(routes["GET /metrics"]!.sent, keys.otherLog),
    403,
    "figures of all logs",
  );

  for (const [name, { requires, sent, status: good }] of Object.entries(routes)) {
    const key = requires === "none" || requires === "any" ? keys.read : keys[requires];
    const expected = good ?? (sent.method === "POST" ? 201 : 200);
    assert.equal(await status(sent, key), expected, `${name} with the right key`);
    if (sent.method === undefined) {
      assert.equal(
        await status({ ...sent, method: "HEAD" }, null),
        requires === "none" ? 200 : 401,
      );
    }
  }
});

test("a public log's tiles are for everybody, and nothing else of it is", async (t) => {
  const served = await serve(t);
  const body = '{"name":"open","public":true}';
  const created = await served.send({ method: "POST", path: "/v1/logs", headers: json, body });
  assert.equal(created.status, 201);
  for (const [name, { requires, sent }] of Object.entries(routes)) {
    if (requires !== "read") continue;
    const answer = await served.send({
      ...sent,
      path: sent.path.replace("main", "open"),
      key: null,
    });
    assert.equal(answer.status, name.startsWith("GET /logs/") ? 200 : 401, name);
    if (!name.includes("tile")) continue;
    assert.equal(answer.headers["cache-control"], "public, max-age=31536000, immutable");
  }
});

test("a refusal for want of a key says how to send one, and is counted", async (t) => {
  const served = await serve(t);
  const answer = await served.send({ path: "/v1/logs", key: null });
  assert.equal(answer.headers["www-authenticate"], "Bearer");
  const metrics = await served.send({ path: "/metrics" });
  assert.match(metrics.text, /^cairn_auth_failures_total\{code="unauthenticated"\} 1$/m);
});

test("a host name is checked on every route", async (t) => {
  const served = await serve(t, { hostNames: ["Logs.example.com", "exact.example.com:1234"] });
  const statusFor = async (host: string): Promise<number> =>
    (await served.send({ path: "/healthz", headers: { host } })).status;
  const good = [`localhost:${served.port}`, `LOCALHOST:${served.port}`, `127.0.0.1:${served.port}`];
  good.push(
    `[::1]:${served.port}`,
    "logs.example.com",
    "logs.example.com:8443",
    "exact.example.com:1234",
  );
  for (const host of good) assert.equal(await statusFor(host), 200, host);
  const bad = [
    "localhost",
    "localhost:1",
    "evil.example",
    `evil.example:${served.port}`,
    "127.0.0.1",
  ];
  bad.push(
    "exact.example.com",
    "logs.example.com.evil.example",
    "x.logs.example.com",
    "localhost:",
  );
  for (const host of bad) assert.equal(await statusFor(host), 421, host);
  for (const { sent } of Object.values(routes)) {
    const headers = { ...sent.headers, host: `evil.example:${served.port}` };
    assert.equal((await served.send({ ...sent, headers })).status, 421, sent.path);
  }
});

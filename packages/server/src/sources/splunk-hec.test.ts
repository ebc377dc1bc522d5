/**
 * Goal: whatever speaks to Splunk's HTTP Event Collector speaks to the log, at the collector's own addresses and with
 * its own words for what went wrong; and an ack id says "durable" only of what is, before and after a restart.
 * Method: a real server and log; a real sender (`splunk_handler` of PyPI, for Python's `logging`); then requests as the
 * collector's documentation has them, right and wrong in every way that it names.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { missingProgram } from "@cairnlog/testing";
import { CairnError, parseEntryHead } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { addSource, type Source } from "../index.ts";
import {
  disguised,
  serve,
  type Answer,
  type TestServer,
  type TestServerOptions,
} from "../serving.test.ts";

const token = "B5A79AAD-D822-46CC-80D1-819F80D7BFB0";
const otherToken = "0AEEAC95-AC74-4AA9-B30D-6C4C0AC581BA";
const channel = "FE0ECFAD-13D5-401B-847D-77833BD77131";
const success = '{"text":"Success","code":0}';

interface HecServer extends TestServer {
  readonly hec: (path: string, sent?: Partial<HecRequest>) => Promise<Answer>;
}

interface HecRequest {
  readonly method: string;
  readonly body: string | Uint8Array;
  readonly token: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

async function serveHec(t: TestContext, options: TestServerOptions = {}): Promise<HecServer> {
  const served = await serve(t, options);
  for (const [name, secret] of [
    ["splunk", token],
    ["other", otherToken],
  ] as const) {
    addSource(served.folder, newSource(name, secret));
  }
  return { ...served, hec: (path, sent = {}) => hec(served, path, sent) };
}

function newSource(name: string, secret: string, options: Source["options"] = {}): Source {
  const created = "2026-11-23T05:00:00.000Z";
  return { name, kind: "splunk-hec", log: "main", secrets: [secret], options, created };
}

function hec(served: TestServer, path: string, sent: Partial<HecRequest>): Promise<Answer> {
  const sender = "token" in sent ? sent.token : token;
  const authorization = sender === undefined ? {} : { authorization: `Splunk ${sender}` };
  return served.send({
    method: sent.method ?? "POST",
    path: `/services/collector${path}`,
    key: null,
    headers: { ...authorization, ...sent.headers },
    body: sent.body ?? '{"event":"hello"}',
  });
}

async function eventsOf(log: Log): Promise<{ source: string; [member: string]: unknown }[]> {
  const found = [];
  for await (const { bytes } of log.entries(1, log.status().size)) {
    const { source, event } = parseEntryHead(bytes);
    const read = JSON.parse(new TextDecoder().decode(event)) as Record<string, unknown>;
    found.push({ source, ...read });
  }
  return found;
}

test("every address of the collector; the token finds the source", async (t) => {
  const served = await serveHec(t);
  for (const path of ["", "/event", "/event/1.0", "/raw", "/raw/1.0"]) {
    const answer = await served.hec(path);
    assert.deepEqual([answer.status, answer.text], [200, success], path);
    assert.match(answer.headers["content-type"]!, /^application\/json/);
  }
  assert.equal((await served.hec("", { token: otherToken })).text, success);
  const basic = Buffer.from(`anybody:${token}`).toString("base64");
  const headers = { authorization: `Basic ${basic}`, "content-encoding": "gzip" };
  const body = gzipSync('{"event":{"user":"alice"}}\n{"event":{"user":"bob"}}');
  assert.equal((await served.hec("/event", { token: undefined, headers, body })).text, success);
  const found = await eventsOf(served.log);
  assert.deepEqual(
    found.map(({ source }) => source),
    ["splunk", "splunk", "splunk", "splunk", "splunk", "other", "splunk", "splunk"],
  );
  assert.deepEqual(
    found.slice(-2).map(({ actor }) => actor),
    [{ id: "alice" }, { id: "bob" }],
  );
  // The source's own address works as well, for senders that are given a whole one.
  const own = await served.send({
    method: "POST",
    path: "/v1/logs/main/sources/splunk/services/collector/event",
    key: null,
    headers: { authorization: `Splunk ${token}` },
    body: '{"event":"x"}',
  });
  assert.equal(own.text, success);
});

test("health, without a token; what Docker asks before it starts a container", async (t) => {
  const served = await serveHec(t);
  for (const [method, path] of [
    ["GET", "/health"],
    ["GET", "/health/1.0"],
    ["OPTIONS", "/event/1.0"],
    ["OPTIONS", ""],
  ] as const) {
    const answer = await served.hec(path, { method, token: undefined, body: "" });
    assert.deepEqual(
      [answer.status, answer.text],
      [200, '{"text":"HEC is healthy","code":17}'],
      `${method} ${path}`,
    );
  }
});

test("the collector's codes and texts for all that goes wrong", async (t) => {
  const served = await serveHec(t, { limits: { jsonBytesMax: 10_000 } });
  addSource(served.folder, newSource("query", "query-token", { queryToken: "yes" }));
  const { size } = served.log.status();
  const authorization = (value: string): Partial<HecRequest> => ({
    token: undefined,
    headers: { authorization: value },
  });
  const wrong: [string, Partial<HecRequest>, number, string][] = [
    ["", { token: undefined }, 401, '{"text":"Token is required","code":2}'],
    ["", authorization("Bearer x"), 401, '{"text":"Invalid authorization","code":3}'],
    ["", authorization(`Token ${token}`), 401, '{"text":"Invalid authorization","code":3}'],
    ["", { token: token.toLowerCase() }, 403, '{"text":"Invalid token","code":4}'],
    [`?token=${token}`, { token: undefined }, 401, '{"text":"Token is required","code":2}'],
    ["", { body: "" }, 400, '{"text":"No data","code":5}'],
    ["/raw", { body: "\n" }, 400, '{"text":"No data","code":5}'],
    ["", { body: "{" }, 400, '{"text":"Invalid data format","code":6,"invalid-event-number":0}'],
    ["", { body: "x" }, 400, '{"text":"Invalid data format","code":6,"invalid-event-number":0}'],
    [
      "",
      { body: '{"host":"h"}' },
      400,
      '{"text":"Event field is required","code":12,"invalid-event-number":0}',
    ],
    [
      "",
      { body: '{"event":""}' },
      400,
      '{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}',
    ],
    [
      "",
      { body: '{"event":"x","fields":{"a":{}}}' },
      400,
      '{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}',
    ],
    ["/ack", { body: '{"acks":[0]}' }, 400, '{"text":"Data channel is missing","code":10}'],
    [
      "/event?channel=not%20a%20name",
      { body: '{"event":"x"}' },
      400,
      '{"text":"Invalid data channel","code":11}',
    ],
    [`/ack?channel=${channel}`, { body: "{}" }, 400, '{"text":"Invalid data format","code":6}'],
    ["/s2s", {}, 404, '{"text":"Invalid data format","code":6}'],
    ["", { body: "x".repeat(20_000) }, 413, '{"text":"Invalid data format","code":6}'],
  ];
  for (const [path, sent, status, text] of wrong) {
    const answer = await served.hec(path, sent);
    assert.deepEqual([answer.status, answer.text], [status, text], `${path} ${sent.body}`);
  }
  assert.equal(served.log.status().size, size);
  const asked = await served.hec("?token=query-token", { token: undefined });
  assert.equal(asked.text, success);
});

test("what can be read of a batch is recorded; the sender hears which one could not", async (t) => {
  const served = await serveHec(t);
  const body = '{"time":1,"event":"one"}{"time":2}{"time":3,"event":"three"}';
  for (const attempt of [1, 2]) {
    const answer = await served.hec("", { body });
    const text = '{"text":"Event field is required","code":12,"invalid-event-number":1}';
    assert.deepEqual([answer.status, answer.text], [400, text], String(attempt));
  }
  const found = await eventsOf(served.log);
  assert.deepEqual(
    found.map(({ details }) => (details as { event: string }).event),
    ["one", "three"],
  );
});

test("a log that is busy is Splunk's `Server is busy`: all of its senders try again", async (t) => {
  const busy = new CairnError("overloaded", "busy", { retryAfterMs: 5000 });
  const served = await serveHec(t, {
    disguise: (log) => disguised(log, { append: () => Promise.reject(busy) }),
  });
  const answer = await served.hec("", { headers: { "x-splunk-request-channel": channel } });
  assert.deepEqual([answer.status, answer.text], [503, '{"text":"Server is busy","code":9}']);
  assert.equal(answer.headers["retry-after"], "5");
});

test("ack ids are true from the answer on, in their channel, also for another server", async (t) => {
  const served = await serveHec(t);
  const headers = { "x-splunk-request-channel": channel };
  const sent = { headers, body: '{"time":1764000000.5,"event":"kept"}' };
  const first = JSON.parse((await served.hec("/event", sent)).text) as { ackId: number };
  const again = JSON.parse((await served.hec("/event", sent)).text) as { ackId: number };
  assert.ok(Number.isSafeInteger(first.ackId));
  assert.equal(again.ackId, first.ackId);
  // The same batch is the same event.
  assert.equal((await eventsOf(served.log)).length, 1);
  const { ackId } = first;
  const ask = (from: HecServer, of: string, by = token): Promise<Answer> =>
    from.hec(`/ack?channel=${of}`, { token: by, body: JSON.stringify({ acks: [0, ackId] }) });
  const known = `{"acks":{"0":false,"${ackId}":true}}`;
  const unknown = `{"acks":{"0":false,"${ackId}":false}}`;
  assert.equal((await ask(served, channel)).text, known);
  assert.equal((await ask(served, channel.toLowerCase())).text, known);
  assert.equal((await ask(served, otherToken)).text, unknown);
  assert.equal((await ask(served, channel, otherToken)).text, unknown);
  // No memory of it is needed: as after a restart.
  const restarted = await serveHec(t);
  assert.equal((await ask(restarted, channel)).text, known);
});

const handler = fileURLToPath(
  new URL("../../../../node_modules/.cache/splunk-handler", import.meta.url),
);
const what =
  "splunk_handler is not installed (python3 -m pip install --target node_modules/.cache/splunk-handler splunk-handler==3.0.0)";
const skip = missingProgram(existsSync(handler) ? handler : undefined, what, "tests of it");

test("Python's splunk_handler, as it is, logs into it", { skip }, async (t) => {
  const served = await serveHec(t);
  const program = [
    "import json, logging, sys, splunk_handler",
    "handler = splunk_handler.SplunkHandler(host='127.0.0.1', port=sys.argv[1], token=sys.argv[2],",
    "  index='main', protocol='http', verify=False, hostname='web-1', source='app', sourcetype='app:log',",
    "  flush_interval=0.05)",
    "logger = logging.getLogger('app')",
    "logger.addHandler(handler)",
    "for n in range(3): logger.warning(json.dumps({'action': 'refund', 'user': 'alice', 'n': n}))",
    "splunk_handler.force_flush()",
  ].join("\n");
  const child = spawn("python3", ["-c", program, String(served.port), token], {
    env: { PATH: process.env.PATH, PYTHONPATH: handler },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const exit = await new Promise((resolve) => child.once("exit", resolve));
  assert.equal(exit, 0);
  const found = await eventsOf(served.log);
  assert.deepEqual(
    found.map(({ actor, action, details }) => [
      actor,
      action,
      (details as { event: { n: number } }).event.n,
    ]),
    [0, 1, 2].map((n) => [{ id: "alice" }, "refund", n]),
  );
  assert.deepEqual(found[0]!["targets"], [{ type: "log", id: "app" }]);
});

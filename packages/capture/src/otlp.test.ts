/**
 * Goal: what an OpenTelemetry sender says of who did what becomes the head of an event, nothing of its record is lost,
 * both encodings give the same, and each answer is one that OTLP knows.
 * Method: export requests in JSON, written out; the same through the SDK's own two exporters is in otlp-sdk.test.ts.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventScanner, checkEvent, errorTable, isCairnError } from "@cairnlog/core";
import type { Answer, Captured, ErrorForSender } from "./adapter.ts";
import { otlpAdapter } from "./otlp.ts";

const source = { name: "otel", secrets: ["a-token"], options: {} };
const json = "application/json";
const protobuf = "application/x-protobuf";
const utf8 = new TextDecoder();
const scanner = new EventScanner();

function send(body: string | Uint8Array, contentType = json, path = "/v1/logs"): Captured {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return otlpAdapter.capture(
    {
      method: "POST",
      ...{ path, query: new URLSearchParams(), body: bytes },
      headers: { "content-type": contentType, authorization: "Bearer a-token" },
    },
    source,
  );
}

function request(records: readonly object[], resource: object = {}): string {
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: records }] }] });
}

/** The event of one record; checked as a log checks it. */
function eventOf(record: object, resource?: object): Record<string, unknown> {
  const [captured] = send(request([record], resource)).events;
  const bytes = new TextEncoder().encode(JSON.stringify(captured!.event));
  scanner.scan(bytes, 0, bytes.length);
  checkEvent(scanner, bytes);
  return captured!.event;
}

const attributes = (values: Readonly<Record<string, string | number>>): object[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { intValue: value } : { stringValue: value },
  }));

const named = (values: Readonly<Record<string, string | number>>, more: object = {}) =>
  eventOf({ attributes: attributes(values), ...more });

function jsonOf(answer: Answer | undefined): unknown {
  assert.equal(typeof answer?.body, "string");
  return JSON.parse(answer!.body as string);
}

describe("an OTLP record as an event", () => {
  it("is of the type that it names, if it has the form of one", () => {
    assert.equal(eventOf({ eventName: "identity.login" })["type"], "identity.login");
    assert.equal(eventOf({ eventName: "identity.login" })["action"], "login");
    assert.equal(named({ "event.name": "deployment.start" })["type"], "deployment.start");
    const own = { "cairn.type": "change.role", "cairn.action": "grant" };
    const event = named(own, { eventName: "identity.login" });
    assert.deepEqual([event["type"], event["action"]], ["change.role", "grant"]);
    for (const eventName of ["UserLoggedIn", "login", "system.log.created", "source.gap", "a..b"]) {
      const event = eventOf({ eventName });
      assert.equal(event["type"], "api.log");
      assert.equal((event["details"] as { eventName: string }).eventName, eventName);
    }
  });

  it("says who: somebody before an address, an address before the service", () => {
    const service = { attributes: attributes({ "service.name": "orders" }) };
    const who = (values: Readonly<Record<string, string>>, resource: object = service) =>
      eventOf({ attributes: attributes(values) }, resource)["actor"];
    const both = { "user.name": "Al", "enduser.id": "al@x.org", "client.address": "203.0.113.9" };
    assert.deepEqual(who(both), { id: "al@x.org", type: "user", ip: "203.0.113.9" });
    assert.deepEqual(who({ "client.address": "::1" }), { id: "::1", type: "address", ip: "::1" });
    assert.deepEqual(who({ "enduser.id": "" }), { id: "orders", type: "service" });
    const host = { attributes: attributes({ "host.name": "web-1" }) };
    assert.deepEqual(who({}, host), { id: "web-1", type: "host" });
    assert.deepEqual(who({}, {}), { id: "unknown", type: "unknown" });
    const device = { attributes: attributes({ "user.id": "u1", "service.name": "app" }) };
    assert.deepEqual(who({}, device), { id: "u1", type: "user" });
  });

  it("says on what: HTTP, databases, RPC, Kubernetes", () => {
    const http = { "http.request.method": "GET", "url.path": "/a/7", "http.route": "/a/{id}" };
    assert.deepEqual(named(http)["targets"], [{ type: "http", id: "/a/7", route: "/a/{id}" }]);
    const old = { "http.method": "PUT", "http.target": "/b", "http.host": "h.example" };
    assert.deepEqual(named(old)["targets"], [{ type: "http", id: "/b", host: "h.example" }]);
    const database = { "db.system": "mysql", "db.name": "shop", "db.sql.table": "t" };
    const query = named({ ...database, "db.operation": "DELETE" });
    assert.deepEqual(query["targets"], [{ type: "mysql", id: "shop/t" }]);
    assert.deepEqual([query["type"], query["action"]], ["database.query", "DELETE"]);
    const rpc = { "rpc.system.name": "grpc", "rpc.method": "stock.Stock/Reserve" };
    assert.deepEqual(named(rpc)["targets"], [{ type: "grpc", id: "stock.Stock/Reserve" }]);
    const pod = { "k8s.namespace.name": "prod", "k8s.pod.name": "web-0" };
    assert.deepEqual(named(pod)["targets"], [{ type: "kubernetes", id: "prod/pod/web-0" }]);
    const own = { "cairn.target.type": "invoice", "cairn.target.id": "17" };
    assert.deepEqual(named(own)["targets"], [{ type: "invoice", id: "17" }]);
  });

  it("says how it ended, and nothing where nobody knows", () => {
    const outcomes: readonly (readonly [Record<string, string | number>, number, string])[] = [
      [{ "http.response.status_code": 204 }, 9, "success"],
      [{ "http.response.status_code": 401 }, 9, "denied"],
      [{ "http.status_code": 403 }, 9, "denied"],
      [{ "http.response.status_code": 404 }, 9, "failure"],
      [{ "http.response.status_code": 200, "error.type": "timeout" }, 9, "failure"],
      [{ "rpc.grpc.status_code": 7 }, 9, "denied"],
      [{ "rpc.grpc.status_code": 0 }, 9, "success"],
      [{ "exception.type": "RangeError" }, 9, "failure"],
      [{ "event.outcome": "success" }, 17, "success"],
      [{ "http.response.status_code": 7_000 }, 9, "unknown"],
      [{}, 17, "failure"],
      [{}, 16, "unknown"],
    ];
    for (const [values, severityNumber, outcome] of outcomes) {
      assert.equal(named(values, { severityNumber })["outcome"], outcome, JSON.stringify(values));
    }
  });

  it("has its time to the nanosecond, or the time when it was observed", () => {
    const time = (record: object) => eventOf(record)["time"];
    assert.equal(time({ timeUnixNano: "1764000000123456789" }), "2025-11-24T16:00:00.123456789Z");
    assert.equal(time({ timeUnixNano: 5 }), "1970-01-01T00:00:00.000000005Z");
    assert.equal(time({ timeUnixNano: "18446744073709551615" }), "2554-07-21T23:34:33.709551615Z");
    const observed = { timeUnixNano: "0", observedTimeUnixNano: "1764000000000000000" };
    assert.equal(time(observed), "2025-11-24T16:00:00.000000000Z");
    assert.equal(time({}), undefined);
  });

  it("keeps its place in a trace", () => {
    const ids = { traceId: "5B8EFFF798038103D269B633813FC60C", spanId: "EEE19B7EC3C1B174" };
    const { trace, details } = eventOf({ ...ids, flags: 257 });
    assert.equal(trace, "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01");
    assert.equal((details as { flags: number }).flags, 257);
    const alone = eventOf({ traceId: ids.traceId });
    assert.equal(alone["trace"], undefined);
    const { traceId } = alone["details"] as { traceId: string };
    assert.equal(traceId, "5b8efff798038103d269b633813fc60c");
    assert.equal(eventOf({ ...ids, spanId: "0000000000000000" })["trace"], undefined);
  });

  it("keeps values that JSON has no room for, and keys that come twice", () => {
    const values = [
      { key: "big", value: { intValue: "-9223372036854775808" } },
      { key: "safe", value: { intValue: "9007199254740991" } },
      { key: "nan", value: { doubleValue: "NaN" } },
      { key: "huge", value: { doubleValue: 1e300 } },
      { key: "bytes", value: { bytesValue: "AQL/" } },
      { key: "none", value: {} },
      { key: "__proto__", value: { stringValue: "p" } },
      { key: "constructor", value: { stringValue: "c" } },
    ];
    const { details } = eventOf({ attributes: values });
    const text = JSON.stringify((details as { attributes: object }).attributes);
    assert.equal(
      text,
      '{"big":"-9223372036854775808","safe":9007199254740991,"nan":"NaN","huge":"1e+300",' +
        '"bytes":"AQL/","none":null,"__proto__":"p","constructor":"c"}',
    );
    const twice = [...attributes({ "user.id": "first" }), ...attributes({ "user.id": "second" })];
    const event = eventOf({ attributes: twice });
    assert.deepEqual(event["actor"], { id: "first", type: "user" });
    assert.deepEqual((event["details"] as { attributes: object }).attributes, [
      { key: "user.id", value: "first" },
      { key: "user.id", value: "second" },
    ]);
  });

  it("cuts what is too long for the head, and keeps it whole in the details", () => {
    const long = "é\u0001".repeat(2000);
    const event = named({ "enduser.id": long, "cairn.action": long });
    assert.ok(long.startsWith(event["action"] as string));
    const kept = event["details"] as { attributes: Record<string, string> };
    assert.equal(kept.attributes["enduser.id"], long);
  });
});

describe("an OTLP delivery", () => {
  const timed = { timeUnixNano: "1764000000000000000" };
  const ids = (captured: Captured): (string | undefined)[] =>
    captured.events.map(({ event }) => event.id);

  it("gives each record an id that a resent request gives again, and no other", () => {
    const first = ids(send(request([timed, timed])));
    assert.deepEqual(ids(send(request([timed, timed]))), first);
    assert.equal(new Set(first).size, 2);
    const other = ids(send(request([timed, timed, timed])));
    assert.ok(other.every((id) => !first.includes(id)));
  });

  it("takes the id that a record has, and makes none where two may only look alike", () => {
    const uid = { attributes: attributes({ "log.record.uid": "01J5ZKW9Y3" }) };
    assert.deepEqual(ids(send(request([uid]))), ["01J5ZKW9Y3"]);
    assert.deepEqual(ids(send(request([{ body: { stringValue: "x" } }]))), [undefined]);
    const bad = { ...timed, attributes: attributes({ "log.record.uid": 'a"b' }) };
    assert.match(ids(send(request([bad])))[0]!, /^[A-Za-z0-9_-]{24}-0$/);
  });

  it("is rendered as its events are", () => {
    const captured = send(request([timed, { body: { stringValue: "ü" } }]));
    const lines = utf8.decode(captured.ndjson).trimEnd().split("\n");
    assert.deepEqual(
      lines,
      captured.events.map(({ event }) => JSON.stringify(event)),
    );
  });

  it("keeps its body beside what an event cannot hold", () => {
    const altered = [
      request([{ body: { stringValue: "\uD800" } }]),
      request([{ body: { stringValue: "\uFFFE" } }]),
      request([{ attributes: [{ key: "a", value: { stringValue: "b" }, unit: "ms" }] }]),
      `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}],"next":1}`,
    ];
    for (const body of altered) {
      const captured = send(body);
      assert.equal(captured.ndjson, undefined);
      const [blob] = captured.events[0]!.blobs!;
      assert.equal(utf8.decode(blob!.bytes), body);
    }
    const large = send(request([{ body: { stringValue: "x".repeat(70_000) } }]));
    assert.equal(large.ndjson, undefined);
  });

  it("is refused where it is damaged, in part where only records are", () => {
    const malformed = ["", "[]", "{", '{"resourceLogs":{}}', '{"resourceLogs":[7]}'];
    for (const body of malformed) assert.throws(() => send(body), isMalformed, body);
    const bad: readonly object[] = [
      { timeUnixNano: "-1" },
      { timeUnixNano: "18446744073709551616" },
      { timeUnixNano: 1.5 },
      { severityNumber: "SEVERITY_NUMBER_INFO" },
      { traceId: "W47/95gDgQPSabYzgT/GDA==" },
      { attributes: {} },
      { attributes: [{ key: 7 }] },
      { body: { boolValue: "yes" } },
      { body: { bytesValue: "?" } },
    ];
    for (const record of bad) {
      assert.throws(() => send(request([record])), isMalformed, JSON.stringify(record));
      const captured = send(request([timed, record]));
      assert.equal(captured.events.length, 1);
      assert.equal(captured.refused?.length, 1);
    }
  });

  it("has bounds: what one small body may become", () => {
    const resource = { attributes: attributes({ text: "x".repeat(60_000) }) };
    const records = Array.from({ length: 1200 }, () => ({}));
    assert.throws(
      () => send(request(records, resource)),
      (error) => isCairnError(error, "too_large"),
    );
    // Ten thousand empty records in twenty thousand bytes.
    const scope = Buffer.alloc(20_000, Buffer.from([0x12, 0]));
    const nested = (bytes: Buffer, tag: number): Buffer => {
      const length: number[] = [];
      let rest = bytes.length;
      for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
      return Buffer.concat([Buffer.from([tag, ...length, rest]), bytes]);
    };
    const body = nested(nested(scope, 0x12), 0x0a);
    assert.throws(
      () => send(body, protobuf),
      (error) => isCairnError(error, "too_large"),
    );
  });

  it("goes to /v1/logs, in one of the two encodings", () => {
    assert.equal(send(request([timed]), "application/json; charset=utf-8", "").events.length, 1);
    assert.throws(() => send(request([timed]), json, "/v1/traces"), /only logs/);
    assert.throws(() => send(request([timed]), "text/plain"), /expected application/);
  });
});

describe("an OTLP answer", () => {
  it("is an empty response for success, and for a request without records", () => {
    const success = (contentType: string, body: string | Uint8Array): Answer =>
      send(body, contentType).answer!;
    const headers = { "content-type": json };
    assert.deepEqual(success(json, request([{}])), { status: 200, headers, body: "{}" });
    assert.deepEqual(success(json, "{}"), { status: 200, headers, body: "{}" });
    const { headers: binary, body } = success(protobuf, new Uint8Array(0));
    assert.deepEqual(binary, { "content-type": protobuf });
    assert.equal(body?.length, 0);
  });

  it("tells how many records were refused and why", () => {
    const captured = send(request([{}, { traceId: "x" }, {}]));
    assert.deepEqual(jsonOf(captured.answer), {
      partialSuccess: {
        rejectedLogRecords: "1",
        errorMessage:
          "1 of 3 log records were refused, the first because: record 1: traceId: expected hex digits",
      },
    });
    const more = captured.answerRefused!(["a", "b"]);
    assert.equal(
      (jsonOf(more) as { partialSuccess: { rejectedLogRecords: string } }).partialSuccess
        .rejectedLogRecords,
      "2",
    );
  });

  const failed = (error: Partial<ErrorForSender>, contentType = json): Answer =>
    otlpAdapter.answerError!(
      { code: "overloaded", status: 429, message: "later", ...error },
      { "content-type": contentType },
    );

  it("means again with 429 and 503 only, and never for what is wrong with the request", () => {
    for (const [code, { status }] of Object.entries(errorTable)) {
      const answer = failed({ code, status });
      const isOurs = status >= 500 || status === 408 || status === 429;
      const means = answer.status === 429 || answer.status === 503;
      assert.equal(means, isOurs, `${code}: ${answer.status}`);
      assert.ok([400, 401, 403, 404, 405, 409, 413, 415, 421, 429, 503].includes(answer.status));
    }
  });

  it("is a google.rpc.Status in the request's encoding", () => {
    const answer = failed({ retryAfterSeconds: 3 });
    assert.deepEqual(answer.headers, { "content-type": json, "retry-after": "3" });
    assert.deepEqual(jsonOf(answer), { code: 8, message: "later" });
    const binary = failed({}, protobuf);
    assert.deepEqual(binary.headers, { "content-type": protobuf });
    // Field 1, varint 8; field 2, five bytes.
    assert.deepEqual([...(binary.body as Uint8Array)], [8, 8, 18, 5, ...Buffer.from("later")]);
    assert.deepEqual(failed({}, "text/plain").headers, { "content-type": json });
  });
});

function isMalformed(error: unknown): boolean {
  return isCairnError(error, "malformed");
}

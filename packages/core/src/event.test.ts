/**
 * Goal: an event of the right shape is taken, any other is refused with the pointer of the member that is wrong.
 * Method: one good event; each member replaced by good and bad values; nothing known about how the check works.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUtf8, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { checkEvent, idRange, type CairnEvent, type CheckEventOptions } from "./event.ts";
import { EventScanner } from "./json.ts";

const scanner = new EventScanner();

function check(text: string, options?: CheckEventOptions): void {
  // The event lies inside other bytes that would be well-formed continuations of its members.
  const bytes = utf8(`aa${text}aa`);
  scanner.scan(bytes, 2, bytes.length - 2);
  checkEvent(scanner, bytes, options);
}

const good = {
  id: "01JD8Z4N7Q6T5X2Y",
  type: "database.query",
  time: "2026-11-23T05:00:00Z",
  actor: { id: "alice@example.com", type: "user" },
  action: "SELECT",
  targets: [{ type: "postgres", id: "orders-prod/public.orders" }],
  outcome: "success",
  trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  details: { rows: 3 },
  team: "shop",
} satisfies CairnEvent;

const withMember = (name: string, value: unknown): string =>
  JSON.stringify({ ...good, [name]: value });

function refuses(text: string, pointer: string, code = "invalid"): void {
  assert.throws(
    () => check(text),
    (error: unknown) => {
      assert.ok(error instanceof CairnError, text);
      assert.deepEqual([error.code, error.place.pointer], [code, pointer], text);
      assert.ok(error.message.startsWith(`${pointer}: `));
      return true;
    },
    text,
  );
}

test("the whole event and the smallest one are taken", () => {
  check(JSON.stringify(good));
  check('{"type":"a.b","actor":{"id":"x"},"action":"y"}');
});

const digest = "0123456789abcdef".repeat(4);

test("blobs: an array of 1 to 64 objects with a digest, a length, and nothing unknown", () => {
  const blob = { sha256: digest, byteLength: 3, mediaType: "text/plain", role: "request" };
  check(withMember("blobs", [blob]));
  check(
    withMember(
      "blobs",
      Array.from({ length: 64 }, () => blob),
    ),
  );
  for (const bad of [null, {}, [], Array.from({ length: 65 }, () => blob)])
    refuses(withMember("blobs", bad), "/blobs");
  for (const bad of [null, [], "x", { ...blob, more: 1 }]) {
    refuses(withMember("blobs", [blob, bad]), "/blobs/1");
  }
  const badParts = {
    sha256: [undefined, digest.toUpperCase(), digest.slice(1), `${digest}0`, 1],
    byteLength: [undefined, -1, 1.5, "3", null],
    mediaType: ["text", "Text/plain", "text/plain\n", 1],
    role: ["", "Request", 1],
  };
  for (const [name, values] of Object.entries(badParts)) {
    for (const bad of values) {
      refuses(withMember("blobs", [{ ...blob, [name]: bad }]), `/blobs/0/${name}`);
    }
  }
  refuses(JSON.stringify({ class_uid: 3002, blobs: [] }), "/blobs");
  const spelled = (name: string): string => withMember("b", [blob]).replace('"b":', ` ${name} : `);
  check(spelled('"blobs"'));
  for (const name of [String.raw`"\u0062lobs"`, String.raw`"blob\u0073"`]) {
    refuses(spelled(name), "/blobs");
  }
});

test("sequence: a stream and a number from 1, and nothing else", () => {
  check(withMember("sequence", { stream: "orders-7f3a:0", number: 1 }));
  check(withMember("sequence", { number: Number.MAX_SAFE_INTEGER, stream: "a" }));
  for (const bad of [null, 7, [], { stream: "a", number: 1, more: 1 }]) {
    refuses(withMember("sequence", bad), "/sequence");
  }
  for (const bad of [undefined, "", "a b", "é", "a".repeat(65), 1]) {
    refuses(withMember("sequence", { stream: bad, number: 1 }), "/sequence/stream");
  }
  for (const bad of [undefined, 0, -1, 1.5, "1", null]) {
    refuses(withMember("sequence", { stream: "a", number: bad }), "/sequence/number");
  }
  refuses(JSON.stringify({ class_uid: 3002, sequence: 1 }), "/sequence");
});

test("type, actor.id and action are required", () => {
  for (const name of ["type", "actor", "action"]) refuses(withMember(name, undefined), `/${name}`);
  refuses(withMember("actor", {}), "/actor/id");
  refuses(withMember("actor", { type: "user", x: { id: "no" } }), "/actor/id");
});

test("each member is held to its form", () => {
  const taken: [string, unknown[]][] = [
    ["type", ["a.b", "deploy_ment-2.x.y_1.-", "a.9", `a.${"b".repeat(126)}`]],
    ["id", ["x", "é".repeat(64), "a b", "/"]],
    ["time", ["2026-11-23T05:00:00.5+01:00"]],
    ["actor", [{ id: "x".repeat(2048) }, { id: "é\n", more: [] }]],
    ["action", ["GET /v1", "x".repeat(256), "\u0000"]],
    ["outcome", ["success", "failure", "denied", "unknown"]],
    ["targets", [[], [{ type: "t", id: "i", more: 1 }]]],
    ["trace", [`01-${good.trace.slice(3)}-more`, `cc-${good.trace.slice(3)}`]],
  ];
  for (const [name, values] of taken) for (const v of values) check(withMember(name, v));
  const refused: [string, unknown[]][] = [
    ["type", ["", "a", "a.", ".a", "a..b", "A.b", "9.b", "a.B", "a.b ", "é.b", 1, null, {}]],
    ["type", [`a.${"b".repeat(127)}`, "system.x", "source.x", "system.x.y"]],
    ["id", ["", "x".repeat(129), "é".repeat(65), 1, null, {}, 'a"b', "a\\b", "a\nb"]],
    ["time", ["", "2026-11-23T05:00:00", "2026-02-30T05:00:00Z", 1, null, "now"]],
    ["actor", ["alice", [{ id: "x" }], null, 1]],
    ["action", ["", "x".repeat(257), 1, null, {}]],
    ["outcome", ["", "Success", "successa", "succes", true, null]],
    ["targets", [{}, "x", null, { type: "t", id: "i" }]],
    ["trace", ["", `${good.trace}x`, `${good.trace}-x`, `ff-${good.trace.slice(3)}`, 1]],
    ["trace", [good.trace.toUpperCase(), good.trace.slice(1), `01-${good.trace.slice(3)}x`]],
    ["trace", [good.trace.replace(/-[0-9a-f]{32}/, `-${"0".repeat(32)}`)]],
    ["trace", [good.trace.replace(/-[0-9a-f]{16}-/, `-${"0".repeat(16)}-`)]],
  ];
  for (const [name, values] of refused)
    for (const v of values) refuses(withMember(name, v), `/${name}`);
  for (const id of ["", "x".repeat(2049), 1, null])
    refuses(withMember("actor", { id }), "/actor/id");
  const target = { type: "t", id: "i" };
  for (const bad of [
    {},
    1,
    [],
    "t",
    { type: "t" },
    { ...target, id: "" },
    { ...target, type: 1 },
  ]) {
    refuses(withMember("targets", [target, bad, target, bad]), "/targets/1");
  }
  refuses(withMember("targets", [[target]]), "/targets/0");
  refuses(withMember("targets", [{ type: "t", inner: { id: "i" } }]), "/targets/0");
});

test("what the log compares byte for byte is spelled without escapes", () => {
  const escape = (name: string): string =>
    JSON.stringify(good).replace(`"${name}":"`, `"${name}":"\\u0061`);
  for (const name of ["type", "id", "outcome"]) refuses(escape(name), `/${name}`);
  refuses(JSON.stringify(good).replace("00-4bf9", "0\\u0030-4bf9"), "/trace");
  check(escape("action"));
});

test("private is refused wherever the log would take it for such", () => {
  for (const value of [{}, null, false, "x"]) {
    refuses(withMember("private", value), "/private", "private_unsupported");
  }
  refuses('{"class_uid":1,"priv\\u0061te":1}', "/private", "private_unsupported");
  check(withMember("details", { private: 1 }));
});

test("an OCSF event is kept as it is, but cannot pass for one of the log's own", () => {
  check('{"class_uid":3002,"time":1795410000123,"actor":{"user":{}},"type":7}');
  check('{"class_uid":3002,"type":"Any Thing"}');
  refuses('{"class_uid":"3002"}', "/type");
  refuses('{"class_uid":3002,"type":"system.log.created"}', "/type");
  refuses('{"class_uid":3002,"type":"\\u0073ystem.log.created"}', "/type");
  refuses('{"class_uid":3002,"id":"a\\u0062"}', "/id");
  check('{"class_uid":3002,"id":7}');
  assert.equal(idRange(scanner), undefined);
});

test("the log's own types are taken from the log", () => {
  check(withMember("type", "system.log.created"), { isOwn: true });
  check(withMember("type", "source.conflict"), { isOwn: true });
  check(withMember("type", "systems.x"));
});

test("the id's bytes are found", () => {
  const bytes = utf8(JSON.stringify({ ...good, id: "é1" }));
  scanner.scan(bytes, 0, bytes.length);
  const range = idRange(scanner);
  assert.ok(range !== undefined);
  assert.equal(parseUtf8(bytes.subarray(range.from, range.to)), "é1");
  check('{"type":"a.b","actor":{"id":"x"},"action":"y"}');
  assert.equal(idRange(scanner), undefined);
});

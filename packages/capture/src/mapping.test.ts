/**
 * Goal: a mapping finds what it says in a record, is refused where it says something else, and never costs an event.
 * Method: each form of the language by example; then any mapping over any record (fast-check, fixed seed): what it
 * makes is an event that a log takes.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EventScanner, checkEvent, isCairnError, utf8 } from "@cairnlog/core";
import { parseForeignText, type Json } from "./foreign-json.ts";
import { captureRecords, eventOfRecord, findMapping } from "./json.ts";
import { applyMapping, parseMapping } from "./mapping.ts";

const defaults = { type: "api.event", actor: { id: "source" }, action: "record" };
const record = {
  user: { name: "alice", "odd name": 'q"', empty: "" },
  list: [{ id: 1 }, { id: 2 }],
  method: "GET",
  path: "/x",
  code: 7,
  ok: true,
  "@timestamp": "2026-11-24T01:02:03+01:00",
};

function map(mapping: unknown, of: Json = record): Record<string, unknown> {
  const { details: _, ...event } = applyMapping(parseMapping(mapping), of, defaults);
  return event;
}

describe("mapping", () => {
  it("paths, templates, fallbacks, tables and constants", () => {
    const actions: readonly (readonly [unknown, string])[] = [
      ["plain", "plain"],
      ["$.method", "GET"],
      ["$.list[1].id", "2"],
      ['$.user["odd name"]', 'q"'],
      ["{$.method} {$.path}", "GET /x"],
      ['<{$.user["odd name"]}>', '<q">'],
      ["{$.method} {$.nothing}", "record"],
      ["{braces} stay", "{braces} stay"],
      [["$.nothing", "$.user.empty", "$.method"], "GET"],
      [["$.nothing"], "record"],
      [{ from: "$.code", "7": "seven", "*": "other" }, "seven"],
      [{ from: "$.nothing", "7": "seven", "*": "other" }, "other"],
      [{ from: "$.code", "8": "eight" }, "record"],
      [{ from: ["$.nothing", "$.ok"], true: "{$.method}!" }, "GET!"],
      ["$.list", "record"],
      [17, "17"],
      ["$.constructor", "record"],
    ];
    for (const [expression, expected] of actions) {
      assert.equal(map({ action: expression })["action"], expected, JSON.stringify(expression));
    }
  });

  it("fields, nested or with dots; what does not fit stands as the defaults say", () => {
    const event = map({
      id: "$.code",
      type: "API.Call",
      time: "$.@timestamp",
      actor: { id: "$.user.name", roles: "$.list" },
      "actor.ip": "203.0.113.9",
      outcome: { from: "$.code", "7": "denied" },
      targets: [
        { type: "http", id: "$.path", port: "$.code" },
        { type: "none", id: "$.nothing" },
      ],
      trace: "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    });
    assert.deepEqual(event, {
      id: "7",
      type: "api.call",
      time: "2026-11-24T01:02:03+01:00",
      actor: { id: "alice", roles: record.list, ip: "203.0.113.9" },
      action: "record",
      targets: [{ type: "http", id: "/x", port: 7 }],
      outcome: "denied",
      trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    });
    const unfit = map({ type: "system.x", time: "noon", outcome: "perhaps", trace: "1-2", id: "" });
    assert.deepEqual(unfit, { type: "api.event", actor: { id: "source" }, action: "record" });
    for (const [code, outcome] of [
      [200, "success"],
      [403, "denied"],
      [500, "failure"],
    ] as const) {
      assert.equal(map({ outcome: "$" }, code)["outcome"], outcome);
    }
  });

  it("details are the whole record, or the part that is named", () => {
    const whole = applyMapping(parseMapping({}), record, defaults);
    assert.deepEqual(whole.details, record);
    const part = applyMapping(parseMapping({ details: "$.user" }), record, defaults);
    assert.deepEqual(part.details, record.user);
    assert.deepEqual(applyMapping(parseMapping({}), "text", defaults).details, { value: "text" });
  });

  it("is refused where it is none, with the name of the field", () => {
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [[], /expected an object/],
      ["text", /expected an object/],
      [{ actoin: "x" }, /actoin: unknown field/],
      [{ action: null }, /action: expected/],
      [{ action: [] }, /action: expected/],
      [{ action: "$." }, /action: not a path from its character 1 on/],
      [{ action: "$.a..b" }, /action: not a path/],
      [{ action: "$x" }, /action: not a path/],
      [{ action: "{$.a[}" }, /action: not a path/],
      [{ action: `$${".a".repeat(40)}` }, /action: not a path/],
      [{ action: { from: "$.a", b: 7 } }, /action\.b: expected a text/],
      [{ actor: { id: "x" }, "actor.id": "y" }, /actor\.id: it is there twice/],
      [{ actor: "x" }, /actor: unknown field/],
      [{ targets: { type: "a", id: "b" } }, /targets: expected a list/],
      [{ targets: [{ type: "a" }] }, /targets\[0\]/],
      [Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`actor.a${i}`, "x"])), /100/],
    ];
    for (const [mapping, expected] of bad) {
      assert.throws(
        () => parseMapping(mapping),
        (error) => isCairnError(error, "usage") && expected.test(error.message),
        JSON.stringify(mapping),
      );
    }
    assert.throws(
      () => findMapping({ options: { map: "{" } }),
      (error) => isCairnError(error),
    );
    assert.equal(findMapping({ options: {} }), undefined);
  });

  it("a record that is an event is recorded as it is, and none that has private values", () => {
    const event = { type: "a.b", actor: { id: "x" }, action: "y", other: 1 };
    assert.equal(eventOfRecord(undefined, event, "source"), event);
    const ocsf = { class_uid: 3002 };
    assert.equal(eventOfRecord(undefined, ocsf, "source"), ocsf);
    assert.throws(
      () => eventOfRecord(undefined, { ...event, private: { name: "x" } }, "source"),
      (error) => isCairnError(error, "private_unsupported"),
    );
    // In a batch it costs the others nothing.
    const body = utf8(JSON.stringify([event, { ...event, private: {} }, event]));
    const source = { name: "source", secrets: [], options: {} };
    const { events, refused } = captureRecords({ body }, source, undefined);
    assert.equal(events.length, 2);
    assert.match(refused!.join(), /^record 1: \/private/);
  });

  it("any mapping over any record makes an event that a log takes", () => {
    const scanner = new EventScanner();
    const path = fc.constantFrom("$", "$.a", "$.b.c", "$.list[0]", "{$.a}-{$.b}", "constant", "");
    const expression = fc.oneof(path, fc.array(path, { minLength: 1, maxLength: 3 }), fc.string());
    const fields = fc.constantFrom(
      "id",
      "type",
      "time",
      "actor.id",
      "actor.x",
      "action",
      "outcome",
    );
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.double(), fc.boolean());
    const records = fc.oneof(
      value,
      fc.record({ a: value, b: fc.oneof(value, fc.record({ c: value })), list: fc.array(value) }),
    );
    const check = fc.property(fc.dictionary(fields, expression), records, (mapping, of) => {
      const { value: safe } = parseForeignText(JSON.stringify(of));
      let parsed;
      try {
        parsed = parseMapping(mapping);
      } catch (error) {
        return isCairnError(error, "usage");
      }
      const { details: _, ...event } = applyMapping(parsed, safe, defaults);
      const bytes = utf8(JSON.stringify(event));
      scanner.scan(bytes, 0, bytes.length);
      checkEvent(scanner, bytes);
      return true;
    });
    fc.assert(check, { seed: 5, numRuns: 200 });
  });
});

/**
 * Goal: a decision that refused is never shown as one that allowed, by whatever form of result the policy says so.
 * Method: the forms that policies are written in, with those that contradict themselves, against the outcome by hand.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import { opaAdapter } from "./opa.ts";
import type { Captured } from "./adapter.ts";

function capture(value: unknown, allow = ""): Captured {
  const body = utf8(JSON.stringify(value));
  const delivery = { method: "POST", path: "", query: new URLSearchParams(), headers: {}, body };
  return opaAdapter.capture(delivery, { name: "opa", secrets: ["token"], options: { allow } });
}

function outcomeOf(decision: object, allow?: string): string | undefined {
  const whole = { decision_id: "1", path: "authz/allow", ...decision };
  return capture([whole], allow).events[0]!.event.outcome;
}

describe("opa decisions", () => {
  it("have the outcome that the policy's result says", () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ result: true }, "success"],
      [{ result: false }, "denied"],
      [{ result: "yes" }, "unknown"],
      [{ result: 1 }, "unknown"],
      [{ result: null }, "unknown"],
      [{}, "unknown"],
      [{ result: { allow: "true" } }, "unknown"],
      [{ result: { allow: true, deny: ["no"] } }, "denied"],
      [{ result: { allow: true, deny: [] } }, "success"],
      [{ result: { allow: false, deny: [] } }, "denied"],
      [{ result: { violation: { "image is unsigned": true } } }, "denied"],
      [{ path: "authz/deny", result: true }, "denied"],
      [{ path: "authz/deny", result: [] }, "success"],
      [{ path: "authz/violation", result: ["no"] }, "denied"],
      [{ result: true, error: { code: "eval_cancel_error" } }, "failure"],
      [{ path: undefined, query: "data.x", result: { allow: true } }, "unknown"],
      [{ result: { ["__proto__"]: { allow: true } } }, "unknown"],
    ];
    for (const [decision, outcome] of cases) {
      assert.equal(outcomeOf(decision), outcome, JSON.stringify(decision));
    }
  });

  it("follow the source's setting, and nothing else, where there is one", () => {
    assert.equal(outcomeOf({ result: { a: { b: true } } }, "/a/b"), "success");
    assert.equal(outcomeOf({ result: { a: { b: false }, allow: true } }, "/a/b"), "denied");
    assert.equal(outcomeOf({ result: { allow: true } }, "/a/b"), "unknown");
  });

  it("keep what was masked and erased named, and what it was decided with", () => {
    const decision = {
      decision_id: "7",
      path: "authz/allow",
      result: true,
      erased: ["/input/token"],
      masked: ["/input/password"],
      input: { user: "alice", password: "**REDACTED**" },
      nd_builtin_cache: { "time.now_ns": { "[]": "EXACT" } },
    };
    const text = JSON.stringify(decision).replace('"EXACT"', "1764000000000000001");
    const body = utf8(`[${text}]`);
    const delivery = { method: "POST", path: "", query: new URLSearchParams(), headers: {}, body };
    const [captured] = opaAdapter.capture(delivery, {
      name: "opa",
      secrets: [],
      options: {},
    }).events;
    const cache = { "time.now_ns": { "[]": "1764000000000000001" } };
    assert.deepEqual(captured?.event.details, { ...decision, nd_builtin_cache: cache });
  });

  it("refuse a body that holds none", () => {
    for (const body of ["7", "[1,2]", '["a"]', "null"]) {
      assert.throws(
        () => capture(JSON.parse(body) as unknown),
        (error) => isCairnError(error, "malformed"),
        body,
      );
    }
    assert.deepEqual(capture([]).events, []);
  });
});

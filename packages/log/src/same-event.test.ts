/**
 * Goal: under one id only the proof of an event may differ, and nothing that it says.
 * Method: pairs of events, each changed in one place.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { utf8 } from "@cairnlog/core";
import { isSameEvent } from "./same-event.ts";

const event = {
  id: "1",
  type: "api.call",
  actor: { id: "alice" },
  action: "GET",
  details: { headers: { a: "1" } },
  original: { headers: { signature: "x", time: "1" }, body: "{}" },
};
const isSame = (other: object): boolean =>
  isSameEvent(utf8(JSON.stringify(event)), utf8(JSON.stringify(other)));

describe("the same event", () => {
  it("is one with the same bytes, or with another proof of the same", () => {
    assert.ok(isSame(event));
    assert.ok(isSame({ ...event, original: { headers: { signature: "y" }, body: "{}" } }));
    assert.ok(isSame({ ...event, original: { headers: {}, body: "{}" } }));
  });

  it("is none that says anything else, or lacks its proof", () => {
    const { original, ...plain } = event;
    const others = [
      plain,
      { ...event, action: "PUT" },
      { ...event, details: { headers: { a: "2" } } },
      { ...event, original: { ...original, body: "{ }" } },
      { ...event, original: { ...original, more: 1 } },
      { ...event, original: { body: "{}" } },
      { ...event, original: "headers" },
      { ...event, original: null },
    ];
    for (const other of others) assert.ok(!isSame(other), JSON.stringify(other));
    assert.ok(!isSameEvent(utf8(JSON.stringify(plain)), utf8(JSON.stringify({ ...plain, x: 1 }))));
  });
});

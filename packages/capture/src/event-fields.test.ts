/**
 * Goal: whatever a sender writes, the event that comes of it is one that a log takes; ids that differ stay different,
 * and what fits is not touched.
 * Method: examples of each reader, its limits on both sides; then drafts of arbitrary text (fixed seed), each of which
 * must pass core's own check.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EventScanner, checkEvent, eventLimits, utf8, type CairnEvent } from "@cairnlog/core";
import {
  eventFrom,
  fitted,
  safeActorId,
  safeId,
  timeFrom,
  traceFrom,
  traceOf,
  typeOf,
  type EventDraft,
} from "./event-fields.ts";
import { wellFormed } from "./foreign-json.ts";

const scanner = new EventScanner();

function assertTaken(event: CairnEvent): void {
  const bytes = utf8(JSON.stringify(event));
  scanner.scan(bytes, 0, bytes.length);
  checkEvent(scanner, bytes);
}

describe("event fields", () => {
  it("keep an id that an event can have, and hash any other", () => {
    for (const id of ["7f3a-01", "é", "a".repeat(eventLimits.id)]) assert.equal(safeId(id), id);
    const hashed = [
      "a".repeat(eventLimits.id + 1),
      'a"b',
      "a\\b",
      "a\nb",
      "\ud800",
      "é".repeat(65),
    ];
    const ids = hashed.map((id) => safeId(id));
    for (const id of ids) assert.match(id!, /^sha256:[0-9a-f]{64}$/);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(safeId(""), undefined);
    assert.equal(safeId(undefined), undefined);
  });

  it("cut what is too long, and keep apart what differs behind the cut", () => {
    const long = "a".repeat(eventLimits.actorId);
    assert.equal(safeActorId(long), long);
    const [one, other] = [safeActorId(`${long}1`), safeActorId(`${long}2`)];
    assert.notEqual(one, other);
    assert.ok(utf8(one).length <= eventLimits.actorId);
    assert.match(one, /^a{1900,}…sha256:[0-9a-f]{64}$/);
    assert.equal(safeActorId(""), "unknown");
    // Escapes count as they are spelled.
    assert.ok(JSON.stringify(fitted("\u0000".repeat(200), 256)).length <= 258);
  });

  it("make a type of any text", () => {
    assert.equal(typeOf("change", "github_Fork Apply!"), "change.github_fork_apply");
    assert.equal(typeOf("identity", "user.session.start"), "identity.user.session.start");
    for (const text of ["", "…", "..", "_"]) assert.equal(typeOf("api", text), "api.unknown");
    assert.equal(typeOf("api", "x".repeat(500)).length, eventLimits.type);
  });

  it("read times in the ways of senders", () => {
    const same: [string | number, string][] = [
      ["2026-11-23T05:00:00Z", "2026-11-23T05:00:00Z"],
      ["2026-11-23T05:00:00.123456789+02:00", "2026-11-23T05:00:00.123456789+02:00"],
      ["2026-11-23T05:00:00.1234567891Z", "2026-11-23T05:00:00.123456789Z"],
      ["2026-11-23 05:00:00 UTC", "2026-11-23T05:00:00Z"],
      ["2026-11-23 05:00:00 +0200", "2026-11-23T05:00:00+02:00"],
      ["2026-11-23t05:00:00z", "2026-11-23T05:00:00Z"],
      [1_764_000_000, "2025-11-24T16:00:00.000Z"],
      [1_764_000_000.25, "2025-11-24T16:00:00.250Z"],
      [1_764_000_000_123, "2025-11-24T16:00:00.123Z"],
      ["1764000000123456", "2025-11-24T16:00:00.123456Z"],
      ["1764000000123456789", "2025-11-24T16:00:00.123456789Z"],
      ["0", "1970-01-01T00:00:00.000Z"],
    ];
    for (const [sent, time] of same) assert.equal(timeFrom(sent), time, String(sent));
    const none = ["", "yesterday", "2026-02-30T00:00:00Z", "2026-11-23T05:00:00", "1e9", -1];
    for (const sent of [...none, Number.MAX_VALUE, 0.5e-9 - 1, null, true, {}, undefined]) {
      assert.equal(timeFrom(sent), undefined, JSON.stringify(sent));
    }
  });

  it("take a traceparent only whole", () => {
    const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert.equal(traceFrom(trace), trace);
    assert.equal(traceFrom(`cc${trace.slice(2)}-more`), `cc${trace.slice(2)}-more`);
    const [, traceId, spanId] = trace.split("-");
    assert.equal(traceOf(traceId?.toUpperCase(), spanId), trace);
    const none = [`${trace}-more`, `ff${trace.slice(2)}`, trace.toUpperCase(), trace.slice(1), ""];
    none.push(trace.replace(traceId!, "0".repeat(32)), trace.replace(spanId!, "0".repeat(16)));
    for (const text of none) assert.equal(traceFrom(text), undefined, text);
  });

  it("bound the targets, and say how many are in the details only", () => {
    const targets = Array.from({ length: 500 }, (_, i) => ({
      type: "file",
      id: `${i}`.repeat(99),
    }));
    const event = eventFrom({ type: "change.push", targets, details: {} });
    assertTaken(event);
    const kept = event.targets!.length;
    assert.ok(kept > 50);
    assert.equal(event["targetsOmitted"], 500 - kept);
  });

  it("make a good event of any text", () => {
    // As `foreign-json.ts` gives it: whole code points, no noncharacters.
    const text = fc
      .oneof(
        fc.string({ unit: "binary", maxLength: 3000 }),
        fc.string({ maxLength: 200 }),
        fc.constantFrom("\u0000".repeat(400), "😀".repeat(2000), '"'.repeat(300), ""),
      )
      .map(wellFormed);
    const draft = fc.record(
      {
        id: text,
        type: text.map((verb) => typeOf("change", verb)),
        time: fc.oneof(text, fc.double(), fc.integer()),
        actor: fc.record({ id: text, ip: text }, { requiredKeys: [] }),
        action: text,
        targets: fc.array(
          fc.record({ type: text, id: text, name: text }, { requiredKeys: ["type"] }),
        ),
        trace: text,
        details: fc.constant({}),
      },
      { requiredKeys: ["type", "details"] },
    );
    fc.assert(
      fc.property(draft, (one) => assertTaken(eventFrom(one as EventDraft))),
      { seed: 20_261_123, numRuns: 300 },
    );
  });
});

/**
 * Goal: no bytes make the protobuf reader crash, hang, read beyond a message's end or take much memory: it gives events
 * that a log takes, or "malformed".
 * Method: fast-check with a fixed seed (printed on failure): random bytes, random fields that are well-formed on the
 * wire, and a recorded request cut and flipped at every byte. Nesting is driven to both sides of its bound.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { EventScanner, checkEvent, isCairnError } from "@cairnlog/core";
import fc from "fast-check";
import { fixturesOf } from "./fixture.testing.ts";
import { otlpAdapter } from "./otlp.ts";

const source = { name: "otel", secrets: ["a-token"], options: {} };
const headers = { "content-type": "application/x-protobuf" };
const scanner = new EventScanner();
const seed = 20_261_124;
const noBytes = new Uint8Array(0);

/** Captures; the number of events, or -1 where it was refused as it should be. Throws for anything else. */
function survive(body: Uint8Array): number {
  let events;
  try {
    const query = new URLSearchParams();
    ({ events } = otlpAdapter.capture({ method: "POST", path: "", query, headers, body }, source));
  } catch (error) {
    if (isCairnError(error, "malformed") || isCairnError(error, "too_large")) return -1;
    throw error;
  }
  for (const { event } of events) {
    const bytes = new TextEncoder().encode(JSON.stringify(event));
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
  }
  return events.length;
}

function message(writer: BinaryWriter, field: number, bytes: Uint8Array): BinaryWriter {
  return writer.tag(field, 2).bytes(bytes);
}

/** A request with one record of these bytes. */
function requestOf(record: Uint8Array): Uint8Array {
  const scope = message(new BinaryWriter(), 2, record).finish();
  const resource = message(new BinaryWriter(), 2, scope).finish();
  return message(new BinaryWriter(), 1, resource).finish();
}

/** A body of so many arrays, each within the one before. */
function nestedArrays(depth: number): Uint8Array {
  let value = new BinaryWriter().tag(1, 2).string("innermost").finish();
  for (let i = 0; i < depth; i++) {
    const array = message(new BinaryWriter(), 1, value).finish();
    value = message(new BinaryWriter(), 5, array).finish();
  }
  return message(new BinaryWriter(), 5, value).finish();
}

describe("OTLP protobuf of no sender", () => {
  it("random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        survive(bytes);
        survive(requestOf(bytes));
      }),
      { seed, numRuns: 3000 },
    );
  });

  it("random fields, each well-formed on the wire", () => {
    const field = fc.tuple(
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom(0, 1, 2, 5),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 40 }),
    );
    let events = 0;
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        const writer = new BinaryWriter();
        for (const [number, wireType, integer, bytes] of fields) {
          writer.tag(number, wireType);
          if (wireType === 0) writer.uint64(integer);
          else if (wireType === 1) writer.fixed64(integer);
          else if (wireType === 2) writer.bytes(bytes);
          else writer.fixed32(bytes.length);
        }
        if (survive(requestOf(writer.finish())) === 1) events++;
      }),
      { seed, numRuns: 3000 },
    );
    assert.ok(events > 1000, `only ${events} were read`);
  });

  it("a recorded request, cut and flipped at every byte", () => {
    let refused = 0;
    for (const { delivery } of fixturesOf(otlpAdapter)) {
      if (delivery.headers["content-type"] !== headers["content-type"]) continue;
      const { body } = delivery;
      for (let at = 1; at < body.length; at++) {
        assert.equal(survive(body.subarray(0, at)), -1, `cut at ${at}`);
        for (const bit of [1, 0x80]) {
          const flipped = body.slice();
          flipped[at]! ^= bit;
          if (survive(flipped) === -1) refused++;
        }
      }
    }
    assert.ok(refused > 500, `only ${refused} were refused`);
  });

  it("nests as deep as it may, and no deeper", () => {
    for (const depth of [0, 1, 10, 48]) assert.equal(survive(requestOf(nestedArrays(depth))), 1);
    for (const depth of [49, 100, 10_000]) {
      assert.equal(survive(requestOf(nestedArrays(depth))), -1, `${depth} deep`);
    }
  });

  it("a message that ends beyond the one around it, or within a field", () => {
    const wrong = [
      // A record that claims nine bytes in a scope of three.
      [0x0a, 5, 0x12, 3, 0x12, 9, 0x08],
      // fixed64 of which the record has four bytes; the others are the scope's.
      [0x0a, 13, 0x12, 11, 0x12, 5, 0x09, 1, 2, 3, 4, 5, 6, 7, 8],
      // Text that is no UTF-8.
      [0x0a, 8, 0x12, 6, 0x12, 4, 0x1a, 2, 0xc3, 0x28],
      // Field 0, a wire type that is none, a group that ends before it begins.
      [0x00, 0x01],
      [0x0f, 0x01],
      [0x7c],
    ];
    for (const bytes of wrong) assert.equal(survive(Uint8Array.from(bytes)), -1, String(bytes));
  });

  it("keeps fields of a later version", () => {
    const record = new BinaryWriter().tag(11, 1).fixed64(1).tag(77, 2).string("later").finish();
    const body = requestOf(record);
    const query = new URLSearchParams();
    const delivery = { method: "POST", path: "", query, headers, body };
    const [captured] = otlpAdapter.capture(delivery, source).events;
    const kept = new BinaryWriter().tag(77, 2).string("later").finish();
    assert.equal(
      (captured!.event.details as { unknownFields: string }).unknownFields,
      Buffer.from(kept).toString("base64"),
    );
    assert.equal(captured!.blobs, undefined);
  });

  it("keeps the body where a field of a later version has no place in an event", () => {
    const later = new BinaryWriter().tag(77, 2).string("later").finish();
    const text = new BinaryWriter().tag(1, 2).string("text").finish();
    const array = message(new BinaryWriter(), 5, later).finish();
    const list = message(new BinaryWriter(), 6, later).finish();
    const entity = message(new BinaryWriter(), 3, later).finish();
    const bodies = [
      Buffer.concat([requestOf(noBytes), later]),
      // A pair of attributes, a value beside a known one, an array, a list of pairs.
      requestOf(message(new BinaryWriter(), 6, later).finish()),
      requestOf(message(new BinaryWriter(), 5, Buffer.concat([text, later])).finish()),
      requestOf(message(new BinaryWriter(), 5, array).finish()),
      requestOf(message(new BinaryWriter(), 5, list).finish()),
      message(
        new BinaryWriter(),
        1,
        Buffer.concat([
          message(new BinaryWriter(), 1, entity).finish(),
          message(new BinaryWriter(), 2, message(new BinaryWriter(), 2, noBytes).finish()).finish(),
        ]),
      ).finish(),
    ];
    for (const body of bodies) {
      assert.equal(survive(body), 1);
      const query = new URLSearchParams();
      const delivery = { method: "POST", path: "", query, headers, body };
      const [captured] = otlpAdapter.capture(delivery, source).events;
      assert.deepEqual(captured!.blobs?.[0]?.bytes, body, Buffer.from(body).toString("hex"));
    }
  });

  it("replaces characters that no event can hold, and keeps the body beside", () => {
    const text = new BinaryWriter().tag(1, 2).string("a\uFFFEb\u{1FFFF}").finish();
    const body = requestOf(message(new BinaryWriter(), 5, text).finish());
    assert.equal(survive(body), 1);
    const query = new URLSearchParams();
    const delivery = { method: "POST", path: "", query, headers, body };
    const { events, ndjson } = otlpAdapter.capture(delivery, source);
    assert.equal((events[0]!.event.details as { body: string }).body, "a\uFFFDb\uFFFD");
    assert.deepEqual(events[0]!.blobs?.[0]?.bytes, body);
    assert.equal(ndjson, undefined);
  });
});

/**
 * Goal: an entry is written, hashed, read, stripped and restored in exactly the bytes that the specification gives.
 * Method: the golden vectors in `vectors/entry.json`; a naive writer of templates and the platform's own base64 as
 * the oracle for random heads; every byte of an entry changed, and every cut.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { base64, hex, parseBase64, parseHex, parseUtf8, utf8 } from "./encoding.ts";
import { genesisPrev, headByteLengthMax, isSource, type EntryHead } from "./entry-head.ts";
import {
  entryByteLengthMax,
  hashFramedEntry,
  leafHash,
  parseEntry,
  parseEntryHead,
  restoreEntry,
  stripEntry,
  writeEntry,
} from "./entry.ts";
import { CairnError } from "./errors.ts";
import { checkEvent } from "./event.ts";
import { compactEvent } from "./json-compact.ts";
import { eventByteLengthMax, EventScanner } from "./json.ts";
import { formatLogTime } from "./time.ts";

// Many refusals are made here, and nobody reads where from.
Error.stackTraceLimit = 0;

const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

const arbitraryHead = fc
  .record({
    seq: fc.oneof(fc.nat(20), fc.maxSafeNat()),
    prev: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    salt: fc.uint8Array({ minLength: 18, maxLength: 18 }),
    timeMs: fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
    source: fc.stringMatching(/^[a-z0-9._/-]{1,64}$/),
  })
  .map(({ timeMs, ...head }) => ({ ...head, timeMs, time: formatLogTime(timeMs) }));

function naiveEntry(head: EntryHead, event: string): string {
  const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  return (
    `{"seq":${head.seq},"prev":"${b64(head.prev)}","salt":"${b64(head.salt)}",` +
    `"time":"${head.time}","source":"${head.source}","event":${event}}`
  );
}

function entryBytes(head: EntryHead, event: string): Uint8Array {
  const out = new Uint8Array(entryByteLengthMax + 7);
  const bytes = utf8(`..${event}.`);
  return out.slice(7, writeEntry(out, 7, head, bytes, 2, bytes.length - 1));
}

const sample: EntryHead = {
  seq: 42,
  prev: sha256(utf8("before")),
  salt: sha256(utf8("salt")).subarray(0, 18),
  time: "2026-11-23T05:00:00.123Z",
  source: "api",
};

function errorOf(act: () => unknown): CairnError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof CairnError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}

test("a written entry is the template filled in, and is read back", () => {
  fc.assert(
    fc.property(arbitraryHead, fc.constantFrom("{}", '{"a":"é"}'), (head, event) => {
      const bytes = entryBytes(head, event);
      assert.equal(parseUtf8(bytes), naiveEntry(head, event));
      for (const entry of [parseEntry(bytes), parseEntryHead(bytes)]) {
        const { seq, timeMs, time, source } = entry;
        assert.deepEqual(
          { seq, timeMs, time, source },
          {
            seq: head.seq,
            timeMs: head.timeMs,
            time: head.time,
            source: head.source,
          },
        );
        assert.deepEqual([hex(entry.prev), hex(entry.salt)], [hex(head.prev), hex(head.salt)]);
        assert.equal(parseUtf8(entry.event), event);
      }
    }),
    { seed: 20261123, numRuns: 1000 },
  );
});

test("seqs of every length, and the longest entry, fit", () => {
  for (let digits = 1; digits <= 16; digits++) {
    for (const seq of [10 ** (digits - 1), Math.min(10 ** digits - 1, Number.MAX_SAFE_INTEGER)]) {
      const bytes = entryBytes({ ...sample, seq }, "{}");
      assert.equal(parseUtf8(bytes), naiveEntry({ ...sample, seq }, "{}"));
    }
  }
  const longest = { ...sample, seq: Number.MAX_SAFE_INTEGER, source: "s".repeat(64) };
  const bytes = entryBytes(longest, `{"a":"${"x".repeat(eventByteLengthMax - 8)}"}`);
  assert.equal(bytes.length, entryByteLengthMax);
  assert.equal(bytes.length, headByteLengthMax + eventByteLengthMax + 1);
  assert.ok(entryByteLengthMax <= 0xffff, "the frame's length is two bytes");
  assert.equal(parseEntry(bytes).seq, Number.MAX_SAFE_INTEGER);
});

test("an entry that is changed in one byte of its head, or cut, is refused or is another entry", () => {
  const bytes = entryBytes(sample, '{"a":1}');
  const { eventOffset } = parseEntry(bytes);
  for (let i = 0; i < eventOffset; i++) {
    for (let byte = 0; byte < 256; byte++) {
      if (bytes[i] === byte) continue;
      const changed = bytes.slice();
      changed[i] = byte;
      try {
        const entry = parseEntry(changed);
        // What is still an entry says something else, in its own one spelling.
        assert.deepEqual(entryBytes(entry, parseUtf8(entry.event)), changed);
      } catch (error) {
        assert.ok(error instanceof CairnError, String(error));
        assert.equal(error.code, "malformed");
      }
    }
  }
  for (let end = 0; end < bytes.length; end++) {
    const error = errorOf(() => parseEntry(bytes.slice(0, end)));
    assert.ok(error.place.byte! <= end, `${end}: ${error.message}`);
    // Without a look into the event, its own last brace can pass for the entry's.
    if (end === bytes.length - 1) continue;
    assert.equal(errorOf(() => parseEntryHead(bytes.slice(0, end))).code, "malformed");
  }
});

test("a source's alias is [a-z0-9._/-]{1,64}", () => {
  for (const text of ["a", "api", "k8s/prod-1.eu_x", "x".repeat(64)]) {
    assert.ok(isSource(text), text);
  }
  for (const text of ["", "A", "a b", "a:b", 'a"', "é", "\u0161", "x".repeat(65)]) {
    assert.ok(!isSource(text), text);
  }
});

test("a framed entry has the same leaf hash, and its length before it", () => {
  for (const length of [2, 255, 256, 300, 64_000]) {
    const entry = entryBytes(sample, `{"":"${"x".repeat(Math.max(0, length - 7))}"}`);
    const buffer = new Uint8Array(entry.length + 10).fill(0xaa);
    buffer.set(entry, 5);
    const hash = hashFramedEntry(sha256, buffer, 3, entry.length);
    assert.deepEqual(hash, leafHash(sha256, entry));
    assert.deepEqual(hash, sha256(Uint8Array.from([0, ...entry])));
    assert.equal(buffer[3]! * 256 + buffer[4]!, entry.length);
    assert.deepEqual(buffer.subarray(5, 5 + entry.length), entry);
    assert.deepEqual([buffer[2], buffer[5 + entry.length]], [0xaa, 0xaa]);
  }
});

test("stripping and restoring are exact inverses", () => {
  fc.assert(
    fc.property(arbitraryHead, (head) => {
      const bytes = entryBytes(head, '{"a":1}');
      const stripped = new Uint8Array(entryByteLengthMax);
      const end = stripEntry(stripped, 3, Uint8Array.from([9, ...bytes, 9]), 1, 1 + bytes.length);
      const expected = naiveEntry(head, '{"a":1}').replace(/^\{"seq":\d+,"prev":"[^"]*",/, "{");
      assert.equal(parseUtf8(stripped.subarray(3, end)), expected);
      const restored = new Uint8Array(entryByteLengthMax);
      const restoredEnd = restoreEntry(restored, 2, head.seq, head.prev, stripped, 3, end);
      assert.deepEqual(restored.slice(2, restoredEnd), bytes);
    }),
    { seed: 20261123, numRuns: 500 },
  );
  const out = new Uint8Array(300);
  assert.equal(
    errorOf(() => restoreEntry(out, 0, 1, genesisPrev(), utf8("x{}"), 0, 3)).code,
    "malformed",
  );
});

interface EventVector {
  name: string;
  hex: string;
  insert?: { at: number; count: number };
}
interface Vectors {
  chain: {
    salt: string;
    time: string;
    source: string;
    event: string;
    entry: string;
    leafHash: string;
  }[];
  accepted: (EventVector & { stored?: string })[];
  refused: (EventVector & { code: string; byte?: number; pointer?: string })[];
  refusedEntries: { name: string; entry: string; code: string; byte?: number }[];
}
const vectorsUrl = new URL("../../../vectors/entry.json", import.meta.url);
const vectors = JSON.parse(readFileSync(vectorsUrl, "utf8")) as Vectors;

function eventOf({ hex: text, insert }: EventVector): Uint8Array {
  const bytes = parseHex(text);
  if (insert === undefined) return bytes;
  const { at, count } = insert;
  const filled = new Uint8Array(bytes.length + count).fill(0x78);
  filled.set(bytes.subarray(0, at));
  filled.set(bytes.subarray(at), at + count);
  return filled;
}

test("golden: the chain of entries", () => {
  let prev = genesisPrev();
  for (const [seq, vector] of vectors.chain.entries()) {
    const head = {
      seq,
      prev,
      salt: parseBase64(vector.salt),
      time: vector.time,
      source: vector.source,
    };
    const bytes = entryBytes(head, vector.event);
    assert.equal(parseUtf8(bytes), vector.entry);
    assert.equal(base64(parseEntry(utf8(vector.entry)).prev), base64(prev));
    prev = leafHash(sha256, bytes);
    assert.equal(hex(prev), vector.leafHash);
  }
  assert.ok(vectors.chain.length >= 3);
});

test("golden: events that are taken, and what is stored of them", () => {
  const scanner = new EventScanner();
  for (const vector of vectors.accepted) {
    const { name, stored } = vector;
    const bytes = eventOf(vector);
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
    assert.equal(hex(compactEvent(bytes, 0, bytes.length)), stored ?? hex(bytes), name);
    assert.equal(scanner.whiteSpace > 0, stored !== undefined, name);
  }
  assert.ok(vectors.accepted.length > 10);
});

test("golden: events and entries that are refused, with code and place", () => {
  const scanner = new EventScanner();
  for (const vector of vectors.refused) {
    const { name, code, byte, pointer } = vector;
    const bytes = eventOf(vector);
    const error = errorOf(() => {
      scanner.scan(bytes, 0, bytes.length);
      checkEvent(scanner, bytes);
    });
    assert.deepEqual(
      [error.code, error.place.byte, error.place.pointer],
      [code, byte, pointer],
      name,
    );
  }
  for (const { name, entry, code, byte } of vectors.refusedEntries) {
    const error = errorOf(() => parseEntry(utf8(entry)));
    assert.deepEqual([error.code, error.place.byte], [code, byte], `${name}: ${error.message}`);
  }
  assert.ok(vectors.refused.length > 30 && vectors.refusedEntries.length > 10);
});

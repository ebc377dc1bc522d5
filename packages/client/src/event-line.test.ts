/**
 * Goal: the line holds what the caller meant, or the caller is told why not: nothing turns into
 * `null` or `{}`, and nothing is left out, without a word. Ids, delays and answers have one right
 * form each.
 *
 * Method: examples with the exact text, or the exact pointer of the culprit.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs, findRetryAfterMs } from "./backoff.ts";
import { parseBatchAnswer } from "./batch-answer.ts";
import { EventIds } from "./event-id.ts";
import { eventBytesMax, renderEventLine } from "./event-line.ts";
import { consoleReporter } from "./failure-report.ts";
import { CairnError } from "./index.ts";

const defaults = { id: () => "ID", time: () => "T" };

test("id and time are filled in where they lack, and kept where they are", () => {
  const text = (event: object): string => renderEventLine(event, defaults).text;
  assert.equal(text({ type: "a.b" }), '{"id":"ID","type":"a.b","time":"T"}');
  assert.equal(text({ id: "x", time: "t", type: "a.b" }), '{"id":"x","time":"t","type":"a.b"}');
  assert.equal(text({ id: undefined, time: undefined }), '{"id":"ID","time":"T"}');
  assert.equal(text({ class_uid: 3002, time: 1 }), '{"id":"ID","class_uid":3002,"time":1}');
  assert.equal(text({ class_uid: 3002 }), '{"id":"ID","class_uid":3002}');
  const own = { toJSON: () => ({ type: "a.b" }), hidden: 1 };
  assert.equal(text(own), '{"id":"ID","type":"a.b","time":"T"}');
});

test("what JSON can say is said", () => {
  const date = new Date(Date.UTC(2026, 0, 1));
  const event = {
    a: [1, null, "ü€😀\ud800"],
    d: date,
    gone: undefined,
    n: { b: true },
    u: new URL("http://h/"),
  };
  const { text, byteLength } = renderEventLine(event, defaults);
  assert.deepEqual(JSON.parse(text), {
    id: "ID",
    a: [1, null, "ü€😀\ud800"],
    d: "2026-01-01T00:00:00.000Z",
    n: { b: true },
    u: "http://h/",
    time: "T",
  });
  assert.equal(byteLength, Buffer.byteLength(text));
});

const cycle: Record<string, unknown> = {};
cycle["self"] = { cycle };
const unsayable: [string, unknown, string][] = [
  ["NaN", Number.NaN, ""],
  ["Infinity", { x: Number.POSITIVE_INFINITY }, "/x"],
  ["a Number object of NaN", Object(Number.NaN), ""],
  ["BigInt", [0, 1n], "/1"],
  ["undefined in an array", [undefined], "/0"],
  ["a function", { f() {} }, "/f"],
  ["a symbol", Symbol("s"), ""],
  ["a Map", { "a/b~c": new Map([[1, 2]]) }, "/a~1b~0c"],
  ["a Set", [[new Set([1])]], "/0/0"],
  ["an Error", Object.assign(new Error("lost"), { code: "E" }), ""],
  ["bytes", new Uint8Array(2), ""],
  ["an invalid Date", { when: new Date(Number.NaN) }, "/when"],
  ["a promise", Promise.resolve(1), ""],
];
for (const [what, value, at] of unsayable) {
  test(`refused with its place: ${what}`, () => {
    assert.throws(
      () => renderEventLine({ details: value }, defaults),
      (error: CairnError) => {
        assert.equal(error.code, "invalid");
        assert.equal(error.place.pointer, `/details${at}`);
        return true;
      },
    );
  });
}

test("cycles, roots that are no objects, private, and too much are refused", () => {
  const code = (event: unknown): string => {
    try {
      renderEventLine(event as object, defaults);
    } catch (error) {
      return (error as CairnError).code;
    }
    return "taken";
  };
  assert.equal(code(cycle), "invalid");
  for (const root of [undefined, null, 1, "x", [], () => 1, new Map([[1, 2]])]) {
    assert.equal(code(root), "invalid");
  }
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  assert.equal(code({ details: nested(63) }), "taken");
  assert.equal(code({ details: nested(64) }), "invalid");
  assert.equal(code({ id: 5 }), "invalid");
  assert.equal(code({ id: "" }), "invalid");
  assert.equal(code({ private: { a: 1 } }), "private_unsupported");
  assert.equal(code({ private: null }), "private_unsupported");
  const head = Buffer.byteLength('{"id":"ID","x":"","time":"T"}');
  assert.equal(code({ x: "é".repeat((eventBytesMax - head - 1) / 2) }), "taken");
  assert.equal(code({ x: "y".repeat(eventBytesMax - head) }), "taken");
  assert.equal(code({ x: "y".repeat(eventBytesMax - head + 1) }), "too_large");
});

test("ids sort in the order in which they were made, also when the clock steps back", () => {
  let chance = 0xff;
  const ids = new EventIds((bytes) => bytes.fill(chance));
  const made = [ids.next(1_000), ids.next(1_000), ids.next(900)];
  chance = 0;
  made.push(ids.next(1_001), ids.next(2 ** 48 - 1));
  assert.deepEqual([...made].sort(), made);
  assert.equal(new Set(made).size, made.length);
  for (const id of made) assert.match(id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.equal(made[0], "00000000Z8FZZZZZZZZZZZZZZZ");
  assert.equal(made[1], "00000000Z8G000000000000000");
});

test("delays double up to a limit; Retry-After has two forms", () => {
  const limits = { firstMs: 100, maxMs: 1_000 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((n) => backoffMs(n, 0, limits)),
    [50, 100, 200, 400, 500, 500],
  );
  assert.equal(backoffMs(1, 0.5, limits), 75);
  assert.equal(backoffMs(1, 0.5, limits, 2_000), 2_050);
  const now = Date.UTC(2026, 10, 23, 5);
  const read = (text: string | null): number | undefined => findRetryAfterMs(text, now);
  assert.equal(read("0"), 0);
  assert.equal(read("120"), 120_000);
  assert.equal(read("Mon, 23 Nov 2026 05:00:30 GMT"), 30_000);
  assert.equal(read("Mon, 23 Nov 2026 04:00:30 GMT"), 0);
  for (const strange of [
    null,
    "",
    "-1",
    "1.5",
    "0x10",
    "1e3",
    " 1",
    "Tue, 23 Nov 2026 05:00:30 GMT",
    "Tue, 31 Feb 2026 05:00:30 GMT",
    "2026-11-23T05:00:30Z",
  ]) {
    assert.equal(read(strange), undefined);
  }
});

test("an answer that is not whole is not believed", () => {
  const leafHash = "A".repeat(43) + "=";
  const answer = (...results: unknown[]): string => JSON.stringify({ checkpoint: "c", results });
  assert.equal(parseBatchAnswer(answer({ seq: 0, leafHash }), 1).results.length, 1);
  const broken = [
    "",
    "null",
    "[]",
    "{}",
    '{"results":{}}',
    answer(),
    answer({ seq: 0, leafHash }, { seq: 1, leafHash }),
    answer(null),
    answer({ seq: -1, leafHash }),
    answer({ seq: 0.5, leafHash }),
    answer({ seq: "0", leafHash }),
    answer({ seq: 0 }),
    answer({ seq: 0, leafHash: "AAAA" }),
    answer({ seq: 0, leafHash: `${leafHash}\n` }),
    JSON.stringify({ results: [{ seq: 0, leafHash }] }),
  ];
  for (const text of broken) assert.throws(() => parseBatchAnswer(text, 1), { code: "malformed" });
});

test("the console hears of trouble, but not of each event in a flood", () => {
  let now = 0;
  const lines: string[] = [];
  const report = consoleReporter(
    () => now,
    (line) => lines.push(line),
  );
  const error = new CairnError("overloaded", "full");
  for (let i = 0; i < 1_000; i++) report(error, { willRetry: false, eventId: `e${i}` });
  now = 5_000;
  report(error, { willRetry: false, eventId: "last" });
  assert.deepEqual(lines, [
    "cairn: event e0 was not recorded: overloaded: full",
    "cairn: event last was not recorded: overloaded: full (and 999 reports before this one)",
  ]);
});

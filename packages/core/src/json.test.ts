/**
 * Goal: the scanner takes exactly the I-JSON objects, names the byte where it refuses, and finds the log's members.
 * Method: a slow oracle (JSON.parse for the grammar, then the rules of RFC 7493 word for
 * word on a naive token list), compared on every short text over a small alphabet, on random JSON and on random
 * damage to it; then chosen cases with their offsets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CairnError } from "./errors.ts";
import { parseUtf8, utf8 } from "./encoding.ts";
import { compactEvent } from "./json-compact.ts";
import { eventFields, EventScanner, jsonKinds } from "./json.ts";

const seed = 20261123;
const scanner = new EventScanner();
// Hundreds of thousands of refusals are made here, and nobody reads where from.
Error.stackTraceLimit = 0;

function refusalOf(bytes: Uint8Array): CairnError | undefined {
  try {
    scanner.scan(bytes, 0, bytes.length);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof CairnError, String(error));
    return error;
  }
}

const noncharacter = (code: number): boolean =>
  (code >= 0xfdd0 && code <= 0xfdef) || code % 0x10000 >= 0xfffe;

/** RFC 7493 section 2.1 on a string that JSON.parse returned. */
function isGoodText(text: string): boolean {
  return text.isWellFormed() && ![...text].some((c) => noncharacter(c.codePointAt(0)!));
}

function isGoodNumber(token: string): boolean {
  const value = Number(token);
  if (/^-?[0-9]+$/.test(token)) return Number.isSafeInteger(value);
  return Number.isFinite(value) && (value !== 0 || !/[1-9]/.test(token.replace(/e.*/i, "")));
}

/** Whether the text is an I-JSON object as the specification says; nothing about it is fast. */
function isIJson(bytes: Uint8Array): boolean {
  let text: string;
  try {
    text = parseUtf8(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  } catch {
    return false;
  }
  // The grammar is right, so a plain expression finds the tokens.
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  const open: (Set<string> | undefined)[] = [];
  for (const [i, token] of tokens.entries()) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token.startsWith('"')) {
      const string = JSON.parse(token) as string;
      if (!isGoodText(string)) return false;
      if (tokens[i + 1] !== ":") continue;
      if (open.at(-1)!.has(string)) return false;
      open.at(-1)!.add(string);
    } else if (/^[-0-9]/.test(token) && !isGoodNumber(token)) return false;
    if (open.length > 64) return false;
  }
  return true;
}

function compare(bytes: Uint8Array): void {
  const refused = refusalOf(bytes);
  const shown = JSON.stringify(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  assert.equal(refused === undefined, isIJson(bytes), `${shown}: ${refused?.message}`);
  if (refused !== undefined) {
    assert.equal(refused.code, "malformed");
    const byte = refused.place.byte;
    assert.ok(byte !== undefined && byte >= 0 && byte <= bytes.length, shown);
  }
}

function everyText(alphabet: string, lengthMax: number, visit: (text: string) => void): void {
  const grow = (text: string): void => {
    visit(text);
    if (text.length < lengthMax) for (const letter of alphabet) grow(text + letter);
  };
  grow("");
}

test("every short text agrees with the oracle", () => {
  everyText('{}[]",:0-1eE.\\u a', 3, (text) => compare(utf8(text)));
  everyText('{}[]",:0a ', 3, (text) => compare(utf8(`{"a":${text}}`)));
  everyText('{}",:a', 5, (text) => compare(utf8(`{${text}}`)));
  everyText("0-1eE.+", 5, (text) => compare(utf8(`{"n":${text}}`)));
  everyText('\\u0dDfF8cC"', 3, (text) => compare(utf8(`{"s":"\\u${text}8"}`)));
  everyText("truefalsn", 4, (text) => compare(utf8(`{"a":${text}}`)));
});

test("the code points around each noncharacter agree with the oracle, raw and escaped", () => {
  const codePoints = [0xfdcf, 0xfdd0, 0xfdef, 0xfdf0, 0xd7ff, 0xe000];
  for (let plane = 0; plane <= 16; plane++) {
    for (const low of [0, 0xfffd, 0xfffe, 0xffff]) codePoints.push(plane * 0x10000 + low);
  }
  for (const codePoint of codePoints.filter((code) => code > 0)) {
    const text = String.fromCodePoint(codePoint);
    const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    const escaped = units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
    for (const spelled of [text, escaped, escaped.toUpperCase().replaceAll("U", "u")]) {
      compare(utf8(`{"a":"${spelled}"}`));
      compare(utf8(`{"${spelled}":"${spelled}"}`));
    }
  }
});

test("every one- and two-byte string, and every edge of longer sequences, agrees with the oracle", () => {
  const inString = (...middle: number[]): Uint8Array =>
    Uint8Array.from([...utf8('{"a":"'), ...middle, ...utf8('"}')]);
  for (let a = 0; a < 256; a++) {
    compare(inString(a));
    for (let b = 0; b < 256; b++) compare(inString(a, b));
  }
  const edges = [
    0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xb7, 0xbd, 0xbe, 0xbf, 0xc0, 0xff,
  ];
  for (let a = 0xe0; a < 0xf6; a++) {
    for (const b of edges) {
      for (const c of edges) {
        compare(inString(a, b, c));
        for (const d of edges) compare(inString(a, b, c, d));
      }
    }
  }
});

/** Random values whose names come from a few, so that equal ones meet, some of them escaped. */
const names = fc.constantFrom(
  "a",
  "b",
  "\\u0061",
  "é",
  "\\u00e9",
  "",
  "id",
  "\\ud83d\\ude00",
  "😀",
);
const leaves = fc.oneof(
  fc.constantFrom(
    "0",
    "-0",
    "1e5",
    "1.5",
    "9007199254740991",
    "9007199254740992",
    "1e400",
    "5e-324",
  ),
  fc.constantFrom(
    "true",
    "false",
    "null",
    '""',
    '"\\n"',
    '"\\ud800"',
    '"\\uffff"',
    '"\uffff"',
    "01",
  ),
  fc.double().map(String),
  fc.string({ unit: "binary" }).map((s) => JSON.stringify(s)),
);
const blank = fc.constantFrom("", "", "", " ", "\n\t");
const { value } = fc.letrec<{ value: string; members: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaves,
    fc.array(tie("value"), { maxLength: 3 }).map((v) => `[${v.join(",")}]`),
    tie("members"),
  ),
  members: fc
    .array(fc.tuple(names, blank, tie("value"), blank), { maxLength: 4 })
    .map((m) => `{${m.map(([n, x, v, y]) => `"${n}"${x}:${y}${v}${x}`).join(",")}}`),
}));
const texts = fc
  .uniqueArray(fc.tuple(names, value), { maxLength: 5, selector: ([name]) => name })
  .map((m) => utf8(`{${m.map(([n, v]) => `"${n}":${v}`).join(",")}}`));

test("random JSON, and random damage to it, agrees with the oracle", () => {
  fc.assert(fc.property(texts, compare), { seed, numRuns: 3000 });
  const damaged = fc
    .tuple(texts, fc.nat(), fc.nat(255), fc.nat(3))
    .map(([bytes, at, byte, how]) => {
      const i = at % bytes.length;
      if (how === 0) return bytes.map((old, j) => (j === i ? byte : old));
      if (how === 1) return Uint8Array.from([...bytes.subarray(0, i), ...bytes.subarray(i + 1)]);
      if (how === 2) return Uint8Array.from([...bytes.subarray(0, i), byte, ...bytes.subarray(i)]);
      return bytes.slice(0, i);
    });
  fc.assert(fc.property(damaged, compare), { seed, numRuns: 6000 });
});

test("numbers at the edges of a double agree with the oracle", () => {
  const tokens = [
    ...["1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309"],
    ...["-1.7976931348623159e308", "179769313486231580793e288", "179769313486231580794e288"],
    ...["4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2e-324", "1e-400"],
    ...["0e999999999999", "0.0e-99999", "0e400", "-0.0", "-0", "1e20", "1E+20", "1e00000000000001"],
    ...["9007199254740991", "9007199254740992", "-9007199254740991", "-9007199254740992"],
    ...["9007199254740993.0", "100000000000000000000", "12345678901234567", "0.1e1", "1e-5"],
    `0.${"0".repeat(400)}1e401`,
    `1${"0".repeat(400)}e-400`,
    `1${"0".repeat(308)}.5`,
    `1${"0".repeat(309)}.5`,
    `0.${"0".repeat(330)}1`,
    `${(2n ** 1024n - 2n ** 970n).toString()}.0`,
    `${(2n ** 1024n - 2n ** 970n - 1n).toString()}.0`,
    `${(5n ** 1075n).toString()}e-1075`,
    `${(5n ** 1075n + 1n).toString()}e-1075`,
  ];
  for (const token of tokens) compare(utf8(`{"n":${token}}`));
  const random = fc
    .tuple(fc.boolean(), fc.stringMatching(/^[0-9]{1,20}$/), fc.integer({ min: -345, max: 310 }))
    .map(([dot, digits, exponent]) => `${dot ? "0." : "1."}${digits}e${exponent}`);
  fc.assert(
    fc.property(random, (token) => compare(utf8(`{"n":${token}}`))),
    { seed, numRuns: 3000 },
  );
});

test("a refusal names the first wrong byte, counted from the event", () => {
  const cases: [string, number][] = [
    ["", 0],
    ["  ", 2],
    ["[1]", 0],
    [" 1", 1],
    ["\ufeff{}", 0],
    ["{} x", 3],
    ['{"a":1,"a":2}', 7],
    ['{"a":1,"\\u0061":2}', 7],
    ['{"a":{"b":1,"b":2}}', 12],
    ['{"a":01}', 6],
    ['{"a":-}', 6],
    ['{"a":1.}', 7],
    ['{"a":trux}', 8],
    ['{"a":NaN}', 5],
    ['{"a":9007199254740992}', 5],
    ['{"a":-1e400}', 5],
    ['{"a":"x\n"}', 7],
    ['{"a":"x\\q"}', 7],
    ['{"a":"x\\ud800\\u0041"}', 7],
    ['{"a":"x\\ufdd0"}', 7],
    ['{"a":"x\uffff"}', 7],
    ['{"a":"x', 7],
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    [`{"a":${"[".repeat(64)}`, 5 + 63],
  ];
  for (const [text, byte] of cases) {
    const error = refusalOf(utf8(text));
    assert.equal(error?.code, "malformed", text);
    assert.equal(error?.place.byte, byte, `${text}: ${error?.message}`);
  }
  // Inside a larger buffer nothing outside the range is read or counted.
  const line = utf8('{"a":"b"}\n{"a":1"}\n');
  scanner.scan(line, 0, 9);
  assert.throws(() => scanner.scan(line, 10, 18), { place: { byte: 6 } });
  assert.throws(() => scanner.scan(line, 10, 18, 0), { place: { byte: 16 } });
  for (let end = 0; end < 9; end++)
    assert.throws(() => scanner.scan(line, 0, end), { place: { byte: end } });
});

test("depth 64 is taken and 65 is not; names of inner objects do not leak out", () => {
  const nested = (depth: number): Uint8Array =>
    utf8(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
  assert.equal(refusalOf(nested(64)), undefined);
  assert.equal(refusalOf(nested(65))?.place.byte, 64 * 5);
  assert.equal(refusalOf(utf8('{"x":{"a":1,"b":{"a":1}},"a":[{"a":1},{"a":1}],"b":1}')), undefined);
});

test("an object of any number of members refuses a repeated name, wherever it stands", () => {
  for (const count of [2, 15, 16, 17, 18, 40, 3000]) {
    const all = Array.from({ length: count }, (_, i) => `"name${i}é":1`);
    assert.equal(refusalOf(utf8(`{${all.join(",")}}`)), undefined);
    for (const i of new Set([0, 1, 14, 15, 16, 17, count - 1].filter((n) => n < count))) {
      const escaped = `"n\\u0061me${i}\\u00e9":1`;
      for (const again of [all[i]!, escaped]) {
        const before = utf8(`{${all.join(",")},`).length;
        assert.equal(refusalOf(utf8(`{${all.join(",")},${again}}`))?.place.byte, before);
        // The same name inside another object is not a repetition.
        assert.equal(refusalOf(utf8(`{${all.join(",")},"o":{${again}}}`)), undefined);
      }
      const mixed = all.map((member, j) => (j === i ? escaped : member));
      assert.ok(refusalOf(utf8(`{${mixed.join(",")},${all[i]!}}`)), `${count} ${i}`);
    }
  }
});

test("64,000 bytes without white space are taken, one more is not, and white space does not count", () => {
  const event = (length: number): string => `{"a":"${"x".repeat(length - 8)}"}`;
  assert.equal(refusalOf(utf8(event(64_000))), undefined);
  assert.equal(refusalOf(utf8(`${event(64_000).replace(":", " : ")}\r\n`)), undefined);
  const error = refusalOf(utf8(` ${event(64_001)}`));
  assert.equal(error?.code, "too_large");
  assert.match(error?.message ?? "", /64001 bytes/);
});

test("the members that the log needs are found by their unescaped names, at the top and in actor only", () => {
  const text =
    '{"details":{"id":"no","private":1},"\\u0069d":"e1","type":"a.b","actor":{"x":{"id":1},"id":"al"},' +
    '"targets":[{"type":"t","id":"i"}],"class_uid":1,"outcome":null,"trace":true,"time":[],"action":"é"}';
  scanner.scan(utf8(text), 0, utf8(text).length);
  const found = Object.entries(eventFields).map(([name, field]) => {
    if (scanner.kinds[field] === jsonKinds.absent) return [name, undefined];
    return [name, parseUtf8(utf8(text).slice(scanner.from[field], scanner.to[field]))];
  });
  assert.deepEqual(Object.fromEntries(found), {
    id: '"e1"',
    type: '"a.b"',
    time: "[]",
    actor: '{"x":{"id":1},"id":"al"}',
    action: '"é"',
    outcome: "null",
    targets: '[{"type":"t","id":"i"}]',
    trace: "true",
    private: undefined,
    class_uid: "1",
    blobs: undefined,
    sequence: undefined,
    actorId: '"al"',
  });
  scanner.scan(utf8("{}"), 0, 2);
  assert.ok(scanner.kinds.every((kind) => kind === jsonKinds.absent));
});

test("white space between tokens is counted and removed, and nothing else is", () => {
  const text = '\r\n{ "a" :\t[ 1 , "b \\" c\\\\" , { } ] , "é  " : " " }\n';
  const bytes = utf8(text);
  scanner.scan(bytes, 0, bytes.length);
  const compact = compactEvent(bytes, 0, bytes.length);
  assert.equal(parseUtf8(compact), '{"a":[1,"b \\" c\\\\",{}],"é  ":" "}');
  assert.equal(scanner.whiteSpace, bytes.length - compact.length);
  assert.equal(scanner.whiteSpaceAt, 0);
  fc.assert(
    fc.property(texts, (random) => {
      if (refusalOf(random) !== undefined) return;
      const { whiteSpace } = scanner;
      const packed = compactEvent(random, 0, random.length);
      assert.equal(random.length - packed.length, whiteSpace);
      assert.equal(refusalOf(packed), undefined);
      assert.equal(scanner.whiteSpace, 0);
      assert.deepEqual(JSON.parse(parseUtf8(packed)), JSON.parse(parseUtf8(random)));
    }),
    { seed, numRuns: 1000 },
  );
});

/**
 * Goal: an event that the kernel accepts is one that the core's scanner accepts, and finds no white space in; and it
 * accepts the usual ones. Method: both read the same bytes. All short values over the characters that matter; every cut
 * of a list of events, with what was cut off still behind it; and random changes to them from a fixed seed: bytes
 * flipped, put in, taken out, parts repeated and exchanged.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventScanner, eventByteLengthMax, isCairnError, jsonDepthMax, utf8 } from "@cairnlog/core";
import { openKernel, type Kernel } from "./kernel.ts";

const found = openKernel();
assert.ok(found !== undefined, "this platform has SIMD");
const kernel: Kernel = found;
const scanner = new EventScanner();
const at = kernel.exports.frame.value;

/** Puts the text where the kernel looks, with `more` behind it. */
function put(text: Uint8Array, more: Uint8Array = utf8("}")): void {
  kernel.reserve(text.length + more.length);
  kernel.frameBytes.set(text);
  kernel.frameBytes.set(more, text.length);
}

/** Whether the kernel accepts the first `length` bytes of what was put there. */
function isAccepted(length: number): boolean {
  return kernel.exports.isPlainEvent(at, at + length) !== 0;
}

/** Whether the core does, without white space. */
function isRight(text: Uint8Array): boolean {
  try {
    scanner.scan(text, 0, text.length);
    return scanner.whiteSpace === 0;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return false;
  }
}

/** Fails where the kernel accepts what the core does not; returns whether it accepts. */
function compare(text: Uint8Array, more?: Uint8Array): boolean {
  put(text, more);
  if (!isAccepted(text.length)) return false;
  if (!isRight(text)) assert.fail(`accepted: ${JSON.stringify(new TextDecoder().decode(text))}`);
  return true;
}

const usual = [
  `{}`,
  `{"a":1}`,
  `{"id":"01KAPX5K8QJ5ZG7QZ8N2V4T6WB","type":"database.query","time":"2026-11-23T05:00:00.123Z",` +
    `"actor":{"id":"alice@example.com","type":"user","ip":"203.0.113.9"},"action":"SELECT",` +
    `"targets":[{"type":"postgres","id":"orders-prod/public.orders"},{"type":"x","id":"y"}],` +
    `"outcome":"success","details":{"rows":12,"share":0.25,"is":true,"not":false,"none":null}}`,
  `{"a":{},"b":[],"c":[{}],"d":[[]],"e":[1,2,3],"f":{"a":{"a":{"a":"a"}}}}`,
  `{"n":[0,-0,1,-1,10,999999999999999,0.5,-12.25,0.000000000000000000000000001]}`,
  `{"s":["","\\"","\\\\","\\/\\b\\f\\n\\r\\t","0123456789abcde","0123456789abcdef\\n","\u007f"]}`,
  `{"":1,"a":2,"aa":3,"abcdefgh":4,"abcdefghi":5,"abcdefghj":6,"abcdefgh ":7,"b":8}`,
  `{${Array.from({ length: 32 }, (_, i) => `"member ${i}":${i}`).join(",")}}`,
];
const others = [
  `{"a":1,"a":2}`,
  `{"abcdefghijkl":1,"b":{"abcdefghijkl":2},"abcdefghijkl":3}`,
  `{"abcdefgh":1,"abcdefgh":2}`,
  `{"a":1,"\\u0061":2}`,
  `{"a/":1,"a\\/":2}`,
  `{"\\n":1,"\\n":2}`,
  `{"é":1,"é":2}`,
  `{"s":"\\u0000 \\ud83d\\ude00 \\ud83d \\x é 😀 \ufffe"}`,
  `{"n":[00,01,-,1.,.5,+1,1e5,1E-5,1e999,9007199254740991,9007199254740993,1.0e+1,0x1,NaN]}`,
  `{"a":tru,"b":nul,"c":falsy,"d":True}`,
  `{"a" :1, "b": 2 }`,
  ` {}`,
  `{} `,
  `[]`,
  `"a"`,
  `{"a":[1,],"b":{,},"c":[,1]}`,
  `{"a":1,}`,
  `{"a"}`,
  `{"a":}`,
  `{"a":[}`,
  `{"a":{]}`,
  `{${Array.from({ length: 40 }, (_, i) => `"${i}":${i}`).join(",")}}`,
  `{"\t":"\n","a\u0000":1}`,
];

test("the usual events are accepted, up to every bound", () => {
  for (const text of usual) assert.ok(compare(utf8(text)), text);
  const nested = (depth: number): string =>
    `{"a":${"[".repeat(depth - 2)}{"b":1}${"]".repeat(depth - 2)}}`;
  assert.ok(compare(utf8(nested(jsonDepthMax))));
  assert.ok(!compare(utf8(nested(jsonDepthMax + 1))));
  const long = (length: number): string => `{"a":"${"x".repeat(length - 8)}"}`;
  assert.ok(compare(utf8(long(eventByteLengthMax))));
  assert.ok(!compare(utf8(long(eventByteLengthMax + 1))));
});

test("what must be refused is not accepted", () => {
  for (const text of others) assert.ok(!compare(utf8(text)) || isRight(utf8(text)), text);
  for (const number of ["00", "-", "1.", ".5", "+1", "1e999", "9007199254740992", "0x1", "NaN"]) {
    assert.ok(!compare(utf8(`{"a":${number}}`)), number);
  }
});

test("every cut of an event is refused, whatever lies behind it", () => {
  for (const text of [...usual, ...others]) {
    const bytes = utf8(text);
    for (const more of ["", "}", "}}}}]]", '":1}', '"}']) {
      for (let end = 0; end <= bytes.length; end++) {
        put(bytes, utf8(more));
        if (!isAccepted(end)) continue;
        assert.ok(isRight(bytes.subarray(0, end)), `${end} bytes of ${text}`);
      }
    }
  }
});

test("all short values over the characters that matter", () => {
  const characters = utf8('"\\{}[]:,01-.eatn \u0001');
  const [open, close] = [utf8('{"a":'), utf8("}")];
  let accepted = 0;
  for (let length = 1; length <= 4; length++) {
    const text = new Uint8Array(open.length + length + 1);
    text.set(open);
    text.set(close, open.length + length);
    for (let number = 0; number < characters.length ** length; number++) {
      let rest = number;
      for (let i = 0; i < length; i++) {
        text[open.length + i] = characters[rest % characters.length]!;
        rest = Math.floor(rest / characters.length);
      }
      if (compare(text)) accepted++;
    }
  }
  assert.ok(accepted > 250, `only ${accepted}`);
});

test("random changes to events", () => {
  const seed = 20_261_123;
  let state = seed;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const bytesPut = [...utf8('"\\{}[]:,0129-+.eEu /tfn'), 0x00, 0x1f, 0x7f, 0x80, 0xc3, 0xed, 0xff];
  const corpus = [...usual, ...others].map(utf8);
  const change = (text: Uint8Array): Uint8Array => {
    const pos = random(text.length + 1);
    const until = pos + random(Math.min(12, text.length - pos) + 1);
    const part = text.subarray(pos, until);
    const byte = bytesPut[random(bytesPut.length)]!;
    switch (random(6)) {
      case 0:
        return pos < text.length ? text.with(pos, text[pos]! ^ (1 << random(8))) : text;
      case 1:
        return Uint8Array.of(...text.subarray(0, pos), byte, ...text.subarray(pos));
      case 2:
        return Uint8Array.of(...text.subarray(0, pos), ...text.subarray(until));
      case 3:
        return Uint8Array.of(...text.subarray(0, until), ...part, ...text.subarray(until));
      case 4:
        return pos < text.length ? text.with(pos, byte) : text;
      default: {
        const other = corpus[random(corpus.length)]!;
        const from = random(other.length);
        const taken = other.subarray(from, from + random(16));
        return Uint8Array.of(...text.subarray(0, pos), ...taken, ...text.subarray(until));
      }
    }
  };
  let accepted = 0;
  let right = 0;
  for (let round = 0; round < 60_000; round++) {
    let text = corpus[random(corpus.length)]!;
    for (let times = 1 + random(3); times > 0; times--) text = change(text);
    const more = random(2) === 0 ? utf8("}") : corpus[random(corpus.length)]!;
    if (compare(text, more)) accepted++;
    else if (isRight(text)) right++;
  }
  // What is left to the core although it is right: escapes, exponents and the like.
  assert.ok(accepted > 3000 && right < accepted, `seed ${seed}: ${accepted}, ${right} left`);
});

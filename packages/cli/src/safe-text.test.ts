/**
 * Goal: nothing that an event holds can repaint a terminal, reorder its text or hide in it.
 * Method: every code point of the dangerous kinds, one by one; then what must stay as it is.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asciiJson, safeText, shorten } from "./safe-text.ts";

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("safe text", () => {
  const dangerous = [
    ...range(0x00, 0x1f),
    ...range(0x7f, 0x9f),
    ...[0xad, 0x61c, 0x180e, 0x2028, 0x2029, 0xfeff, 0xfffe, 0xe0001, 0xe000, 0x3164],
    ...range(0x200b, 0x200f),
    ...range(0x202a, 0x202e),
    ...range(0x2060, 0x206f),
  ];
  for (const code of dangerous) {
    it(`shows U+${code.toString(16).padStart(4, "0")} as an escape`, () => {
      const shown = safeText(`a${String.fromCodePoint(code)}b`);
      assert.match(shown, /^a\\(n|t|x[0-9a-f]{2}|u\{[0-9a-f]+\})b$/);
    });
  }

  it("shows lone surrogates as escapes", () => {
    assert.equal(safeText("a\ud800b"), "a\\u{d800}b");
  });

  it("leaves what prints itself as it is", () => {
    const text = 'Größe 日本語 עברית 😀 \\ "quoted" <tag>';
    assert.equal(safeText(text), text);
  });

  it("turns an escape sequence into text", () => {
    assert.equal(safeText("\u001b[2J\u001b]0;x\u0007"), "\\x1b[2J\\x1b]0;x\\x07");
  });

  it("writes JSON in ASCII with the same value", () => {
    const value = { "a\u202e": "\u009b31m\u007f\n😀" };
    const json = asciiJson(value);
    assert.match(json, /^[ -~]*$/);
    assert.deepEqual(JSON.parse(json), value);
  });

  it("shortens by characters, not in the middle of one", () => {
    assert.equal(shorten("😀😀😀😀", 3), "😀😀…");
    assert.equal(shorten("abc", 3), "abc");
  });
});

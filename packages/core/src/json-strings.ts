/**
 * Strings of I-JSON (RFC 8259 section 7, RFC 7493 section 2.1), beyond the plain ASCII that the scanner walks over
 * by itself: UTF-8 with no mercy, escapes, and the unescaping of member names.
 *
 * Refused, raw or as an escape: surrogates without their other half and noncharacters, because readers disagree
 * on what to make of them.
 */
import { refusal } from "./json-refusal.ts";

/** 1 for each byte that stands for itself in a string: ASCII without controls, quote and backslash. */
export const plainBytes = new Uint8Array(256);
for (let byte = 0x20; byte < 0x80; byte++)
  plainBytes[byte] = byte === 0x22 || byte === 0x5c ? 0 : 1;

const quote = 0x22;
const backslash = 0x5c;
const letterU = 0x75;

/** What each one-letter escape stands for; 0 where there is no such escape. */
const shortEscapes = new Uint8Array(256);
for (const [letter, value] of [
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
] as const) {
  shortEscapes[letter] = value;
}

/** Walks the rest of a string from `at`, inside its quotes; returns the position after the closing quote. */
export function scanStringRest(bytes: Uint8Array, at: number, end: number, origin: number): number {
  let pos = at;
  while (pos < end) {
    const byte = bytes[pos]!;
    if (plainBytes[byte] === 1) pos++;
    else if (byte === quote) return pos + 1;
    else if (byte === backslash) pos = scanEscape(bytes, pos, end, origin);
    else if (byte >= 0x80) pos = scanScalar(bytes, pos, end, origin);
    else {
      throw refusal(
        pos - origin,
        `a control character (0x${byte.toString(16).padStart(2, "0")}) in a string`,
        "Escape it as \\u00xx, or \\n, \\r, \\t",
      );
    }
  }
  throw refusal(end - origin, "the text ends inside a string", "Send the whole JSON object");
}

/** Noncharacters (Unicode 23.7): U+FDD0 to U+FDEF, and the last two code points of each plane. */
function isNoncharacter(codePoint: number): boolean {
  return (codePoint & 0xfffe) === 0xfffe || (codePoint >= 0xfdd0 && codePoint <= 0xfdef);
}

function noncharacter(byte: number, codePoint: number): Error {
  const name = `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}`;
  return refusal(byte, `${name} is a noncharacter`, "Remove it: I-JSON (RFC 7493) forbids it");
}

/** One code point of two to four bytes (Unicode 3.9, table 3-7); returns the position after it. */
function scanScalar(bytes: Uint8Array, at: number, end: number, origin: number): number {
  const lead = bytes[at]!;
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  let codePoint = length === 2 ? lead & 0x1f : length === 3 ? lead & 0x0f : lead & 0x07;
  let isWell = length !== 0 && at + length <= end;
  for (let i = 1; isWell && i < length; i++) {
    const next = bytes[at + i]!;
    isWell = (next & 0xc0) === 0x80;
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  // C0 and C1 are not lead bytes above, so only three and four bytes can still be overlong.
  if (length === 3) isWell &&= codePoint >= 0x800 && (codePoint < 0xd800 || codePoint > 0xdfff);
  if (length === 4) isWell &&= codePoint >= 0x10000 && codePoint <= 0x10ffff;
  if (!isWell) throw refusal(at - origin, "invalid UTF-8", "Encode the text as UTF-8");
  if (isNoncharacter(codePoint)) throw noncharacter(at - origin, codePoint);
  return at + length;
}

/** The value of the four hex digits at `at`, in either case; -1 where there are none before `end`. */
function hexQuad(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i]!;
    const letter = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) value = value * 16 + byte - 0x30;
    else if (letter >= 0x61 && letter <= 0x66) value = value * 16 + letter - 0x57;
    else return -1;
  }
  return value;
}

/** One escape, or two that are one surrogate pair. Every fault is reported at the backslash. */
function scanEscape(bytes: Uint8Array, at: number, end: number, origin: number): number {
  const letter = at + 1 < end ? bytes[at + 1]! : 0;
  if (shortEscapes[letter] !== 0) return at + 2;
  const unit = letter === letterU ? hexQuad(bytes, at + 2, end) : -1;
  if (unit < 0) {
    throw refusal(
      at - origin,
      "not an escape of JSON",
      'Write \\\\ for a backslash; the others are \\" \\/ \\b \\f \\n \\r \\t and \\uXXXX',
    );
  }
  if (unit < 0xd800 || unit > 0xdfff) {
    if (isNoncharacter(unit)) throw noncharacter(at - origin, unit);
    return at + 6;
  }
  const isPair = at + 7 < end && bytes[at + 6] === backslash && bytes[at + 7] === letterU;
  const low = isPair && unit < 0xdc00 ? hexQuad(bytes, at + 8, end) : -1;
  if (low < 0xdc00 || low > 0xdfff) {
    throw refusal(
      at - origin,
      "half of a surrogate pair",
      "Write the whole pair, or the character itself in UTF-8",
    );
  }
  const codePoint = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  if (isNoncharacter(codePoint)) throw noncharacter(at - origin, codePoint);
  return at + 12;
}

/**
 * Writes what the string between `from` and `to` means, in UTF-8, into `out` at `at`; returns the end. The string
 * was scanned before. The result is never longer than the spelling.
 */
export function unescapeString(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  let end = at;
  let pos = from;
  while (pos < to) {
    const byte = bytes[pos]!;
    if (byte !== backslash) {
      out[end++] = byte;
      pos++;
      continue;
    }
    const letter = bytes[pos + 1]!;
    if (letter !== letterU) {
      out[end++] = shortEscapes[letter]!;
      pos += 2;
      continue;
    }
    let codePoint = hexQuad(bytes, pos + 2, to);
    pos += 6;
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) {
      codePoint = 0x10000 + ((codePoint - 0xd800) << 10) + (hexQuad(bytes, pos + 2, to) - 0xdc00);
      pos += 6;
    }
    end = writeScalar(codePoint, out, end);
  }
  return end;
}

function writeScalar(codePoint: number, out: Uint8Array, at: number): number {
  let end = at;
  if (codePoint < 0x80) {
    out[end++] = codePoint;
    return end;
  }
  if (codePoint < 0x800) {
    out[end++] = 0xc0 | (codePoint >> 6);
  } else {
    if (codePoint < 0x10000) {
      out[end++] = 0xe0 | (codePoint >> 12);
    } else {
      out[end++] = 0xf0 | (codePoint >> 18);
      out[end++] = 0x80 | ((codePoint >> 12) & 0x3f);
    }
    out[end++] = 0x80 | ((codePoint >> 6) & 0x3f);
  }
  out[end++] = 0x80 | (codePoint & 0x3f);
  return end;
}

/**
 * White space between the tokens of a JSON text: counting it and removing it. Tokens are kept byte for byte, so
 * that what a source signed is what is stored.
 *
 * Neither function judges the text. On a text that the scanner took they are exact; on another they are harmless.
 */

const quote = 0x22;
const backslash = 0x5c;

const whiteSpaceBytes = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) whiteSpaceBytes[byte] = 1;

/** The position after the string that begins at `at`; `end` where it does not close. */
function skipString(bytes: Uint8Array, at: number, end: number): number {
  let pos = at + 1;
  while (pos < end && bytes[pos] !== quote) pos += bytes[pos] === backslash ? 2 : 1;
  return Math.min(pos + 1, end);
}

/** How many bytes `compactEvent` would return. */
export function compactedLength(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  let pos = start;
  while (pos < end) {
    const byte = bytes[pos]!;
    const next = byte === quote ? skipString(bytes, pos, end) : pos + 1;
    if (whiteSpaceBytes[byte] === 0) length += next - pos;
    pos = next;
  }
  return length;
}

/** A fresh copy of the text between `start` and `end` without white space between its tokens. */
export function compactEvent(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const out = new Uint8Array(compactedLength(bytes, start, end));
  let to = 0;
  let pos = start;
  while (pos < end) {
    const byte = bytes[pos]!;
    const next = byte === quote ? skipString(bytes, pos, end) : pos + 1;
    if (whiteSpaceBytes[byte] === 0) while (pos < next) out[to++] = bytes[pos++]!;
    pos = next;
  }
  return out;
}

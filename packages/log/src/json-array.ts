/**
 * Cuts a JSON array into its elements without making values of them: it follows strings, escapes
 * and brackets, and nothing else. What lies inside an element is judged by the scanner, element by
 * element.
 *
 * A cut is only right while the brackets are: so the first structural error anywhere refuses the
 * whole array, with its byte, and not only the element that it is in.
 */
import { CairnError, jsonDepthMax } from "@cairnlog/core";
import { EventBatch } from "./event-batch.ts";

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

// An event may be `jsonDepthMax` deep. Some more is followed here, so that the scanner gets to say
// so of that event.
const depthMax = 4 * jsonDepthMax;

/**
 * The events of a JSON array, each standing for itself. A structural error is thrown: "malformed"
 * with its byte.
 */
export function readJsonArray(bytes: Uint8Array): EventBatch {
  const batch = new EventBatch(bytes, Math.max(16, Math.ceil(bytes.length / 256)));
  cutJsonArray(bytes, (start, end) => batch.add(start, end));
  return batch;
}

/**
 * Calls `take` with the range of each element, in order. Throws "malformed" at the first structural
 * error.
 */
export function cutJsonArray(bytes: Uint8Array, take: (start: number, end: number) => void): void {
  let at = skipWhiteSpace(bytes, 0);
  if (bytes[at] !== openBracket) throw unexpected(bytes, at, "'['");
  at = skipWhiteSpace(bytes, at + 1);
  if (bytes[at] === closeBracket) return checkNothingAfter(bytes, at + 1);
  for (;;) {
    const end = endOfValue(bytes, at);
    take(at, end);
    at = skipWhiteSpace(bytes, end);
    if (bytes[at] === closeBracket) return checkNothingAfter(bytes, at + 1);
    if (bytes[at] !== comma) throw unexpected(bytes, at, "',' or ']'");
    at = skipWhiteSpace(bytes, at + 1);
  }
}

function checkNothingAfter(bytes: Uint8Array, at: number): void {
  const rest = skipWhiteSpace(bytes, at);
  if (rest < bytes.length) throw unexpected(bytes, rest, "nothing after the array");
}

/** Where the value that begins at `at` ends. */
function endOfValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === quote) return endOfString(bytes, at);
  if (first === openBrace || first === openBracket) return endOfContainer(bytes, at);
  let end = at;
  while (end < bytes.length && !isDelimiter(bytes[end]!)) end++;
  if (end === at) throw unexpected(bytes, at, "a value");
  return end;
}

function endOfString(bytes: Uint8Array, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === quote) return i + 1;
    if (byte === backslash) i++;
  }
  throw unexpected(bytes, bytes.length, "the end of a string");
}

function endOfContainer(bytes: Uint8Array, at: number): number {
  // The closing bracket that each open one waits for.
  const closers: number[] = [];
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === quote) i = endOfString(bytes, i) - 1;
    else if (byte === openBrace || byte === openBracket) {
      if (closers.length === depthMax) throw tooDeep(i);
      closers.push(byte === openBrace ? closeBrace : closeBracket);
    } else if (byte === closeBrace || byte === closeBracket) {
      if (closers.pop() !== byte) throw unexpected(bytes, i, "the other bracket");
      if (closers.length === 0) return i + 1;
    }
  }
  throw unexpected(bytes, bytes.length, "a closing bracket");
}

function isDelimiter(byte: number): boolean {
  const isBracket =
    byte === openBracket || byte === closeBracket || byte === openBrace || byte === closeBrace;
  return isBracket || byte === comma || byte === quote || isWhiteSpace(byte);
}

function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipWhiteSpace(bytes: Uint8Array, at: number): number {
  let pos = at;
  while (pos < bytes.length && isWhiteSpace(bytes[pos]!)) pos++;
  return pos;
}

function unexpected(bytes: Uint8Array, at: number, expected: string): CairnError {
  const found = at < bytes.length ? describeByte(bytes[at]!) : "the end of the body";
  return malformed(at, `expected ${expected}, found ${found}`);
}

function describeByte(byte: number): string {
  if (byte > 0x20 && byte < 0x7f) return `'${String.fromCharCode(byte)}'`;
  return `the byte 0x${byte.toString(16).padStart(2, "0")}`;
}

function tooDeep(at: number): CairnError {
  return malformed(at, `more than ${depthMax} objects and arrays inside one another`);
}

function malformed(byte: number, what: string): CairnError {
  const message = `byte ${byte} of the array: ${what}. Nothing of it was recorded.`;
  return new CairnError("malformed", message, { place: { byte } });
}

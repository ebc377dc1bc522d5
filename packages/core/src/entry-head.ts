/**
 * The head of an entry: everything before its event, in its one spelling. A reader finds the parts by position,
 * writes the head again from what it read and compares: it never has to trust a lenient parser.
 *
 *     {"seq":42,"prev":"<44>","salt":"<24>","time":"<24>","source":"api","event":
 */
import { assert, CairnError } from "./errors.ts";
import { writeBase64 } from "./encoding.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import { findLogTime, logTimeLength } from "./time.ts";

export const saltByteLength = 18;
export const sourceLengthMax = 64;

export interface EntryHead {
  /** The place in the log, from 0; at most 2^53 - 1. */
  readonly seq: number;
  /** Leaf hash of the entry before it; `genesisPrev` for entry 0. */
  readonly prev: Hash;
  /** 18 random bytes: the leaf hash hides the entry. */
  readonly salt: Uint8Array;
  /** When the log committed it, as `formatLogTime` spells it. */
  readonly time: string;
  /** The alias that the log gave the source. */
  readonly source: string;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const seqLabel = ascii('{"seq":');
// From the comma after `seq` to the source. The blanks are written over.
const middle = ascii(
  `,"prev":"${" ".repeat(44)}","salt":"${" ".repeat(24)}","time":"${" ".repeat(24)}","source":"`,
);
const eventLabel = ascii('","event":');
export const prevOffset = 9;
export const prevEndOffset = prevOffset + 44 + 2;
export const saltOffset = prevOffset + 44 + 10;
const timeOffset = saltOffset + 24 + 10;
const sourceOffset = timeOffset + logTimeLength + 12;

/** Longest head in bytes: a `seq` of 16 digits and a source of 64. */
export const headByteLengthMax =
  seqLabel.length + 16 + middle.length + sourceLengthMax + eventLabel.length;

/** What `prev` of entry 0 is: 32 zero bytes. A fresh array. */
export function genesisPrev(): Hash {
  return new Uint8Array(hashByteLength);
}

const sourceBytes = new Uint8Array(256);
for (const byte of ascii("abcdefghijklmnopqrstuvwxyz0123456789._/-")) sourceBytes[byte] = 1;

/** Whether `text` can be the alias of a source: `[a-z0-9._/-]{1,64}`. */
export function isSource(text: string): boolean {
  if (text.length < 1 || text.length > sourceLengthMax) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || sourceBytes[code] === 0) return false;
  }
  return true;
}

/** Writes `seq` in decimal; returns the end. */
export function writeSeq(seq: number, out: Uint8Array, at: number): number {
  let length = 1;
  for (let power = 10; length < 16 && seq >= power; power *= 10) length++;
  let rest = seq;
  for (let i = at + length - 1; i >= at; i--) {
    const quotient = Math.floor(rest / 10);
    out[i] = 0x30 + (rest - quotient * 10);
    rest = quotient;
  }
  return at + length;
}

/** Writes `{"seq":42,"prev":"<44>",`, less its last comma; returns the end. */
export function writeSeqAndPrev(seq: number, prev: Hash, out: Uint8Array, at: number): number {
  for (let i = 0; i < seqLabel.length; i++) out[at + i] = seqLabel[i]!;
  const end = writeSeq(seq, out, at + seqLabel.length);
  for (let i = 0; i < prevOffset; i++) out[end + i] = middle[i]!;
  writeBase64(prev, out, end + prevOffset);
  out[end + prevOffset + 44] = 0x22;
  return end + prevOffset + 45;
}

/** Writes the head; returns the end, where the event goes. `out` has room for `headByteLengthMax` bytes. */
export function writeHead(head: EntryHead, out: Uint8Array, at: number): number {
  const { seq, prev, salt, time, source } = head;
  assert(Number.isSafeInteger(seq) && seq >= 0, `not a seq: ${seq}`);
  assert(prev.length === hashByteLength && salt.length === saltByteLength, "prev or salt is cut");
  assert(
    time.length === logTimeLength && isSource(source),
    `not a time and source: ${time} ${source}`,
  );
  for (let i = 0; i < seqLabel.length; i++) out[at + i] = seqLabel[i]!;
  const base = writeSeq(seq, out, at + seqLabel.length);
  out.set(middle, base);
  writeBase64(prev, out, base + prevOffset);
  writeBase64(salt, out, base + saltOffset);
  for (let i = 0; i < logTimeLength; i++) out[base + timeOffset + i] = time.charCodeAt(i);
  let end = base + sourceOffset;
  for (let i = 0; i < source.length; i++) out[end++] = source.charCodeAt(i);
  for (let i = 0; i < eventLabel.length; i++) out[end++] = eventLabel[i]!;
  return end;
}

export interface ParsedHead extends EntryHead {
  readonly timeMs: number;
  /** Offset of the event from the start of the entry. */
  readonly eventOffset: number;
}

function departs(byte: number, what: string): CairnError {
  return new CairnError(
    "malformed",
    `byte ${byte}: the entry departs from its one spelling (${what}). It was changed, or is no entry: ` +
      "get it from the log again.",
    { place: { byte } },
  );
}

/** Position after the digits of `seq` that begin at `at`: at most 16. */
export function seqEnd(bytes: Uint8Array, at: number, end: number): number {
  let pos = at;
  while (pos < end && pos < at + 16 && bytes[pos]! >= 0x30 && bytes[pos]! <= 0x39) pos++;
  return pos;
}

/** Reads the head of the entry between `start` and `end`. "malformed" names the first byte that is wrong. */
export function parseHead(bytes: Uint8Array, start: number, end: number): ParsedHead {
  const digitsAt = start + seqLabel.length;
  const base = seqEnd(bytes, digitsAt, end);
  let seq = 0;
  for (let i = digitsAt; i < base; i++) seq = seq * 10 + (bytes[i]! - 0x30);
  const sourceAt = base + sourceOffset;
  let sourceEnd = sourceAt;
  while (
    sourceEnd < end &&
    sourceEnd - sourceAt < sourceLengthMax &&
    sourceBytes[bytes[sourceEnd]!] === 1
  ) {
    sourceEnd++;
  }
  // From here on the comparison decides: whatever was misread so far is written differently.
  const isZeroLed = bytes[digitsAt] === 0x30 && base > digitsAt + 1;
  const isSeq = base > digitsAt && !isZeroLed && Number.isSafeInteger(seq);
  const prev = readBase64(bytes, base + prevOffset, end, hashByteLength);
  const salt = readBase64(bytes, base + saltOffset, end, saltByteLength);
  const timeAt = base + timeOffset;
  const timeMs = timeAt + logTimeLength <= end ? findLogTime(bytes, timeAt) : undefined;
  const head: EntryHead = {
    seq: isSeq ? seq : 0,
    prev,
    salt,
    time: asciiText(bytes, timeAt, timeAt + logTimeLength).padEnd(logTimeLength),
    source: sourceEnd > sourceAt ? asciiText(bytes, sourceAt, sourceEnd) : "-",
  };
  const again = new Uint8Array(headByteLengthMax);
  const length = writeHead(head, again, 0);
  // What is no seq or time at all cannot be written again: it is wrong from its first byte on.
  const compared = !isSeq ? seqLabel.length : timeMs !== undefined ? length : timeAt - start;
  for (let i = 0; i < compared; i++) {
    if (start + i >= end) throw departs(i, "it ends too early");
    if (bytes[start + i] !== again[i]) throw departs(i, nameOfPart(i, base - start));
  }
  if (!isSeq) throw departs(compared, "seq");
  if (timeMs === undefined) throw departs(compared, "time");
  return { ...head, timeMs, eventOffset: length };
}

function nameOfPart(offset: number, base: number): string {
  if (offset < base + 1) return "seq";
  if (offset < base + saltOffset - 10) return "prev";
  if (offset < base + timeOffset - 10) return "salt";
  if (offset < base + sourceOffset - 12) return "time";
  return "source, or the label before the event";
}

function asciiText(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let i = from; i < Math.min(to, bytes.length); i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

const base64Values = new Uint8Array(256);
for (const [value, byte] of ascii(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
).entries()) {
  base64Values[byte] = value;
}

/** Reads `length` bytes of base64. Lenient, for the caller writes them again and compares. */
function readBase64(bytes: Uint8Array, at: number, end: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let pos = at;
  for (let to = 0; to < length && pos + 4 <= end; to += 3, pos += 4) {
    const bits =
      (base64Values[bytes[pos]!]! << 18) |
      (base64Values[bytes[pos + 1]!]! << 12) |
      (base64Values[bytes[pos + 2]!]! << 6) |
      base64Values[bytes[pos + 3]!]!;
    out[to] = bits >>> 16;
    if (to + 1 < length) out[to + 1] = bits >>> 8;
    if (to + 2 < length) out[to + 2] = bits;
  }
  return out;
}

/**
 * The spelling of a stripped entry (an entry without its `seq` and `prev`), read by position and without a copy, and
 * the beginning that restoring puts before it. This is hot: it runs once for each entry of a log that is checked.
 *
 *     {"salt":"<24>","time":"<24>","source":"api","event":{…}}
 *
 * Where an entry departs from its one spelling, the core's strict reader is asked why (`explain`), so that there is
 * one authority for what is wrong.
 */
import {
  assert,
  findLogTime,
  headByteLengthMax,
  isCairnError,
  logTimeLength,
  restoreEntry,
  saltByteLength,
  sourceLengthMax,
  utf8,
  type ErrorPlace,
} from "@cairnlog/core";
import { segmentError } from "./segment-format.ts";

const saltLabel = utf8('{"salt":"');
const timeLabel = utf8('","time":"');
const sourceLabel = utf8('","source":"');
const eventLabel = utf8('","event":');
const saltLength = (saltByteLength / 3) * 4;
const timeLabelAt = saltLabel.length + saltLength;
const timeAt = timeLabelAt + timeLabel.length;
const sourceLabelAt = timeAt + logTimeLength;
const sourceAt = sourceLabelAt + sourceLabel.length;
/** `{"seq":…,"prev":"…",` with the longest seq, less the brace: what restoring adds to an entry, at most. */
export const restoredMore = headByteLengthMax - sourceAt - sourceLengthMax - eventLabel.length + 1;

const isBase64 = flags("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const isSourceByte = flags("abcdefghijklmnopqrstuvwxyz0123456789._/-");

function flags(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of utf8(characters)) table[byte] = 1;
  return table;
}

function isAt(bytes: Uint8Array, at: number, label: Uint8Array): boolean {
  for (let i = 0; i < label.length; i++) if (bytes[at + i] !== label[i]) return false;
  return true;
}

/**
 * Offset of the event in the stripped entry between `start` and `end`, or -1 where its head has another spelling. 24
 * characters of base64 are 18 bytes in their only spelling, so looking at the alphabet is enough. The time between
 * the labels is for `StrippedTimes`.
 */
export function findStrippedEvent(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < sourceAt + 1 + eventLabel.length + 3 || bytes[end - 1] !== 0x7d) return -1;
  if (!isAt(bytes, start, saltLabel) || !isAt(bytes, start + timeLabelAt, timeLabel)) return -1;
  if (!isAt(bytes, start + sourceLabelAt, sourceLabel)) return -1;
  for (let i = start + saltLabel.length; i < start + timeLabelAt; i++) {
    if (isBase64[bytes[i]!] === 0) return -1;
  }
  let at = start + sourceAt;
  while (at < end && isSourceByte[bytes[at]!] === 1) at++;
  const sourceLength = at - start - sourceAt;
  if (sourceLength < 1 || sourceLength > sourceLengthMax || !isAt(bytes, at, eventLabel)) return -1;
  const eventAt = at + eventLabel.length;
  return end - 1 - eventAt < 2 ? -1 : eventAt;
}

/** Up to here the times of one second are the same. */
const secondLength = 20;

/** Reads the times of entries in order. Most have the second of the one before: only its last digits are read then. */
export class StrippedTimes {
  /** The second that was read last; no byte is -1. */
  readonly #second = new Int16Array(secondLength).fill(-1);
  #secondMs = 0;

  /** Milliseconds since 1970 at which the log committed the entry at `start`; undefined if it is no time. */
  at(bytes: Uint8Array, start: number): number | undefined {
    const at = start + timeAt;
    const second = this.#second;
    let i = 0;
    while (i < secondLength && bytes[at + i] === second[i]) i++;
    if (i === secondLength && bytes[at + 23] === 0x5a) {
      const a = bytes[at + 20]! - 0x30;
      const b = bytes[at + 21]! - 0x30;
      const c = bytes[at + 22]! - 0x30;
      const areDigits = a >= 0 && a <= 9 && b >= 0 && b <= 9 && c >= 0 && c <= 9;
      return areDigits ? this.#secondMs + 100 * a + 10 * b + c : undefined;
    }
    const timeMs = findLogTime(bytes, at);
    if (timeMs === undefined) return undefined;
    for (let k = 0; k < secondLength; k++) second[k] = bytes[at + k]!;
    const digits = 100 * bytes[at + 20]! + 10 * bytes[at + 21]! + bytes[at + 22]! - 111 * 0x30;
    this.#secondMs = timeMs - digits;
    return timeMs;
  }
}

const shortest = utf8('{"');
const seqAt = 7;
const prevAfterSeq = 9;
const alphabet = utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/**
 * `{"seq":42,"prev":"…",`: what restoring puts in the place of an entry's first brace. The core writes it where a
 * frame begins; from entry to entry only the digits that change and `prev` are written over, which costs half as much.
 */
export class EntryPrefix {
  /** The bytes, in an array of exactly that length; overwritten by the next entry's. */
  bytes = new Uint8Array(0);
  #seq = -1;

  /** Makes it the prefix of entry `seq`, which follows the one whose leaf hash lies in `run` at `hashAt`. */
  set(seq: number, run: Uint8Array, hashAt: number): void {
    const isNext = this.#seq >= 0 && seq === this.#seq + 1 && this.#countUp();
    this.#seq = seq;
    if (isNext) {
      writeHash(run, hashAt, this.bytes, this.bytes.length - 46);
      return;
    }
    const out = new Uint8Array(restoredMore + 2);
    const prev = run.slice(hashAt, hashAt + 32);
    // The shortest thing that can be restored is two bytes, `{"`, of which the second one is not of the prefix.
    this.bytes = out.slice(0, restoreEntry(out, 0, seq, prev, shortest, 0, 2) - 1);
  }

  /** Adds one to the digits; false where that needs one digit more. */
  #countUp(): boolean {
    const { bytes } = this;
    let at = bytes.length - 46 - prevAfterSeq - 1;
    while (at >= seqAt && bytes[at] === 0x39) bytes[at--] = 0x30;
    if (at < seqAt) return false;
    bytes[at]!++;
    return true;
  }
}

/** Writes 32 bytes of `run` as base64: 43 digits and a padding that is there already. */
function writeHash(run: Uint8Array, from: number, out: Uint8Array, at: number): void {
  let to = at;
  let i = from;
  for (; i < from + 30; i += 3) {
    const bits = (run[i]! << 16) | (run[i + 1]! << 8) | run[i + 2]!;
    out[to] = alphabet[bits >>> 18]!;
    out[to + 1] = alphabet[(bits >>> 12) & 63]!;
    out[to + 2] = alphabet[(bits >>> 6) & 63]!;
    out[to + 3] = alphabet[bits & 63]!;
    to += 4;
  }
  const bits = (run[i]! << 16) | (run[i + 1]! << 8);
  out[to] = alphabet[bits >>> 18]!;
  out[to + 1] = alphabet[(bits >>> 12) & 63]!;
  out[to + 2] = alphabet[(bits >>> 6) & 63]!;
}

/** What the core's strict reader has to say about an entry that it refuses. */
export function explain(refuse: () => void, place: ErrorPlace, seq: number): Error {
  try {
    refuse();
  } catch (cause) {
    if (!isCairnError(cause)) throw cause;
    const what = `the entry does not parse (${cause.message})`;
    return segmentError("malformed", what, { ...place, seq }, cause);
  }
  assert(false, `entry ${seq} is refused here and accepted by the strict reader`);
}

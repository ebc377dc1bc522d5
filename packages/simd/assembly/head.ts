/**
 * The head of a stripped entry, in its one spelling, and what restoring puts before it:
 *
 *     {"salt":"<24>","time":"<24>","source":"api","event":{…}}
 *     {"seq":42,"prev":"<44>",
 *
 * `findStrippedEvent`, `StrippedTimes` and `EntryPrefix` of `@cairnlog/store` are the same in JavaScript. What is not
 * accepted here is left to them.
 */
import { prefix } from "./layout";

export const timeOffset: usize = 43;
const sourceOffset: usize = 79;
const sourceLengthMax: usize = 64;
/** Head, source of one byte, an empty event and the closing brace. */
const shortest: usize = sourceOffset + 1 + 10 + 3;

/** Position of the event of the entry between `start` and `end`; or 0. */
export function findEvent(start: usize, end: usize): usize {
  if (end - start < shortest || load<u8>(end - 1) !== 0x7d) return 0;
  // {"salt":"
  if (load<u64>(start) !== 0x3a22746c6173227b || load<u8>(start, 8) !== 0x22) return 0;
  // ","time":"
  if (load<u64>(start, 33) !== 0x22656d6974222c22 || load<u16>(start, 41) !== 0x223a) return 0;
  // ","source":"
  if (load<u64>(start, 67) !== 0x6372756f73222c22 || load<u32>(start, 75) !== 0x223a2265) return 0;
  if (!areBase64(v128.load(start, 9)) || !areBase64(v128.load(start, 17))) return 0;
  const source = start + sourceOffset;
  const quote = sourceEnd(source);
  const length = quote - source;
  if (length === 0 || length > sourceLengthMax) return 0;
  // ","event":
  if (load<u64>(quote) !== 0x746e657665222c22 || load<u16>(quote, 8) !== 0x3a22) return 0;
  const event = quote + 10;
  return event + 3 > end ? 0 : event;
}

function areBase64(bytes: v128): bool {
  // Letters of both cases; then "/" and the digits, which lie behind it; and "+".
  const lower = v128.or(bytes, i8x16.splat(0x20));
  const letters = i8x16.lt_u(i8x16.sub(lower, i8x16.splat(0x61)), i8x16.splat(26));
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x2f)), i8x16.splat(11));
  const plus = i8x16.eq(bytes, i8x16.splat(0x2b));
  return i8x16.all_true(v128.or(v128.or(letters, digits), plus));
}

/** The first byte from `at` on that is not of `[a-z0-9._/-]`. */
function sourceEnd(at: usize): usize {
  while (true) {
    const bytes = v128.load(at);
    const letters = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x61)), i8x16.splat(26));
    // "-", ".", "/" and the digits follow one another.
    const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x2d)), i8x16.splat(13));
    const line = i8x16.eq(bytes, i8x16.splat(0x5f));
    const mask = i8x16.bitmask(v128.not(v128.or(v128.or(letters, digits), line)));
    if (mask !== 0) return at + (ctz(mask) as usize);
    at += 16;
  }
}

/** The time of the entry that was accepted last: where it lies, and its milliseconds since midnight. */
let lastTime: usize = 0;
let lastMs: i32 = 0;

/** Begins after an entry whose time at `at` is known to be one. */
export function beginTimes(at: usize): void {
  lastTime = at;
  lastMs = secondMs(at) + fractionMs(at);
}

/**
 * Whether at `at` is a time of the same day as the last one's, and not before it: `YYYY-MM-DDTHH:MM:SS.mmmZ`. The day
 * need not be looked at then.
 */
export function isNextTime(at: usize): bool {
  const last = lastTime;
  if (load<u64>(at) !== load<u64>(last) || load<u32>(at, 7) !== load<u32>(last, 7)) return false;
  const fraction = fractionMs(at);
  if (fraction < 0 || load<u8>(at, 23) !== 0x5a) return false;
  let ms: i32;
  if (load<u64>(at, 11) === load<u64>(last, 11) && load<u8>(at, 19) === load<u8>(last, 19)) {
    ms = lastMs - fractionMs(last) + fraction;
  } else {
    if (load<u8>(at, 13) !== 0x3a || load<u8>(at, 16) !== 0x3a || load<u8>(at, 19) !== 0x2e)
      return false;
    const second = secondMs(at);
    if (second < 0) return false;
    ms = second + fraction;
  }
  if (ms < lastMs) return false;
  lastTime = at;
  lastMs = ms;
  return true;
}

/** `HH:MM:SS` in milliseconds; negative where the digits are none of a time of day. */
function secondMs(at: usize): i32 {
  const hours = twoDigits(at + 11);
  const minutes = twoDigits(at + 14);
  const seconds = twoDigits(at + 17);
  if ((hours | minutes | seconds) < 0 || hours > 23 || minutes > 59 || seconds > 59) return -1;
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

function fractionMs(at: usize): i32 {
  const tens = twoDigits(at + 20);
  const last = (load<u8>(at, 22) as i32) - 0x30;
  return tens < 0 || last < 0 || last > 9 ? -1 : tens * 10 + last;
}

function twoDigits(at: usize): i32 {
  const tens = (load<u8>(at) as i32) - 0x30;
  const ones = (load<u8>(at, 1) as i32) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

const seqAt: usize = prefix + 8;
/** From the end of the digits: `,"prev":"`, 43 digits of base64, `=",`. */
const prevAt: usize = 9;
const afterDigits: usize = 9 + 44 + 2;
let digitsEnd: usize = 0;

/** Lays out the prefix of the entry before `seq`: `setPrefix` counts up from there. */
export function beginPrefix(seq: u64): void {
  // 0x00 and {"seq":
  store<u64>(prefix, 0x3a22716573227b00);
  let length: usize = 1;
  for (let power: u64 = 10; seq >= power && length < 17; power *= 10) length++;
  digitsEnd = seqAt + length;
  for (let at = digitsEnd - 1; at >= seqAt; at--) {
    store<u8>(at, 0x30 + ((seq % 10) as u8));
    seq /= 10;
  }
  layOut();
}

function layOut(): void {
  // ,"prev":" and, behind the base64, =",
  store<u64>(digitsEnd, 0x3a2276657270222c);
  store<u8>(digitsEnd, 0x22, 8);
}

/** Makes it the prefix of the next entry, which follows the one with the hash at `hash`; returns its length. */
export function nextPrefix(hash: usize): usize {
  let at = digitsEnd - 1;
  while (load<u8>(at) === 0x39) store<u8>(at--, 0x30);
  if (at < seqAt) {
    // All nines: one digit more.
    store<u8>(seqAt, 0x31);
    store<u8>(digitsEnd++, 0x30);
    layOut();
  } else store<u8>(at, load<u8>(at) + 1);
  const to = digitsEnd + prevAt;
  v128.store(to, base64(v128.load(hash)));
  v128.store(to, base64(v128.load(hash, 12)), 16);
  // Eight bytes are left; what lies behind them counts as zero.
  v128.store(to, base64(v128.load64_zero(hash, 24)), 32);
  store<u8>(to, 0x3d, 43);
  store<u16>(to, 0x2c22, 44);
  return digitsEnd + afterDigits - prefix;
}

/** Base64 of the first 12 bytes. */
function base64(bytes: v128): v128 {
  // Three bytes to each word, the first one highest; then six bits to each byte, the first ones lowest.
  const order = i8x16(2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1);
  const words = v128.swizzle(bytes, order);
  const digits = v128.or(
    v128.or(i32x4.shr_u(words, 18), v128.and(i32x4.shr_u(words, 4), i32x4.splat(0x3f00))),
    v128.or(
      v128.and(i32x4.shl(words, 10), i32x4.splat(0x3f0000)),
      v128.and(i32x4.shl(words, 24), i32x4.splat(0x3f000000)),
    ),
  );
  // What is to be added to a digit is looked up: 0 for a-z, 1 to 10 for 0-9, 11 for "+", 12 for "/", 13 for A-Z.
  const upper = v128.and(i8x16.lt_s(digits, i8x16.splat(26)), i8x16.splat(13));
  const row = v128.or(i8x16.sub_sat_u(digits, i8x16.splat(51)), upper);
  const shifts = i8x16(71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0);
  return i8x16.add(v128.swizzle(shifts, row), digits);
}

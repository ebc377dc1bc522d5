/**
 * The log's own time stamps, exactly `YYYY-MM-DDTHH:MM:SS.mmmZ`, and the calendar that they and the sources'
 * RFC 3339 times are checked against: the proleptic Gregorian one, years 0000 to 9999. There is no clock here, and
 * no lenient reader.
 */
import { CairnError } from "./errors.ts";

export const logTimeLength = 24;
const minMs = -62_167_219_200_000;
const maxMs = 253_402_300_799_999;

/** Spells milliseconds since 1970 (without leap seconds) as a log does. */
export function formatLogTime(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < minMs || ms > maxMs) {
    throw new CairnError(
      "usage",
      `not a time between the years 0000 and 9999: ${ms} ms since 1970`,
    );
  }
  return new Date(ms).toISOString();
}

/** Reads a log's time stamp in its only spelling; milliseconds since 1970. */
export function parseLogTime(text: string): number {
  const bytes = Uint8Array.from(text, (c) => Math.min(c.charCodeAt(0), 0xff));
  const ms = text.length === logTimeLength ? findLogTime(bytes, 0) : undefined;
  if (ms === undefined) {
    throw new CairnError(
      "malformed",
      `not a time as 2026-11-23T05:00:00.123Z: ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return ms;
}

/** The time stamp in the 24 bytes at `at`, as milliseconds since 1970; undefined where it is none. */
export function findLogTime(bytes: Uint8Array, at: number): number | undefined {
  const second = findDateTime(bytes, at);
  if (second === undefined || bytes[at + 19] !== 0x2e || bytes[at + 23] !== 0x5a) return undefined;
  const tens = findTwoDigits(bytes, at + 20);
  const last = bytes[at + 22]! - 0x30;
  if (tens < 0 || !(last >= 0 && last <= 9)) return undefined;
  // A leap second would have the same number as the second after it: two spellings of one time.
  if (findTwoDigits(bytes, at + 17) === 60) return undefined;
  return second * 1000 + tens * 10 + last;
}

/**
 * Whether the bytes are a source's time: RFC 3339 with upper-case `T` and `Z`, a zone, at most nine digits of a
 * second. Second 60 is taken where the zone makes it 23:59:60 in UTC: when leap seconds come is not known ahead.
 */
export function isSourceTime(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from < 20 || findDateTime(bytes, from) === undefined) return false;
  let pos = from + 19;
  if (bytes[pos] === 0x2e) {
    const digits = pos + 1;
    pos = digits;
    while (pos < to && bytes[pos]! >= 0x30 && bytes[pos]! <= 0x39) pos++;
    if (pos === digits || pos - digits > 9) return false;
  }
  let offset = 0;
  const zone = pos < to ? bytes[pos]! : 0;
  if (zone === 0x5a) pos++;
  else {
    if ((zone !== 0x2b && zone !== 0x2d) || pos + 6 !== to || bytes[pos + 3] !== 0x3a) return false;
    const hours = findTwoDigits(bytes, pos + 1);
    const minutes = findTwoDigits(bytes, pos + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    offset = (hours * 60 + minutes) * (zone === 0x2b ? 1 : -1);
    pos += 6;
  }
  if (pos !== to) return false;
  if (findTwoDigits(bytes, from + 17) < 60) return true;
  const minute = findTwoDigits(bytes, from + 11) * 60 + findTwoDigits(bytes, from + 14) - offset;
  return (minute + 2880) % 1440 === 1439;
}

/** What a source's time, for which `isSourceTime` holds, comes to in milliseconds since 1970; parts of one are cut. */
export function sourceTimeMs(bytes: Uint8Array, from: number, to: number): number {
  const second = findDateTime(bytes, from) ?? 0;
  let millisecond = 0;
  if (bytes[from + 19] === 0x2e) {
    let weight = 100;
    for (let pos = from + 20; weight >= 1 && pos < to; pos++, weight /= 10) {
      const digit = bytes[pos]! - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      millisecond += digit * weight;
    }
  }
  if (bytes[to - 1] === 0x5a) return second * 1000 + millisecond;
  const minutes = findTwoDigits(bytes, to - 5) * 60 + findTwoDigits(bytes, to - 2);
  const offset = bytes[to - 6] === 0x2b ? minutes : -minutes;
  return (second - offset * 60) * 1000 + millisecond;
}

/** The value of two decimal digits, or -1. */
function findTwoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 0x30;
  const ones = bytes[at + 1]! - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** `YYYY-MM-DDTHH:MM:SS` as seconds since 1970, with second 60 allowed; undefined where it is no such time. */
function findDateTime(bytes: Uint8Array, at: number): number | undefined {
  const century = findTwoDigits(bytes, at);
  const yearOfCentury = findTwoDigits(bytes, at + 2);
  const month = findTwoDigits(bytes, at + 5);
  const day = findTwoDigits(bytes, at + 8);
  const hour = findTwoDigits(bytes, at + 11);
  const minute = findTwoDigits(bytes, at + 14);
  const second = findTwoDigits(bytes, at + 17);
  const areDashes = bytes[at + 4] === 0x2d && bytes[at + 7] === 0x2d && bytes[at + 10] === 0x54;
  const areColons = bytes[at + 13] === 0x3a && bytes[at + 16] === 0x3a;
  if (!areDashes || !areColons || century < 0 || yearOfCentury < 0) return undefined;
  const year = century * 100 + yearOfCentury;
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return undefined;
  }
  return daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01. Years are counted from March, so that a leap day ends one. */
function daysSince1970(year: number, month: number, day: number): number {
  const marchYear = month < 3 ? year - 1 : year;
  const marchMonth = month < 3 ? month + 9 : month - 3;
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5) + day - 1;
  const leapDays =
    Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}

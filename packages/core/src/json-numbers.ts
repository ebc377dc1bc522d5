/**
 * Numbers of I-JSON (RFC 8259 section 6, RFC 7493 section 2.2).
 *
 * What is refused, beyond the grammar, is what two readers could see differently by more than rounding:
 * - an integer, that is a number spelled without fraction and exponent, beyond ±(2^53 - 1);
 * - any number whose nearest double is infinite: |x| >= 2^1024 - 2^970;
 * - any number that is not zero but whose nearest double is: 0 < |x| <= 2^-1075.
 * `1e20`, `-0` and `9007199254740993.0` are doubles by their spelling and are taken.
 *
 * Nothing here asks the platform what a number is: the decision is made on decimal digits.
 */
import { refusal, unexpected } from "./json-refusal.ts";

const digitZero = 0x30;
const maxIntegerDigits = "9007199254740991";

/** A positive number as 0.d1d2d3… times 10^point, d1 not zero. */
interface Decimal {
  readonly digits: string;
  readonly point: number;
}

// Where rounding to even turns into infinity (half a unit above the largest double), exactly.
const infinityDigits = (2n ** 1024n - 2n ** 970n).toString();
const infinityFrom: Decimal = { digits: infinityDigits, point: infinityDigits.length };
// Half of the smallest double, 2^-1075 = 5^1075 / 10^1075, exactly: it and what is smaller rounds to zero.
const zeroDigits = (5n ** 1075n).toString();
const zeroUpTo: Decimal = { digits: zeroDigits, point: zeroDigits.length - 1075 };

function isDigit(bytes: Uint8Array, at: number, end: number): boolean {
  return at < end && bytes[at]! >= digitZero && bytes[at]! <= 0x39;
}

/** Position after the digits from `at` on; at least one is needed. */
function scanDigits(bytes: Uint8Array, at: number, end: number, origin: number): number {
  if (!isDigit(bytes, at, end)) throw unexpected(bytes, at, end, origin, "a digit");
  let pos = at + 1;
  while (isDigit(bytes, pos, end)) pos++;
  return pos;
}

/** Walks the number that begins at `at`; returns the position after it. */
export function scanNumber(bytes: Uint8Array, at: number, end: number, origin: number): number {
  const first = bytes[at] === 0x2d ? at + 1 : at;
  const pos = scanDigits(bytes, first, end, origin);
  if (bytes[first] === digitZero && pos > first + 1) {
    throw refusal(first + 1 - origin, "a number with a leading zero", "Remove the zero");
  }
  // A reader past `end` would see the next event's bytes.
  const byte = pos < end ? bytes[pos]! : 0;
  if (byte === 0x2e || (byte | 0x20) === 0x65)
    return scanDouble(bytes, at, first, pos, end, origin);
  // 15 digits are always safe; 16 are compared as text, which for equal lengths is their order as numbers.
  if (pos - first > 15 && isBeyondInteger(bytes, first, pos)) {
    throw refusal(
      at - origin,
      "an integer beyond 2^53 - 1, which readers would round differently",
      "Send it as a string",
    );
  }
  return pos;
}

function isBeyondInteger(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from > 16 || asciiText(bytes, from, to) > maxIntegerDigits;
}

function scanDouble(
  bytes: Uint8Array,
  at: number,
  first: number,
  wholeEnd: number,
  end: number,
  origin: number,
): number {
  let pos = wholeEnd;
  let fractionEnd = pos;
  if (bytes[pos] === 0x2e) {
    pos = scanDigits(bytes, pos + 1, end, origin);
    fractionEnd = pos;
  }
  let exponent = 0;
  if (pos < end && (bytes[pos]! | 0x20) === 0x65) {
    const sign = pos + 1 < end ? bytes[pos + 1]! : 0;
    const from = sign === 0x2b || sign === 0x2d ? pos + 2 : pos + 1;
    pos = scanDigits(bytes, from, end, origin);
    // Beyond what any mantissa of one event can make up for, a larger exponent changes nothing.
    for (let i = from; i < pos && exponent < 1e9; i++)
      exponent = exponent * 10 + bytes[i]! - digitZero;
    if (sign === 0x2d) exponent = -exponent;
  }
  // Without exponent and with few digits nothing can be out of range: the usual case ends here.
  if (exponent === 0 && fractionEnd - first < 300) return pos;
  const range = outsideDouble(bytes, first, wholeEnd, fractionEnd, exponent);
  if (range !== undefined) throw refusal(at - origin, range, "Send it as a string");
  return pos;
}

/** Says how the number does not fit a double, or undefined where it does. */
function outsideDouble(
  bytes: Uint8Array,
  first: number,
  wholeEnd: number,
  fractionEnd: number,
  exponent: number,
): string | undefined {
  const fraction = wholeEnd < fractionEnd ? asciiText(bytes, wholeEnd + 1, fractionEnd) : "";
  const all = asciiText(bytes, first, wholeEnd) + fraction;
  const digits = all.replace(/^0+/, "");
  if (digits === "") return undefined;
  const point = wholeEnd - first + exponent - (all.length - digits.length);
  const number: Decimal = { digits, point };
  if (compareDecimals(number, infinityFrom) >= 0) return "a number too large for a double";
  if (compareDecimals(number, zeroUpTo) <= 0)
    return "a number so small that a double makes it zero";
  return undefined;
}

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`. */
function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.point !== b.point) return a.point - b.point;
  const length = Math.max(a.digits.length, b.digits.length);
  const left = a.digits.padEnd(length, "0");
  const right = b.digits.padEnd(length, "0");
  return left < right ? -1 : left > right ? 1 : 0;
}

function asciiText(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

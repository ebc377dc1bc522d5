/**
 * Reads an event as strict I-JSON without white space: the usual ones, quickly. What it accepts, the core's
 * `EventScanner` accepts too, and finds no white space in it; a test holds one against the other. What it does not
 * accept may still be good: the core's scanner is asked then, and it alone says what is wrong.
 *
 * Left to that one: bytes outside ASCII, \u escapes, names with escapes, exponents, integers of more than 15 digits,
 * objects of more than 32 members.
 *
 * Positions only ever grow. So nothing but the last one has to be compared with the event's end; the zeros behind the
 * frame stop whatever went on beyond it.
 */
import { containers, names, namesEnd } from "./layout";

const depthMax: usize = 64;
const membersMax: usize = 32;
const eventByteLengthMax: usize = 64_000;
const integerDigitsMax: usize = 15;
const fractionDigitsMax: usize = 200;

/** An object or array around the one that is read, and the names that it had so far. */
@unmanaged
class Container {
  isArray: u32;
  firstName: usize;
  /** One bit for each of 64 classes of names: most new ones are in a class of their own. */
  classes: u64;
}

@unmanaged
class Name {
  /** Its first bytes, with zeros behind. */
  begin: u64;
  at: usize;
  length: usize;
}

/** Whether the event between `at` and `end` is accepted. */
export function isPlainEvent(at: usize, end: usize): bool {
  if (end - at > eventByteLengthMax || load<u8>(at) !== 0x7b) return false;
  if (load<u8>(at, 1) === 0x7d) return at + 2 === end;
  let pos = at + 1;
  let depth: usize = 1;
  let top = names;
  let isArray: u32 = 0;
  let firstName = names;
  let classes: u64 = 0;
  while (pos < end) {
    if (!isArray) {
      if (load<u8>(pos) !== 0x22) return false;
      const name = pos + 1;
      const quote = plainEnd(name);
      if (load<u16>(quote) !== 0x3a22) return false;
      pos = quote + 2;
      // A Name that is not among the object's yet.
      const length = quote - name;
      const begin =
        length >= 8 ? load<u64>(name) : load<u64>(name) & ~((-1 as u64) << ((length as u64) << 3));
      const bit = (1 as u64) << (((begin ^ ((length as u64) << 59)) * 0x9e3779b97f4a7c15) >> 58);
      if (top - firstName >= membersMax << 4 || top >= namesEnd) return false;
      if ((classes & bit) !== 0 && isAmong(firstName, top, begin, name, length)) return false;
      classes |= bit;
      const entry = changetype<Name>(top);
      entry.begin = begin;
      entry.at = name;
      entry.length = length;
      top += 16;
    }
    const byte = load<u8>(pos);
    if (byte === 0x22) {
      pos = stringEnd(pos + 1);
      if (pos === 0) return false;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (depth === depthMax) return false;
      // "}" and "]" are two after their openings.
      if (load<u8>(pos, 1) !== byte + 2) {
        const outer = changetype<Container>(containers + (depth << 4));
        outer.isArray = isArray;
        outer.firstName = firstName;
        outer.classes = classes;
        depth++;
        pos++;
        isArray = byte === 0x5b ? 1 : 0;
        firstName = top;
        classes = 0;
        continue;
      }
      pos += 2;
    } else {
      pos = byte > 0x39 ? literalEnd(pos) : numberEnd(pos);
      if (pos === 0) return false;
    }
    for (;;) {
      const after = load<u8>(pos++);
      if (after === 0x2c) break;
      if (after !== (isArray ? 0x5d : 0x7d)) return false;
      top = firstName;
      depth--;
      if (depth === 0) return pos === end;
      const outer = changetype<Container>(containers + (depth << 4));
      isArray = outer.isArray;
      firstName = outer.firstName;
      classes = outer.classes;
    }
  }
  return false;
}

/** The first byte from `pos` on that is no plain ASCII within a string: control, quote, backslash, or from 0x80 on. */
function plainEnd(pos: usize): usize {
  while (true) {
    const bytes = v128.load(pos);
    const special = v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
      // Signed: bytes from 0x80 on are less, too.
      i8x16.lt_s(bytes, i8x16.splat(0x20)),
    );
    const mask = i8x16.bitmask(special);
    if (mask !== 0) return pos + (ctz(mask) as usize);
    pos += 16;
  }
}

/** The position after the closing quote of the string whose inside begins at `pos`; or 0. */
function stringEnd(pos: usize): usize {
  while (true) {
    pos = plainEnd(pos);
    const byte = load<u8>(pos);
    if (byte === 0x22) return pos + 1;
    if (byte !== 0x5c || !isShortEscape(load<u8>(pos, 1))) return 0;
    pos += 2;
  }
}

/** One of `"\/bfnrt`. */
function isShortEscape(letter: u8): bool {
  if (letter < 0x60) return letter === 0x22 || letter === 0x5c || letter === 0x2f;
  return (
    letter === 0x62 || letter === 0x66 || letter === 0x6e || letter === 0x72 || letter === 0x74
  );
}

function literalEnd(pos: usize): usize {
  const word = load<u32>(pos);
  // true, null, fals
  if (word === 0x65757274 || word === 0x6c6c756e) return pos + 4;
  return word === 0x736c6166 && load<u8>(pos, 4) === 0x65 ? pos + 5 : 0;
}

function digitsEnd(pos: usize): usize {
  while (load<u8>(pos) - 0x30 < 10) pos++;
  return pos;
}

/** The position after the number at `pos`; or 0. */
function numberEnd(pos: usize): usize {
  if (load<u8>(pos) === 0x2d) pos++;
  const whole = pos;
  pos = digitsEnd(pos);
  const length = pos - whole;
  if (length === 0 || length > integerDigitsMax) return 0;
  if (length > 1 && load<u8>(whole) === 0x30) return 0;
  if (load<u8>(pos) === 0x2e) {
    const fraction = pos + 1;
    pos = digitsEnd(fraction);
    if (pos === fraction || pos - fraction > fractionDigitsMax) return 0;
  }
  // With an exponent it is followed by neither a comma nor a bracket, and refused by whoever looks for those.
  return pos;
}

function isAmong(from: usize, to: usize, begin: u64, at: usize, length: usize): bool {
  for (; from < to; from += 16) {
    const other = changetype<Name>(from);
    if (other.begin !== begin || other.length !== length) continue;
    let i: usize = 8;
    while (i < length && load<u8>(at + i) === load<u8>(other.at + i)) i++;
    if (i >= length) return true;
  }
  return false;
}

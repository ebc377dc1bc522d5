/**
 * Checks the entries of a frame against their leaf hashes: many at a time are put together as leaves, and hashed four
 * abreast. Nothing is refused here: at an entry that is not accepted the check stops, and the caller looks at it in the
 * plain way, which says what is wrong, or goes on behind it.
 */
import { isPlainEvent } from "./event";
import { beginPrefix, beginTimes, findEvent, isNextTime, nextPrefix, timeOffset } from "./head";
import {
  digests,
  expected,
  leaves,
  leavesEnd,
  messages,
  prefix,
  starts,
  unscanned,
} from "./layout";
import { hashMessages } from "./messages";

const entriesMax: i32 = 256;
const entryByteLengthMax: usize = 0xffff;

/**
 * Checks entries `index` and on of the frame, which ends at `end`; entry `index` begins at `at`, with its length. The
 * one before it has the given seq and, at `previous`, its own beginning; it was accepted. Returns the index of the
 * first entry that is not accepted: those before it have their one spelling, their hash, and times in order. Where they
 * begin is in `starts`; those of them whose event is still to be scanned are in `unscanned`.
 */
export function checkEntries(
  index: i32,
  at: usize,
  end: usize,
  previousSeq: f64,
  previous: usize,
  isScanning: bool,
): i32 {
  beginTimes(previous + 2 + timeOffset);
  beginPrefix(previousSeq as u64);
  store<u32>(unscanned, 0);
  let i = index;
  while (i < entriesMax) {
    // As many as there is room for. Where one is not accepted it is tried once more, and ends the next turn: so it does
    // not matter that it may have counted up the prefix already.
    const first = i;
    let to = leaves;
    while (i < entriesMax) {
      store<u32>(starts + ((i as usize) << 2), at as u32);
      const start = at + 2;
      const stop = start + ((load<u8>(at) as usize) << 8) + (load<u8>(at, 1) as usize);
      if (stop > end || to + (stop - start) + 256 > leavesEnd) break;
      const event = findEvent(start, stop);
      if (event === 0 || !isNextTime(start + timeOffset)) break;
      const length = putLeaf(to, nextPrefix(expected + ((i as usize) << 5)), start, stop);
      if (length > entryByteLengthMax + 1) break;
      const message = messages + (((i - first) as usize) << 3);
      store<u32>(message, to as u32);
      store<u32>(message, length as u32, 4);
      if (isScanning && !isPlainEvent(event, stop - 1)) {
        const count = load<u32>(unscanned) + 1;
        store<u32>(unscanned, count);
        store<u32>(unscanned + ((count as usize) << 2), i as u32);
      }
      to += length;
      at = stop;
      i++;
    }
    if (i === first) return i;
    hashMessages(i - first);
    for (let k = first; k < i; k++) {
      if (!isSameHash(digests + (((k - first) as usize) << 5), expected + 32 + ((k as usize) << 5)))
        return k;
    }
  }
  store<u32>(starts + ((i as usize) << 2), at as u32);
  return i;
}

/** Writes the prefix and the entry, less its first brace, to `to`; returns the length. */
function putLeaf(to: usize, prefixLength: usize, start: usize, stop: usize): usize {
  for (let k: usize = 0; k < 80; k += 16) v128.store(to + k, v128.load(prefix + k));
  let out = to + prefixLength;
  for (let from = start + 1; from < stop; from += 16, out += 16) v128.store(out, v128.load(from));
  return prefixLength + stop - start - 1;
}

function isSameHash(a: usize, b: usize): bool {
  const low = v128.xor(v128.load(a), v128.load(b));
  const high = v128.xor(v128.load(a, 16), v128.load(b, 16));
  return !v128.any_true(v128.or(low, high));
}

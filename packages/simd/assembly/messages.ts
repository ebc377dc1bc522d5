/**
 * SHA-256 of many messages of differing lengths. Each of the four lanes takes the next message when it is done with
 * one, so that they are idle only at the end. A message of 64 * n bytes and some more is n blocks where it lies and one
 * or two more, padded, in the lane's own tail.
 */
import { digests, lanes, messages, schedule, state, tails } from "./layout";
import { expand, firstWord, loadBlocks, rounds } from "./sha256";

const idle: i32 = 0x7fffffff;

/** What a lane is at: 16 bytes each, at `lanes`. */
@unmanaged
class Lane {
  /** Where its next block lies, and how many follow one another from there. */
  at: usize;
  left: i32;
  /** How many blocks are in its tail after those. */
  tailBlocks: i32;
  /** Of the message. */
  index: i32;
}

/**
 * Hashes the messages that are named at `messages`, `count` of them, to `digests`. Behind each lie 64 bytes that may be
 * read.
 */
export function hashMessages(count: i32): void {
  let next = 0;
  let busy = 0;
  for (let i: usize = 0; i < 4; i++) {
    const lane = changetype<Lane>(lanes + (i << 4));
    lane.at = tails + (i << 8);
    lane.left = idle;
    if (next < count) {
      begin(lane, i, next++);
      busy++;
    }
  }
  const a = changetype<Lane>(lanes);
  const b = changetype<Lane>(lanes + 16);
  const c = changetype<Lane>(lanes + 32);
  const d = changetype<Lane>(lanes + 48);
  while (busy > 0) {
    const blocks = min(min(a.left, b.left), min(c.left, d.left));
    for (const end = a.at + ((blocks as usize) << 6); a.at < end;) {
      loadBlocks(a.at, b.at, c.at, d.at);
      a.at += 64;
      b.at += 64;
      c.at += 64;
      d.at += 64;
      expand();
      rounds(state, schedule);
    }
    for (let i: usize = 0; i < 4; i++) {
      const lane = changetype<Lane>(lanes + (i << 4));
      if (lane.left === idle) {
        lane.at = tails + (i << 8);
        continue;
      }
      lane.left -= blocks;
      if (lane.left > 0) continue;
      if (lane.tailBlocks > 0) {
        lane.at = tails + (i << 8);
        lane.left = lane.tailBlocks;
        lane.tailBlocks = 0;
        continue;
      }
      finish(lane, i);
      if (next < count) begin(lane, i, next++);
      else {
        lane.at = tails + (i << 8);
        lane.left = idle;
        busy--;
      }
    }
  }
}

/** Gives the lane message `index`: copies its end to the tail, pads it (section 5.1.1) and sets the first state. */
function begin(lane: Lane, i: usize, index: i32): void {
  const message = messages + ((index as usize) << 3);
  const from = load<u32>(message) as usize;
  const length = load<u32>(message, 4) as usize;
  const blocks = length >> 6;
  const rest = length & 63;
  const tail = tails + (i << 8);
  const source = from + (blocks << 6);
  v128.store(tail, v128.load(source));
  v128.store(tail, v128.load(source, 16), 16);
  v128.store(tail, v128.load(source, 32), 32);
  v128.store(tail, v128.load(source, 48), 48);
  // Writes over what was copied too much.
  const end = tail + rest;
  v128.store(end, i64x2(0x80, 0));
  for (let zeros = end + 16; zeros < tail + 128; zeros += 16) v128.store(zeros, i64x2.splat(0));
  const tailBlocks: usize = rest < 56 ? 1 : 2;
  store<u64>(tail + (tailBlocks << 6) - 8, bswap<u64>((length as u64) << 3));
  const column = state + (i << 2);
  for (let word: usize = 0; word < 8; word++) store<u32>(column + (word << 4), firstWord(word));
  lane.index = index;
  if (blocks > 0) {
    lane.at = from;
    lane.left = blocks as i32;
    lane.tailBlocks = tailBlocks as i32;
  } else {
    lane.at = tail;
    lane.left = tailBlocks as i32;
    lane.tailBlocks = 0;
  }
}

function finish(lane: Lane, i: usize): void {
  const to = digests + ((lane.index as usize) << 5);
  const column = state + (i << 2);
  for (let word: usize = 0; word < 8; word++) {
    store<u32>(to + (word << 2), bswap<u32>(load<u32>(column + (word << 4))));
  }
}

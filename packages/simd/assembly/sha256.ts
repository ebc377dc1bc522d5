/**
 * SHA-256 (FIPS 180-4) of four messages at a time: word `t` of all four lies in one vector. State and schedule rest in
 * memory between blocks; within a block the eight variables stay in registers.
 *
 * Measured on one core (ns per block and message): 76 as it is, 25 of them for the schedule; 80 with `bitselect` for
 * Ch; 84 with Ch added last. Extending the schedule apart from the rounds costs a store and a load for each word, and
 * leaves the registers to the rounds.
 */
import { Columns } from "./columns";
import { firstState, roundConstants, schedule, state } from "./layout";

// Section 4.2.2, and 5.3.3 behind it.
const constants = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Fills the tables. Called once. */
export function initSha256(): void {
  for (let i: usize = 0; i < 64; i++) {
    v128.store(roundConstants + (i << 4), v128.load32_splat(constants + (i << 2)));
  }
  for (let i: usize = 0; i < 8; i++) {
    v128.store(firstState + (i << 4), v128.load32_splat(constants + 256 + (i << 2)));
  }
}

/** Word `i` of the first state. */
export function firstWord(i: usize): u32 {
  return load<u32>(constants + 256 + (i << 2));
}

/** Round constant `t`. */
export function roundConstant(t: usize): u32 {
  return load<u32>(constants + (t << 2));
}

/** Functions of section 4.1.2, in four lanes. Methods, because only those may be marked as inline. */
class Lanes {
  @inline static bigSigma0(x: v128): v128 {
    return v128.xor(
      v128.xor(
        v128.xor(i32x4.shr_u(x, 2), i32x4.shl(x, 30)),
        v128.xor(i32x4.shr_u(x, 13), i32x4.shl(x, 19)),
      ),
      v128.xor(i32x4.shr_u(x, 22), i32x4.shl(x, 10)),
    );
  }

  @inline static bigSigma1(x: v128): v128 {
    return v128.xor(
      v128.xor(
        v128.xor(i32x4.shr_u(x, 6), i32x4.shl(x, 26)),
        v128.xor(i32x4.shr_u(x, 11), i32x4.shl(x, 21)),
      ),
      v128.xor(i32x4.shr_u(x, 25), i32x4.shl(x, 7)),
    );
  }

  @inline static smallSigma0(x: v128): v128 {
    return v128.xor(
      v128.xor(
        v128.xor(i32x4.shr_u(x, 7), i32x4.shl(x, 25)),
        v128.xor(i32x4.shr_u(x, 18), i32x4.shl(x, 14)),
      ),
      i32x4.shr_u(x, 3),
    );
  }

  @inline static smallSigma1(x: v128): v128 {
    return v128.xor(
      v128.xor(
        v128.xor(i32x4.shr_u(x, 17), i32x4.shl(x, 15)),
        v128.xor(i32x4.shr_u(x, 19), i32x4.shl(x, 13)),
      ),
      i32x4.shr_u(x, 10),
    );
  }

  /** h + Σ1(e) + Ch(e, f, g) + K + W, of which the last two are added already. */
  @inline static first(e: v128, f: v128, g: v128, h: v128, wk: v128): v128 {
    const ch = v128.xor(g, v128.and(e, v128.xor(f, g)));
    return i32x4.add(i32x4.add(i32x4.add(h, wk), ch), Lanes.bigSigma1(e));
  }

  /** Σ0(a) + Maj(a, b, c), where ab = a ^ b and bc = b ^ c: each ab is the next round's bc. */
  @inline static second(a: v128, b: v128, ab: v128, bc: v128): v128 {
    return i32x4.add(Lanes.bigSigma0(a), v128.xor(b, v128.and(ab, bc)));
  }
}

/** Words 0 to 15 of the schedule: one block of each message, from where it lies. */
export function loadBlocks(a: usize, b: usize, c: usize, d: usize): void {
  for (let at: usize = 0; at < 64; at += 16) {
    const wa = Columns.swapped(v128.load(a + at));
    const wb = Columns.swapped(v128.load(b + at));
    const wc = Columns.swapped(v128.load(c + at));
    Columns.put(schedule + (at << 2), wa, wb, wc, Columns.swapped(v128.load(d + at)));
  }
}

/** Extends words 0 to 15 of the schedule to 64, and adds the round constants to all. */
export function expand(): void {
  let k = roundConstants;
  let at = schedule;
  for (const end = schedule + 48 * 16; at < end; at += 64, k += 64) {
    const w0 = v128.load(at);
    const w1 = v128.load(at, 16);
    const w2 = v128.load(at, 32);
    const w3 = v128.load(at, 48);
    const w4 = v128.load(at, 64);
    const n0 = i32x4.add(
      i32x4.add(w0, Lanes.smallSigma0(w1)),
      i32x4.add(v128.load(at, 144), Lanes.smallSigma1(v128.load(at, 224))),
    );
    const n1 = i32x4.add(
      i32x4.add(w1, Lanes.smallSigma0(w2)),
      i32x4.add(v128.load(at, 160), Lanes.smallSigma1(v128.load(at, 240))),
    );
    const n2 = i32x4.add(
      i32x4.add(w2, Lanes.smallSigma0(w3)),
      i32x4.add(v128.load(at, 176), Lanes.smallSigma1(n0)),
    );
    const n3 = i32x4.add(
      i32x4.add(w3, Lanes.smallSigma0(w4)),
      i32x4.add(v128.load(at, 192), Lanes.smallSigma1(n1)),
    );
    v128.store(at, n0, 256);
    v128.store(at, n1, 272);
    v128.store(at, n2, 288);
    v128.store(at, n3, 304);
    v128.store(at, i32x4.add(w0, v128.load(k)));
    v128.store(at, i32x4.add(w1, v128.load(k, 16)), 16);
    v128.store(at, i32x4.add(w2, v128.load(k, 32)), 32);
    v128.store(at, i32x4.add(w3, v128.load(k, 48)), 48);
  }
  for (const end = schedule + 64 * 16; at < end; at += 16, k += 16) {
    v128.store(at, i32x4.add(v128.load(at), v128.load(k)));
  }
}

/** The 64 rounds over the schedule at `wk`, to which the constants were added; from the state at `from` to `state`. */
export function rounds(from: usize, wk: usize): void {
  let a = v128.load(from);
  let b = v128.load(from, 16);
  let c = v128.load(from, 32);
  let d = v128.load(from, 48);
  let e = v128.load(from, 64);
  let f = v128.load(from, 80);
  let g = v128.load(from, 96);
  let h = v128.load(from, 112);
  let bc = v128.xor(b, c);
  for (const end = wk + 1024; wk < end; wk += 128) {
    let t = Lanes.first(e, f, g, h, v128.load(wk));
    d = i32x4.add(d, t);
    let ab = v128.xor(a, b);
    h = i32x4.add(t, Lanes.second(a, b, ab, bc));

    t = Lanes.first(d, e, f, g, v128.load(wk, 16));
    c = i32x4.add(c, t);
    bc = v128.xor(h, a);
    g = i32x4.add(t, Lanes.second(h, a, bc, ab));

    t = Lanes.first(c, d, e, f, v128.load(wk, 32));
    b = i32x4.add(b, t);
    ab = v128.xor(g, h);
    f = i32x4.add(t, Lanes.second(g, h, ab, bc));

    t = Lanes.first(b, c, d, e, v128.load(wk, 48));
    a = i32x4.add(a, t);
    bc = v128.xor(f, g);
    e = i32x4.add(t, Lanes.second(f, g, bc, ab));

    t = Lanes.first(a, b, c, d, v128.load(wk, 64));
    h = i32x4.add(h, t);
    ab = v128.xor(e, f);
    d = i32x4.add(t, Lanes.second(e, f, ab, bc));

    t = Lanes.first(h, a, b, c, v128.load(wk, 80));
    g = i32x4.add(g, t);
    bc = v128.xor(d, e);
    c = i32x4.add(t, Lanes.second(d, e, bc, ab));

    t = Lanes.first(g, h, a, b, v128.load(wk, 96));
    f = i32x4.add(f, t);
    ab = v128.xor(c, d);
    b = i32x4.add(t, Lanes.second(c, d, ab, bc));

    t = Lanes.first(f, g, h, a, v128.load(wk, 112));
    e = i32x4.add(e, t);
    bc = v128.xor(b, c);
    a = i32x4.add(t, Lanes.second(b, c, bc, ab));
  }
  v128.store(state, i32x4.add(a, v128.load(from)));
  v128.store(state, i32x4.add(b, v128.load(from, 16)), 16);
  v128.store(state, i32x4.add(c, v128.load(from, 32)), 32);
  v128.store(state, i32x4.add(d, v128.load(from, 48)), 48);
  v128.store(state, i32x4.add(e, v128.load(from, 64)), 64);
  v128.store(state, i32x4.add(f, v128.load(from, 80)), 80);
  v128.store(state, i32x4.add(g, v128.load(from, 96)), 96);
  v128.store(state, i32x4.add(h, v128.load(from, 112)), 112);
}

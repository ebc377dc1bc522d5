/**
 * Between messages that lie one after another and vectors that hold the same word of four of them. Methods of a class,
 * because only those may be marked as inline in a way that formatters can read.
 */
export class Columns {
  /** Of four rows of words, `at` and so on, 16 bytes of each become four vectors at `to`. */
  @inline static put(to: usize, a: v128, b: v128, c: v128, d: v128): void {
    const low = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
    const low2 = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
    const high = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    const high2 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<u64>(low, low2, 0, 2));
    v128.store(to, v128.shuffle<u64>(low, low2, 1, 3), 16);
    v128.store(to, v128.shuffle<u64>(high, high2, 0, 2), 32);
    v128.store(to, v128.shuffle<u64>(high, high2, 1, 3), 48);
  }

  /** The bytes of each word in the other order: SHA-256 is big-endian. */
  @inline static swapped(x: v128): v128 {
    return v128.shuffle<u8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  }

  /** Four words of the state of each message, from vector `from` on, go to the four places, 16 bytes each. */
  @inline static take(from: usize, a: usize, b: usize, c: usize, d: usize): void {
    const w0 = v128.load(from);
    const w1 = v128.load(from, 16);
    const w2 = v128.load(from, 32);
    const w3 = v128.load(from, 48);
    const low = v128.shuffle<u32>(w0, w1, 0, 4, 1, 5);
    const low2 = v128.shuffle<u32>(w2, w3, 0, 4, 1, 5);
    const high = v128.shuffle<u32>(w0, w1, 2, 6, 3, 7);
    const high2 = v128.shuffle<u32>(w2, w3, 2, 6, 3, 7);
    // From the last to the first: where fewer than four nodes are left, the places behind the first are the same.
    v128.store(d, Columns.swapped(v128.shuffle<u64>(high, high2, 1, 3)));
    v128.store(c, Columns.swapped(v128.shuffle<u64>(high, high2, 0, 2)));
    v128.store(b, Columns.swapped(v128.shuffle<u64>(low, low2, 1, 3)));
    v128.store(a, Columns.swapped(v128.shuffle<u64>(low, low2, 0, 2)));
  }
}

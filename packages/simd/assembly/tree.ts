/**
 * Nodes of an RFC 6962 tree, four at a time: SHA-256(0x01 || left || right).
 *
 * The 65 bytes are two blocks, and of the second one only the first byte is not padding. So its message schedule is one
 * of 256, which are made once: looking it up costs a third of computing it.
 */
import { Columns } from "./columns";
import { firstState, schedule, secondBlocks, state } from "./layout";
import { expand, loadBlocks, rounds, roundConstant } from "./sha256";

const nodeBits: u32 = 65 * 8;

/** Fills the table. Called once. */
export function initTree(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    const row = secondBlocks + ((byte as usize) << 8);
    store<u32>(row, (byte << 24) | 0x00800000);
    for (let t: usize = 1; t < 15; t++) store<u32>(row + (t << 2), 0);
    store<u32>(row, nodeBits, 60);
    for (let t: usize = 16; t < 64; t++) {
      const at = row + (t << 2);
      const w15 = load<u32>(at - 60);
      const w2 = load<u32>(at - 8);
      const s0 = rotr<u32>(w15, 7) ^ rotr<u32>(w15, 18) ^ (w15 >> 3);
      const s1 = rotr<u32>(w2, 17) ^ rotr<u32>(w2, 19) ^ (w2 >> 10);
      store<u32>(at, load<u32>(at - 64) + s0 + load<u32>(at - 28) + s1);
    }
    for (let t: usize = 0; t < 64; t++) {
      const at = row + (t << 2);
      store<u32>(at, load<u32>(at) + roundConstant(t));
    }
  }
}

/** Hashes `count` nodes, whose children lie side by side at `from`, to `to`, which may be `from`. */
export function hashNodes(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    // Lanes that are left over hash the first node again.
    const one = i + 1 < count ? 1 : 0;
    const two = i + 2 < count ? 2 : 0;
    const three = i + 3 < count ? 3 : 0;
    const a = from + ((i as usize) << 6);
    const b = a + (one << 6);
    const c = a + (two << 6);
    const d = a + (three << 6);
    // The block begins with 0x01, which stands in the place of whatever lies before the children.
    loadBlocks(a - 1, b - 1, c - 1, d - 1);
    const first = v128.and(v128.load(schedule), i32x4.splat(0x00ffffff));
    v128.store(schedule, v128.or(first, i32x4.splat(0x01000000)));
    expand();
    rounds(firstState, schedule);
    const rowA = secondBlocks + ((load<u8>(a, 63) as usize) << 8);
    const rowB = secondBlocks + ((load<u8>(b, 63) as usize) << 8);
    const rowC = secondBlocks + ((load<u8>(c, 63) as usize) << 8);
    const rowD = secondBlocks + ((load<u8>(d, 63) as usize) << 8);
    for (let t: usize = 0; t < 256; t += 16) {
      const wa = v128.load(rowA + t);
      const wb = v128.load(rowB + t);
      Columns.put(schedule + (t << 2), wa, wb, v128.load(rowC + t), v128.load(rowD + t));
    }
    rounds(state, schedule);
    const outA = to + ((i as usize) << 5);
    const outB = outA + (one << 5);
    const outC = outA + (two << 5);
    const outD = outA + (three << 5);
    Columns.take(state, outA, outB, outC, outD);
    Columns.take(state + 64, outA + 16, outB + 16, outC + 16, outD + 16);
  }
}

/** The root over `count` hashes at `at`, a power of two of them, comes in the place of the first one. */
export function hashTree(at: usize, count: i32): void {
  for (let width = count >> 1; width > 0; width >>= 1) hashNodes(at, at, width);
}

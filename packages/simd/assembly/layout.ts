/**
 * Where everything lies in the kernel's memory. JavaScript asks for the regions that it writes and reads: they are
 * exported. What is not named here is not used; below the first region lie the compiler's constants.
 *
 * The frame comes last, because it is the only region that grows: to 16 MiB for 256 entries of the longest kind.
 */

/** Round constants and first state of SHA-256, each four times side by side: 64 and 8 vectors. */
export const roundConstants: usize = 0x1000;
export const firstState: usize = 0x1400;
/** State of the four messages that are being hashed: 8 vectors. */
export const state: usize = 0x1480;
/** Their message schedule, round constants added: 64 vectors. */
export const schedule: usize = 0x1500;
/** Their last one or two blocks, padded: 256 bytes each, of which the second half is room to write over. */
export const tails: usize = 0x1900;
/** What each of the four is at: see `messages.ts`. */
export const lanes: usize = 0x1d00;
/** Open objects and arrays of the event that is scanned, 16 bytes each, and the names of their members. */
export const containers: usize = 0x1e00;
export const names: usize = 0x2400;
export const namesEnd: usize = 0x4400;
/** What goes before an entry: 0x00, `{"seq":42,"prev":"…",`. */
export const prefix: usize = 0x4440;
/** u32 each: where the entries of a frame begin, and where the last one ends. */
export const starts: usize = 0x4800;
/** u32 each: how many entries have an event that others must scan, and their indexes. */
export const unscanned: usize = 0x4c10;
/** Pairs of u32: where messages begin, and how long they are. At most 256. */
export const messages: usize = 0x5100;
/** Their hashes; also those that a tree is made of. */
export const digests: usize = 0x5a00;
/** The hashes that the entries of a frame should have, that of the entry before the frame first. */
export const expected: usize = 0x8000;
/** The message schedules of a node's second block, by the last byte of its right child. */
export const secondBlocks: usize = 0x10000;
/** Leaves that are put together to be hashed. */
export const leaves: usize = 0x20000;
export const leavesEnd: usize = 0x4f000;
/** The frame, or messages; behind it 64 bytes that are zero, which end whatever is read too far. */
export const frame: usize = 0x50000;

/**
 * Checks the entries of a decompressed frame of a sealed file, as many as are of the usual kind. It refuses nothing:
 * where it stops, the caller's plain code has the say. Accepted is only what that code accepts, too.
 *
 * One frame at a time: `load` it, then `check` from any entry on whose predecessor was accepted.
 */
import type { Kernel } from "./kernel.ts";

export class FrameKernel {
  readonly #kernel: Kernel;
  #byteLength = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Takes the frame, and the leaf hashes that its entries should have, with that of the entry before them in front.
   * Returns where the frame lies now: an array that begins with it and is longer. It may be written to, before the
   * entry that `check` is to begin with.
   */
  load(stripped: Uint8Array, expected: Uint8Array): Uint8Array {
    const kernel = this.#kernel;
    kernel.reserve(stripped.length);
    kernel.frameBytes.set(stripped);
    kernel.bytes.set(expected, kernel.exports.expected.value);
    this.#byteLength = stripped.length;
    return kernel.frameBytes;
  }

  /**
   * Checks from entry `index` on, whose length lies at `at`. The entry before it lies at `previousAt`, has the seq
   * `previousSeq`, and was found to be good. Returns the index of the first entry that is not accepted, 256 if there
   * is none. Those before have the one spelling of a head, times in order, and their leaf hash; and an event that is
   * strict I-JSON without white space, but for those that `unscanned` names.
   */
  check(
    index: number,
    at: number,
    previousSeq: number,
    previousAt: number,
    isScanning: boolean,
  ): number {
    const { exports } = this.#kernel;
    const base = exports.frame.value;
    const end = base + this.#byteLength;
    const scanning = isScanning ? 1 : 0;
    return exports.checkEntries(index, base + at, end, previousSeq, base + previousAt, scanning);
  }

  /** Where the length of an entry lies that the last `check` accepted, or of the one that it stopped at. */
  startOf(index: number): number {
    const { starts, frame } = this.#kernel.exports;
    return this.#kernel.words[starts.value / 4 + index]! - frame.value;
  }

  /** Indexes of the entries before `index` whose event the last `check` left to the caller. Mostly there are none. */
  unscanned(index: number): number[] {
    const { words, exports } = this.#kernel;
    const at = exports.unscanned.value / 4;
    const all = Array.from(words.subarray(at + 1, at + 1 + words[at]!));
    return all.filter((each) => each < index);
  }
}

/**
 * SHA-256 of many independent things at once, four to an instruction. One instance has one memory and does one thing at
 * a time, to its end: a thread needs one, and shares it with nobody.
 */
import { assert, hashByteLength, type Hash } from "@cairnlog/core";
import { FrameKernel } from "./frame-kernel.ts";
import { openKernel, type Kernel } from "./kernel.ts";

/** Nodes, and messages, that the kernel takes at a time. */
const atOnceMax = 128;
/** Messages are collected up to this length, or one that is longer. */
const bytesAtOnce = 256 * 1024;
/** Behind a message lie as many bytes that may be read. */
const gap = 64;

export class Simd {
  readonly frames: FrameKernel;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.frames = new FrameKernel(kernel);
  }

  /** Root over a run of hashes, a power of two of them up to 256: what `rangeRoot` of the core gives. */
  rootOfTile(hashes: Uint8Array): Hash {
    const count = hashes.length / hashByteLength;
    assert(count >= 1 && count <= 2 * atOnceMax && Number.isInteger(Math.log2(count)), "no tile");
    const { bytes, exports } = this.#kernel;
    const at = exports.digests.value;
    bytes.set(hashes, at);
    exports.hashTree(at, count);
    return bytes.slice(at, at + hashByteLength);
  }

  /** Parents of a run of hashes, an even number of them: SHA-256(0x01 || left || right) of each pair, one run. */
  hashNodes(children: Uint8Array): Uint8Array {
    assert(children.length % (2 * hashByteLength) === 0, "children come in pairs");
    const { bytes, exports } = this.#kernel;
    const at = exports.digests.value;
    const parents = new Uint8Array(children.length / 2);
    const stride = atOnceMax * hashByteLength;
    for (let from = 0; from < parents.length; from += stride) {
      const length = Math.min(stride, parents.length - from);
      bytes.set(children.subarray(2 * from, 2 * (from + length)), at);
      exports.hashNodes(at, at, length / hashByteLength);
      parents.set(bytes.subarray(at, at + length), from);
    }
    return parents;
  }

  /** As `Sha256.parents` of the core: nodes `begin` to `end` of a run, from those below them; the runs may be one. */
  hashParents(children: Uint8Array, parents: Uint8Array, begin: number, end: number): void {
    const { bytes, exports } = this.#kernel;
    const at = exports.digests.value;
    for (let from = begin; from < end; from += atOnceMax) {
      const to = Math.min(end, from + atOnceMax);
      bytes.set(children.subarray(2 * from * hashByteLength, 2 * to * hashByteLength), at);
      exports.hashNodes(at, at, to - from);
      parents.set(bytes.subarray(at, at + (to - from) * hashByteLength), from * hashByteLength);
    }
  }

  /** SHA-256 of each message, one run. Memory grows to the longest message, and stays so. */
  sha256Many(messages: readonly Uint8Array[]): Uint8Array {
    return this.#hashMany(messages, undefined);
  }

  /** Leaf hashes of entries, SHA-256(0x00 || entry), one run. */
  hashLeaves(entries: readonly Uint8Array[]): Uint8Array {
    return this.#hashMany(entries, 0x00);
  }

  #hashMany(messages: readonly Uint8Array[], firstByte: number | undefined): Uint8Array {
    const out = new Uint8Array(messages.length * hashByteLength);
    const more = firstByte === undefined ? 0 : 1;
    for (let begin = 0; begin < messages.length;) {
      let end = begin;
      let byteLength = 0;
      while (end < messages.length && end - begin < 2 * atOnceMax) {
        const next = byteLength + messages[end]!.length + more + gap;
        if (end > begin && next > bytesAtOnce) break;
        byteLength = next;
        end++;
      }
      this.#kernel.reserve(byteLength);
      this.#put(messages, begin, end, firstByte);
      const { bytes, exports } = this.#kernel;
      exports.hashMessages(end - begin);
      const at = exports.digests.value;
      out.set(bytes.subarray(at, at + (end - begin) * hashByteLength), begin * hashByteLength);
      begin = end;
    }
    return out;
  }

  #put(
    messages: readonly Uint8Array[],
    begin: number,
    end: number,
    firstByte: number | undefined,
  ): void {
    const { bytes, words, exports } = this.#kernel;
    const table = exports.messages.value / 4;
    let at = exports.frame.value;
    for (let i = begin; i < end; i++) {
      const message = messages[i]!;
      words[table + 2 * (i - begin)] = at;
      const from = at;
      if (firstByte !== undefined) bytes[at++] = firstByte;
      bytes.set(message, at);
      at += message.length;
      words[table + 2 * (i - begin) + 1] = at - from;
      at += gap;
    }
  }
}

/**
 * A kernel with a memory of its own; undefined where the platform has no WebAssembly with SIMD, or does not allow it.
 * Then the plain code is to be used, whose results are the same. Takes about a millisecond.
 */
export function openSimd(): Simd | undefined {
  const kernel = openKernel();
  return kernel === undefined ? undefined : new Simd(kernel);
}

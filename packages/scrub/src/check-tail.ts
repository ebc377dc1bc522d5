/**
 * One tail file, in two steps of different cost.
 *
 * *Proven*: its durable entries hash to the leaf hashes in the log's memory. That costs as much as hashing them when
 * they were appended, so that a busy log's entries are proven little by little (the sealer proves them all in its
 * turn).
 *
 * *Known*: pieces of 64 KiB have the SHA-256 that they had when they were first seen, moments after they were written.
 * That is cheap enough to look at all of a growing tail again every second or two. Where a piece is not what it was,
 * the entries are compared, to find the first that is wrong.
 *
 * Beyond the durable entries the log may be writing. While it is not, there is nothing but zeros.
 */
import { hash } from "node:crypto";
import { hashByteLength, hashFramedEntryInto, hex, isSameBytes } from "@cairnlog/core";
import type { AtRest, RestingTail } from "@cairnlog/log";
import { segmentEntries, tailPath } from "@cairnlog/store";
import { damaged, refused, sound, unsettled } from "./damage.ts";
import type { CheckContext, Verdict } from "./damage.ts";
import { withFileBytes, type FileBytes } from "./file-bytes.ts";

const pieceByteLength = 64 * 1024;
const chunkByteLength = 1024 * 1024;
const framingByteLength = 2;
/** Of a tail that is being written, at most so much is taken in at one look. */
const newBytesMax = 8 * 1024 * 1024;
const provenAtOnceMax = 2048;
/** Leaf hashes are asked for in runs of this many. */
const leavesAtOnce = 8192;
const zeros = new Uint8Array(chunkByteLength);
/** The leaf hash that was computed last. */
const leaf = new Uint8Array(hashByteLength);

/** What to look at: everything; or, of a tail that is being written, only what is new. */
export type TailCheck = "whole" | "again" | "new";

interface Piece {
  readonly end: number;
  readonly sha256: string;
}

export class TailMemory {
  readonly first: number;
  readonly path: string;
  /** One after the other from the file's beginning, each of 64 KiB but the last one. */
  readonly #pieces: Piece[] = [];
  /** How many entries were proven, and where they end. */
  #proven = { count: 0, end: 0 };

  constructor(first: number) {
    this.first = first;
    this.path = tailPath(first);
  }

  /** Up to here the file is known. */
  get byteLength(): number {
    return this.#pieces.at(-1)?.end ?? 0;
  }

  /** `whole` proves what is left to prove, `again` looks at all that is known, `new` only at what has come since. */
  async check(context: CheckContext, what: TailCheck): Promise<Verdict> {
    const tail = this.#tailIn(await context.resting.atRest());
    try {
      const verdict = await withFileBytes(context.location, this.path, context.mode, (file) =>
        this.#checkFile(context, file, tail, what),
      );
      if (verdict !== undefined && verdict.kind !== "damaged") return verdict;
      // Sealed meanwhile: the file is on its way out, or gone already.
      const now = await context.resting.atRest();
      const isOpen = now.open.some(({ first }) => first === this.first);
      if (!isOpen && this.first < now.openFrom) return sound(0);
      if (verdict !== undefined) return verdict;
      if (tail.count === 0) return sound(0);
      return damaged(this.path, "the file is gone", { seq: this.first, byte: 0, isVital: true });
    } catch (error) {
      return refused(this.path, error, { seq: this.first, isVital: tail.count > 0 });
    }
  }

  async #checkFile(
    context: CheckContext,
    file: FileBytes,
    tail: RestingTail,
    what: TailCheck,
  ): Promise<Verdict> {
    const isKnown = what === "new" ? this.#isLastKnown(file) : this.#isAllKnown(file);
    if (!isKnown) {
      const found = await this.#prove(context, file, tail, { count: 0, end: 0 }, tail.count);
      if (found !== undefined) return found;
      // It is what was committed: so it was not when it was first seen.
      this.#pieces.length = 0;
    }
    this.#takeIn(file, tail.byteLength, what === "whole" ? Infinity : newBytesMax);
    const to = what === "whole" ? tail.count : this.#proven.count + provenAtOnceMax;
    const bad = await this.#prove(context, file, tail, this.#proven, Math.min(to, tail.count));
    if (bad !== undefined) return bad;
    return (await this.#checkBeyond(context, file, tail)) ?? sound(file.byteLength);
  }

  #isAllKnown(file: FileBytes): boolean {
    return this.#pieces.every((_, i) => this.#isKnown(file, i));
  }

  /** The last piece grows: it must be what it was before it is known as a longer one. */
  #isLastKnown(file: FileBytes): boolean {
    return this.#pieces.length === 0 || this.#isKnown(file, this.#pieces.length - 1);
  }

  #isKnown(file: FileBytes, i: number): boolean {
    const { end, sha256 } = this.#pieces[i]!;
    const begin = i * pieceByteLength;
    return hash("sha256", file.glance(begin, end - begin), "hex") === sha256;
  }

  /** Gets to know the pieces up to `byteLength`, at most `max` bytes of them. */
  #takeIn(file: FileBytes, byteLength: number, max: number): void {
    if (this.byteLength >= byteLength) return;
    if (this.byteLength % pieceByteLength !== 0) this.#pieces.pop();
    const until = Math.min(byteLength, this.byteLength + max);
    for (let at = this.byteLength; at < until; at += chunkByteLength) {
      const chunk = file.glance(at, Math.min(chunkByteLength, until - at));
      for (let begin = 0; begin < chunk.length; begin += pieceByteLength) {
        const piece = chunk.subarray(begin, begin + pieceByteLength);
        const end = at + begin + piece.length;
        this.#pieces.push({ end, sha256: hash("sha256", piece, "hex") });
      }
      // The file is shorter than it should be: proving it says where.
      if (chunk.length < Math.min(chunkByteLength, until - at)) return;
    }
  }

  /** Compares the entries from `from` on, up to `to` (counted in the segment), with the leaf hashes of the log. */
  async #prove(
    context: CheckContext,
    file: FileBytes,
    tail: RestingTail,
    from: { readonly count: number; readonly end: number },
    to: number,
  ): Promise<Verdict | undefined> {
    let { count, end } = from;
    while (count < to) {
      const until = Math.min(to, count + leavesAtOnce);
      const leaves = await context.resting.leafHashes(this.first + count, this.first + until);
      // The log has lost what it had: it is closing.
      if (leaves === undefined) return unsettled;
      const found = this.#compare(context, file, { count, end }, leaves, tail);
      if ("kind" in found) return found;
      ({ count, end } = found);
    }
    if (count > this.#proven.count) this.#proven = { count, end };
    return undefined;
  }

  /** Compares as many entries as there are leaf hashes; returns where they end, or the first that is wrong. */
  #compare(
    context: CheckContext,
    file: FileBytes,
    from: { readonly count: number; readonly end: number },
    leaves: Uint8Array,
    tail: RestingTail,
  ): Verdict | { readonly count: number; readonly end: number } {
    let { count, end: begin } = from;
    let chunk: Uint8Array = new Uint8Array(0);
    let chunkAt = begin;
    for (let leafAt = 0; leafAt < leaves.length; leafAt += hashByteLength) {
      let at = begin - chunkAt;
      if (at + framingByteLength + lengthAt(chunk, at) > chunk.length) {
        chunk = file.glance(begin, chunkByteLength);
        chunkAt = begin;
        at = 0;
      }
      const length = lengthAt(chunk, at);
      const end = at + framingByteLength + length;
      const expected = leaves.subarray(leafAt, leafAt + hashByteLength);
      // Made only where something is wrong: this runs for every entry that is written.
      const more = (): { seq: number; byte: number; expected: string; byteLength: number } => ({
        seq: this.first + count,
        byte: begin,
        byteLength: file.byteLength,
        expected: hex(expected),
      });
      if (length === 0 || end > chunk.length || begin + end - at > tail.byteLength) {
        const what = "the entry is gone, or its length is not what was written";
        return damaged(this.path, what, { ...more(), isVital: true });
      }
      hashFramedEntryInto(context.crypto.sha256, chunk, at, length, leaf);
      if (!isSameBytes(leaf, expected)) {
        const what = "the entry is not the one that was committed";
        return damaged(this.path, what, { ...more(), isVital: true, found: hex(leaf) });
      }
      count++;
      begin += framingByteLength + length;
    }
    return { count, end: begin };
  }

  /** While the log writes nothing, only zeros follow. */
  async #checkBeyond(
    context: CheckContext,
    file: FileBytes,
    tail: RestingTail,
  ): Promise<Verdict | undefined> {
    const before = await context.resting.atRest();
    const isQuiet = before.isIdle && this.#tailIn(before).count === tail.count;
    if (!isQuiet || tail.count === segmentEntries) return undefined;
    for (let at = tail.byteLength; at < file.byteLength; at += chunkByteLength) {
      const bytes = file.glance(at, chunkByteLength);
      if (Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0) continue;
      const after = await context.resting.atRest();
      if (!after.isIdle || after.commit.number !== before.commit.number) return undefined;
      const byte = at + bytes.findIndex((each) => each !== 0);
      const what = "there are bytes beyond the entries that were committed";
      const seq = this.first + tail.count;
      return damaged(this.path, what, { seq, byte, byteLength: file.byteLength });
    }
    return undefined;
  }

  #tailIn({ open }: AtRest): RestingTail {
    const tail = open.find(({ first }) => first === this.first);
    return tail ?? { first: this.first, count: 0, byteLength: 0 };
  }
}

/** The length of the entry at `at`; 0 where the bytes end before it. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return at + framingByteLength <= bytes.length ? bytes[at]! * 256 + bytes[at + 1]! : 0;
}

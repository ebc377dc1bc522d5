/**
 * Which member names the open objects have had: two members of one name are refused, because one reader takes the
 * first and another the last.
 *
 * Names are compared by what they mean, not by how they are spelled: a name with escapes is kept unescaped. Names
 * of an object with few members are compared by a fingerprint first, at no cost worth speaking of; an object of
 * many members gets a Set, whose hashing is the platform's and seeded, so that no choice of names makes it slow.
 */
import { unescapeString } from "./json-strings.ts";

/** From this many members on an object gets a Set. */
const membersForSet = 16;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class NameTable {
  /** After `add` of a name with escapes: what it means, between `from` and `to` here. */
  unescaped = new Uint8Array(0);
  from = 0;
  to = 0;

  /**
   * Names of all open objects, one object's after its parent's: start, end and fingerprint of each. A negative
   * start points into `unescaped`.
   */
  #names = new Int32Array(3 * 64);
  /** End of what is used of `#names`; of `unescaped`. */
  #top = 0;
  #unescapedTop = 0;
  /** Of each open object, by depth: where its names begin, which hashes it has had, the text's end before it. */
  readonly #bases: Int32Array;
  readonly #masks: Int32Array;
  readonly #marks: Int32Array;
  readonly #sets: (Set<string> | undefined)[];

  constructor(depthMax: number) {
    this.#bases = new Int32Array(depthMax + 1);
    this.#masks = new Int32Array(depthMax + 1);
    this.#marks = new Int32Array(depthMax + 1);
    this.#sets = new Array<Set<string> | undefined>(depthMax + 1).fill(undefined);
  }

  /** Forgets everything, also what a refusal left open. */
  reset(): void {
    this.#top = 0;
    this.#unescapedTop = 0;
  }

  open(depth: number): void {
    this.#bases[depth] = this.#top;
    this.#masks[depth] = 0;
    this.#marks[depth] = this.#unescapedTop;
  }

  close(depth: number): void {
    const base = this.#bases[depth]!;
    if (this.#top - base > 3 * membersForSet) this.#sets[depth] = undefined;
    this.#top = base;
    this.#unescapedTop = this.#marks[depth]!;
  }

  /**
   * Adds the name spelled between `start` and `end` to the object at `depth`, which must be the innermost; false
   * if the object has it already.
   */
  add(bytes: Uint8Array, start: number, end: number, depth: number, isEscaped: boolean): boolean {
    if (isEscaped) {
      this.#unescape(bytes, start, end);
      return this.#add(bytes, this.unescaped, this.from, this.to, depth, -1 - this.from);
    }
    return this.#add(bytes, bytes, start, end, depth, start);
  }

  /** `buffer`, `from` and `to` say where the name's meaning is; `mark` is what is kept as its start. */
  #add(
    bytes: Uint8Array,
    buffer: Uint8Array,
    from: number,
    to: number,
    depth: number,
    mark: number,
  ): boolean {
    const base = this.#bases[depth]!;
    const top = this.#top;
    const finger = fingerprint(buffer, from, to);
    if (top - base < 3 * membersForSet) {
      const bit = 1 << (Math.imul(finger, 0x9e3779b1) >>> 27);
      const mask = this.#masks[depth]!;
      if ((mask & bit) !== 0 && this.#has(bytes, buffer, from, to, base, finger)) return false;
      this.#masks[depth] = mask | bit;
    } else {
      // The set is made anew when an object reaches the limit: one left by a refused text must not count.
      if (top - base === 3 * membersForSet) this.#sets[depth] = this.#namesFrom(bytes, base);
      const names = this.#sets[depth]!;
      const before = names.size;
      if (names.add(text(buffer, from, to)).size === before) return false;
    }
    if (top === this.#names.length) {
      const larger = new Int32Array(top * 2);
      larger.set(this.#names);
      this.#names = larger;
    }
    const kept = this.#names;
    kept[top] = mark;
    kept[top + 1] = to;
    kept[top + 2] = finger;
    this.#top = top + 3;
    return true;
  }

  #unescape(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#unescapedTop + end - start;
    if (this.unescaped.length < needed) {
      const larger = new Uint8Array(Math.max(1024, needed * 2));
      larger.set(this.unescaped);
      this.unescaped = larger;
    }
    this.from = this.#unescapedTop;
    this.to = unescapeString(bytes, start, end, this.unescaped, this.from);
    this.#unescapedTop = this.to;
  }

  #has(
    bytes: Uint8Array,
    buffer: Uint8Array,
    from: number,
    to: number,
    base: number,
    finger: number,
  ): boolean {
    const kept = this.#names;
    for (let i = base; i < this.#top; i += 3) {
      if (kept[i + 2] !== finger) continue;
      const mark = kept[i]!;
      const other = mark < 0 ? this.unescaped : bytes;
      const start = mark < 0 ? -1 - mark : mark;
      if (kept[i + 1]! - start !== to - from) continue;
      let j = 0;
      while (j < to - from && buffer[from + j] === other[start + j]) j++;
      if (j === to - from) return true;
    }
    return false;
  }

  #namesFrom(bytes: Uint8Array, base: number): Set<string> {
    const names = new Set<string>();
    for (let i = base; i < this.#top; i += 3) {
      const mark = this.#names[i]!;
      const end = this.#names[i + 1]!;
      names.add(mark < 0 ? text(this.unescaped, -1 - mark, end) : text(bytes, mark, end));
    }
    return names;
  }
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return decoder.decode(bytes.subarray(from, to));
}

/** Equal names have equal fingerprints; names of real events seldom share one. */
function fingerprint(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length === 0) return 0;
  const middle = bytes[from + (length >> 1)]!;
  return (length << 24) ^ (bytes[from]! << 16) ^ (middle << 8) ^ bytes[to - 1]!;
}

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
  /** Of the innermost object: where its names begin in `#names`, which hashes they have had, its Set if any. */
  #base = 0;
  #mask = 0;
  #set: Set<string> | undefined;
  /** The same of the objects around it, by depth of the inner one, and where its unescaped text began. */
  readonly #bases: Int32Array;
  readonly #masks: Int32Array;
  readonly #marks: Int32Array;
  readonly #sets: (Set<string> | undefined)[] = [];

  constructor(depthMax: number) {
    this.#bases = new Int32Array(depthMax + 1);
    this.#masks = new Int32Array(depthMax + 1);
    this.#marks = new Int32Array(depthMax + 1);
    for (let depth = 0; depth <= depthMax; depth++) this.#sets.push(undefined);
  }

  /** Forgets everything, also what a refusal left open. */
  reset(): void {
    this.#top = 0;
    this.#unescapedTop = 0;
    this.#set = undefined;
  }

  open(depth: number): void {
    this.#bases[depth] = this.#base;
    this.#masks[depth] = this.#mask;
    this.#marks[depth] = this.#unescapedTop;
    if (this.#sets[depth] !== this.#set) this.#sets[depth] = this.#set;
    this.#base = this.#top;
    this.#mask = 0;
    this.#set = undefined;
  }

  close(depth: number): void {
    this.#top = this.#base;
    this.#unescapedTop = this.#marks[depth]!;
    this.#base = this.#bases[depth]!;
    this.#mask = this.#masks[depth]!;
    this.#set = this.#sets[depth];
  }

  /** Adds the name spelled between `start` and `end`, without escapes; false if the object has it already. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#add(bytes, bytes, start, end, start);
  }

  /** The same for a name with escapes. */
  addEscaped(bytes: Uint8Array, start: number, end: number): boolean {
    this.#unescape(bytes, start, end);
    return this.#add(bytes, this.unescaped, this.from, this.to, -1 - this.from);
  }

  /** `buffer`, `from` and `to` say where the name's meaning is; `mark` is what is kept as its start. */
  #add(bytes: Uint8Array, buffer: Uint8Array, from: number, to: number, mark: number): boolean {
    const top = this.#top;
    const finger = fingerprint(buffer, from, to);
    const bit = 1 << (Math.imul(finger, 0x9e3779b1) >>> 27);
    if (top - this.#base >= 3 * membersForSet) {
      this.#set ??= this.#namesSoFar(bytes);
      const before = this.#set.size;
      if (this.#set.add(text(buffer, from, to)).size === before) return false;
    } else if ((this.#mask & bit) !== 0 && this.#has(bytes, buffer, from, to, finger)) return false;
    this.#mask |= bit;
    let names = this.#names;
    if (top === names.length) {
      names = new Int32Array(top * 2);
      names.set(this.#names);
      this.#names = names;
    }
    names[top] = mark;
    names[top + 1] = to;
    names[top + 2] = finger;
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

  #has(bytes: Uint8Array, buffer: Uint8Array, from: number, to: number, finger: number): boolean {
    const kept = this.#names;
    for (let i = this.#base; i < this.#top; i += 3) {
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

  #namesSoFar(bytes: Uint8Array): Set<string> {
    const names = new Set<string>();
    for (let i = this.#base; i < this.#top; i += 3) {
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

/**
 * Remembers which (source, id) the last million events of a log carried, to recognise one that is sent again.
 *
 * It holds no ids, only a keyed 64-bit hash and the seq of each, in a flat array: some 34 MB when full, and a few
 * KB for a small log. A hit is therefore a *candidate*: the log re-reads the entry and compares source, id and
 * bytes before it says "duplicate" or "conflict". A wrong candidate costs one read, never an answer.
 *
 * Two generations of `generationSize` each: when the newer is full it becomes the older, and the older is dropped.
 * So at least the last `generationSize` ids are known at any time. The key is random per log, so that nobody can
 * prepare ids that collide.
 */

/** The last this many events with an id are recognised, at least. */
export const generationSize = 1_048_576;

const slotsAtStart = 1024;
/** At most three ids for four slots: more would make the search for a new id long. */
const slotsPerId = 4 / 3;
/** Both halves of the hash; seq minus base plus 1, where 0 marks a free slot. Together, for the sake of the cache. */
const slotWords = 3;

/** A hash table with open addressing, which grows up to the size of a full generation. */
class Generation {
  used = 0;
  /** Seqs are kept relative to this one, so that 32 bits suffice. */
  readonly base: number;
  readonly #wordsMax: number;
  #words: Uint32Array;

  /** With the words of a generation that is full and not needed any more, it has its full size from the start. */
  constructor(base: number, idsMax: number, recycled?: Uint32Array) {
    this.base = base;
    this.#wordsMax = slotWords * Math.ceil(idsMax * slotsPerId);
    this.#words = recycled?.fill(0) ?? new Uint32Array(slotWords * slotsAtStart);
  }

  get words(): Uint32Array {
    return this.#words;
  }

  find(high: number, low: number): number {
    const words = this.#words;
    for (let at = this.#homeOf(low); ; at = this.#after(at)) {
      const place = words[at + 2]!;
      if (place === 0) return -1;
      if (words[at] === high && words[at + 1] === low) return this.base + place - 1;
    }
  }

  insert(high: number, low: number, seq: number): void {
    const isFull = this.used * slotsPerId * slotWords >= this.#words.length;
    if (isFull && this.#words.length !== this.#wordsMax) this.#grow();
    this.#place(high, low, seq - this.base + 1);
    this.used++;
  }

  #place(high: number, low: number, place: number): void {
    const words = this.#words;
    let at = this.#homeOf(low);
    while (words[at + 2] !== 0) at = this.#after(at);
    words[at] = high;
    words[at + 1] = low;
    words[at + 2] = place;
  }

  /** The number of slots is no power of two, which would have to be half as many again: so the hash is scaled. */
  #homeOf(low: number): number {
    return slotWords * Math.floor(low * (this.#words.length / (slotWords * 2 ** 32)));
  }

  #after(at: number): number {
    return at + slotWords === this.#words.length ? 0 : at + slotWords;
  }

  #grow(): void {
    const old = this.#words;
    // From a quarter of the full size on at once to all of it.
    const length = old.length * 4 > this.#wordsMax ? this.#wordsMax : old.length * 2;
    this.#words = new Uint32Array(length);
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 2] !== 0) this.#place(old[at]!, old[at + 1]!, old[at + 2]!);
    }
  }
}

export class IdTable {
  #newer: Generation;
  #older: Generation | undefined;
  readonly #generationSize: number;

  constructor(size: number = generationSize) {
    this.#generationSize = size;
    this.#newer = new Generation(0, size);
  }

  /** Seq of an event that may have carried this hash, or -1. Of the newer generation, if there is one in each. */
  find(high: number, low: number): number {
    const seq = this.#newer.find(high, low);
    if (seq >= 0 || this.#older === undefined) return seq;
    return this.#older.find(high, low);
  }

  /** Seqs are inserted in rising order. */
  insert(high: number, low: number, seq: number): void {
    if (this.#newer.used === 0) this.#newer = new Generation(seq, this.#generationSize);
    else if (this.#newer.used >= this.#generationSize) this.#turn(seq);
    // Where few events have an id, seqs leave 32 bits before the ids are a generation.
    else if (seq - this.#newer.base > 0xfffffff0) this.#turn(seq);
    this.#newer.insert(high, low, seq);
  }

  #turn(seq: number): void {
    const { words } = this.#older ?? {};
    const isWhole = this.#older !== undefined && this.#older.used >= this.#generationSize;
    this.#older = this.#newer;
    this.#newer = new Generation(seq, this.#generationSize, isWhole ? words : undefined);
  }
}

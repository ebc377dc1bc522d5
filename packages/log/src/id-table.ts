/**
 * Remembers which (source, id) the last million events of a log carried, to recognise one that is sent again.
 *
 * It holds no ids, only half of a keyed 64-bit hash and the seq of each, at a place in a flat array that the other half
 * gives: some 22 MB when full, and a few KB for a small log. A hit is therefore a *candidate*: the log re-reads the
 * entry and compares source, id and bytes before it says "duplicate" or "conflict". A wrong candidate costs one read,
 * never an answer.
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
/** The upper half of the hash; seq minus base plus 1, where 0 marks a free slot. Together, for the cache's sake. */
const slotWords = 2;

/**
 * A hash table with open addressing, which grows up to the size of a full generation. The lower half of a hash says
 * where an id is looked for first, and only while the table grows it is kept: in a full-grown one two ids are taken for
 * the same where their upper halves are equal and they lie side by side, once in a billion times.
 */
class Generation {
  used = 0;
  /** Seqs are kept relative to this one, so that 32 bits suffice. */
  readonly base: number;
  readonly #slotsMax: number;
  #words: Uint32Array;
  /** By slot: the lower half of the hash. Undefined in a full-grown table. */
  #lows: Uint32Array | undefined;

  /**
   * With the words of a generation that is full and not needed any more, it has its full size from the start; also with
   * `expected` ids that need it.
   */
  constructor(base: number, idsMax: number, expected: number, recycled?: Uint32Array) {
    this.base = base;
    this.#slotsMax = Math.ceil(idsMax * slotsPerId);
    const isWhole = recycled !== undefined || needsAll(expected * slotsPerId, this.#slotsMax);
    const slots = isWhole ? this.#slotsMax : Math.min(slotsAtStart, this.#slotsMax);
    this.#words = recycled?.fill(0) ?? new Uint32Array(slotWords * slots);
    this.#lows = slots === this.#slotsMax ? undefined : new Uint32Array(slots);
  }

  get words(): Uint32Array {
    return this.#words;
  }

  find(high: number, low: number): number {
    const words = this.#words;
    const lows = this.#lows;
    for (let at = this.#homeOf(low); ; at = this.#after(at)) {
      const place = words[at + 1]!;
      if (place === 0) return -1;
      if (words[at] !== high) continue;
      if (lows === undefined || lows[at / slotWords] === low) return this.base + place - 1;
    }
  }

  insert(high: number, low: number, seq: number): void {
    if (this.#lows !== undefined && this.used * slotsPerId >= this.#lows.length) {
      this.#grow(this.#lows);
    }
    this.#place(high, low, seq - this.base + 1);
    this.used++;
  }

  #place(high: number, low: number, place: number): void {
    const words = this.#words;
    let at = this.#homeOf(low);
    while (words[at + 1] !== 0) at = this.#after(at);
    words[at] = high;
    words[at + 1] = place;
    if (this.#lows !== undefined) this.#lows[at / slotWords] = low;
  }

  /** The number of slots is no power of two, which would have to be half as many again: so the hash is scaled. */
  #homeOf(low: number): number {
    return slotWords * Math.floor(low * (this.#words.length / (slotWords * 2 ** 32)));
  }

  #after(at: number): number {
    return at + slotWords === this.#words.length ? 0 : at + slotWords;
  }

  #grow(lows: Uint32Array): void {
    const old = this.#words;
    const slots = needsAll(lows.length, this.#slotsMax) ? this.#slotsMax : lows.length * 2;
    this.#words = new Uint32Array(slotWords * slots);
    this.#lows = slots === this.#slotsMax ? undefined : new Uint32Array(slots);
    for (const [slot, low] of lows.entries()) {
      const at = slotWords * slot;
      if (old[at + 1] !== 0) this.#place(old[at]!, low, old[at + 1]!);
    }
  }
}

/** From a quarter of the full size on a table grows at once to all of it. */
function needsAll(slots: number, slotsMax: number): boolean {
  return slots * 4 > slotsMax;
}

export class IdTable {
  #newer: Generation;
  #older: Generation | undefined;
  readonly #generationSize: number;
  readonly #expected: number;

  /** `expected`: so many ids will follow at once. */
  constructor(size: number = generationSize, expected = 0) {
    this.#generationSize = size;
    this.#expected = expected;
    this.#newer = new Generation(0, size, 0);
  }

  /** Seq of an event that may have carried this hash, or -1. Of the newer generation, if there is one in each. */
  find(high: number, low: number): number {
    const seq = this.#newer.find(high, low);
    if (seq >= 0 || this.#older === undefined) return seq;
    return this.#older.find(high, low);
  }

  /** Seqs are inserted in rising order. */
  insert(high: number, low: number, seq: number): void {
    if (this.#newer.used === 0) {
      this.#newer = new Generation(seq, this.#generationSize, this.#expected);
    } else if (this.#newer.used >= this.#generationSize) this.#turn(seq);
    // Where few events have an id, seqs leave 32 bits before the ids are a generation.
    else if (seq - this.#newer.base > 0xfffffff0) this.#turn(seq);
    this.#newer.insert(high, low, seq);
  }

  #turn(seq: number): void {
    const { words } = this.#older ?? {};
    const isWhole = this.#older !== undefined && this.#older.used >= this.#generationSize;
    this.#older = this.#newer;
    this.#newer = new Generation(seq, this.#generationSize, 0, isWhole ? words : undefined);
  }
}

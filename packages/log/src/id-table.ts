/**
 * Remembers which (source, id) the last million events of a log carried, to recognise one that is sent again.
 *
 * It holds no ids, only a keyed 64-bit hash and the seq of each, in flat arrays: some 32 MB when full, and a few
 * KB for a small log. A hit is therefore a *candidate*: the log re-reads the entry and compares source, id and
 * bytes before it says "duplicate" or "conflict". A wrong candidate costs one read, never an answer.
 *
 * Two generations of `generationSize` each: when the newer is full it becomes the older, and the older is dropped.
 * So at least the last `generationSize` ids are known at any time. The key is random per log, so that nobody can
 * prepare ids that collide.
 */

/** The last this many events with an id are recognised, at least. */
export const generationSize = 1_048_576;

const initialSlots = 1024;

class Generation {
  used = 0;
  /** Seqs are kept relative to this one, so that 32 bits suffice. */
  readonly base: number;
  #mask = initialSlots - 1;
  #tags = new Uint32Array(initialSlots);
  #lows = new Uint32Array(initialSlots);
  /** Seq minus base plus 1; 0 marks a free slot. */
  #places = new Uint32Array(initialSlots);

  constructor(base: number) {
    this.base = base;
  }

  find(high: number, low: number): number {
    const mask = this.#mask;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const place = this.#places[slot]!;
      if (place === 0) return -1;
      if (this.#tags[slot] === high && this.#lows[slot] === low) return this.base + place - 1;
    }
  }

  insert(high: number, low: number, seq: number): void {
    if (this.used * 2 >= this.#places.length) this.#grow();
    this.#place(high, low, seq - this.base + 1);
    this.used++;
  }

  #place(high: number, low: number, place: number): void {
    const mask = this.#mask;
    let slot = low & mask;
    while (this.#places[slot] !== 0) slot = (slot + 1) & mask;
    this.#tags[slot] = high;
    this.#lows[slot] = low;
    this.#places[slot] = place;
  }

  #grow(): void {
    const tags = this.#tags;
    const lows = this.#lows;
    const places = this.#places;
    const slots = places.length * 2;
    this.#mask = slots - 1;
    this.#tags = new Uint32Array(slots);
    this.#lows = new Uint32Array(slots);
    this.#places = new Uint32Array(slots);
    for (let i = 0; i < places.length; i++) {
      if (places[i] !== 0) this.#place(tags[i]!, lows[i]!, places[i]!);
    }
  }
}

export class IdTable {
  #newer = new Generation(0);
  #older: Generation | undefined;
  readonly #generationSize: number;

  constructor(size: number = generationSize) {
    this.#generationSize = size;
  }

  /** Seq of the newest event that may have carried this hash, or -1. */
  find(high: number, low: number): number {
    const seq = this.#newer.find(high, low);
    if (seq >= 0 || this.#older === undefined) return seq;
    return this.#older.find(high, low);
  }

  /** Seqs are inserted in rising order. */
  insert(high: number, low: number, seq: number): void {
    if (this.#newer.used === 0) this.#newer = new Generation(seq);
    else if (this.#newer.used >= this.#generationSize || seq - this.#newer.base > 0xfffffff0) {
      this.#older = this.#newer;
      this.#newer = new Generation(seq);
    }
    this.#newer.insert(high, low, seq);
  }
}

/**
 * Randomness that can be had again: MRG32k3a (L'Ecuyer, "Good parameters and implementations for combined multiple
 * recursive random number generators", 1999). It works on doubles alone, so that every engine draws the same numbers.
 * Not for secrets.
 */
import { CairnError } from "@cairnlog/core";

const m1 = 4294967087;
const m2 = 4294944443;
/** Seeds are whole numbers from 0 up to, not including, this. */
export const seedLimit = 4294944443;

export class Random {
  // Two recurrences of order three: none of them may be all zero, each value stays below its modulus.
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #e: number;
  #f: number;

  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0 || seed >= seedLimit) {
      throw new CairnError("usage", `a seed is a whole number from 0 to ${seedLimit - 1}`);
    }
    this.#a = this.#d = seed + 1;
    this.#b = this.#e = 12345;
    this.#c = this.#f = 67890;
    // Neighbouring seeds begin alike: some rounds drive them apart.
    for (let i = 0; i < 20; i++) this.next();
  }

  /** At least 0 and less than 1, in steps of about 2^-32. */
  next(): number {
    let p = 1403580 * this.#b - 810728 * this.#a;
    p -= Math.floor(p / m1) * m1;
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = p;
    let q = 527612 * this.#f - 1370589 * this.#d;
    q -= Math.floor(q / m2) * m2;
    this.#d = this.#e;
    this.#e = this.#f;
    this.#f = q;
    return (p >= q ? p - q : p - q + m1) / m1;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True in `share` (0 to 1) of all cases. */
  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Index of a weight, drawn in proportion to it. `total` is their sum. */
  weighted(weights: readonly number[], total: number): number {
    let rest = this.next() * total;
    for (let i = 0; i < weights.length - 1; i++) {
      rest -= weights[i]!;
      if (rest < 0) return i;
    }
    return weights.length - 1;
  }

  /** Skewed to the right, as durations are: most lie near `typical`, a few at many times that. */
  skewed(typical: number): number {
    const spread = this.next() + this.next() + this.next() - 1.5;
    return Math.max(1, Math.round(typical * Math.exp(1.4 * spread)));
  }

  /** `length` lower-case hex digits. */
  hex(length: number): string {
    let text = "";
    while (text.length < length) text += this.below(0x1000000).toString(16).padStart(6, "0");
    return text.slice(0, length);
  }

  /** `length` digits and upper-case letters, as Crockford's base 32 has them. */
  base32(length: number): string {
    let text = "";
    for (let i = 0; i < length; i++) text += crockford[this.below(32)]!;
    return text;
  }

  /** W3C traceparent of a new trace. */
  trace(): string {
    // The first digit keeps the ids from being all zero.
    return `00-${this.between(1, 15).toString(16)}${this.hex(31)}-${this.between(1, 15).toString(16)}${this.hex(15)}-01`;
  }

  /** Another generator, whose numbers do not depend on how many are drawn here later. */
  fork(): Random {
    return new Random(this.below(seedLimit));
  }
}

export const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

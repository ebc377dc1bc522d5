/**
 * Ids for events that come without one: a ULID, 48 bits of time and 80 random bits in Crockford's
 * base32, 26 characters. Within one millisecond, and when the clock steps back, the next id is the
 * last one plus one: ids of one client sort in the order in which they were made.
 *
 * An id must be unlikely to be guessed or met twice, because it names one event of a source for
 * ever.
 */
import { assert } from "@cairnlog/core";
import type { Random } from "./platform.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeDigits = 10;
const randomDigits = 16;

export class EventIds {
  readonly #random: Random;
  #lastMs = -1;
  /** The 80 random bits as digits of base 32, most significant first. */
  readonly #digits = new Uint8Array(randomDigits);
  #timeText = "";

  constructor(random: Random) {
    this.#random = random;
  }

  /** The next id, made at `nowMs`. */
  next(nowMs: number): string {
    if (nowMs > this.#lastMs) this.#begin(nowMs);
    else if (!this.#increment()) this.#begin(this.#lastMs + 1);
    let text = this.#timeText;
    for (const digit of this.#digits) text += alphabet[digit];
    return text;
  }

  #begin(ms: number): void {
    assert(Number.isSafeInteger(ms) && ms >= 0 && ms < 2 ** 48, "the time fits into 48 bits");
    this.#lastMs = ms;
    let rest = ms;
    let text = "";
    for (let i = 0; i < timeDigits; i++) {
      text = alphabet[rest % 32]! + text;
      rest = Math.floor(rest / 32);
    }
    this.#timeText = text;
    const bytes = new Uint8Array(randomDigits);
    this.#random(bytes);
    for (let i = 0; i < randomDigits; i++) this.#digits[i] = bytes[i]! & 31;
    // The upper half is left free for counting up, so that a busy millisecond does not run over.
    this.#digits[0]! &= 15;
  }

  /** Adds one; false when all digits are at their highest. */
  #increment(): boolean {
    for (let i = randomDigits - 1; i >= 0; i--) {
      if (this.#digits[i]! < 31) {
        this.#digits[i]!++;
        return true;
      }
      this.#digits[i] = 0;
    }
    return false;
  }
}

/** Ids as sources make them (ULID): ten digits of time, sixteen of chance; in the order of time. */
import { crockford, type Random } from "./random.ts";

export function idAt(timeMs: number, random: Random): string {
  let [text, rest] = ["", timeMs];
  for (let i = 0; i < 10; i++) {
    text = crockford[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text + random.base32(16);
}

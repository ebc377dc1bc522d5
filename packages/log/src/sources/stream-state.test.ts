/**
 * Goal: what is known of a stream is what was delivered, whatever came twice, late or never, and however often it was
 * told or written down meanwhile.
 * Method: every delivery of up to six numbers from one to five, and long random ones, against an oracle that keeps the
 * list of what was recorded and nothing else.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import { gapsPerStreamMax, StreamState } from "./stream-state.ts";

/** Follows the definition: what was recorded, and of what is missing, what was told. */
class Oracle {
  readonly recorded = new Set<number>();
  readonly told = new Set<number>();
  readonly filled = new Set<number>();

  get mark(): number {
    return Math.max(0, ...this.recorded);
  }

  take(number: number): void {
    this.recorded.add(number);
    if (this.told.delete(number)) this.filled.add(number);
  }

  missing(): number[] {
    const numbers: number[] = [];
    const { mark } = this;
    for (let n = 1; n < mark; n++) if (!this.recorded.has(n)) numbers.push(n);
    return numbers;
  }
}

function numbersOf(ranges: readonly { readonly from: number; readonly to: number }[]): number[] {
  return ranges.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
}

function sorted(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** Delivers a number as a log does: recorded once, and never again. */
function deliver(state: StreamState, oracle: Oracle, number: number, seq: number): void {
  assert.equal(state.hasSeen(number), oracle.recorded.has(number), `was ${number} seen?`);
  if (oracle.recorded.has(number)) return;
  oracle.take(number);
  state.take(number, seq, NaN);
  compare(state, oracle);
}

function compare(state: StreamState, oracle: Oracle): void {
  assert.equal(state.mark, oracle.mark);
  assert.equal(state.count, oracle.recorded.size);
  assert.deepEqual(numbersOf(state.gaps), oracle.missing());
  assert.equal(state.missing, oracle.missing().length);
  const told = numbersOf(state.gaps.filter(({ isTold }) => isTold));
  assert.deepEqual(told, sorted(oracle.told));
  assert.deepEqual(sorted(numbersOf(state.filled)), sorted(oracle.filled));
  const isDue = oracle.missing().some((n) => !oracle.told.has(n)) || oracle.filled.size > 0;
  assert.equal(state.isDue, isDue);
}

function tell(state: StreamState, oracle: Oracle): void {
  const telling = state.telling(1000);
  const untold = oracle.missing().filter((n) => !oracle.told.has(n));
  assert.deepEqual(numbersOf(telling.missing), untold);
  for (const number of untold) oracle.told.add(number);
  oracle.filled.clear();
  // As it comes back from an entry.
  state.told(JSON.parse(JSON.stringify(telling)) as typeof telling);
  compare(state, oracle);
}

describe("the state of a stream", () => {
  it("is that of the list, for every short delivery, told after any step", () => {
    let deliveries = 0;
    const length = 6;
    const numbers = 5;
    for (let code = 0; code < numbers ** length; code++) {
      // Told after the step that the code's digits add up to, and at the end.
      const digits = Array.from(
        { length },
        (_, i) => 1 + (Math.floor(code / numbers ** i) % numbers),
      );
      const tellAfter = digits.reduce((sum, digit) => sum + digit, 0) % length;
      const state = new StreamState("api", "s");
      const oracle = new Oracle();
      for (const [i, number] of digits.entries()) {
        deliver(state, oracle, number, i);
        if (i === tellAfter) tell(state, oracle);
      }
      tell(state, oracle);
      deliveries++;
    }
    assert.equal(deliveries, 15_625);
  });

  it("is that of the list for long deliveries, also when it was written down and read again", async () => {
    await withSeed(20_261_124, (random: SeededRandom) => {
      for (let round = 0; round < 60; round++) {
        let state = new StreamState("api", "s");
        const oracle = new Oracle();
        for (let step = 0; step < 200; step++) {
          // Mostly the next number; some are lost, some come late, some twice. Few enough gaps to be remembered.
          const late = oracle.missing();
          const skip = late.length < 60 && random.chance(0.15) ? 1 + random.below(3) : 0;
          const isLate = random.chance(0.3) && late.length > 0;
          const isRepeat = random.chance(0.1) && oracle.recorded.size > 0;
          const next = oracle.mark + 1 + skip;
          const number = isRepeat
            ? random.pick([...oracle.recorded])
            : isLate
              ? random.pick(late)
              : next;
          deliver(state, oracle, number, step);
          if (random.chance(0.2)) tell(state, oracle);
          if (random.chance(0.1)) {
            const snapshot = state.snapshot();
            const read = JSON.parse(JSON.stringify(snapshot)) as typeof snapshot;
            state = StreamState.restore("api", "s", read);
            assert.deepEqual(state.snapshot(), snapshot);
            compare(state, oracle);
          }
        }
      }
    });
  });

  it("forgets which numbers are missing beyond its bound, but not how many", () => {
    const state = new StreamState("api", "s");
    const gaps = gapsPerStreamMax + 10;
    for (let i = 1; i <= gaps; i++) state.take(2 * i, i, NaN);
    assert.equal(state.gaps.length, gapsPerStreamMax);
    assert.equal(state.forgotten, 10);
    assert.equal(state.missing, gaps);
    // It may have been recorded, as far as the state knows: the index is asked.
    assert.ok(state.hasSeen(1));
    const telling = state.telling(1000);
    assert.equal(telling.forgotten, 10);
    state.told(telling);
    assert.equal(state.isDue, false);
    state.take(1, 100, NaN);
    assert.equal(state.missing, gaps - 1);
    assert.deepEqual(state.filled, [{ from: 1, to: 1 }]);
  });

  it("takes what a heartbeat named as missing at its end, and what comes of it as filled", () => {
    const state = new StreamState("api", "s");
    for (let i = 1; i <= 3; i++) state.take(i, i, NaN);
    state.expected = 6;
    assert.ok(state.isUrgent && !state.isDueByEntries);
    const telling = state.telling(100);
    assert.deepEqual(telling.missing, [{ from: 4, to: 6, after: 3 }]);
    state.told(telling);
    assert.ok(!state.isDue && state.missing === 3);
    state.take(6, 10, NaN);
    assert.deepEqual(state.filled, [{ from: 6, to: 6 }]);
    assert.ok(
      state.gaps.every(({ isTold }) => isTold),
      "4 and 5 were told already",
    );
    state.take(8, 11, NaN);
    assert.deepEqual(state.telling(100).missing, [{ from: 7, to: 7, after: 10, before: 11 }]);
    state.take(4, 12, NaN);
    assert.deepEqual(numbersOf(state.gaps), [5, 7]);
  });
});

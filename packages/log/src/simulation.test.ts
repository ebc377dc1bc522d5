/**
 * Goal: no order of faults and crashes makes a log lose what it acknowledged, sign two roots for one size, record an
 * event twice, or fail to open on a disk that is sound again.
 *
 * Method: seeded histories on a simulated disk (`simulation.testing.ts`), judged by a ledger that believes nothing. A
 * failure names its seed. `CAIRN_SIM_SEEDS` runs more of them, `CAIRN_SIM_FIRST_SEED` begins elsewhere, so that one
 * seed is run again by CAIRN_SIM_SEEDS=1 CAIRN_SIM_FIRST_SEED=<seed>. Most histories begin with an empty log; every two
 * hundredth with one that is about to fill a segment, so that sealing is hit as well; every twentieth with no log.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDecimal } from "@cairnlog/core";
import { SeededRandom, withSeed } from "@cairnlog/testing";
import { beginningOf, simulate, type Beginning } from "./simulation.testing.ts";

const { CAIRN_SIM_SEEDS = "2000", CAIRN_SIM_FIRST_SEED = "1" } = process.env;
const seeds = parseDecimal(CAIRN_SIM_SEEDS, "number of seeds");
const firstSeed = parseDecimal(CAIRN_SIM_FIRST_SEED, "seed");
const segmentEntries = 65_536;

let empty: Promise<Beginning> | undefined;
let nearlyFull: Promise<Beginning> | undefined;

function beginningFor(seed: number): Promise<Beginning | undefined> {
  if (seed % 200 === 0) {
    return (nearlyFull ??= beginningOf(new SeededRandom(1), segmentEntries - 9));
  }
  if (seed % 20 === 1) return Promise.resolve(undefined);
  return (empty ??= beginningOf(new SeededRandom(2), 1));
}

let current = 0;
process.on("uncaughtExceptionMonitor", () => {
  console.error(`the seed that was running: ${current}`);
});

test(`${seeds} histories of a log on a faulty disk`, async () => {
  const sums = new Map<string, number>();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    current = seed;
    const beginning = await beginningFor(seed);
    const history = await withSeed(seed, (random) => simulate(random, beginning));
    for (const [what, count] of Object.entries(history)) {
      sums.set(what, (sums.get(what) ?? 0) + (count as number));
    }
  }
  console.log(`seeds ${firstSeed} to ${firstSeed + seeds - 1}:`, Object.fromEntries(sums));
  // A simulation in which nothing happens proves nothing.
  if (seeds < 1000) return;
  for (const [what, count] of sums) assert.ok(count > 0, what);
});

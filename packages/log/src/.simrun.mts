import { SeededRandom, withSeed } from "@cairnlog/testing";
import { beginningOf, simulate } from "./simulation.testing.ts";
const [first, count, only] = process.argv.slice(2).map(Number);
let empty, full; const groups = new Map(); const sums = {};
let current = 0;
process.on("uncaughtException", (e) => { console.log("UNCAUGHT at seed", current, e); process.exit(1); });
const t0 = performance.now();
for (let seed = first; seed < first + count; seed++) {
  current = seed;
  const b = seed % 50 === 0 ? await (full ??= beginningOf(new SeededRandom(1), 65536 - 24)) : seed % 20 === 1 ? undefined : await (empty ??= beginningOf(new SeededRandom(2), 1));
  if (only === 1 && seed % 50 !== 0) continue;
  if (only === 2 && seed % 50 === 0) continue;
  try {
    const h = await withSeed(seed, (r) => simulate(r, b));
    for (const [k, v] of Object.entries(h)) sums[k] = (sums[k] ?? 0) + v;
  } catch (e) {
    const c = e.cause; const where = (c?.stack ?? "").split("\n").filter(l => l.includes("/src/")).slice(0, 2).map(l => l.trim().replace(/file:.*\/src\//, "")).join(" < ");
    const key = (c?.code ?? "") + " " + String(c?.message).replace(/\d+/g, "N").slice(0, 150) + " @ " + where;
    const g = groups.get(key) ?? []; g.push(seed); groups.set(key, g);
  }
}
for (const [k, v] of [...groups].sort((a, b) => b[1].length - a[1].length)) console.log(v.length, k, v.slice(0, 6).join(","));
console.log(`${count} seeds from ${first}, ${((performance.now() - t0) / count).toFixed(1)} ms each`, JSON.stringify(sums));

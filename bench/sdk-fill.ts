/** Fills a spool while the server is away, in a process of its own: `sdk-fill.ts <folder> <bytes>`. */
import { setImmediate as turn } from "node:timers/promises";
import { CairnClient } from "@cairnlog/client";
import { openSpool } from "@cairnlog/spool";
import { residentMemory } from "./measure.ts";
import { eventOf, perTurn, threadMicros, type Filled } from "./sdk-load.ts";

const [folder = "", bytesMax = ""] = process.argv.slice(2);
const resident = (): number => residentMemory(process.pid)?.now ?? Number.NaN;
const before = resident();
const client = new CairnClient({
  url: "http://127.0.0.1:9",
  spool: await openSpool(folder, { bytesMax: Number(bytesMax) }),
  fetch: () => Promise.reject(new Error("the server is away")),
  onError() {},
});
const micros = threadMicros();
let peak = before;
let events = 0;
while (client.status().rejectedEvents === 0) {
  for (let i = 0; i < perTurn; i++) void client.log(eventOf(events++));
  await turn();
  if (events % (100 * perTurn) === 0) peak = Math.max(peak, resident());
}
const each = micros() / events;
const filled: Filled = { events, micros: each, memoryMib: Math.max(peak, resident()) - before };
await client.close();
process.send?.(filled);
process.disconnect?.();

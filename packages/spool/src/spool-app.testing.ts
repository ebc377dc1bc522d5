/**
 * Not a test: an application that logs into a spool until it is killed. It says `<number> <id>` on its
 * standard output for each event that it was told is spooled; with an address, it sends them too.
 *
 *     node spool-app.testing.ts <folder> <url> <seed> os|disk
 */
import { writeSync } from "node:fs";
import { CairnClient, type CairnError } from "@cairnlog/client";
import { openSpool } from "./index.ts";

const [folder = "", url = "", seed = "1", durability = "os"] = process.argv.slice(2);
let state = 1 + (Number(seed) % 2_147_483_646);
/** MINSTD: this file runs where nothing of the tests' tools does. */
function below(limit: number): number {
  state = (state * 48_271) % 2_147_483_647;
  return state % limit;
}
const spool = await openSpool(folder, {
  durability: durability === "disk" ? "disk" : "os",
  // Small, so that segments come and go.
  bytesMax: 1024 * 1024,
});
const client = new CairnClient({ url, spool, retryDelayMs: 5, onError() {} });
writeSync(1, `stream ${spool.own.id}\n`);
for (;;) {
  const burst = 1 + below(40);
  const told = Array.from({ length: burst }, () => {
    const details = { filler: "x".repeat(below(2000)) };
    const event = { type: "api.called", actor: { id: "app" }, action: "GET", details };
    return client.log(event, { spooled: true }).then(
      ({ number, eventId }) => void writeSync(1, `${number} ${eventId}\n`),
      // The spool is full: the log is slower than this loop.
      ({ code }: CairnError) => void writeSync(1, `refused ${code}\n`),
    );
  });
  await Promise.all(told);
  // A full spool answers at once; the sending must get its turn.
  await new Promise((resolve) => setImmediate(resolve));
}

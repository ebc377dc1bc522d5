/**
 * Goal: a log's own work never alarms: appending under load, putting blobs, sealing, publishing, closing and opening
 * again, while all files are looked at as fast as can be and re-read at the same time.
 * Method: a real log on real files, several appends in flight over three segments, and a loop of looks and steps in the
 * same thread, between the commits; at the end everything has been compared and nothing was found.
 */
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { utf8 } from "@cairnlog/core";
import { append, makeLog, openWatched, pass, removeFolders } from "./log-folder.testing.ts";

after(removeFolders);

it("appending, putting blobs, sealing and publishing under load: nothing is found", async () => {
  const data = await makeLog(10);
  const { log, watch, reports, clock } = await openWatched(data, { publishIntervalMs: 20 });
  const writer = { isOver: false };
  const writing = (async () => {
    for (let from = 10; from < 140_000; from += 8000) {
      const appends = [0, 2000, 4000, 6000].map((more) => append(log, from + more, 2000));
      const blobs = Array.from({ length: 20 }, (_, i) => log.putBlob(utf8(`${from} ${i % 15}`)));
      await Promise.all([...appends, ...blobs]);
    }
    await log.sealed();
    await log.publish();
    writer.isOver = true;
  })();
  let looks = 0;
  while (!writer.isOver) {
    clock.advance(100);
    await watch.look();
    await watch.step();
    looks++;
    await turn();
  }
  await writing;
  clock.advance(60_000);
  await watch.look();
  await watch.look();
  await pass(watch);
  await pass(watch);
  assert.deepEqual(reports.found, []);
  assert.deepEqual(reports.mendedPaths, []);
  assert.ok(looks > 20, `${looks} looks`);
  assert.ok(log.status().sealedSize >= 131_072, "segments were sealed meanwhile");
  await log.close();

  const again = await openWatched(data);
  await again.watch.look();
  await pass(again.watch);
  await append(again.log, 200_000, 10);
  again.clock.advance(1000);
  await again.watch.look();
  assert.deepEqual(again.reports.found, []);
  await again.log.close();
});

it("an empty log, its first entries, and a log that is read only", async () => {
  const { log, watch, reports } = await openWatched(await makeLog(0));
  await watch.look();
  await pass(watch);
  await append(log, 0, 1);
  await watch.look();
  await log.publish();
  await watch.look();
  await pass(watch);
  assert.deepEqual(reports.found, []);
  await log.close();
});

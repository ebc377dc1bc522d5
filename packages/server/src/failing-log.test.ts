/**
 * Goal: a log whose medium fails while it is served says so to everybody who asks: no event is
 * acknowledged any more, what was acknowledged can be read and proved, and it is all there when the
 * log is opened anew. A full disk passes. Method: a log on a simulated disk behind a real server;
 * the disk fails from a chosen moment on.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CairnError } from "@cairnlog/core";
import { createLog, openLog, type Log } from "@cairnlog/log";
import { filesStore, processLock, type Store } from "@cairnlog/store";
import { ManualClock, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import {
  disguised,
  eventsPath,
  eventText,
  post,
  postLines,
  serve,
  type Answer,
  type Sent,
  type TestServer,
} from "./serving.test.ts";

interface Failing extends TestServer {
  readonly disk: SimulatedDisk;
  readonly clock: ManualClock;
  readonly failures: readonly CairnError[];
}

const storeOn = (disk: SimulatedDisk): Store =>
  filesStore({ folder: "/data", disk, lock: processLock() });

async function serveOnDisk(t: TestContext, capacity = Infinity): Promise<Failing> {
  const disk = new SimulatedDisk({ random: new SeededRandom(1), capacity });
  const clock = new ManualClock(Date.UTC(2026, 10, 23));
  const failures: CairnError[] = [];
  const created = { name: "main", origin: "example.com/logs/main" };
  const onFailure = (error: CairnError): void => void failures.push(error);
  const log = await createLog(storeOn(disk), created, { clock, onFailure });
  const disguise = (other: Log): Log => {
    void other.close();
    // A log that has failed may not close well.
    return disguised(log, { close: () => log.close().catch(() => {}) });
  };
  const served = await serve(t, { disguise });
  return { ...served, disk, clock, failures };
}

const codeOf = ({ text }: Answer): string => (JSON.parse(text) as { code: string }).code;
test("a disk that fails: no acknowledgement, but everything before it", async (t) => {
  const { disk, failures, send } = await serveOnDisk(t);
  assert.equal((await send(post(eventText("before")))).status, 201);
  disk.fault = (operation) => (operation === "datasync" ? "fail" : "ok");
  const refused = await Promise.all([send(post(eventText("a"))), send(postLines(eventText("b")))]);
  // A failed sync is never tried again, even where it would succeed.
  disk.fault = () => "ok";
  refused.push(await send(post(eventText("c"))), await send(post(eventText("before"))));
  for (const answer of refused) {
    assert.deepEqual([answer.status, codeOf(answer)], [503, "unavailable"], answer.text);
    assert.equal(answer.headers["retry-after"], "2");
  }
  assert.deepEqual(
    failures.map(({ code }) => code),
    ["unavailable"],
  );
  for (const path of ["/healthz", "/readyz"]) {
    const answer = await send({ path, key: null });
    assert.deepEqual([answer.status, codeOf(answer)], [503, "unavailable"], path);
    assert.ok(!answer.text.includes("main"), "strangers hear of no log");
  }
  const metrics = (await send({ path: "/metrics" })).text.split("\n");
  assert.ok(metrics.includes('cairn_log_failed{log="main"} 1'));
  for (const path of [`${eventsPath}/1`, `${eventsPath}/1/proof`, `${eventsPath}?from=0`]) {
    assert.equal((await send({ path })).status, 200, path);
  }
  assert.equal((await send({ path: `${eventsPath}/2` })).status, 404, "nobody was promised it");

  const again = await openLog(storeOn(disk.kill()), "main");
  const entry = new TextDecoder().decode((await again.entry(1)).bytes);
  assert.ok(entry.includes(eventText("before")));
  await again.close();
});

test("a full disk: refused with 507 until there is room, and ready all the while", async (t) => {
  const capacity = 8 * 1024 * 1024;
  const { disk, clock, failures, send } = await serveOnDisk(t, capacity);
  const ballast = await disk.open("/ballast", "create");
  await ballast.write(new Uint8Array((await disk.freeBytes("/")) - 400_000), 0);
  const large = (n: number): Sent => post(eventText(`large ${n}`, { details: "x".repeat(60_000) }));
  let answer = await send(large(0));
  for (let n = 1; answer.status === 201 && n < 50; n++) answer = await send(large(n));
  assert.deepEqual([answer.status, codeOf(answer)], [507, "storage_full"], answer.text);
  assert.equal(answer.headers["retry-after"], "10");
  assert.equal((await send({ path: "/healthz" })).status, 503);
  assert.equal((await send({ path: "/readyz" })).status, 200);
  assert.equal((await send({ path: `${eventsPath}/0` })).status, 200);
  await disk.unlink("/ballast");
  clock.advance(1001);
  // The first to ask has the disk looked at again, in the background.
  for (let n = 0; answer.status === 507 && n < 50; n++) answer = await send(post(eventText("now")));
  assert.equal(answer.status, 201, answer.text);
  assert.equal((await send({ path: "/healthz" })).status, 200);
  assert.deepEqual(failures, []);
});

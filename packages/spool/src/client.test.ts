/**
 * Goal: a client with a spool keeps its promises: receipts while the log is there, events that wait
 * while it is not, for a week and over restarts, nothing given up but by the log's own word for an
 * event, and each promise ends in a way that says what is true.
 *
 * Method: the fake log, real spools in a fresh folder, and a clock that is wound by hand.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import {
  CairnClient,
  type CairnClientOptions,
  type Clock,
  type EventInput,
} from "@cairnlog/client";
import { ManualClock } from "@cairnlog/testing";
import { FakeLog } from "./fake-log.testing.ts";
import { openSpool } from "./index.ts";

let folder: string;
let log: FakeLog;
let clock: ManualClock;
let errors: string[];
let receipts: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cairn-client-spool-"));
  log = new FakeLog();
  clock = new ManualClock();
  errors = [];
  receipts = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function clockOf(manual: ManualClock): Clock {
  return {
    now: manual.now,
    after(ms, run) {
      const timer = manual.setTimer(run, ms);
      return () => timer.cancel();
    },
  };
}

async function open(options: Partial<CairnClientOptions> = {}): Promise<CairnClient> {
  return new CairnClient({
    url: "http://127.0.0.1:1",
    spool: await openSpool(folder),
    fetch: log.fetch,
    clock: clockOf(clock),
    onError: (error, { willRetry, eventId, event }) => {
      const which = willRetry ? "retry" : `${eventId} ${event === undefined ? "-" : "whole"}`;
      errors.push(`${which}: ${error.code}`);
    },
    onReceipt: ({ eventId }, { number }) => receipts.push(`${number} ${eventId}`),
    ...options,
  });
}

function event(id: string, extra: Partial<EventInput> = {}): EventInput {
  return { id, type: "api.called", actor: { id: "alice" }, action: "GET", ...extra };
}

/** Lets everything that is under way come to its end, timers apart. */
async function settle(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    if (i > 5000) throw new Error("it does not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("receipts, numbers without a gap, and an empty spool in the end", async () => {
  const cairn = await open();
  const ids = Array.from({ length: 1200 }, (_, i) => `e${i}`);
  const all = await Promise.all(ids.map((id) => cairn.log(event(id))));
  assert.deepEqual(
    all.map(({ eventId }) => eventId),
    ids,
  );
  assert.deepEqual(
    log.events.map(({ id }) => id),
    ids,
  );
  const { stream } = log.events[0]!.sequence;
  assert.deepEqual(
    log.numbersOf(stream),
    ids.map((_, i) => i + 1),
  );
  assert.equal(cairn.status().queuedEvents, 0);
  await cairn.close();
  assert.deepEqual(readdirSync(join(folder, stream)), ["cursor"]);
  assert.deepEqual([errors, receipts], [[], []]);
});

test("a week without the server, and two restarts: everything comes, once, in order", async () => {
  log.isAway = true;
  let cairn = await open();
  const promises: Promise<unknown>[] = [];
  for (let hour = 0; hour < 7 * 24; hour++) {
    const { number } = await cairn.log(event(`h${hour}`), { spooled: true });
    assert.equal(number, hour + 1);
    if (hour % 60 === 30) {
      const waiting = cairn.log(event(`h${hour}b`));
      promises.push(assert.rejects(waiting, /The event is in the spool as number/));
      hour++;
      await cairn.close();
      cairn = await open();
    }
    clock.advance(3_600_000);
  }
  await Promise.all(promises);
  assert.deepEqual([...new Set(errors)], ["retry: unavailable"]);
  log.isAway = false;
  clock.advance(60_000);
  await cairn.flush();
  await cairn.close();
  const { stream } = log.events[0]!.sequence;
  const numbers = log.numbersOf(stream);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i + 1),
  );
  assert.equal(new Set(log.events.map(({ id }) => id)).size, numbers.length);
  assert.equal(receipts.length, numbers.length, "each receipt reaches somebody");
  assert.equal(receipts[0], "1 h0");
});

test("no refusal of a request empties the spool; the log's word for one event does", async () => {
  const cairn = await open();
  for (const status of [401, 403, 404, 415]) {
    log.refusesWith = status;
    const waiting = cairn.log(event(`s${status}`));
    await settle();
    log.refusesWith = undefined;
    clock.advance(60_000);
    assert.equal((await waiting).eventId, `s${status}`);
  }
  assert.equal(errors.length, 4);
  assert.ok(errors.every((each) => each.startsWith("retry: ")));
  errors = [];
  const refused = cairn.log(event("no", { action: "refuse me" }));
  await assert.rejects(refused, { code: "invalid" });
  await cairn.log(event("no 2", { action: "refuse me" }), { spooled: true });
  await cairn.log(event("yes"));
  assert.deepEqual(errors, ["no whole: invalid", "no 2 whole: invalid"]);
  await cairn.close();
});

test("an answer that was lost is asked for again with the same bytes", async () => {
  log.losesAnswers = true;
  let cairn = await open();
  void cairn.log(event("once"));
  await until(() => log.texts.length === 1);
  await cairn.close();
  log.losesAnswers = false;
  clock.step(-86_400_000);
  cairn = await open();
  await cairn.log(event("next"));
  assert.deepEqual(
    log.events.map(({ id }) => id),
    ["once", "next"],
  );
  assert.deepEqual(
    log.events.map(({ sequence }) => sequence.number),
    [1, 2],
  );
  assert.deepEqual(receipts, ["1 once"]);
  await cairn.close();
});

test("promises that wait are bounded, and end as it is; `retryForMs` ends them, not the event", async () => {
  log.isAway = true;
  const cairn = await open({ queueEventsMax: 2, retryForMs: 5000, retryDelayMs: 1000 });
  const [a, b, c] = ["a", "b", "c"].map((id) => cairn.log(event(id)));
  await assert.rejects(c!, /2 promises wait for receipts already.*in the spool, in the stream/s);
  await settle();
  for (let i = 0; i < 10; i++) {
    clock.advance(1000);
    await settle(5);
  }
  await assert.rejects(a!, { code: "unavailable", message: /tried for 5000 ms.*number 1/s });
  await assert.rejects(b!, { code: "unavailable" });
  log.isAway = false;
  clock.advance(60_000);
  await cairn.flush();
  assert.deepEqual(receipts, ["1 a", "2 b", "3 c"]);
  assert.equal(cairn.status().rejectedEvents, 0);
  await cairn.close();
});

test("durable goes past the spool, is never in it, and ends within its time", async () => {
  const cairn = await open();
  const receipt = await cairn.log(event("now"), { durable: true });
  assert.equal(receipt.eventId, "now");
  assert.equal(log.events[0]!.sequence, undefined, "it has no number: its caller knows its fate");
  log.isAway = true;
  const waiting = cairn.log(event("in vain"), { durable: true, timeoutMs: 3000 });
  await settle(5);
  clock.advance(3000);
  await assert.rejects(waiting, { code: "unavailable", message: /no receipt within 3000 ms/ });
  assert.equal(cairn.status().queuedEvents, 0, "nothing of it is left behind");
  log.isAway = false;
  clock.advance(60_000);
  await cairn.log(event("later"));
  assert.deepEqual(
    log.events.map(({ id }) => id),
    ["now", "later"],
  );
  await cairn.close();
});

test("what the spool cannot write is rejected, and takes no number", async () => {
  const spool = await openSpool(folder);
  const cairn = await open({ spool });
  const first = join(folder, spool.own.id, `${"1".padStart(16, "0")}.seg`);
  symlinkSync("/dev/full", first);
  const both = [cairn.log(event("full")), cairn.log(event("full 2"), { spooled: true })];
  for (const each of both) await assert.rejects(each, { code: "storage_full" });
  rmSync(first, { force: true });
  await cairn.log(event("room"));
  assert.deepEqual(
    log.events.map(({ id, sequence }) => [id, sequence.number]),
    [["room", 1]],
  );
  assert.ok(errors.includes("full whole: storage_full"));
  await cairn.close();
});

test("what the log would surely refuse takes no number", async () => {
  const cairn = await open();
  const wrong: [object, string][] = [
    [{ type: "nothing" }, "/type"],
    [{ type: "system.x" }, "/type"],
    [{ actor: {} }, "/actor/id"],
    [{ actor: undefined }, "/actor/id"],
    [{ action: "" }, "/action"],
    [{ action: "€".repeat(100) }, "/action"],
    [{ time: "yesterday" }, "/time"],
    [{ trace: "00-1" }, "/trace"],
    [{ outcome: "well" }, "/outcome"],
    [{ targets: [{ type: "x" }] }, "/targets/0"],
    [{ sequence: { stream: "s", number: 7 } }, "/sequence"],
  ];
  for (const [extra, pointer] of wrong) {
    const logged = cairn.log(event("x", extra));
    await assert.rejects(logged, { code: "invalid", place: { pointer } }, pointer);
  }
  const { number } = await cairn.log(event("right"), { spooled: true });
  assert.equal(number, 1);
  await cairn.close();
});

test("a heartbeat tells the count while nothing happens; who knows none is asked once", async () => {
  const cairn = await open({ heartbeatMs: 10_000 });
  const beat = async (): Promise<void> => {
    clock.advance(10_000);
    await settle(5);
  };
  await beat();
  assert.deepEqual(log.heartbeats, [], "nothing was counted yet");
  const { eventId } = await cairn.log(event("a"));
  await settle(5);
  await beat();
  assert.deepEqual(log.heartbeats, [], "the event itself said as much");
  await beat();
  const { stream } = log.events[0]!.sequence;
  assert.equal(eventId, "a");
  assert.deepEqual(log.heartbeats, [JSON.stringify({ streams: [{ stream, number: 1 }] })]);
  log.heartbeatStatus = 404;
  await beat();
  await beat();
  await beat();
  assert.equal(log.heartbeats.length, 2);
  await cairn.close();
});

test("what a dead process left is taken over by one that has a stream of its own", async () => {
  log.isAway = true;
  const left = await open();
  const cairn = await open({ spool: await openSpool(folder) });
  await left.log(event("left"), { spooled: true });
  await left.close();
  log.isAway = false;
  for (let i = 0; log.texts.length === 0 && i < 20; i++) {
    clock.advance(30_000);
    await settle(5);
  }
  assert.deepEqual(receipts, ["1 left"]);
  await cairn.close();
});

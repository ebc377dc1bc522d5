/**
 * Goal: trust on first use believes the server once, says so aloud, and never again; a durable log is
 * only believed with the proof that the leaf holds the event; numbers are given where they are asked
 * for.
 *
 * Method: the scripted log, which may lie, sign with another key, or be away.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { CairnClient, type CairnClientOptions, type FirstUse } from "./index.ts";
import { FastClock, ScriptedLog } from "./scripted-log.testing.ts";

let log: ScriptedLog;
let remembered: string | undefined;
let met: FirstUse[];
let errors: string[];
beforeEach(async () => {
  log = await ScriptedLog.open();
  remembered = undefined;
  met = [];
  errors = [];
});
afterEach(() => log.close());

const memory = {
  load: () => Promise.resolve(remembered),
  save: (text: string) => Promise.resolve(void (remembered = text)),
};

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({
    url: log.url,
    clock: new FastClock(),
    onError: ({ code }, { willRetry }) => errors.push(willRetry ? "retry" : code),
    onAlarm() {},
    ...options,
  });
}

const trusting = {
  trustOnFirstUse: true,
  memory,
  onFirstUse: (found: FirstUse) => met.push(found),
};
/** Longer than what is over at once on the clock of these tests. */
const durable = { durable: true, timeoutMs: 25_000 } as const;
const event = { type: "api.called", actor: { id: "alice" }, action: "GET" };

test("the keys are asked for once, said aloud, remembered, and believed from then on", async () => {
  const first = open(trusting);
  await first.log(event);
  await first.log(event);
  await first.close();
  assert.deepEqual(met, [{ origin: log.origin, vkeys: [log.vkey] }]);
  assert.match(remembered!, /^\{"format":"cairn-client-memory\/2",.*"vkeys":\["/);
  const second = open(trusting);
  await second.log(event);
  await second.close();
  assert.equal(met.length, 1);
  assert.equal((JSON.parse(remembered!) as { vkeys: string[] }).vkeys[0], log.vkey);
  await log.signAs(log.origin, 9);
  const third = open(trusting);
  await assert.rejects(third.log(event), { code: "unverified" });
  await third.close();
  assert.equal(met.length, 1, "another key is no first use");
});

test("a rollback between two lives is noticed under keys of first use too", async () => {
  const first = open(trusting);
  for (let i = 0; i < 3; i++) await first.log(event);
  await first.close();
  log.rollBack(1);
  const second = open(trusting);
  await assert.rejects(second.log(event), { code: "unverified" });
  await second.close();
});

test("a server that is away at first use is waited for; what is not remembered is not believed", async () => {
  let failures = 2;
  const flaky = {
    ...memory,
    save: (text: string) => (--failures < 0 ? memory.save(text) : fail()),
  };
  const cairn = open({ ...trusting, memory: flaky });
  await cairn.log(event);
  assert.deepEqual([met.length, errors], [1, ["retry"]]);
  await cairn.close();
});

function fail(): Promise<never> {
  return Promise.reject(new Error("the disk is gone"));
}

test("options that contradict one another are refused", () => {
  assert.throws(() => open({ trustOnFirstUse: true }), { code: "usage" });
  assert.throws(() => open({ ...trusting, vkeys: [log.vkey] }), { code: "usage" });
});

test("durable: the leaf must hold the very event, or the promise rejects", async () => {
  const cairn = open({ vkeys: [log.vkey] });
  const receipt = await cairn.log({ ...event, id: "good" }, durable);
  assert.equal(receipt.seq, 0);
  log.alter = (text) => text.replace("alice", "mallo");
  await assert.rejects(cairn.log({ ...event, id: "bad" }, durable), {
    code: "unverified",
    message: /does not hold the event that was sent/,
  });
  const unasked = await cairn.log({ ...event, id: "blind" }, { ...durable, verify: false });
  assert.equal(unasked.seq, 2);
  assert.deepEqual(errors, ["unverified"]);
  await cairn.close();
});

test("durable: overtakes the queue, is refused like any event, and ends in time", async () => {
  const clock = new FastClock();
  const cairn = open({ clock });
  log.script.push("hold");
  const waiting = cairn.log({ ...event, id: "queued" });
  while (log.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await cairn.log({ ...event, id: "urgent" }, durable);
  assert.deepEqual(log.recordedIds, ["urgent"]);
  log.release();
  await waiting;
  const refused = cairn.log({ ...event, action: log.refusedAction }, durable);
  await assert.rejects(refused, { code: "invalid" });
  log.script.push("hang");
  const late = cairn.log({ ...event, id: "late" }, durable);
  while (log.requests.length < 4) await new Promise((resolve) => setImmediate(resolve));
  clock.expire(25_000);
  await assert.rejects(late, { code: "unavailable" });
  await cairn.close();
});

test("without a spool numbers are given on request, for the life of the client", async () => {
  const cairn = open({ sequence: true, queueEventsMax: 2 });
  const two = [cairn.log({ ...event, id: "a" }), cairn.log({ ...event, id: "b" })];
  await assert.rejects(cairn.log({ ...event, id: "c" }), { code: "overloaded" });
  await Promise.all(two);
  await cairn.log({ ...event, id: "d" });
  const numbered = log.recordedEvents.map(
    (text) => (JSON.parse(text) as { sequence: { stream: string; number: number } }).sequence,
  );
  assert.deepEqual(
    numbered.map(({ number }) => number),
    [1, 2, 3],
  );
  assert.equal(new Set(numbered.map(({ stream }) => stream)).size, 1);
  assert.match(numbered[0]!.stream, /^run:[0-9A-Z]{26}$/);
  await cairn.close();
  await assert.rejects(open().log(event, { spooled: true }), { code: "usage" });
});

/**
 * Goal: receipts become witnessed checkpoints, or the application hears within ten seconds that they
 * do not, once, with the signed notes that prove it; and this costs a request or two a second,
 * however many receipts there are.
 *
 * Method: a log with a real tree and real keys that publishes, rewrites and goes silent as told,
 * and a clock that the test winds. A rewritten history is signed by the same key.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { parseVkey, utf8, verifyCheckpoint } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { formatAlarm, type Alarm } from "./index.ts";
import type { PublishedLog } from "./published-log.ts";
import { ReceiptWatch } from "./receipt-watch.ts";
import type { Trust } from "./trust.ts";
import { until } from "./scripted-log.testing.ts";
import { WatchedClient, witnesses } from "./watched-client.testing.ts";

let watched: WatchedClient;
beforeEach(async () => {
  watched = await WatchedClient.open();
});
afterEach(() => watched.log.close());

/** What the client sees of its receipts. */
function state(): [number | undefined, number, string[]] {
  const { witnessedSize, waiting, alarms } = watched.client.status().watch!;
  return [witnessedSize, waiting, [...alarms]];
}

/** The sizes of both notes of an alarm, each signed by the log itself. */
async function sizesOf({ known, shown }: Alarm): Promise<number[]> {
  const vkeys = [parseVkey(nodeCrypto.sha256, watched.log.vkey)];
  const sizes: number[] = [];
  for (const note of [known, shown]) {
    assert.ok(note !== undefined);
    const { origin } = watched.log;
    const { checkpoint } = await verifyCheckpoint(nodeCrypto, utf8(note), vkeys, origin);
    sizes.push(checkpoint.size);
  }
  return sizes;
}

test("receipts are found in what the log publishes, and nothing is asked after that", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b", "c");
  assert.deepEqual(log.reads, []);
  log.append("another source's");
  await watched.pass(1);
  assert.deepEqual(state(), [4, 0, []]);
  const path = "/v1/logs/main";
  assert.deepEqual(log.reads, [
    `${path}/checkpoint?kind=published`,
    `${path}/consistency?from=1,2,3&to=4`,
  ]);
  await watched.pass(60);
  assert.equal(log.reads.length, 2);
  assert.deepEqual(watched.codes, []);
});

test("many receipts cost few requests", async () => {
  const { log } = watched;
  const seconds = 5;
  for (let second = 0; second < seconds; second++) {
    const ids = Array.from({ length: 40 }, (_, i) => `${second}-${i}`);
    await watched.recordEach(...ids);
    log.append(`after ${second}`);
    await watched.pass(1);
  }
  assert.equal(log.entries.length, 205);
  assert.deepEqual(state(), [205, 0, []]);
  assert.deepEqual(
    watched.looks,
    Array.from({ length: seconds }, () => ["checkpoint", "consistency"]).flat(),
  );
  assert.deepEqual(watched.codes, []);
});

test("more checkpoints than fit one request are several", async () => {
  const ids = Array.from({ length: 501 }, (_, i) => `e${i}`);
  await watched.recordEach(...ids);
  watched.log.append("another's");
  await watched.pass(1);
  assert.deepEqual(state(), [502, 0, []]);
  assert.deepEqual(watched.looks, ["checkpoint", "consistency", "consistency"]);
});

test("what is published late, but in time, is no alarm", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b", "c");
  log.publishedSize = 1;
  await watched.pass(4);
  assert.deepEqual(state(), [1, 2, []]);
  log.shows = () => Promise.reject(new Error("not now"));
  await watched.pass(4);
  log.shows = undefined;
  log.publishedSize = 3;
  await watched.pass(1);
  assert.deepEqual(state(), [3, 0, []]);
  assert.equal(watched.looks.length, 10, "a look a second, and one proof");
  assert.deepEqual(watched.codes, []);
});

test("ten seconds of silence are an alarm, once, and again after it was over", async () => {
  const { log } = watched;
  log.shows = () => Promise.reject(new Error("gagged"));
  await watched.recordEach("a", "b");
  await watched.pass(9);
  assert.deepEqual(watched.codes, []);
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["late"]);
  const [alarm] = watched.alarms;
  assert.match(alarm!.message, /^10000 ms have passed.*up to size 1 .*as the script says/);
  assert.deepEqual([alarm!.known, alarm!.shown], [await log.checkpoint(1), undefined]);
  assert.deepEqual(watched.evidence, [formatAlarm(alarm!)]);
  const { length } = log.reads;
  await watched.pass(120);
  assert.deepEqual(watched.codes, ["late"]);
  assert.ok(log.reads.length - length <= 4, "looked for at leisure from then on");
  await watched.recordEach("c");
  log.shows = undefined;
  await watched.pass(30);
  assert.deepEqual(state(), [3, 0, []]);
  log.shows = () => Promise.reject(new Error("gagged again"));
  await watched.recordEach("d");
  await watched.pass(11);
  assert.deepEqual(watched.codes, ["late", "late"]);
});

test("a request that hangs is silence too", async () => {
  let hung = 0;
  watched.log.shows = () => {
    hung++;
    return new Promise(() => {});
  };
  await watched.recordEach("a");
  for (let second = 1; second <= 10; second++) {
    assert.deepEqual(watched.codes, []);
    watched.clock.advance(1000);
    await until(() => hung === 1);
  }
  assert.deepEqual(watched.codes, ["late"]);
  const closing = watched.client.close({ timeoutMs: 5000 });
  await new Promise((resolve) => setImmediate(resolve));
  watched.clock.advance(5000);
  await closing;
  await watched.settled();
});

test("a log that publishes without what was acknowledged: both notes are kept", async () => {
  watched.log.publishedSize = 2;
  await watched.recordEach("a", "b", "c");
  await watched.pass(11);
  assert.deepEqual(watched.codes, ["late"]);
  assert.match(watched.alarms[0]!.message, /the newest that it showed is of size 2/);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [3, 2]);
});

test("a quorum that is missing is an alarm after ten seconds", async () => {
  const { log } = watched;
  log.cosigners = witnesses.slice(0, 1);
  await watched.recordEach("a");
  await watched.pass(9);
  assert.deepEqual(watched.codes, []);
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["unwitnessed"]);
  assert.match(watched.alarms[0]!.message, /1 of its 2 witnesses, \["w1"\]/);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [1, 1]);
  log.cosigners = witnesses;
  await watched.pass(30);
  assert.deepEqual(state(), [1, 0, []]);
});

test("a checkpoint that the log did not sign counts as none", async () => {
  const { log } = watched;
  await watched.recordEach("a");
  log.shows = async () => (await log.published()).replace("\n1\n", "\n2\n");
  await watched.pass(10);
  assert.deepEqual(watched.codes, ["late"]);
});

test("a history rewritten between receipt and publication is found, both notes kept", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b", "c");
  log.rollBack(1);
  for (const text of ["x", "y", "z", "more"]) log.append(text);
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["inconsistent"]);
  const [alarm] = watched.alarms;
  assert.deepEqual(await sizesOf(alarm!), [2, 5]);
  assert.equal(alarm!.shown, await log.published());
  assert.ok(alarm!.proof!.length > 0);
  assert.deepEqual(JSON.parse(watched.evidence[0]!), {
    format: "cairn-receipt-alarm/1",
    ...alarm,
  });
  await watched.pass(120);
  assert.deepEqual(watched.codes, ["inconsistent", "late"], "each kind is told once");
  assert.deepEqual(state().slice(1), [3, ["inconsistent", "late"]]);
});

test("another root for one size is a fork, with witnesses or without", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b");
  log.rollBack(1);
  log.append("x");
  log.cosigners = [];
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["fork"]);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [2, 2]);
  assert.notEqual(watched.alarms[0]!.known, watched.alarms[0]!.shown);
});

test("a rewrite between two receipts is found, though the newer one is in what is published", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b");
  log.rollBack(1);
  log.append("instead of b");
  await watched.recordEach("c");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["inconsistent"]);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [2, 3]);
});

test("a published checkpoint that goes back, or forks from the one before", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b");
  await watched.pass(1);
  await watched.recordEach("c");
  const published = await log.published();
  log.shows = async () => published;
  await watched.pass(1);
  assert.deepEqual(state(), [3, 0, []]);
  log.shows = undefined;
  log.publishedSize = 2;
  await watched.recordEach("d");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["rollback"]);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [3, 2]);
  assert.deepEqual(state()[0], 3, "what contradicts is never taken");
});

test("receipts that go back are refused, and an alarm too", async () => {
  const { log } = watched;
  await watched.recordEach("a", "b", "c");
  log.rollBack(1);
  await assert.rejects(watched.record("d"), { code: "unverified" });
  await assert.rejects(watched.record("e"), { code: "unverified" });
  assert.deepEqual(watched.codes, ["rollback", "fork"]);
  assert.deepEqual(await sizesOf(watched.alarms[0]!), [3, 2]);
  assert.deepEqual(await sizesOf(watched.alarms[1]!), [3, 3]);
});

test("a process that was frozen does not take its own absence for silence", async () => {
  await watched.recordEach("a");
  watched.log.publishedSize = 0;
  watched.clock.advance(3_600_000);
  await watched.settled();
  watched.log.publishedSize = undefined;
  await watched.pass(1);
  assert.deepEqual(state(), [1, 0, []]);
  assert.deepEqual(watched.codes, []);
});

test("close looks once more, and waits for what is about to be published", async () => {
  const { log } = watched;
  log.publishedSize = 1;
  await watched.recordEach("a", "b");
  const closing = watched.client.close();
  await watched.settled();
  assert.equal(log.reads.length, 1);
  log.publishedSize = undefined;
  watched.clock.advance(1000);
  await closing;
  assert.deepEqual([state(), watched.codes], [[2, 0, []], []]);
  await watched.pass(60);
  assert.equal(log.reads.length, 3);
});

test("close tells of what it could not find, within its time, and nothing goes on", async () => {
  const { log } = watched;
  log.publishedSize = 0;
  await watched.recordEach("a");
  const closing = watched.client.close({ timeoutMs: 3000 });
  await watched.pass(3);
  await closing;
  assert.deepEqual(watched.codes, ["late"]);
  assert.match(watched.alarms[0]!.message, /^The client was closed/);
  const { length } = log.reads;
  await watched.pass(60);
  assert.equal(log.reads.length, length);
});

test("memory is bounded, and whoever is let go of is told of", () => {
  const alarms: Alarm[] = [];
  const watch = new ReceiptWatch(
    {
      clock: { now: () => 0, after: () => () => {} },
      withinMs: 10_000,
      onAlarm: (alarm) => alarms.push(alarm),
      keepEvidence: undefined,
      memory: undefined,
    },
    {} as PublishedLog,
    {} as Trust,
  );
  for (let size = 1; size <= 5000; size++) {
    const root = new Uint8Array(32);
    watch.add({ origin: "o", size, root, note: `note ${size}`, isVerified: true });
    if (size === 4096) assert.equal(alarms.length, 0);
  }
  assert.equal(watch.counts.waiting, 4096);
  assert.deepEqual(
    alarms.map(({ code, known }) => [code, known]),
    [["late", "note 1"]],
  );
});

test("who has no onAlarm gets it on the console, with both notes", async (t) => {
  const lines = t.mock.method(console, "error", () => {});
  const { log } = watched;
  watched = new WatchedClient(log, { onAlarm: undefined as never });
  await watched.recordEach("a", "b");
  log.rollBack(1);
  log.append("x");
  await watched.pass(3);
  const told = lines.mock.calls.map(({ arguments: [line] }) => String(line));
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^cairn: ALARM: fork: the log example.com\/scripted was rolled back/);
  assert.ok(told[0]!.includes(JSON.stringify(await log.published())));
});

/**
 * Goal: no promise resolves on the word of a server alone. With pinned keys a forged, rolled-back
 * or foreign answer becomes an error, and a full receipt proves the very event that was sent; with
 * or without keys, answers that contradict themselves are refused.
 *
 * Method: the scripted log's good answers, changed in one place each.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { CairnClient, type CairnClientOptions, type CairnEvent, type Fetch } from "./index.ts";
import { FastClock, ScriptedLog, type BatchJson } from "./scripted-log.testing.ts";

let log: ScriptedLog;
beforeEach(async () => {
  log = await ScriptedLog.open();
});
afterEach(() => log.close());

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({
    url: log.url,
    clock: new FastClock(),
    vkeys: [log.vkey],
    // What happens in the background is the subject of receipt-watch.test.ts.
    witnessedWithinMs: Number.POSITIVE_INFINITY,
    onError() {},
    ...options,
  });
}

function event(id: string): CairnEvent {
  return { id, type: "api.call", actor: { id: "älice" }, action: "GET", details: { n: 0.1 } };
}

test("a full receipt proves the event that was sent, also when it is no longer the newest", async () => {
  const cairn = open();
  const receipts = await Promise.all(["a", "b", "c", "d", "e"].map((id) => cairn.log(event(id))));
  for (const [seq, receipt] of receipts.entries()) {
    const full = await receipt.full();
    assert.equal(full.seq, seq);
    assert.equal(full.leafHash, receipt.leafHash);
    assert.equal(full.entry, Buffer.from(log.entries[seq]!).toString());
    assert.equal(full.proof.length, seq === 4 ? 1 : 3);
  }
});

test("a duplicate in one batch has the same place, and that is sane", async () => {
  const cairn = open();
  const [first, again, next] = await Promise.all(["a", "a", "b"].map((id) => cairn.log(event(id))));
  assert.deepEqual([first!.seq, again!.seq, next!.seq], [0, 0, 1]);
  assert.deepEqual([first!.duplicate, again!.duplicate], [false, true]);
});

const forgeries: [string, (answer: BatchJson) => void][] = [
  ["a seq beyond the checkpoint", (answer) => (answer.results[1]!.seq = 2)],
  ["the same seq twice", (answer) => (answer.results[1]!.seq = 0)],
  ["places out of order", (answer) => answer.results.reverse()],
];
for (const [what, forge] of forgeries) {
  for (const isPinned of [true, false]) {
    test(`refused ${isPinned ? "with" : "without"} pinned keys: ${what}`, async () => {
      log.script.push({ forge });
      const cairn = open(isPinned ? {} : { vkeys: [] });
      const both = [cairn.log(event("a")), cairn.log(event("b"))];
      for (const one of both) await assert.rejects(one, { code: "unverified" });
    });
  }
}

const changedNotes: [string, (note: string) => string][] = [
  ["another size", (note) => note.replace("\n1\n", "\n2\n")],
  ["another origin", (note) => note.replace("example.com/scripted", "example.com/other")],
  [
    "a flipped signature",
    (note) => note.replace(/(.)(.{20})=\n$/, (_, a, b) => (a === "A" ? "B" : "A") + b + "=\n"),
  ],
];
for (const [what, change] of changedNotes) {
  test(`a checkpoint with ${what} is refused when keys are pinned`, async () => {
    log.script.push({
      forge: (answer) => {
        const changed = change(answer.checkpoint!);
        assert.notEqual(changed, answer.checkpoint);
        answer.checkpoint = changed;
      },
    });
    await assert.rejects(open().log(event("a")), { code: "unverified" });
  });
}

test("another key, and another log's name, are refused", async () => {
  const cairn = open();
  await log.signAs("example.com/scripted", 8);
  await assert.rejects(cairn.log(event("a")), { code: "unverified" });
  await log.signAs("example.com/other", 7);
  await assert.rejects(cairn.log(event("b")), { code: "unverified" });
  assert.equal((await open({ vkeys: [] }).log(event("c"))).origin, "example.com/other");
});

test("a log that goes back or forks is refused, and both notes are shown", async () => {
  const cairn = open();
  await Promise.all(["a", "b", "c"].map((id) => cairn.log(event(id))));
  log.rollBack(1);
  const back = cairn.log(event("d"));
  await assert.rejects(back, { code: "unverified", message: /rolled back or forked.*— example/s });
  const fork = cairn.log(event("e"));
  await assert.rejects(fork, {
    code: "unverified",
    message: /size 3 before, and another of size 3/,
  });
});

test("a key that cannot be read is told before anything is sent", async () => {
  const damaged = log.vkey.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  await assert.rejects(open({ vkeys: [damaged] }).log(event("a")), { code: "usage" });
  assert.equal(log.requests.length, 0);
  const twoLogs = [log.vkey, log.vkey.replace("scripted", "other")];
  assert.throws(() => open({ vkeys: twoLogs }), { code: "usage" });
  assert.throws(() => open({ vkeys: ["no key"] }), { code: "usage" });
});

/** Changes the JSON of the receipts that are fetched. */
function changing(change: (receipt: Record<string, unknown>) => void): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!url.endsWith("/proof")) return response;
    const receipt = (await response.json()) as Record<string, unknown>;
    change(receipt);
    return new Response(JSON.stringify(receipt));
  };
}

const receiptChanges: [string, (receipt: Record<string, unknown>) => void][] = [
  ["another event", (r) => (r["entry"] = (r["entry"] as string).replace("GET", "PUT"))],
  ["another seq", (r) => (r["seq"] = 1)],
  ["another leaf hash", (r) => (r["leafHash"] = (r["proof"] as string[])[0])],
  ["a changed proof", (r) => (r["proof"] = [r["leafHash"]])],
  ["a missing proof", (r) => (r["proof"] = [])],
  ["another origin", (r) => (r["origin"] = "example.com/other")],
  ["no entry", (r) => delete r["entry"]],
];
for (const [what, change] of receiptChanges) {
  test(`a full receipt is refused for ${what}`, async () => {
    for (const vkeys of [[], [log.vkey]]) {
      const cairn = open({ fetch: changing(change), vkeys });
      const [receipt] = await Promise.all([cairn.log(event("a")), cairn.log(event("b"))]);
      await assert.rejects(receipt.full(), /CairnError/);
    }
  });
}

test("a log that swaps two events is found out by the full receipt", async () => {
  const cairn = open();
  log.script.push({
    forge: (answer) => {
      const [a, b] = answer.results;
      [a!.leafHash, b!.leafHash] = [b!.leafHash!, a!.leafHash!];
    },
  });
  const [receipt] = await Promise.all([cairn.log(event("a")), cairn.log(event("b"))]);
  await assert.rejects(receipt.full(), { code: "unverified" });
});

test("a log that wrote down another event than was sent is found out", async () => {
  const cairn = open();
  log.alter = (text) => text.replace("GET", "PUT");
  const receipt = await cairn.log(event("a"));
  await assert.rejects(receipt.full(), { code: "unverified", message: /event that was sent/ });
});

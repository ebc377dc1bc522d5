/**
 * Goal: a receipt becomes, on demand, a proof that stands alone: witnessed, of exactly the event that
 * was sent, of the same history as the receipt. And what a client remembers lets a restarted one
 * notice that the log was rolled back meanwhile.
 *
 * Method: the scripted log's good answers, and answers out of another history under the same key;
 * a memory that is a variable.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { hashLeaf, parsePolicy, parseTlogProof, utf8, verifyWitnessedProof } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { CairnClient, type ClientMemory } from "./index.ts";
import { policyOf, WatchedClient, witnesses } from "./watched-client.testing.ts";

let watched: WatchedClient;
beforeEach(async () => {
  watched = await WatchedClient.open();
});
afterEach(() => watched.log.close());

test("a receipt becomes a witnessed proof that stands alone", async () => {
  const { log } = watched;
  const receipt = await watched.record("a");
  for (const id of ["b", "c", "d"]) log.append(id);
  const proof = await receipt.witnessed();
  assert.deepEqual([proof.origin, proof.seq, proof.size], [log.origin, 0, 4]);
  assert.equal(proof.checkpoint, await log.published());
  assert.deepEqual(
    proof.witnesses.map(({ name }) => name),
    ["w1", "w2"],
  );
  const parsed = parseTlogProof(utf8(proof.text));
  assert.deepEqual(Buffer.from(parsed.extra!), Buffer.from(log.entries[0]!));
  const leafHash = hashLeaf(nodeCrypto.sha256, parsed.extra!);
  const policy = parsePolicy(nodeCrypto.sha256, utf8(policyOf(log)));
  const checked = await verifyWitnessedProof(nodeCrypto, parsed, leafHash, policy);
  assert.equal(checked.isQuorum, true);
  assert.deepEqual(watched.codes, []);
});

test("where it cannot become one, it says why", async () => {
  const { log } = watched;
  const receipt = await watched.record("a");
  log.publishedSize = 0;
  await assert.rejects(receipt.witnessed(), { code: "unavailable" });
  log.publishedSize = undefined;
  log.cosigners = witnesses.slice(1);
  await assert.rejects(receipt.witnessed(), { code: "unverified", message: /quorum/ });
  const keyless = new CairnClient({ url: log.url, onError() {} });
  const reads = log.reads.length;
  const action = "GET";
  const other = await keyless.log({ type: "api.call", actor: { id: "bob" }, action });
  await assert.rejects(other.witnessed(), { code: "usage" });
  assert.equal(log.reads.length, reads);
});

test("a proof out of another history is refused, an alarm raised, both notes kept", async () => {
  const { log } = watched;
  const first = await watched.record("a");
  const second = await watched.record("b");
  log.rollBack(1);
  for (const id of ["x", "y"]) log.append(id);
  await assert.rejects(second.witnessed(), { code: "unverified", message: /leaf hash/ });
  assert.deepEqual(watched.codes, []);
  // The entry of the first one is in both histories.
  assert.equal((await first.witnessed()).size, 3);
  const third = await receiptRewrittenBehind(2);
  await assert.rejects(third.witnessed(), { code: "unverified", message: /continues the other/ });
  assert.deepEqual(watched.codes, ["inconsistent"]);
  const [alarm] = watched.alarms;
  assert.equal(alarm!.known, third.checkpoint);
  assert.equal(alarm!.shown, await log.published());
  assert.equal(watched.evidence.length, 1);
});

test("what is published may be older than the receipt's checkpoint: both are held together", async () => {
  const { log } = watched;
  const [first] = await Promise.all(["a", "b", "c"].map((id) => watched.record(id)));
  log.publishedSize = 2;
  assert.equal((await first!.witnessed()).size, 2);
  assert.match(log.reads.at(-1)!, /from=2&to=3$/);
  log.rollBack(1);
  for (const id of ["x", "y", "z"]) log.append(id);
  await assert.rejects(first!.witnessed(), { code: "unverified" });
  assert.deepEqual(watched.codes, ["inconsistent"]);
  assert.equal(watched.alarms[0]!.known, first!.checkpoint);
  assert.equal(watched.alarms[0]!.shown, await log.published());
});

test("a log that wrote down another event than was sent is found out", async () => {
  const { log } = watched;
  log.alter = (text) => text.replace("GET", "PUT");
  const receipt = await watched.record("a");
  await assert.rejects(receipt.witnessed(), { code: "unverified", message: /event that was sent/ });
});

/** A receipt whose entry stays where it is while the tree of its checkpoint is rewritten behind it. */
async function receiptRewrittenBehind(more: number) {
  const { log } = watched;
  const receipts = await Promise.all(["p", "q", "r"].map((id) => watched.record(id)));
  log.rollBack(log.entries.length - 2);
  for (let i = 0; i < 2 + more; i++) log.append(`rewritten ${i}`);
  return receipts[0]!;
}

test("a policy that cannot be used is told before anything is sent", async () => {
  const { log } = watched;
  const open = (policy: string, vkeys: readonly string[] = []): CairnClient =>
    new CairnClient({ url: log.url, policy, vkeys, onError() {} });
  assert.throws(() => open("quorum none\n"), { code: "usage" });
  const twoLogs = `log ${log.vkey}\nlog ${log.vkey.replace("scripted", "other")}\nquorum none\n`;
  assert.throws(() => open(twoLogs), { code: "usage" });
  const event = { type: "api.call", actor: { id: "bob" }, action: "GET" };
  for (const text of [`log ${log.vkey}\n`, `log ${log.vkey}\nquorum w\n`]) {
    await assert.rejects(open(text).log(event), { code: "usage", message: /policy/ });
  }
  assert.equal(log.requests.length, 0);
  const apart = open(policyOf(log).replace(/^log .*\n/, ""), [log.vkey]);
  assert.equal((await apart.log(event)).seq, 0);
  const { memory } = new Memory();
  assert.throws(() => new CairnClient({ url: log.url, memory }), { code: "usage" });
});

class Memory {
  text: string | undefined;
  saves = 0;
  isBroken = false;
  readonly memory: ClientMemory = {
    load: () => Promise.resolve(this.text),
    save: (text) => {
      this.saves++;
      if (this.isBroken) return Promise.reject(new Error("the disk is full"));
      this.text = text;
      return Promise.resolve();
    },
  };
}

/** A client that recorded three events and saw them published; then it was closed. */
async function remembered(): Promise<Memory> {
  const kept = new Memory();
  const { memory } = kept;
  const before = new WatchedClient(watched.log, { memory });
  await before.recordEach("a", "b", "c");
  await before.client.close();
  const { log } = watched;
  assert.deepEqual(JSON.parse(kept.text!), {
    format: "cairn-client-memory/1",
    recorded: await log.checkpoint(3),
    witnessed: await log.published(),
  });
  return kept;
}

test("a restarted client goes on from what it remembers", async () => {
  const kept = await remembered();
  watched = new WatchedClient(watched.log, { memory: kept.memory });
  await watched.recordEach("d");
  await watched.pass(1);
  assert.equal(watched.client.status().watch!.witnessedSize, 4);
  assert.deepEqual(watched.codes, []);
  assert.match(watched.log.reads.at(-1)!, /from=3&to=4$/);
  const { saves } = kept;
  await watched.pass(60);
  await watched.client.close();
  assert.equal(kept.saves, saves, "nothing new, nothing kept");
});

test("a restarted client notices a rollback, whether the log has grown since or not", async () => {
  const kept = await remembered();
  const { log } = watched;
  log.rollBack(1);
  const { memory } = kept;
  watched = new WatchedClient(log, { memory });
  await assert.rejects(watched.record("d"), { code: "unverified", message: /rolled back/ });
  assert.deepEqual(watched.codes, ["rollback"]);
  for (const id of ["x", "y", "z"]) log.append(id);
  watched = new WatchedClient(log, { memory });
  await watched.record("e");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["inconsistent"]);
  assert.match(watched.alarms[0]!.known!, /^example.com\/scripted\n3\n/);
});

test("a restarted client notices that less is published than it has seen", async () => {
  const { log } = watched;
  const kept = new Memory();
  const { memory } = kept;
  const before = new WatchedClient(log, { memory });
  await before.record("a");
  for (const id of ["x", "y"]) log.append(id);
  await before.client.close();
  watched = new WatchedClient(log, { memory });
  log.publishedSize = 2;
  await watched.record("b");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["rollback"]);
  assert.match(watched.alarms[0]!.known!, /^example.com\/scripted\n3\n/);
  assert.equal(watched.alarms[0]!.shown, await log.published());
});

test("a memory that cannot be read or kept is an alarm, and nothing stops", async () => {
  const { log } = watched;
  const kept = new Memory();
  for (const text of ["no JSON", '{"format":"cairn-client-memory/2"}', "{}"]) {
    kept.text = text;
    watched = new WatchedClient(log, { memory: kept.memory });
    await watched.record(text);
    assert.deepEqual(watched.codes, ["memory"], text);
  }
  kept.text = undefined;
  kept.isBroken = true;
  watched = new WatchedClient(log, { memory: kept.memory });
  await watched.record("a");
  await watched.pass(1);
  await watched.record("b");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["memory"]);
  assert.equal(watched.client.status().watch!.waiting, 0);
  kept.isBroken = false;
  await watched.record("c");
  await watched.client.close();
  assert.deepEqual(watched.client.status().watch!.alarms, []);
});

test("evidence that cannot be kept is an alarm of its own", async () => {
  const { log } = watched;
  watched = new WatchedClient(log, {
    keepEvidence: () => Promise.reject(new Error("the disk is full")),
  });
  await watched.recordEach("a", "b");
  log.rollBack(1);
  log.append("x");
  await watched.pass(1);
  assert.deepEqual(watched.codes, ["fork", "memory"]);
  assert.match(watched.alarms[1]!.message, /the disk is full/);
});

/**
 * Goal: where the quorum is required, nothing is acknowledged that witnesses have not seen, receipts carry what they
 * signed, and many acknowledgements share a round.
 * Method: a log with `requireQuorum` and witnesses that the test holds back.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseVkey, verifyReceipt } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { auditLog } from "./audit.testing.ts";
import { readNdjson, receiptOf, record, toBatch } from "./index.ts";
import { until, type TestWitness } from "./witness-network.testing.ts";
import { append, cosignersOf, down, makeSetting, open } from "./witnessed-log.testing.ts";

const event = { type: "api.request", actor: { id: "bob" }, action: "GET" };

describe("a log that requires its quorum", () => {
  it("acknowledges with a checkpoint that the quorum cosigned", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2, { requireQuorum: true });
    const log = await open(setting);
    t.after(() => log.close());
    for (let i = 0; i < 5; i++) {
      const receipt = await record(log, { ...event, id: `e${i}` });
      const cosigners = await cosignersOf(setting, log, receipt.checkpoint);
      assert.ok(cosigners.length >= 2);
      const { bytes } = await log.entry(receipt.seq);
      const vkeys = log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
      await verifyReceipt(nodeCrypto, receipt, {
        recorded: { entry: bytes },
        vkeys,
        origin: log.origin,
      });
    }
    await auditLog(log);
  });

  it("lets those who wait share rounds, and has one request in flight per witness", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2, { requireQuorum: true });
    const log = await open(setting);
    t.after(() => log.close());
    const [w1] = setting.witnesses as [TestWitness];
    const gate = Promise.withResolvers<void>();
    w1.interfere = (request) => gate.promise.then(() => w1.usual(request));
    w1.asked.length = 0;
    let answered = 0;
    const appends = [append(log).then(() => answered++)];
    await until(() => w1.asked.length === 1, "the first round");
    for (let i = 0; i < 50; i++) appends.push(append(log, 3).then(() => answered++));
    await until(() => log.status().size === 152, "all are durable");
    assert.equal(answered, 0, "and none is acknowledged");
    gate.resolve();
    await Promise.all(appends);
    assert.equal(w1.asked.length, 2, "one round for the first, one for all others");
    assert.equal(log.publishedCheckpoint().size, 152);
    assert.equal(w1.held!.size, 152);
    assert.equal(w1.mostInFlight, 1);
  });

  it("says that it took too long; the same events have their seqs, and wait anew", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2, { requireQuorum: true, quorumWaitMs: 8000 });
    const log = await open(setting);
    t.after(() => log.close());
    const [w1] = setting.witnesses as [TestWitness];
    w1.interfere = down;
    const batch = [{ ...event, id: "a" }];
    const waiting = log.append(toBatch(batch), "api");
    const refused = assert.rejects(waiting, {
      code: "unavailable",
      message:
        /recorded in the log main, but no quorum .* 8000 ms .*w1: connection refused.*same ids/,
    });
    await until(() => log.status().quorumFailure !== undefined, "the round failed");
    assert.equal(log.status().failure!.code, "unavailable");
    setting.clock.advance(8000);
    await refused;
    w1.interfere = undefined;
    const again = log.append(toBatch(batch), "api");
    await until(() => log.status().queuedEvents === 0, "it was looked up");
    setting.clock.advance(8000 - 1);
    const appended = await again;
    assert.equal(appended.seq(0), 1);
    assert.equal(appended.isDuplicate(0), true);
    const receipt = await receiptOf(log, appended, 0);
    assert.equal((await cosignersOf(setting, log, receipt.checkpoint)).length, 2);
    assert.equal(log.status().failure, undefined);
  });

  it("refuses more than may wait, and answers at once what it refuses altogether", async (t) => {
    const setting = await makeSetting(["w1"], 1, { requireQuorum: true });
    const log = await open(setting, { limits: { queueEventsMax: 10 } });
    t.after(() => log.close());
    const [w1] = setting.witnesses as [TestWitness];
    const gate = Promise.withResolvers<void>();
    w1.interfere = (request) => gate.promise.then(() => w1.usual(request));
    const first = append(log, 8);
    await until(() => log.status().size === 9, "it is durable");
    await assert.rejects(append(log, 8), { code: "overloaded", message: /8 events .* witnesses/ });
    const bad = await log.append(readNdjson(new TextEncoder().encode('{"type":1}\n')), "api");
    assert.equal(bad.refused, 1);
    gate.resolve();
    assert.equal(await first, 8);
  });

  it("answers those who wait when it closes: with the quorum, or with an error", async () => {
    const setting = await makeSetting(["w1"], 1, { requireQuorum: true });
    let log = await open(setting);
    const [w1] = setting.witnesses as [TestWitness];
    const last = append(log);
    await log.close();
    assert.equal(await last, 1);
    assert.equal(w1.held!.size, 2);
    log = await open(setting);
    w1.interfere = () => Promise.withResolvers<never>().promise;
    const hanging = assert.rejects(append(log), { code: "unavailable", message: /is closing/ });
    await until(() => log.status().size === 3, "it is durable");
    const closing = log.close();
    await until(() => {
      setting.clock.advance(100);
      return log.status().queuedEvents === 0;
    }, "time passes");
    for (let i = 0; i < 30; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      setting.clock.advance(100);
    }
    await Promise.all([closing, hanging]);
  });
});

/**
 * Goal: a published checkpoint carries a quorum of cosignatures, or stays where it was; the log goes on all the same;
 * no witness is asked twice at once, and one that fails is left alone for a while. Method: a log on a memory store,
 * witnesses that decide as core says on a network in the test's hands, one clock that the test winds.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePolicy, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { auditLog } from "./audit.testing.ts";
import { createLog } from "./index.ts";
import { answerOf, until, type TestWitness } from "./witness-network.testing.ts";
import {
  append,
  beat,
  cosignersOf,
  down,
  eventsOf,
  healthOf,
  makeSetting,
  open,
  opened,
  vainBeat,
} from "./witnessed-log.testing.ts";

const four = ["w1", "w2", "w3", "w4"];

describe("a log with witnesses", () => {
  it("publishes with a quorum, cosignatures in the policy's order behind its own", async (t) => {
    const setting = await makeSetting(four, 3);
    setting.witnesses[1]!.interfere = down;
    const log = await opened(t, setting);
    await append(log, 3);
    assert.equal(log.publishedCheckpoint().size, 1, "the beat has not come");
    await beat(setting, log);
    const { size, note } = log.publishedCheckpoint();
    assert.equal(size, 4);
    assert.deepEqual(await cosignersOf(setting, log, note), ["w1", "w3", "w4"]);
    assert.equal(healthOf(log, setting.witnesses[0]!).size, 4);
    assert.equal(healthOf(log, setting.witnesses[0]!).state, "cosigning");
    assert.equal(healthOf(log, setting.witnesses[1]!).state, "failing");
    assert.match(healthOf(log, setting.witnesses[1]!).error!, /connection refused/);
    await auditLog(log);
  });

  it("keeps the published checkpoint while there is no quorum, says why, and goes on", async (t) => {
    const setting = await makeSetting(four, 3);
    const [w1, w2, w3] = setting.witnesses as [TestWitness, TestWitness, TestWitness];
    const log = await opened(t, setting);
    const before = log.publishedCheckpoint();
    w1.interfere = down;
    w2.interfere = () => answerOf(503, "busy\n");
    await append(log);
    await vainBeat(setting, log);
    assert.equal(log.publishedCheckpoint(), before);
    const { failure, quorumFailure } = log.status();
    assert.equal(failure, undefined, "receipts go on");
    assert.match(
      quorumFailure!.message,
      /2 of the 4 .* w1: connection refused; w2: .* 503, "busy"/,
    );
    await assert.rejects(log.publish(), { code: "unavailable" });
    await append(log);
    w1.interfere = undefined;
    setting.clock.advance(30_000);
    await until(() => log.publishedCheckpoint().size === 3, "a quorum is back");
    assert.equal(log.status().quorumFailure, undefined);
    assert.equal(w3.held!.size, 3);
    await auditLog(log);
  });

  it("adds a cosignature that comes after the quorum", async (t) => {
    const setting = await makeSetting(four, 3);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    const gate = Promise.withResolvers<void>();
    w1.interfere = (request) => {
      w1.interfere = undefined;
      return gate.promise.then(() => w1.usual(request));
    };
    await append(log);
    await beat(setting, log);
    const { note } = log.publishedCheckpoint();
    assert.deepEqual(await cosignersOf(setting, log, note), ["w2", "w3", "w4"]);
    gate.resolve();
    await until(() => log.publishedCheckpoint().note !== note, "the late one is added");
    const late = log.publishedCheckpoint();
    assert.deepEqual(await cosignersOf(setting, log, late.note), four);
    assert.equal(late.size, 2);
  });

  it("asks a slow witness one thing at a time, and of what waited only the newest", async (t) => {
    const setting = await makeSetting(four, 3);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    const gate = Promise.withResolvers<void>();
    w1.interfere = (request) => {
      w1.interfere = undefined;
      return gate.promise.then(() => w1.usual(request));
    };
    w1.asked.length = 0;
    for (let i = 0; i < 3; i++) {
      await append(log);
      await beat(setting, log);
    }
    gate.resolve();
    await until(() => w1.held!.size === 4, "it has caught up");
    assert.deepEqual(
      w1.asked.map(({ old, size }) => [old, size]),
      [
        [1, 2],
        [2, 4],
      ],
    );
    assert.equal(w1.mostInFlight, 1);
  });

  it("knows from the 409 what each witness holds, and proves from there", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const [w1, w2] = setting.witnesses as [TestWitness, TestWitness];
    let log = await open(setting);
    await beat(setting, log);
    await append(log, 5);
    await beat(setting, log);
    // From now on w2 hears nothing, and falls behind.
    w2.interfere = down;
    await append(log, 7);
    await vainBeat(setting, log);
    await log.close();
    w2.interfere = undefined;
    w1.asked.length = 0;
    w2.asked.length = 0;
    log = await open(setting);
    t.after(() => log.close());
    assert.deepEqual(
      w1.asked.map(({ old, size }) => [old, size]),
      [
        [0, 13],
        [13, 13],
      ],
    );
    assert.deepEqual(
      w2.asked.map(({ old, size }) => [old, size]),
      [
        [0, 13],
        [6, 13],
      ],
    );
    await beat(setting, log);
    assert.equal(log.publishedCheckpoint().size, 13);
    // And a witness that was set back to an older state, by its operator, is brought forward again.
    const { held } = w1;
    w1.held = { size: 6, root: await log.root(6) };
    await append(log);
    await beat(setting, log);
    assert.deepEqual([held!.size, w1.held.size], [13, 14]);
    await auditLog(log);
  });

  it("counts no cosignature that does not verify, and none from the future", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 1);
    const [w1, w2, w3] = setting.witnesses as [TestWitness, TestWitness, TestWitness];
    const log = await opened(t, setting);
    const { note } = log.publishedCheckpoint();
    const replayed = note.split("\n").findLast((line) => line.includes("/w1 "))!;
    w1.interfere = () => answerOf(200, `${replayed}\n`);
    w2.interfere = () => answerOf(200, "nonsense\n");
    w3.interfere = () => answerOf(200, `${replayed}\n`);
    await append(log);
    await vainBeat(setting, log);
    assert.equal(log.publishedCheckpoint().size, 1);
    assert.match(healthOf(log, w1).error!, /does not match/);
    assert.match(healthOf(log, w2).error!, /signature line/);
    assert.match(healthOf(log, w3).error!, /none of the 1 known keys/);
    // A witness whose clock runs an hour ahead.
    setting.clock.step(3_600_000);
    for (const witness of [w2, w3]) witness.interfere = down;
    w1.interfere = (request) => {
      w1.interfere = undefined;
      return Promise.resolve(w1.usual(request)).then((answer) => {
        setting.clock.step(-3_600_000);
        return answer;
      });
    };
    await vainBeat(setting, log);
    assert.match(healthOf(log, w1).error!, /clock is ahead/);
  });

  it("gives up a witness that does not answer in time", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 1, { timeoutMs: 3000 });
    const log = await opened(t, setting);
    const [w1, w2] = setting.witnesses as [TestWitness, TestWitness];
    const never = Promise.withResolvers<never>();
    w1.interfere = () => never.promise;
    await append(log);
    await beat(setting, log);
    assert.equal(healthOf(log, w1).state, "cosigning", "it may still answer");
    setting.clock.advance(3000);
    await until(() => healthOf(log, w1).state === "failing", "it took too long");
    assert.match(healthOf(log, w1).error!, /no answer within 3000 ms/);
    assert.equal(w2.held!.size, 2);
  });

  it("leaves a failing witness alone for longer and longer", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 1);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    w1.interfere = down;
    w1.asked.length = 0;
    for (let i = 0; i < 60; i++) {
      await append(log);
      await beat(setting, log);
    }
    const at = w1.asked.map(({ atMs }) => atMs / 1000);
    // 0.75 of 0.5, 1, 2, 4, 8, 16 and 30 s, and then the next beat.
    const expected = [0, 1, 2, 4, 7, 13, 25, 48];
    assert.deepEqual(
      at.map((second) => second - at[0]!),
      expected,
    );
  });

  it("has an idle log cosigned again, with nothing to prove", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    await append(log);
    await beat(setting, log);
    const { size } = log.publishedCheckpoint();
    w1.asked.length = 0;
    // The minute of activity ends, its entry is published, and then there is silence.
    setting.clock.advance(58_000);
    await until(() => log.status().size === size + 1, "the minute's entry");
    await beat(setting, log);
    for (let i = 0; i < 3; i++) {
      const before = log.status().witnesses[0]!;
      const { note } = log.publishedCheckpoint();
      setting.clock.advance(60_000);
      await until(() => log.publishedCheckpoint().note !== note, "it is cosigned again");
      const after = log.status().witnesses[0]!;
      assert.equal(after.timestamp! - before.timestamp!, 60);
    }
    assert.deepEqual(
      w1.asked.map(({ old, size: to }) => [old, to]),
      [
        [2, 3],
        [3, 3],
        [3, 3],
        [3, 3],
      ],
    );
    assert.equal(log.status().size, 3, "an idle log does not grow");
  });

  it("records the last cosigned note of each active minute", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const log = await opened(t, setting);
    const notes: string[] = [];
    for (let minute = 0; minute < 3; minute++) {
      await append(log);
      await beat(setting, log);
      await append(log);
      await beat(setting, log);
      notes.push(log.publishedCheckpoint().note);
      const { size } = log.status();
      setting.clock.advance(60_000 - (setting.clock.now() % 60_000));
      await until(() => log.status().size === size + 1, "the minute's entry");
      await beat(setting, log);
    }
    const recorded = await eventsOf(log, "system.witnessed");
    assert.deepEqual(
      recorded.map(({ details }) => details["note"]),
      notes,
    );
    await auditLog(log);
  });

  it("counts a server with two keys by both, and one of them is enough", async (t) => {
    const setting = await makeSetting(["w1+", "w2"], 2);
    const [w1] = setting.witnesses as [TestWitness];
    const log = await opened(t, setting);
    await append(log);
    await beat(setting, log);
    const { note } = log.publishedCheckpoint();
    assert.deepEqual(await cosignersOf(setting, log, note), ["w1-0", "w1-1", "w2"]);
    assert.equal(w1.asked.filter(({ size }) => size === 2).length, 1, "one request for both");
  });

  it("refuses a policy under which it could never publish", async () => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const { policy } = setting.options.witnesses;
    const refused = (changed: typeof policy, pattern: RegExp): Promise<void> =>
      assert.rejects(
        open({ ...setting, options: { ...setting.options, witnesses: { policy: changed } } }),
        { code: "usage", message: pattern },
      );
    const [w1, w2] = policy.witnesses;
    await refused(
      { ...policy, witnesses: [w1!, { name: w2!.name, vkey: w2!.vkey }] },
      /are no quorum; add the URLs/,
    );
    await refused(
      { ...policy, witnesses: [w1!, { ...w2!, url: "ftp://w2.example" }] },
      /not one of http or https/,
    );
    const other = await createLog(setting.store, { name: "other", origin: "example.com/other" });
    await other.close();
    const logs = parsePolicy(nodeCrypto.sha256, utf8(`log ${other.vkeys[0]!}\nquorum none\n`)).logs;
    await refused({ ...policy, logs }, /this one is not among them/);
  });
});

/**
 * Goal: a log that was rolled back does not start, a log that cannot ask is read and not written, and whoever overrides
 * that leaves a trace.
 * Method: the store's bytes of an earlier moment are put back under witnesses that remember more.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { filesStore } from "@cairnlog/store";
import { auditLog } from "./audit.testing.ts";
import { createLog, openLog } from "./index.ts";
import { answerOf, networkOf, policyOf, TestWitness, until } from "./witness-network.testing.ts";
import {
  append,
  beat,
  down,
  eventsOf,
  makeSetting,
  open,
  origin,
  type Setting,
} from "./witnessed-log.testing.ts";

/** A log in a folder, as it was after 3 entries; its witnesses have seen 10. */
async function rolledBack(t: TestContext): Promise<Setting> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-witness-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const setting = await makeSetting(["w1", "w2", "w3"], 2);
  const store = filesStore({ folder: join(folder, "data") });
  const { clock } = setting;
  const log = await createLog(store, { name: "main", origin }, { clock });
  await append(log, 2);
  await log.close();
  await cp(join(folder, "data"), join(folder, "snapshot"), { recursive: true });
  for (const witness of setting.witnesses) witness.knows(log.vkeys);
  const again = await openLog(store, "main", setting.options);
  await append(again, 7);
  await beat(setting, again);
  await again.close();
  return { ...setting, store: filesStore({ folder: join(folder, "snapshot") }) };
}

describe("the start of a log with witnesses", () => {
  it("is refused where one of them holds more than the log has", async (t) => {
    const setting = await rolledBack(t);
    for (const witness of setting.witnesses.slice(1)) witness.held = undefined;
    await assert.rejects(open(setting), {
      code: "tampered",
      message: /w1 holds 10 entries of the log main, and the log itself has 3: it was rolled back/,
    });
    const reader = await setting.store.openReader("main");
    assert.equal((await reader.list("evidence")).length, 1);
    await reader.close();
  });

  it("is refused also where the override is given: it is for witnesses that do not answer", async (t) => {
    const setting = await rolledBack(t);
    const witnesses = { ...setting.options.witnesses, startWithoutQuorum: true };
    for (const witness of setting.witnesses.slice(1)) witness.interfere = down;
    await assert.rejects(open(setting, { witnesses }), { code: "tampered" });
  });

  it("is refused where one of them holds another root", async () => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    setting.witnesses[2]!.held = { size: 1, root: new Uint8Array(32).fill(9) };
    await assert.rejects(open(setting), {
      code: "tampered",
      message: /w3 holds another root of the log main at size 1/,
    });
  });

  it("waits a second for slower witnesses, and no longer", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    const never = Promise.withResolvers<never>();
    setting.witnesses[0]!.interfere = () => never.promise;
    const opening = open(setting);
    await until(
      () => setting.witnesses.slice(1).every(({ held }) => held?.size === 1),
      "two have answered",
    );
    // The timer of the wait is set a few turns after the second answer.
    const waited = Symbol("it still waits");
    let turns: Promise<unknown> = Promise.resolve();
    for (let i = 0; i < 200; i++) {
      turns = turns.then(() => new Promise<void>((resolve) => setImmediate(resolve)));
    }
    assert.equal(await Promise.race([opening, turns.then(() => waited)]), waited);
    setting.clock.advance(1000);
    const log = await opening;
    t.after(() => log.close());
    assert.equal(log.status().failure, undefined);
  });

  it("lets the log be read only, until a quorum answers", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    const [w1, w2] = setting.witnesses as [TestWitness, TestWitness];
    w1.interfere = down;
    // A witness that does not know the log has not said that nothing was rolled back.
    w2.interfere = () => answerOf(404, "unknown\n");
    const log = await open(setting);
    t.after(() => log.close());
    await assert.rejects(append(log), {
      code: "unavailable",
      message:
        /open for reading only.* 1 of the 3 .*w1: connection refused; w2: .*give its operator/,
    });
    assert.equal(log.status().failure!.code, "unavailable");
    assert.equal((await log.entry(0)).seq, 0);
    w1.interfere = undefined;
    setting.clock.advance(1000);
    await until(() => log.status().failure === undefined, "a quorum has answered");
    assert.equal(await append(log), 1);
    await beat(setting, log);
    await auditLog(log);
  });

  it("stops for good where a witness that comes later holds more", async (t) => {
    const setting = await rolledBack(t);
    for (const witness of setting.witnesses) witness.interfere = down;
    const log = await open(setting);
    await assert.rejects(append(log), { code: "unavailable" });
    // It only claims so, and shows nothing: before the start that is enough.
    setting.witnesses[0]!.served = undefined;
    setting.witnesses[0]!.interfere = undefined;
    setting.clock.advance(1000);
    await until(() => log.status().failure!.code === "tampered", "the rollback is found");
    await assert.rejects(append(log), { code: "tampered" });
    assert.equal(log.status().size, 3, "nothing was signed beyond");
    await log.close();
  });

  it("can be had without them, and the log says so", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    for (const witness of setting.witnesses) witness.interfere = down;
    const witnesses = { ...setting.options.witnesses, startWithoutQuorum: true };
    const log = await open(setting, { witnesses });
    t.after(() => log.close());
    assert.equal(await append(log), 2);
    const [event] = await eventsOf(log, "system.witness.override");
    assert.deepEqual(event!.details, {
      size: 1,
      witnesses: ["w1", "w2"].map((name) => ({
        name,
        state: "failing",
        error: "connection refused",
      })),
    });
    await auditLog(log);
  });

  it("asks nothing of a log that is being born, which no witness can know", async (t) => {
    const { clock, store, options } = await makeSetting(["w1"], 1);
    const w2 = new TestWitness("w2", clock);
    const witnesses = { policy: policyOf([w2], 1), transport: networkOf([w2]) };
    const log = await createLog(
      store,
      { name: "new", origin: "example.com/new" },
      { ...options, witnesses },
    );
    t.after(() => log.close());
    await append(log);
    assert.match(log.status().quorumFailure!.message, /does not know this log/);
    w2.knows(log.vkeys);
    clock.advance(1000);
    await until(() => log.publishedCheckpoint().size === 2, "its witness knows it now");
  });

  it("tells of what recovery found only when a quorum has answered", async (t) => {
    const setting = await makeSetting(["w1"], 1);
    // Entries that were on the medium without a commit: the record of the last commit is taken back.
    const folder = await mkdtemp(join(tmpdir(), "cairn-witness-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const store = filesStore({ folder });
    const first = await createLog(store, { name: "main", origin }, { clock: setting.clock });
    await append(first);
    await cp(join(folder, "main", "commits"), join(folder, "commits"));
    await append(first);
    await first.close();
    await rm(join(folder, "main", "checkpoint"));
    await cp(join(folder, "commits"), join(folder, "main", "commits"));
    await rm(join(folder, "commits"));
    const [w1] = setting.witnesses as [TestWitness];
    w1.knows(first.vkeys);
    w1.interfere = down;
    const log = await open({ ...setting, store });
    t.after(() => log.close());
    assert.equal(log.status().size, 2, "nothing new is signed");
    w1.interfere = undefined;
    setting.clock.advance(1000);
    await until(() => log.status().size === 4, "the kept entry, and the one that tells of it");
    assert.equal((await eventsOf(log, "system.recovered")).length, 1);
    await auditLog(log);
  });
});

/**
 * Goal: attacks with the real keys that the tour does not show are noticed as well: a history that was cut and went on
 * otherwise, old checkpoints that are sent again, two logs of one name whose folders are swapped, cosignatures that are
 * moved between logs. Method: logs, servers and witnesses of the tour, and the attacker's tools.
 */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import {
  formatAddCheckpoint,
  formatNote,
  isCairnError,
  parseNote,
  utf8,
  verifyWitnessedCheckpoint,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { toBatch } from "@cairnlog/log";
import { verifyDirectory } from "@cairnlog/verify";
import { everydayEvent } from "./events.ts";
import { replaceHistory, stealLog } from "./forgery.ts";
import { Application, Monitor } from "./outsiders.ts";
import { Act } from "./scene.ts";
import { Site } from "./site.ts";
import { Stage } from "./stage.ts";
import { askToCosign } from "./witness-answers.ts";

const history = { events: 60, theftAt: 50 };

describe("attacks with the real keys", { timeout: 60_000 }, () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage.close(false));

  function newAct(t: TestContext): Act {
    const act = new Act(new AbortController().signal, async () => undefined);
    t.after(() => act.end());
    return act;
  }

  it("cut, and gone on otherwise until it is longer than before", async (t) => {
    const act = newAct(t);
    const site = await Site.make(act, stage, "continued", history);
    await site.start();
    await site.cosigned();
    const { note, size } = site.log.publishedCheckpoint();
    const monitor = await Monitor.open(act, stage, site, "continued/monitor");
    await monitor.caughtUp(size);
    await site.stop();
    const stolen = stealLog(site.logFolder, site.origin);
    await replaceHistory(stolen, stolen.entries.slice(0, 40));
    monitor.forget();
    const log = await site.start({ isWitnessed: false });
    await log.append(toBatch(Array.from({ length: 30 }, (_, i) => everydayEvent(i))), "payroll");
    const longer = await log.publish();
    assert.ok(longer.size > size);
    // It is not followed, so that its tree is not even compared.
    await monitor.alarm("unwitnessed");
    const proof = await log.consistencyProof(size, longer.size);
    const request = { oldSize: size, proof, checkpoint: longer.note };
    assert.match(await askToCosign(stage, request), /^422 /);
    await site.stop();
    await assert.rejects(site.start(), (error) => isCairnError(error, "tampered"));
    await site.stop();
    const options = { vkeys: site.vkeys };
    assert.equal((await verifyDirectory(site.logFolder, options)).verdict, "verified");
    const report = await verifyDirectory(site.logFolder, { ...options, checkpoint: note });
    assert.equal(report.verdict, "failed");
  });

  it("old checkpoints, sent again: to the witness, and as what the log has published", async (t) => {
    const act = newAct(t);
    const site = await Site.make(act, stage, "replayed", history);
    const log = await site.start();
    await site.cosigned();
    const old = log.publishedCheckpoint();
    await new Application(act, site).record();
    await site.cosigned();
    const { size } = log.publishedCheckpoint();
    for (const oldSize of [0, old.size]) {
      const request = { oldSize, proof: [], checkpoint: old.note };
      assert.equal(await askToCosign(stage, request), `409 ${size}`);
    }
    const later = formatAddCheckpoint({ oldSize: size, proof: [], checkpoint: old.note });
    const { url } = stage.witnesses[0]!;
    const response = await fetch(`${url}/add-checkpoint`, { method: "POST", body: later });
    assert.equal(response.status, 400);
    await site.stop();
    // The file alone: the log knows better, and publishes what it has.
    const notePath = join(site.folder, "old.note");
    stage.write(stage.shown(notePath), old.note);
    copyFileSync(notePath, join(site.logFolder, "checkpoint"));
    assert.equal((await site.start()).publishedCheckpoint().size, size);
  });

  it("folders of two logs with one origin, swapped", async (t) => {
    const act = newAct(t);
    const site = await Site.make(act, stage, "twin", history);
    const other = await Site.make(act, stage, "twin-2", { ...history, origin: site.origin });
    await site.start();
    await site.cosigned();
    const { size } = site.log.publishedCheckpoint();
    const monitor = await Monitor.open(act, stage, site, "twin/monitor");
    await monitor.caughtUp(size);
    const application = new Application(act, site);
    await application.record();
    await site.stop();
    monitor.forget();
    rmSync(site.logFolder, { recursive: true });
    cpSync(other.logFolder, site.logFolder, { recursive: true });
    const report = await verifyDirectory(site.logFolder, { vkeys: site.vkeys });
    assert.deepEqual([report.verdict, report.problems[0]!.code], ["failed", "keys"]);
    assert.match(await askToCosign(stage, await requestOf(other)), /^403 /);
    // No witness knows its keys: it is read, and takes nothing.
    const log = await site.start();
    assert.match(log.status().failure!.message, /open for reading only/);
    await assert.rejects(log.append(toBatch([everydayEvent(1)]), "payroll"), (error) =>
      isCairnError(error, "unavailable"),
    );
    await site.stop();
    await site.start({ isWitnessed: false });
    assert.match(await monitor.alarm("checkpoint"), /none of the \d known keys signed/);
    await assert.rejects(application.record(), (error) => isCairnError(error, "unverified"));
  });

  async function requestOf(site: Site): Promise<Parameters<typeof askToCosign>[1]> {
    const checkpoint = readFileSync(join(site.logFolder, "checkpoint"), "utf8");
    return { oldSize: 0, proof: [], checkpoint };
  }

  it("cosignatures that were moved from one log to another of the same keeper", async (t) => {
    const act = newAct(t);
    const sites = [
      await Site.make(act, stage, "moved-1", history),
      await Site.make(act, stage, "moved-2", history),
    ] as const;
    const notes: string[] = [];
    for (const site of sites) {
      await site.start();
      await site.cosigned();
      notes.push(site.log.publishedCheckpoint().note);
    }
    const [first, second] = notes.map((note) => parseNote(utf8(note)));
    const own = first!.signatures.filter(({ name }) => name === sites[0].origin);
    const theirs = second!.signatures.filter(({ name }) => name !== sites[1].origin);
    assert.ok(own.length === 2 && theirs.length >= 2);
    const moved = utf8(formatNote(first!.text, [...own, ...theirs]));
    const policy = stage.auditPolicy(sites[0].vkeys);
    await assert.rejects(
      verifyWitnessedCheckpoint(nodeCrypto, moved, policy),
      (error) => isCairnError(error, "unverified") && /does not match/.test(error.message),
    );
    const genuine = utf8(formatNote(first!.text, first!.signatures));
    assert.equal((await verifyWitnessedCheckpoint(nodeCrypto, genuine, policy)).isQuorum, true);
  });
});

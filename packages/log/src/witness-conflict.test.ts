/**
 * Goal: a witness that contradicts the log is never missed and never believed too far. Its claim rings the alarm, and
 * the others decide; a checkpoint under the log's own key that contradicts it stops the log before it signs anything
 * more. Method: witnesses that were made to hold another history, by decision or by a checkpoint that a twin of the
 * log signed with the same key.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  base64,
  noteSigner,
  parseBase64,
  parseNote,
  parseUtf8,
  parseVkey,
  signCheckpoint,
  utf8,
  verifyCheckpoint,
  type CairnError,
} from "@cairnlog/core";
import { nodeCrypto, signerFromPem } from "@cairnlog/crypto";
import type { Log } from "./index.ts";
import { answerOf, until, type TestWitness } from "./witness-network.testing.ts";
import {
  append,
  beat,
  cosignersOf,
  eventsOf,
  healthOf,
  makeSetting,
  open,
  opened,
  origin,
  type Setting,
} from "./witnessed-log.testing.ts";

const otherRoot = new Uint8Array(32).fill(7);

/** A checkpoint that the log never made, under its own key. */
async function forged({ store }: Setting, size: number, root: Uint8Array): Promise<string> {
  const reader = await store.openReader("main");
  const pem = new TextDecoder().decode(await reader.get("keys/ed25519.pem"));
  await reader.close();
  const signer = noteSigner(nodeCrypto.sha256, origin, signerFromPem(pem));
  return signCheckpoint([signer], { origin, size, root });
}

interface Evidence {
  readonly witness: string;
  readonly claim: { readonly kind: string; readonly size: number };
  readonly ourSize: number;
  readonly proof: string | null;
  readonly request: string;
  readonly status: number;
  readonly answer: string;
  readonly served: string | null;
}

async function evidenceIn({ store }: Setting): Promise<Evidence[]> {
  const reader = await store.openReader("main");
  const files = await reader.list("evidence");
  const found: Evidence[] = [];
  for (const { path } of files) {
    const text = new TextDecoder().decode(await reader.get(path));
    found.push(JSON.parse(text) as Evidence);
  }
  await reader.close();
  return found;
}

/** Brings `witness` to its next request: the others are enough meanwhile. */
async function alarm(setting: Setting, log: Log): Promise<CairnError> {
  setting.clock.advance(1000);
  await until(() => log.status().alarms.length > 0, "the alarm");
  return log.status().alarms[0]!;
}

describe("a witness that claims another history", () => {
  for (const status of [422, 409]) {
    it(`is an alarm, an entry and evidence (${status}); the quorum of the others goes on`, async (t) => {
      const setting = await makeSetting(["w1", "w2", "w3"], 2);
      const alarms: CairnError[] = [];
      const log = await opened(t, setting, { onAlarm: (alarmed) => alarms.push(alarmed) });
      const [w1] = setting.witnesses as [TestWitness];
      w1.held = { size: 1, root: otherRoot };
      w1.served = undefined;
      // An older version of the protocol answers 409 with the very size that the log named.
      if (status === 409) {
        w1.interfere = (request) => (request.method === "POST" ? answerOf(409, "1\n") : undefined);
      }
      await append(log);
      const error = await alarm(setting, log);
      assert.equal(error.code, "tampered");
      assert.deepEqual(alarms, [error]);
      assert.match(error.message, /w1 holds another root of the log main at size 1/);
      await until(() => log.status().size === 3, "the entry about it");
      assert.equal(log.status().failure, undefined);
      assert.equal(healthOf(log, w1).state, "conflict");
      await until(() => log.publishedCheckpoint().size === 2, "the others cosign");
      const { note } = log.publishedCheckpoint();
      assert.deepEqual(await cosignersOf(setting, log, note), ["w2", "w3"]);
      const [evidence] = await evidenceIn(setting);
      assert.deepEqual(evidence!.claim, { kind: "other-root", size: 1 });
      assert.deepEqual(
        [evidence!.witness, evidence!.status, evidence!.ourSize, evidence!.proof],
        ["w1", status, 2, null],
      );
      assert.match(parseUtf8(parseBase64(evidence!.request)), /^old 1\n/);
      const [event] = await eventsOf(log, "system.witness.conflict");
      assert.equal(event!.details["witness"], "w1");
      const { path } = event!.details["evidence"] as { path: string };
      assert.equal(path, "evidence/witness-conflict-1.json");
      // It says so again and again. That is nothing new.
      for (let i = 0; i < 5; i++) {
        await append(log);
        setting.clock.advance(59_000);
        await beat(setting, log);
      }
      assert.equal((await eventsOf(log, "system.witness.conflict")).length, 1);
      assert.equal((await evidenceIn(setting)).length, 1);
      assert.equal(alarms.length, 1);
    });
  }

  it("is not taken for a mismatch where the log proves nothing: from size 0", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 1);
    const [w1] = setting.witnesses as [TestWitness];
    w1.interfere = () => answerOf(422, "no\n");
    const log = await opened(t, setting);
    assert.deepEqual(log.status().alarms, []);
    assert.match(healthOf(log, w1).error!, /422, "no"/);
  });

  it("rings where it claims more entries than there are, while the log runs", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    w1.held = { size: 900, root: otherRoot };
    await append(log);
    const error = await alarm(setting, log);
    assert.match(error.message, /w1 holds 900 entries of the log main, and the log itself has 2/);
    assert.equal(log.status().failure, undefined);
  });
});

describe("a witness that proves another history", () => {
  it("stops the log before it signs anything more", async () => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    const failures: CairnError[] = [];
    const log = await open(setting, { onFailure: (error) => failures.push(error) });
    await beat(setting, log);
    const [w1] = setting.witnesses as [TestWitness];
    w1.held = { size: 1, root: otherRoot };
    w1.served = await forged(setting, 1, otherRoot);
    await append(log);
    const { note } = log.publishedCheckpoint();
    const error = await alarm(setting, log);
    await until(() => failures.length === 1, "the log stops");
    assert.equal(failures[0], error);
    assert.match(error.message, /1 entries under this log's own key with the root/);
    assert.equal(log.status().failure, error);
    await assert.rejects(append(log), { code: "tampered" });
    const { size } = log.status();
    setting.clock.advance(120_000);
    await new Promise<void>((resolve) => setImmediate(resolve));
    assert.equal(log.status().size, size);
    const [evidence] = await evidenceIn(setting);
    assert.equal(evidence!.served, base64(utf8(w1.served)));
    // Whoever has the evidence alone can check it: it is the log's own signature under another root.
    const vkeys = log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
    const served = parseBase64(evidence!.served);
    const { checkpoint } = await verifyCheckpoint(nodeCrypto, served, vkeys, origin);
    assert.deepEqual(checkpoint.root, otherRoot);
    await log.close();
    // What was shown before may still be shown; nothing was added by the witness that contradicts.
    assert.ok(parseNote(utf8(note)).signatures.length >= 4);
    // It does not start again, either.
    await assert.rejects(open(setting), { code: "tampered", message: /w1 holds another root/ });
  });

  it("is not believed where the checkpoint is signed by nobody that we know, or agrees with us", async (t) => {
    const setting = await makeSetting(["w1", "w2", "w3"], 2);
    const log = await opened(t, setting);
    const [w1] = setting.witnesses as [TestWitness];
    const root = await log.root(1);
    for (const served of [
      (await forged(setting, 1, otherRoot)).replace("\n1\n", "\n2\n"),
      await forged(setting, 1, root),
      "nonsense",
    ]) {
      w1.held = { size: 1, root: otherRoot };
      w1.served = served;
      await append(log);
      setting.clock.advance(60_000);
      await until(() => healthOf(log, w1).state === "conflict", "it contradicts");
      await until(() => log.publishedCheckpoint().size >= 2, "the others cosign");
      assert.equal(log.status().failure, undefined);
    }
    assert.equal(log.status().alarms.length, 1);
  });
});

/**
 * Goal: a key ID of 32 bits decides nothing. Somebody can make a key that has the name and the ID of another one: for
 * two keys of his own in seconds, for a given key in hours. Wherever keys are looked up by name and ID the whole key
 * must decide.
 * Method: two real keys of one name and one ID (found by hashing 47,138 seeds until two agreed; they are made again
 * here), and everything that verifies signatures. The log has the one; its twin is the attacker's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { parseAddCheckpoint, formatAddCheckpoint } from "./add-checkpoint.ts";
import { signCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import {
  formatNote,
  noteSigner,
  parseNote,
  signNote,
  verifyNote,
  type NoteSigner,
} from "./note.ts";
import { parsePolicy, policyOfKeys, withLogKeys } from "./policy.ts";
import { signSeal, verifySeal, type Seal } from "./seal.ts";
import { fingerprint, formatVkey } from "./vkey.ts";
import { admitCheckpoint, decideAddCheckpoint } from "./witness-decision.ts";
import { verifyWitnessedCheckpoint } from "./witnessed-checkpoint.ts";

const { sha256 } = nodeCrypto;
const origin = "log.example/twins";
const twin = (i: number): NoteSigner =>
  noteSigner(sha256, origin, signerFromSeed("ed25519", sha256(utf8(`twin ${i}`))));
const [log, attacker] = [twin(44_287), twin(47_137)];
const checkpoint = { origin, size: 7, root: sha256(utf8("a tree")) };
const forged = await signCheckpoint([attacker], checkpoint);
const genuine = await signCheckpoint([log], checkpoint);

function refused(work: Promise<unknown>, code: CairnErrorCode, what: RegExp): Promise<void> {
  return assert.rejects(work, (error) => isCairnError(error, code) && what.test(error.message));
}

test("the twins have one name and one ID, and nothing else in common", () => {
  assert.equal(log.vkey.id, 0x32a53a64);
  assert.equal(attacker.vkey.id, log.vkey.id);
  assert.equal(attacker.vkey.name, log.vkey.name);
  assert.notEqual(formatVkey(attacker.vkey), formatVkey(log.vkey));
  assert.notEqual(fingerprint(sha256, attacker.vkey), fingerprint(sha256, log.vkey));
});

test("what the twin signed is not signed by the log: note, checkpoint, policy, seal", async () => {
  const mismatch = /key 32a53a64, does not match/;
  const note = utf8(await signNote([attacker], "a text\n"));
  await refused(verifyNote(nodeCrypto, note, [log.vkey]), "unverified", mismatch);
  const bytes = utf8(forged);
  await refused(verifyCheckpoint(nodeCrypto, bytes, [log.vkey], origin), "unverified", mismatch);
  const policy = policyOfKeys(sha256, [log.vkey]);
  await refused(verifyWitnessedCheckpoint(nodeCrypto, bytes, policy), "unverified", mismatch);
  const time = "2026-11-23T05:00:00.123Z";
  const root = checkpoint.root;
  const times = { firstTime: time, lastTime: time };
  const seal: Seal = { origin, first: 0, count: 65_536, root, fileHash: root, ...times };
  const sealed = utf8(await signSeal([attacker], seal));
  await refused(verifySeal(nodeCrypto, sealed, [log.vkey], origin), "unverified", mismatch);
  await verifySeal(nodeCrypto, utf8(await signSeal([log], seal)), [log.vkey], origin);
});

test("both signatures under one note are refused whole: nobody picks the one that suits", async () => {
  const { text, signatures } = parseNote(utf8(genuine));
  for (const both of [
    [...signatures, ...parseNote(utf8(forged)).signatures],
    [...parseNote(utf8(forged)).signatures, ...signatures],
  ]) {
    const bytes = utf8(formatNote(text, both));
    for (const { vkey } of [log, attacker]) {
      await refused(verifyCheckpoint(nodeCrypto, bytes, [vkey], origin), "unverified", /match/);
    }
  }
});

test("whoever would know both keys is told to choose, in whatever order", async () => {
  for (const vkeys of [
    [log.vkey, attacker.vkey],
    [attacker.vkey, log.vkey],
  ]) {
    for (const bytes of [utf8(genuine), utf8(forged)]) {
      await refused(
        verifyCheckpoint(nodeCrypto, bytes, vkeys, origin),
        "usage",
        /two different keys are both log\.example\/twins\+32a53a64/,
      );
    }
    const texts = vkeys.map((vkey) => `log ${formatVkey(vkey)}\n`).join("");
    assert.throws(() => parsePolicy(sha256, utf8(`${texts}quorum none\n`)), {
      name: "CairnError",
    });
    const [first, second] = vkeys;
    const policy = policyOfKeys(sha256, [first!]);
    assert.throws(() => withLogKeys(sha256, policy, [second!]), { name: "CairnError" });
  }
});

test("a witness does not cosign what the twin signed, nor counts it as a split of the log", async () => {
  const body = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: forged });
  const request = parseAddCheckpoint(utf8(body));
  assert.equal((await admitCheckpoint(nodeCrypto, request, [log.vkey])).status, 403);
  const held = { size: 7, root: sha256(utf8("another tree")) };
  const decision = await decideAddCheckpoint(nodeCrypto, request, [log.vkey], held);
  assert.equal(decision.status, 403);
});

/**
 * Goal: a proof, receipt or checkpoint is good only under the log's own key, and no byte of it can change. Method: the
 * files of a real log; each byte changed; other keys, other entries, other spellings.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { formatReceipt, formatTlogProof, utf8 } from "@cairnlog/core";
import { appendSome, withLog } from "./file-map.testing.ts";
import { verifyFile } from "./file.ts";

const seq = 5;
let proof: Uint8Array;
let bare: Uint8Array;
let receipt: Uint8Array;
let checkpoint: Uint8Array;
let entry: Uint8Array;
let neighbour: Uint8Array;
let vkeys: string[];
let otherVkeys: string[];

before(async () => {
  await withLog(async (log) => {
    await appendSome(log, 10, "a");
    const { note } = await log.durableCheckpoint();
    checkpoint = utf8((await log.publish()).note);
    entry = (await log.entry(seq)).bytes.slice();
    neighbour = (await log.entry(seq + 1)).bytes.slice();
    const hashes = await log.inclusionProof(seq);
    proof = utf8(formatTlogProof({ extra: entry, index: seq, proof: hashes, checkpoint: note }));
    bare = utf8(formatTlogProof({ index: seq, proof: hashes, checkpoint: note }));
    const leafHash = await log.leafHash(seq);
    const parts = { seq, leafHash, proof: hashes, checkpoint: note };
    receipt = utf8(formatReceipt({ origin: log.origin, ...parts }));
    vkeys = [...log.vkeys];
  });
  otherVkeys = await withLog(async (log) => [...log.vkeys]);
});

test("proofs, receipts and checkpoints are verified under the log's key", async () => {
  for (const [bytes, kind] of [
    [proof, "proof"],
    [receipt, "receipt"],
    [checkpoint, "checkpoint"],
  ] as const) {
    const report = await verifyFile(bytes, { vkeys, name: "here" });
    assert.deepEqual(report.problems, []);
    assert.deepEqual([report.ok, report.verdict, report.kind], [true, "verified", kind]);
    assert.equal(report.size, 11);
    for (const keys of [[], otherVkeys]) {
      const refused = await verifyFile(bytes, { vkeys: keys });
      assert.equal(refused.verdict, "failed", `${kind} under ${keys.length} other keys`);
    }
  }
});

test("the entry comes with the file or beside it, and must be the one", async () => {
  assert.equal((await verifyFile(bare, { vkeys })).ok, false);
  assert.equal((await verifyFile(bare, { vkeys, entry })).ok, true);
  assert.deepEqual((await verifyFile(receipt, { vkeys, entry })).notes, []);
  assert.equal((await verifyFile(receipt, { vkeys })).notes[0]!.code, "proof");
  for (const bytes of [bare, proof, receipt]) {
    assert.equal((await verifyFile(bytes, { vkeys, entry: neighbour })).ok, false);
  }
});

test("a receipt as the server answers it is read too", async () => {
  const members = JSON.parse(new TextDecoder().decode(receipt)) as object;
  const text = new TextDecoder().decode(entry);
  const full = utf8(JSON.stringify({ ...members, entry: text }, undefined, 2));
  assert.deepEqual((await verifyFile(full, { vkeys })).notes, []);
  const twice = utf8(new TextDecoder().decode(receipt).replace('{"', '{"seq":6,"'));
  assert.equal((await verifyFile(twice, { vkeys })).ok, false);
});

test("no byte of such a file can be changed or cut", async () => {
  for (const [name, bytes] of Object.entries({ proof, receipt, checkpoint })) {
    // A file's base64 of one ML-DSA-44 signature is alike everywhere, and each try costs a verification.
    for (let at = 0; at < bytes.length; at += at < 1200 ? 1 : 7) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 7);
      const { ok, notes } = await verifyFile(changed, { vkeys });
      // Where a changed name or ID makes one of two signatures a stranger's, the other one still holds.
      const isNoted = name === "checkpoint" && notes.length === 1;
      assert.ok(!ok || isNoted, `${name}, byte ${at}`);
    }
    for (let length = 0; length < bytes.length; length += 13) {
      assert.equal((await verifyFile(bytes.subarray(0, length), { vkeys })).ok, false);
    }
  }
});

/**
 * Goal: an evidence file is verified under keys and a policy from outside and by nothing else; what was changed is
 * named; and the report says what is in the file. Method: files of real logs, cosigned by witnesses of the test, as the
 * whole verifier reads them from disk; each attack that an exporter, a courier or another log's operator could try.
 * (core's own tests change each byte.)
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { formatVkey, parseUtf8, utf8 } from "@cairnlog/core";
import { exportEvidence, type Log, type SignedCheckpoint } from "@cairnlog/log";
import {
  cosigned,
  cosignedAt,
  evidenceOf,
  policyOf,
  policyText,
  w1,
  w2,
  w3,
} from "./evidence.testing.ts";
import type { Fetch } from "./fetching.ts";
import { appendSome, withLog } from "./file-map.testing.ts";
import { detectTarget, verifyTarget, type TargetOptions } from "./target.ts";
import type { Report } from "./report.ts";
import { verifyUrl } from "./url.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-evidence-"));
after(() => fs.rmSync(folder, { recursive: true }));

let vkeys: readonly string[];
let otherVkeys: readonly string[];
/** As `exportEvidence` writes it: without witnesses. */
let plain: Uint8Array;
/** Cosigned by two of three. */
let good: string;
let otherNote: string;
let recorded: number;
const seqs = [2, 3, 4, 9, 20, 21];

before(async () => {
  await withLog(async (log) => {
    vkeys = log.vkeys;
    await appendSome(log, 30, "a");
    const ranges = [
      { from: 2, to: 5 },
      { from: 9, to: 10 },
      { from: 20, to: 22 },
    ];
    const asked = { who: "auditor", why: "case 17", nowMs: cosignedAt * 1000 };
    const exported = await exportEvidence(log, { ...asked, selection: { seqs: ranges } });
    plain = Buffer.concat([...exported.pieces]);
    recorded = exported.header.recorded!;
    good = parseUtf8(
      await evidenceOf({
        log,
        seqs: [...seqs, recorded],
        checkpoint: log.publishedCheckpoint(),
        cosigners: [w1, w3],
        header: { export: exported.header.export, recorded },
      }),
    );
  });
  otherNote = await withLog(async (log) => {
    otherVkeys = log.vkeys;
    await appendSome(log, 31, "b");
    return (await log.publish()).note;
  });
});

let files = 0;
async function verify(file: string | Uint8Array, options: TargetOptions = {}): Promise<Report> {
  const name = path.join(folder, `${files++}.evidence`);
  fs.writeFileSync(name, file);
  assert.equal(await detectTarget(name), "evidence");
  return verifyTarget(name, options);
}

async function refused(file: string | Uint8Array, words: RegExp, seq?: number): Promise<void> {
  const report = await verify(file, { policy: policyOf(vkeys) });
  assert.deepEqual([report.ok, report.verdict], [false, "failed"]);
  assert.match(report.problems[0]!.message, words);
  assert.equal(report.problems[0]!.seq, seq);
  assert.match(report.summary, /^NOT VERIFIED: /);
}

describe("an evidence file", () => {
  test("is verified under a policy from outside, and the report says what is in it", async () => {
    const report = await verify(good, { policy: policyOf(vkeys), now: cosignedAt });
    assert.deepEqual(report.problems, []);
    assert.deepEqual([report.ok, report.verdict, report.kind], [true, "verified", "evidence"]);
    assert.deepEqual(report.witnesses, [
      { name: "w1", timestamp: cosignedAt },
      { name: "w3", timestamp: cosignedAt },
    ]);
    assert.deepEqual(report.evidence, {
      who: "auditor",
      why: "case 17",
      time: new Date(cosignedAt * 1000).toISOString(),
      query: { seqs: ["2-4", "9", "20-21"] },
      isRecorded: true,
      recorded,
      seqs: `2-4,9,20-21,${recorded}`,
    });
    assert.deepEqual(
      report.keys.map(({ vkey }) => vkey),
      vkeys,
    );
    assert.equal(report.entriesChecked, 7);
  });

  test("is verified under the log's keys alone, or a policy without them and the keys", async () => {
    assert.equal((await verify(plain, { vkeys })).verdict, "verified");
    const options = { vkeys, policy: policyOf([]) };
    assert.equal((await verify(good, options)).verdict, "verified");
    assert.equal((await verify(plain, options)).verdict, "failed", "nobody cosigned it");
  });

  test("is never verified by itself: consistent, signer unknown, and not good", async () => {
    const report = await verify(good);
    assert.deepEqual([report.ok, report.verdict], [false, "consistent"]);
    assert.deepEqual(report.problems, []);
    assert.match(report.summary, /^Consistent, signer unknown\..*compare the fingerprint/);
    assert.match(report.keys[0]!.fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(report.witnesses!.length, 0, "nobody says who the witnesses are");
  });

  test("its own policy, put inside, changes nothing", async () => {
    // As an entry, as a reason, as lines before, after and inside.
    const policy = policyText(vkeys);
    for (const forged of [
      `${good}${policy}`,
      good.replace("entries\n", `policy\n${policy}entries\n`),
      good.replace('"keys":', `"policy":${JSON.stringify(policy)},"keys":`),
    ]) {
      for (const options of [{}, { policy: policyOf(vkeys) }]) {
        assert.equal((await verify(forged, options)).verdict, "failed");
      }
    }
    // Before the first line it is not even an evidence file.
    const name = path.join(folder, "before");
    fs.writeFileSync(name, `${policy}${good}`);
    assert.equal((await verifyTarget(name)).ok, false);
  });

  test("a forger's own log, keys and witnesses: only ever signer unknown", async () => {
    await withLog(async (log) => {
      await appendSome(log, 30, "forged");
      const checkpoint = await log.publish();
      const bytes = await evidenceOf({ log, seqs: [3], checkpoint, cosigners: [w1, w2, w3] });
      const report = await verify(bytes);
      assert.deepEqual([report.ok, report.verdict], [false, "consistent"]);
      await refused(bytes, /none of that log's keys in the policy signed/);
      const named = parseUtf8(bytes).replace(
        /"keys":\[[^\]]*\]/,
        `"keys":${JSON.stringify(vkeys)}`,
      );
      assert.equal((await verify(named)).verdict, "failed", "the true keys did not sign");
    });
  });
});

describe("an evidence file that was tampered with", () => {
  const lineOf = (seq: number): string => new RegExp(`^\\{"seq":${seq},.*\\n`, "m").exec(good)![0];

  test("cut anywhere", async () => {
    for (const share of [0.1, 0.5, 0.9]) {
      await refused(good.slice(0, Math.floor(good.length * share)), /./);
    }
    await refused(good.slice(0, -1), /cut/);
  });

  test("an entry changed: it is named, and proven to be another one than the log's", async () => {
    const changed = lineOf(9).replace("alice@", "malice@");
    await refused(good.replace(lineOf(9), changed), /the tree has the listed one there/i, 9);
  });

  test("entries dropped, doubled, added, reordered", async () => {
    await refused(good.replace(lineOf(9), ""), /./);
    await refused(good.replace(lineOf(9), lineOf(9) + lineOf(9)), /seq 9/, 9);
    const swapped = good.replace(lineOf(9) + lineOf(20), lineOf(20) + lineOf(9));
    await refused(swapped, /should be above 20/, 9);
    const leaves = good.slice(good.indexOf("leaves\n"), good.indexOf("entries\n"));
    const fewer = leaves.split("\n").toSpliced(4, 1).join("\n");
    const dropped = good
      .replace(lineOf(9), "")
      .replace(leaves, fewer)
      .replace('"count":7', '"count":6');
    await refused(dropped, /./);
  });

  test("the header edited: who, why and when are those that the log recorded", async () => {
    await refused(good.replace("case 17", "case 18"), /not the record of this export/, recorded);
    await refused(good.replace('"who":"auditor"', '"who":"nobody"'), /not the record/, recorded);
    await refused(good.replace('"size":32', '"size":33'), /header and checkpoint/);
    const unrecorded = good.replace(`,"recorded":${recorded}}`, "}");
    const report = await verify(unrecorded, { policy: policyOf(vkeys) });
    assert.equal(report.evidence!.isRecorded, false);
    assert.match(report.notes[0]!.message, /not proven/);
  });

  test("another log's checkpoint, of the same origin and size", async () => {
    const [at, end] = [good.indexOf("checkpoint "), good.indexOf("proof ")];
    const note = await cosigned(otherNote, [w1, w2]);
    const other = `checkpoint ${utf8(note).length}\n${note}`;
    const swapped = good.slice(0, at) + other + good.slice(end);
    await refused(swapped, /do not lead|root/);
    const report = await verify(swapped, { policy: policyOf(otherVkeys) });
    assert.equal(report.verdict, "failed", "its own keys signed another tree");
  });

  test("cosignatures moved from another checkpoint", async () => {
    const stranger = await cosigned(otherNote, [w1, w2]);
    const moved = stranger.split("\n").filter((line) => line.startsWith("— witness.example/"));
    const [at, end] = [good.indexOf("checkpoint "), good.indexOf("proof ")];
    const own = good.slice(good.indexOf("\n", at) + 1, end);
    const bare = own.replaceAll(/^— witness\.example\/.*\n/gm, "");
    const note = `${bare}${moved.join("\n")}\n`;
    const file = `${good.slice(0, at)}checkpoint ${utf8(note).length}\n${note}${good.slice(end)}`;
    await refused(file, /signature/);
    const none = `${good.slice(0, at)}checkpoint ${utf8(bare).length}\n${bare}${good.slice(end)}`;
    await refused(none, /quorum "g" is not there/);
    assert.equal(
      (await verify(none, { vkeys })).verdict,
      "verified",
      "it is the log's all the same",
    );
  });

  test("cosigned in the future: does not count", async () => {
    const early = await verify(good, { policy: policyOf(vkeys), now: cosignedAt - 301 });
    assert.match(early.problems[0]!.message, /a time that has not come yet/);
  });

  test("a later version is named, a file without end refused by its size", async () => {
    const later = await verify(good.replace("evidence/v1", "evidence/v2"));
    assert.equal(later.problems[0]!.code, "version");
    const name = path.join(folder, "large");
    fs.writeFileSync(name, "cairnlog/evidence/v1\n");
    fs.truncateSync(name, 1_073_741_825);
    await assert.rejects(verifyTarget(name), /at most 1073741824/);
  });
});

describe("a policy", () => {
  let note: string;
  let both: string;
  let published: SignedCheckpoint;

  /** A log's folder whose published checkpoint is the given one. */
  async function withCheckpoint(
    by: Parameters<typeof cosigned>[1],
    work: (log: Log, place: string) => Promise<void>,
  ): Promise<void> {
    await withLog(async (log, place) => {
      await appendSome(log, 10, "c");
      published = await log.publish();
      note = published.note;
      both = await cosigned(note, by);
      fs.writeFileSync(path.join(place, "checkpoint"), both);
      await work(log, place);
    });
  }

  test("judges a folder, a checkpoint and a proof by their cosignatures", async () => {
    await withCheckpoint([w1, w2], async (log, place) => {
      const policy = policyOf(log.vkeys);
      const proof = path.join(folder, "3.tlog-proof");
      const hashes = (await log.inclusionProof(3, published.size)).map((hash) =>
        Buffer.from(hash).toString("base64"),
      );
      const entry = Buffer.from((await log.entry(3)).bytes).toString("base64");
      const lines = (of: string): string =>
        ["c2sp.org/tlog-proof@v1", `extra ${entry}`, "index 3", ...hashes, "", of].join("\n");
      const file = path.join(folder, "one.checkpoint");
      for (const [text, isGood] of [
        [both, true],
        [await cosigned(note, [w3]), false],
        [note, false],
      ] as const) {
        fs.writeFileSync(path.join(place, "checkpoint"), text);
        fs.writeFileSync(file, text);
        fs.writeFileSync(proof, lines(text));
        for (const target of [place, file, proof]) {
          const report = await verifyTarget(target, { policy, workers: 0 });
          assert.equal(report.ok, isGood, `${target}: ${report.summary}`);
          assert.deepEqual(
            report.problems.map(({ code }) => code),
            isGood ? [] : ["quorum"],
          );
          assert.equal(report.witnesses?.length, isGood ? 2 : undefined);
          const early = { policy, workers: 0, now: cosignedAt - 301 };
          assert.equal((await verifyTarget(target, early)).ok, false, "cosigned in the future");
          // The keys alone are enough for whoever asks for no witness.
          assert.ok((await verifyTarget(target, { vkeys: log.vkeys, workers: 0 })).ok);
        }
      }
    });
  });

  test("judges a log over HTTP", async () => {
    await withCheckpoint([w1, w2], async (log) => {
      const pages = new Map([
        ["checkpoint", utf8(both)],
        ["tile/0/000.p/11", (await log.tile(0, 0, 11))!],
        ["tile/entries/000.p/11", (await log.entryBundle(0, 11))!],
      ]);
      const fetch: Fetch = async (url) =>
        new Response(
          pages.get(url.slice("https://log.example/".length)) as Uint8Array<ArrayBuffer>,
        );
      const options = { policy: policyOf(log.vkeys), fetch };
      const report = await verifyUrl("https://log.example/", options);
      assert.equal(report.verdict, "verified", report.summary);
      assert.equal(report.witnesses?.length, 2);
      pages.set("checkpoint", utf8(note));
      const bare = await verifyUrl("https://log.example/", options);
      assert.deepEqual(
        bare.problems.map(({ code }) => code),
        ["quorum"],
      );
    });
  });

  test("of another log, or of other keys, verifies nothing", async () => {
    await withCheckpoint([w1, w2], async (_log, place) => {
      for (const policy of [policyOf(vkeys), policyOf([])]) {
        const report = await verifyTarget(place, { policy, workers: 0 });
        assert.equal(report.verdict, "failed");
      }
      const foreign = policyOf([formatVkey(w1.vkey)].slice(1));
      assert.equal((await verifyTarget(place, { policy: foreign, workers: 0 })).ok, false);
    });
  });
});

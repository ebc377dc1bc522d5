/**
 * Goal: evidence proves the entries that it holds, to those who bring their own policy, and nothing else; what is wrong
 * is named. Method: a small log; each byte of a file changed, each cut, each line dropped, doubled and swapped; every
 * way we know to forge a file, by somebody who can edit it, who has a key of his own, or who has the log's.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { base64, parseUtf8, utf8 } from "./encoding.ts";
import { leafHash } from "./entry.ts";
import { isCairnError, type CairnError, type CairnErrorCode } from "./errors.ts";
import { formatEvidenceHeader, isSameExport, parseEvidenceHeader } from "./evidence-header.ts";
import { formatEvidence, parseEvidence, type Evidence } from "./evidence.ts";
import {
  logSigner,
  policy,
  policyText,
  testEvidence,
  testExport,
  testLog,
  testNote,
  testOrigin,
  testTime,
  witness,
} from "./evidence.testing.ts";
import { noteSigner } from "./note.ts";
import { parsePolicy, type Policy } from "./policy.ts";
import { fingerprint, formatVkey, makeVkey } from "./vkey.ts";
import { verifyEvidence, type EvidenceVerdict } from "./verify-evidence.ts";

const { sha256 } = nodeCrypto;
const log = testLog(12);
const checkpoint = await testNote(log, 12);
const seqs = [2, 3, 7, 11];
const evidence = testEvidence(log, checkpoint, seqs);
const file = formatEvidence(evidence);
const text = parseUtf8(file);

const verify = (
  bytes: Uint8Array | string,
  by: Policy | undefined = policy,
): Promise<EvidenceVerdict> =>
  verifyEvidence(nodeCrypto, typeof bytes === "string" ? utf8(bytes) : bytes, by);

async function refusal(bytes: Uint8Array | string, by?: Policy): Promise<CairnError> {
  try {
    await verify(bytes, by);
  } catch (error) {
    if (isCairnError(error)) return error;
    throw error;
  }
  assert.fail("what should have been refused was verified");
}

async function refused(
  bytes: Uint8Array | string,
  code: CairnErrorCode,
  words: string,
  seq?: number,
): Promise<void> {
  const error = await refusal(bytes);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(words), `${error.message}; expected: ${words}`);
  assert.equal(error.place.seq, seq, error.message);
}

describe("evidence", () => {
  test("what is written is read back, and verified under a policy", async () => {
    const verdict = await verify(file);
    assert.equal(verdict.verdict, "verified");
    assert.ok(verdict.isExportRecorded);
    assert.deepEqual(
      verdict.evidence.parsed.map(({ seq }) => seq),
      seqs,
    );
    assert.deepEqual(
      verdict.witnesses.map(({ name, timestamp }) => [name, timestamp]),
      [["w1", testTime]],
    );
    const { vkey } = logSigner;
    assert.deepEqual(verdict.signers, [{ vkey, fingerprint: fingerprint(sha256, vkey) }]);
    const { header, proof, leafHashes, entries } = verdict.evidence;
    const again = { header, checkpoint: verdict.evidence.checkpoint, proof, leafHashes, entries };
    assert.deepEqual(again, evidence);
    assert.deepEqual(formatEvidence(again), file);
    assert.deepEqual(
      entries.map(parseUtf8),
      seqs.map((seq) => parseUtf8(log.entries[seq]!)),
    );
  });

  test("without a policy it is only consistent, and shows the fingerprint that its key has", async () => {
    const verdict = await verifyEvidence(nodeCrypto, file, undefined);
    assert.equal(verdict.verdict, "consistent");
    assert.deepEqual(verdict.witnesses, []);
    assert.equal(verdict.signers[0]?.fingerprint, fingerprint(sha256, logSigner.vkey));
    const keyless = formatEvidence(testEvidence(log, checkpoint, seqs, { keys: [] }));
    assert.deepEqual((await verifyEvidence(nodeCrypto, keyless, undefined)).signers, []);
    assert.equal((await verify(keyless)).verdict, "verified");
  });

  test("every set of entries of a log of 6", async () => {
    const small = testLog(6);
    const note = await testNote(small, 6);
    for (let bits = 1; bits < 64; bits++) {
      const some = [0, 1, 2, 3, 4, 5].filter((i) => Math.floor(bits / 2 ** i) % 2 === 1);
      const verdict = await verify(formatEvidence(testEvidence(small, note, some)));
      assert.equal(verdict.isExportRecorded, some.includes(5));
      assert.equal(verdict.evidence.entries.length, some.length);
    }
  });

  test("a checkpoint of before the export's own entry will do", async () => {
    const note = await testNote(log, 9);
    const verdict = await verify(formatEvidence(testEvidence(log, note, [0, 8])));
    assert.equal(verdict.evidence.header.recorded, 11);
    assert.equal(verdict.isExportRecorded, false);
  });
});

describe("a file that was changed", () => {
  test("each byte: it is refused, but in what the header merely claims", async () => {
    // Byte offsets are those of characters up to the note's first em dash, and the header comes before it.
    const keysAt = text.indexOf('"keys":["') + 9;
    const keysEnd = text.indexOf('"]', keysAt);
    const recordedAt = text.indexOf('"recorded":') + 11;
    let survived = 0;
    for (let at = 0; at < file.length; at++) {
      for (const bit of [0x01, 0x20]) {
        let verdict: EvidenceVerdict;
        try {
          verdict = await verify(file.with(at, file[at]! ^ bit));
        } catch (error) {
          if (!isCairnError(error)) throw error;
          continue;
        }
        // The policy makes the file's keys superfluous; an export whose entry is not in the file is not proven.
        const isKey = at >= keysAt && at < keysEnd;
        const isRecorded = at >= recordedAt && at < recordedAt + 2 && !verdict.isExportRecorded;
        assert.ok(isKey || isRecorded, `byte ${at} ^ ${bit} was changed unseen`);
        assert.equal(verdict.signers[0]?.vkey.id, logSigner.vkey.id);
        survived++;
      }
    }
    assert.ok(survived > 0);
  });

  test("each cut: it is refused as cut", async () => {
    for (let length = 0; length < file.length; length++) {
      assert.equal((await refusal(file.slice(0, length))).code, "malformed");
    }
    await refused(file.slice(0, -4), "malformed", "it ends too early");
    await refused(file.slice(0, -1), "malformed", "it ends too early");
    await refused(`${text}end\n`, "malformed", "bytes follow its end");
    await refused(`${text}\n`, "malformed", "bytes follow its end");
  });

  test("each line dropped, doubled, and swapped with the next", async () => {
    const lines = text.split("\n").slice(0, -1);
    const join = (all: readonly string[]): string => `${all.join("\n")}\n`;
    for (const [i, line] of lines.entries()) {
      assert.ok(await refusal(join(lines.toSpliced(i, 1))));
      assert.ok(await refusal(join(lines.toSpliced(i, 0, line))));
      // The order of signatures says nothing.
      if (i === 0 || (line.startsWith("— ") && lines[i - 1]!.startsWith("— "))) continue;
      assert.ok(await refusal(join(lines.with(i, lines[i - 1]!).with(i - 1, line))));
    }
  });

  test("an event that was edited is named, and proven to be wrong", async () => {
    for (const seq of seqs.slice(0, 3)) {
      const before = `"actor":{"id":"user${seq % 3}"}`;
      const lines = text.split("\n");
      const at = lines.findIndex((line) => line.startsWith(`{"seq":${seq},`));
      const edited = lines
        .with(at, lines[at]!.replace(before, '"actor":{"id":"nobody"}'))
        .join("\n");
      await refused(edited, "unverified", "not what the log recorded", seq);
    }
  });

  test("an event that was edited together with its leaf hash", async () => {
    const forged = (i: number): string => {
      const entry = evidence.entries[i]!;
      const edited = utf8(parseUtf8(entry).replace("user", "uses"));
      const hash = leafHash(sha256, edited);
      const entries = evidence.entries.with(i, edited);
      return parseUtf8(
        formatEvidence({ ...evidence, entries, leafHashes: evidence.leafHashes.with(i, hash) }),
      );
    };
    // Entry 3 follows entry 2, so that its link breaks. Of others, only the root tells.
    await refused(forged(0), "unverified", "does not follow the entry before it", 3);
    await refused(forged(2), "unverified", "are not proven to be in the tree");
    const changed = forged(2).replace(base64(evidence.leafHashes[0]!), base64(sha256(utf8("x"))));
    await refused(changed, "unverified", "so more was changed", 2);
  });

  test("entries that are no entries are named", async () => {
    const line = parseUtf8(evidence.entries[2]!);
    const replaced = (by: string): string => text.replace(line, by);
    await refused(replaced(line.replace('"action"', ' "action"')), "malformed", "seq 7", 7);
    await refused(replaced(line.replace('"api"', '"API"')), "malformed", "seq 7", 7);
    await refused(replaced(line.replace('"id":"7"', '"id":"7","id":"7"')), "malformed", "seq 7", 7);
    await refused(replaced("{}"), "malformed", "entry 3 of 4");
    await refused(replaced(line.replace('"seq":7', '"seq":3')), "malformed", "above 3", 3);
    await refused(replaced(line.replace('"seq":7', '"seq":12')), "malformed", "size 12", 12);
    // Under another number an entry has another hash.
    await refused(replaced(line.replace('"seq":7', '"seq":8')), "unverified", "leaf hash", 8);
  });
});

describe("a file that was forged", () => {
  const mallory = noteSigner(
    sha256,
    testOrigin,
    signerFromSeed("ed25519", new Uint8Array(32).fill(66)),
  );
  const rewritten = testLog(12, (seq, event) => (seq === 7 ? event.replace("user", "bob") : event));

  test("by somebody with a key of his own: consistent, but of another fingerprint", async () => {
    const note = await testNote(rewritten, 12, { signers: [mallory], cosigners: [] });
    const keys = [formatVkey(mallory.vkey)];
    const forged = formatEvidence(testEvidence(rewritten, note, seqs, { keys }));
    const verdict = await verifyEvidence(nodeCrypto, forged, undefined);
    assert.equal(verdict.verdict, "consistent");
    assert.notEqual(verdict.signers[0]?.fingerprint, fingerprint(sha256, logSigner.vkey));
    await refused(forged, "unverified", "none of the 2 known keys signed");
    // The right key in the header makes nothing better.
    const claimed = parseUtf8(forged).replace(keys[0]!, formatVkey(logSigner.vkey));
    await refused(claimed, "unverified", "none of the 2 known keys signed");
    await assert.rejects(verifyEvidence(nodeCrypto, utf8(claimed), undefined), (error) =>
      isCairnError(error, "unverified"),
    );
  });

  test("by the log itself: without the witnesses' word it is refused", async () => {
    const alone = await testNote(rewritten, 12, { cosigners: [] });
    const forged = formatEvidence(testEvidence(rewritten, alone, seqs));
    await refused(forged, "unverified", "quorum");
    const lines = checkpoint.split("\n");
    const moved = alone + `${lines.at(-2)}\n`;
    const borrowed = formatEvidence(testEvidence(rewritten, moved, seqs));
    await refused(borrowed, "unverified", "witness.example/w1");
  });

  test("by the log itself: a chain that begins elsewhere, or a time that goes back", async () => {
    const same = (_: number, event: string): string => event;
    const cut = testLog(12, same, { genesis: sha256(utf8("what came before")) });
    const begins = formatEvidence(testEvidence(cut, await testNote(cut, 12), [0, 5]));
    await refused(begins, "unverified", "does not follow the entry before it", 0);
    const back = testLog(12, same, { secondOf: (seq) => (seq === 7 ? 1 : 2) });
    const note = await testNote(back, 12);
    await refused(
      formatEvidence(testEvidence(back, note, seqs)),
      "unverified",
      "never goes back",
      7,
    );
    assert.equal(
      (await verify(formatEvidence(testEvidence(back, note, [7, 8])))).verdict,
      "verified",
    );
  });

  test("with a policy or keys of its own inside", async () => {
    const note = await testNote(rewritten, 12, { signers: [mallory], cosigners: [] });
    const keys = [formatVkey(mallory.vkey)];
    const forged = parseUtf8(formatEvidence(testEvidence(rewritten, note, seqs, { keys })));
    const own = `log ${keys[0]}\nquorum none\n`;
    for (const inside of [
      forged.replace("leaves\n", `policy\n${own}leaves\n`),
      forged.replace("end\n", `${own}end\n`),
      forged + own,
      own + forged,
      forged.replace('"keys":', `"policy":${JSON.stringify(own)},"keys":`),
      forged.replace("\ncheckpoint ", `\n${own}checkpoint `),
    ]) {
      assert.equal((await refusal(inside)).code, "malformed");
      await assert.rejects(verifyEvidence(nodeCrypto, utf8(inside), undefined), (error) =>
        isCairnError(error, "malformed"),
      );
    }
  });

  test("with another log's checkpoint, size, or key", async () => {
    const other = noteSigner(sha256, "log.example/other", logSigner.signer);
    const note = await testNote(log, 12, { origin: "log.example/other", signers: [other] });
    const swapped = formatEvidence(testEvidence(log, note, seqs));
    await refused(swapped, "unverified", "no key of that log");
    await assert.rejects(
      verifyEvidence(nodeCrypto, swapped, undefined),
      (error) => isCairnError(error, "malformed") && error.message.includes("is not of the log"),
    );
    await refused(text.replace('"size":12', '"size":13'), "malformed", "another origin or size");
    const renamed = text.replace(`"origin":"${testOrigin}"`, '"origin":"log.example/other"');
    await refused(renamed, "malformed", "another origin or size");
  });

  test("with somebody else as the one who exported it", async () => {
    const lie = text.replace('"who":"auditor@example.com"', '"who":"manager@example.com"');
    await refused(lie, "unverified", "not the record of this export", 11);
    await refused(text.replace('"to":7', '"to":8'), "unverified", "not the record", 11);
    await refused(text.replace('"recorded":11', '"recorded":7'), "unverified", "not the record", 7);
    // An event of the same shape, but from a source that is not the log.
    const wrong = testLog(12, (seq, event) =>
      seq === 7
        ? `{"type":"system.exported","actor":{"id":"x"},"action":"export","details":${JSON.stringify({ export: testExport })}}`
        : event,
    );
    const note = await testNote(wrong, 12);
    const pretended = formatEvidence(testEvidence(wrong, note, seqs, { recorded: 7 }));
    await refused(pretended, "unverified", "not the record", 7);
  });
});

describe("limits and versions", () => {
  test("a later version, and what is no evidence at all", async () => {
    const later = text.replace("evidence/v1", "evidence/v2");
    await refused(later, "unsupported_version", "cairnlog/evidence/v2");
    for (const other of [
      "",
      "\n",
      "{}\n",
      "c2sp.org/tlog-proof@v1\n",
      "\x1f\x8b\x08\0",
      "(\xb5/\xfd",
    ]) {
      assert.equal((await refusal(other)).code, "malformed");
    }
    await refused(`\ufeff${text}`, "malformed", "first line");
    await refused(text.replaceAll("\n", "\r\n"), "malformed", "first line");
  });

  test("numbers that promise too much are refused before anything is allocated", async () => {
    await refused(text.replace(/checkpoint \d+/, "checkpoint 262145"), "malformed", "limit");
    await refused(
      text.replace(/checkpoint \d+/, "checkpoint 262144"),
      "malformed",
      "ends too early",
    );
    await refused(text.replace(/proof \d+/, "proof 213"), "malformed", "limit");
    await refused(text.replace(/proof \d+/, "proof 212"), "malformed", "ends too early");
    await refused(text.replace(/proof \d+/, "proof 9007199254740991"), "malformed", "limit");
    await refused(text.replace(/proof \d+/, "proof 90071992547409910"), "malformed", "more than");
    await refused(text.replace(/proof (\d+)/, "proof 0$1"), "malformed", "number");
    await refused(text.replace('"count":4', '"count":5'), "malformed", "byte");
    await refused(text.replace('"count":4', '"count":3'), "malformed", '"entries"');
    await refused(text.replace('"count":4', '"count":13'), "malformed", "`count`");
    const long = `cairnlog/evidence/v1\n{"origin":"${"x".repeat(70_000)}`;
    await refused(long, "malformed", "more than 65536 bytes");
  });

  test("a cosignature of a time to come", async () => {
    const early = verifyEvidence(nodeCrypto, file, policy, { now: testTime - 86_400 });
    await assert.rejects(early, /a time that has not come yet/);
    const verdict = await verifyEvidence(nodeCrypto, file, policy, { now: testTime });
    assert.equal(verdict.verdict, "verified");
  });

  test("a policy that asks for more witnesses", async () => {
    const { publicKey } = noteSigner(
      sha256,
      "w",
      signerFromSeed("ed25519", new Uint8Array(32)),
    ).vkey;
    const w2 = makeVkey(sha256, { name: "w2", type: witness.vkey.type, publicKey });
    const more = `witness w2 ${formatVkey(w2)}\n`;
    const both = `${policyText.replace("quorum w1\n", "")}${more}group both all w1 w2\nquorum both\n`;
    const error = await refusal(file, parsePolicy(sha256, utf8(both)));
    assert.ok(error.message.includes('"both" is not there'), error.message);
  });
});

describe("the header", () => {
  const { header } = evidence;
  const line = formatEvidenceHeader(header);
  const refuses = (wrong: string): void =>
    assert.throws(
      () => parseEvidenceHeader(wrong),
      (error) => isCairnError(error, "malformed"),
      wrong.slice(0, 120),
    );

  test("it has one spelling", () => {
    assert.deepEqual(parseEvidenceHeader(line), header);
    for (const wrong of [
      "",
      "null",
      "[]",
      ` ${line}`,
      line.replace(",", ", "),
      line.replace('"size":12', '"size":12.0'),
      line.replace('"size":12', '"size":1.2e1'),
      line.replace('"size":12', '"size":12,"size":12'),
      line.replace('"size":12,"count":4', '"count":4,"size":12'),
      line.replace('"who"', '"who":"x","who"'),
      line.replace("auditor", "\\u0061uditor"),
      line.replace("auditor", "\\ud800"),
      line.replace('"from"', '"From"'),
      line.replace('"from":2', '"from":-2'),
      line.replace('"from":2', '"from":null'),
      line.replace('"from":2', '"from":{}'),
      line.replace('"from":2', '"from":[[]]'),
      line.replace('"from":2', '"__proto__":2'),
      line.replace('"recorded":11', '"recorded":-1'),
      line.replace('"recorded":11', '"recorded":null'),
      line.replace("05:00:10.000Z", "05:00:10Z"),
      line.replace("05:00:10.000Z", "25:00:10.000Z"),
      line.replace(/"why":"(?:[^"\\]|\\.)*"/, '"why":""'),
      line.replace(/"keys":\[[^\]]*\]/, `"keys":[${Array(9).fill('"x"').join()}]`),
      line.replace(/"keys":\[[^\]]*\],/, ""),
    ]) {
      refuses(wrong);
    }
  });

  test("a header that would not be read is not written", () => {
    const lie: Evidence = { ...evidence, header: { ...header, count: 0 } };
    assert.throws(() => formatEvidence(lie), /invariant/);
    const long = { ...header, export: { ...testExport, why: "x".repeat(8193) } };
    assert.throws(
      () => formatEvidenceHeader(long),
      (error) => isCairnError(error, "malformed"),
    );
    const huge = { ...testExport, query: { text: "x".repeat(65_536) } };
    assert.throws(
      () => formatEvidenceHeader({ ...header, export: huge }),
      (error) => isCairnError(error, "too_large"),
    );
  });

  test("a record says the same of an export, or it does not", () => {
    const { who, why, time, query } = testExport;
    assert.ok(isSameExport({ query, time, why, who }, testExport));
    for (const other of [
      undefined,
      null,
      [],
      { who, why, time },
      { who, why, time, query, more: 1 },
      { who, why, time, query: { ...query, more: 1 } },
      { who: "", why, time, query },
      { who, why, time, query: "all" },
    ]) {
      assert.ok(!isSameExport(other, testExport), JSON.stringify(other));
    }
  });

  test("reading does not depend on the array that the bytes lie in", () => {
    const wide = new Uint8Array(file.length + 20).fill(0x41);
    wide.set(file, 10);
    assert.deepEqual(parseEvidence(wide.subarray(10, 10 + file.length)).header, header);
  });
});

/**
 * Goal: the same bytes as every other implementation, today and in every later release. Method: the files in
 * `vectors/evidence` are made again from their seeds and compared; the good one verifies, also by a reader that knows
 * only the specification; each bad one is refused with the code and at the entry that are listed.
 *
 * `node packages/core/src/evidence-vectors.test.ts --write` writes the files, once, for a new format.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { nodeCrypto } from "@cairnlog/crypto";
import { webCrypto } from "@cairnlog/crypto/web";
import { base64, parseUtf8, utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import { formatEvidence } from "./evidence.ts";
import { logSigner, policyText, testEvidence, testLog, testNote } from "./evidence.testing.ts";
import { parsePolicy } from "./policy.ts";
import { fingerprint } from "./vkey.ts";
import { verifyEvidence } from "./verify-evidence.ts";

interface Refused {
  what: string;
  /** The good file with the first `find` replaced. */
  find: string;
  replace: string;
  code: "malformed" | "unverified" | "unsupported_version";
  seq?: number;
}
interface Cases {
  about: string;
  size: number;
  root: string;
  fingerprint: string;
  seqs: number[];
  leafHashes: string[];
  proof: string[];
  refused: Refused[];
}

const { sha256 } = nodeCrypto;
const urlOf = (name: string): URL => new URL(`../../../vectors/evidence/${name}`, import.meta.url);

async function makeVectors(): Promise<{ file: string; cases: Cases }> {
  const log = testLog(12);
  const seqs = [2, 3, 7, 11];
  const evidence = testEvidence(log, await testNote(log, 12), seqs);
  const file = parseUtf8(formatEvidence(evidence));
  const leaves = evidence.leafHashes.map((hash) => base64(hash));
  const proof = evidence.proof.map((hash) => base64(hash));
  const refused: Refused[] = [
    { what: "an event was edited", find: "user1", replace: "user2", code: "unverified", seq: 7 },
    {
      what: "a leaf hash was changed",
      find: leaves[2]!,
      replace: proof[0]!,
      code: "unverified",
      seq: 7,
    },
    { what: "a proof hash was changed", find: proof[0]!, replace: proof[1]!, code: "unverified" },
    {
      what: "somebody else exported it",
      find: "auditor@",
      replace: "manager@",
      code: "unverified",
      seq: 11,
    },
    { what: "the file was cut", find: "end\n", replace: "", code: "malformed" },
    {
      what: "white space in an entry",
      find: '"action":',
      replace: '"action": ',
      code: "malformed",
      seq: 2,
    },
    { what: "white space in the header", find: '"size":', replace: '"size": ', code: "malformed" },
    { what: "another size", find: '"size":12', replace: '"size":13', code: "malformed" },
    {
      what: "a later format",
      find: "evidence/v1",
      replace: "evidence/v2",
      code: "unsupported_version",
    },
  ];
  const about =
    "v1.evidence proves entries 2, 3, 7 and 11 of a log of 12 under the policy in v1.policy; entry 11 records the export. " +
    "All keys are Ed25519; the log's private key is 32 bytes 0x01, the witness's 32 bytes 0x03. `root`, `leafHashes` and " +
    "`proof` are base64. `refused`: the file with the first `find` replaced, the error's code, and the entry that it " +
    "names. See docs/spec/evidence.md.";
  const { vkey } = logSigner;
  const root = base64(log.root(12));
  const cases = { about, size: 12, root, fingerprint: fingerprint(sha256, vkey), seqs };
  return { file, cases: { ...cases, leafHashes: leaves, proof, refused } };
}

if (process.argv.includes("--write")) {
  const { file, cases } = await makeVectors();
  writeFileSync(urlOf("v1.evidence"), file);
  writeFileSync(urlOf("v1.policy"), policyText);
  writeFileSync(urlOf("v1.json"), `${JSON.stringify(cases, undefined, 2)}\n`);
}

const file = readFileSync(urlOf("v1.evidence"), "utf8");
const policy = parsePolicy(sha256, readFileSync(urlOf("v1.policy")));
const cases = JSON.parse(readFileSync(urlOf("v1.json"), "utf8")) as Cases;

test("the golden files are made again, byte for byte", async () => {
  assert.deepEqual(await makeVectors(), { file, cases });
  assert.equal(readFileSync(urlOf("v1.policy"), "utf8"), policyText);
});

for (const [name, crypto] of Object.entries({ nodeCrypto, webCrypto })) {
  test(`${name}: the good file verifies`, async () => {
    const verdict = await verifyEvidence(crypto, utf8(file), policy);
    assert.equal(verdict.verdict, "verified");
    assert.equal(verdict.signers[0]?.fingerprint, cases.fingerprint);
    assert.equal(base64(verdict.evidence.parsedCheckpoint.root), cases.root);
    assert.ok(verdict.isExportRecorded);
    assert.deepEqual(
      verdict.evidence.parsed.map(({ seq }) => seq),
      cases.seqs,
    );
    assert.equal((await verifyEvidence(crypto, utf8(file), undefined)).verdict, "consistent");
  });
}

test("a reader that is written from the specification comes to the same root", () => {
  const lines = file.split("\n");
  const size = Number(/"size":(\d+)/.exec(lines[1]!)![1]);
  const proofAt = lines.findIndex((line) => line.startsWith("proof "));
  const leavesAt = lines.indexOf("leaves");
  const entriesAt = lines.indexOf("entries");
  const proof = lines.slice(proofAt + 1, leavesAt).map((line) => Buffer.from(line, "base64"));
  const entries = lines.slice(entriesAt + 1, lines.indexOf("end"));
  const digest = (...parts: Uint8Array[]): Buffer =>
    createHash("sha256").update(Buffer.concat(parts)).digest();
  const chosen = new Map(
    entries.map((entry) => [
      (JSON.parse(entry) as { seq: number }).seq,
      digest(Buffer.of(0), Buffer.from(entry)),
    ]),
  );
  const root = (begin: number, end: number): Buffer => {
    if (![...chosen.keys()].some((seq) => seq >= begin && seq < end)) return proof.shift()!;
    if (end - begin === 1) return chosen.get(begin)!;
    let k = 1;
    while (2 * k < end - begin) k *= 2;
    const left = root(begin, begin + k);
    return digest(Buffer.of(1), left, root(begin + k, end));
  };
  assert.equal(root(0, size).toString("base64"), cases.root);
  assert.equal(proof.length, 0);
});

for (const { what, find, replace, code, seq } of cases.refused) {
  test(`refused: ${what}`, async () => {
    assert.ok(file.includes(find));
    const changed = utf8(file.replace(find, replace));
    await assert.rejects(verifyEvidence(nodeCrypto, changed, policy), (error) => {
      assert.ok(isCairnError(error, code), `${error}`);
      assert.equal(error.place.seq, seq, error.message);
      return true;
    });
  });
}

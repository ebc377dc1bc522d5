/**
 * Goal: a tlog-proof and a receipt prove the one entry that they are about, and have one reading. Method: every entry
 * of a small log, the wrong entry, index, key, log and root for each; every refusal of the parsers once; each byte of a
 * proof flipped.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { signCheckpoint } from "./checkpoint.ts";
import { base64, utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import { hashChildren, hashLeaf } from "./merkle.ts";
import { noteSigner } from "./note.ts";
import { inclusionProof } from "./proof.ts";
import {
  formatReceipt,
  parseReceipt,
  receiptFromJson,
  verifyReceipt,
  type Receipt,
} from "./receipt.ts";
import { formatTlogProof, parseTlogProof, verifyTlogProof, type TlogProof } from "./tlog-proof.ts";

const { sha256 } = nodeCrypto;
const origin = "log.example/test";
const ed = noteSigner(sha256, origin, signerFromSeed("ed25519", new Uint8Array(32).fill(1)));
const other = noteSigner(sha256, origin, signerFromSeed("ed25519", new Uint8Array(32).fill(9)));
const entries = [0, 1, 2, 3].map((i) => utf8(`entry ${i}`));
const leaves = entries.map((entry) => hashLeaf(sha256, entry));
const read = (level: number, index: number): Uint8Array =>
  level === 0
    ? leaves[index]!
    : hashChildren(sha256, read(level - 1, 2 * index), read(level - 1, 2 * index + 1));
const root = read(2, 0);
const trust = { vkeys: [ed.vkey], origin };
const checkpoint = await signCheckpoint([ed], { origin, size: 4, root });

function proofOf(index: number): TlogProof {
  const proof = inclusionProof(sha256, index, 4, read);
  return { extra: entries[index]!, index, proof, checkpoint };
}

function receiptOf(seq: number): Receipt {
  const { proof } = proofOf(seq);
  return { origin, seq, leafHash: leaves[seq]!, proof, checkpoint };
}

function is(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => isCairnError(error, code);
}

test("each entry is proven at its index, and nothing else is", async () => {
  for (let index = 0; index < 4; index++) {
    const proof = parseTlogProof(utf8(formatTlogProof(proofOf(index))));
    assert.deepEqual(proof, proofOf(index));
    const leafHash = leaves[index]!;
    const verdict = await verifyTlogProof(nodeCrypto, proof, { leafHash, ...trust });
    assert.equal(verdict.checkpoint.size, 4);
    const verify = (p: TlogProof, change: object = {}): Promise<unknown> =>
      verifyTlogProof(nodeCrypto, p, { leafHash, ...trust, ...change });
    for (let wrong = 0; wrong < 4; wrong++) {
      if (wrong === index) continue;
      await assert.rejects(verify(proof, { leafHash: leaves[wrong] }), is("unverified"));
      await assert.rejects(verify({ ...proof, index: wrong }), is("unverified"));
    }
    await assert.rejects(verify(proof, { origin: "other" }), is("unverified"));
    await assert.rejects(verify(proof, { vkeys: [other.vkey] }), is("unverified"));
    await assert.rejects(verify({ ...proof, index: 4 }), is("malformed"));
    await assert.rejects(verify({ ...proof, proof: proof.proof.slice(1) }), is("malformed"));
  }
});

test("the layout is that of the specification", () => {
  const { extra: _extra, ...bare } = proofOf(0);
  const text = formatTlogProof(bare);
  const [first, second] = bare.proof.map((hash) => base64(hash));
  const head = `c2sp.org/tlog-proof@v1\nindex 0\n${first}\n${second}\n\n`;
  assert.equal(text, head + checkpoint);
  const withExtra = head.replace("index", `extra ${base64(utf8("entry 0"))}\nindex`);
  assert.equal(formatTlogProof(proofOf(0)), withExtra + checkpoint);
  assert.deepEqual(parseTlogProof(utf8(text)), bare);
});

test("any other spelling of a proof is refused", () => {
  const text = formatTlogProof(proofOf(1));
  const bad = [
    "",
    text.slice(1),
    text.replace("@v1", "@v2"),
    text.replace("index 1", "index 01"),
    text.replace("index 1", "index 1 "),
    text.replace("index 1\n", ""),
    text.replace(/extra .*\n/, "extra \n"),
    text.replace(/extra .*\n/, (line) => line + line),
    text.replace(/(extra .*\n)(index 1\n)/, "$2$1"),
    text.replaceAll("\n", "\r\n"),
    text.replace("\n\n", "\n\n\n"),
    text.replace("\n\n", "\n"),
    text.slice(0, -1),
    `${text}\n`,
    text.replace("\n\n", `\n${base64(new Uint8Array(31))}\n\n`),
    text.replace("\n\n", `\n${base64(new Uint8Array(32))}`.repeat(60) + "\n\n"),
    text.replace("\n4\n", "\n04\n"),
  ];
  for (const one of bad) assert.throws(() => parseTlogProof(utf8(one)), is("malformed"), one);
  const large = new Uint8Array(1_048_577).fill(0x61);
  assert.throws(() => parseTlogProof(large), is("too_large"));
});

test("no flipped byte of a proof makes it prove another entry", async () => {
  const bytes = utf8(formatTlogProof(proofOf(2)));
  const extraEnd = bytes.indexOf(0x0a, 30);
  for (let at = 0; at < bytes.length; at++) {
    const bad = bytes.slice();
    bad[at]! ^= 1;
    try {
      const proof = parseTlogProof(bad);
      await verifyTlogProof(nodeCrypto, proof, { leafHash: leaves[2]!, ...trust });
      // The extra line is authenticated by nobody.
      assert.ok(at <= extraEnd, `byte ${at}`);
    } catch (error) {
      assert.ok(isCairnError(error, "malformed") || isCairnError(error, "unverified"), `${at}`);
    }
  }
});

test("a receipt proves the entry it is for, and no other", async () => {
  for (let seq = 0; seq < 4; seq++) {
    const receipt = parseReceipt(formatReceipt(receiptOf(seq)));
    assert.deepEqual(receipt, receiptOf(seq));
    const recorded = { entry: entries[seq]! };
    const verify = (r: Receipt, change: object = {}): Promise<unknown> =>
      verifyReceipt(nodeCrypto, r, { recorded, ...trust, ...change });
    await verify(receipt);
    await verify(receipt, { recorded: { leafHash: leaves[seq] } });
    const next = (seq + 1) % 4;
    await assert.rejects(verify(receipt, { recorded: { entry: entries[next] } }), is("unverified"));
    await assert.rejects(verify({ ...receipt, seq: next }), is("unverified"));
    await assert.rejects(verify({ ...receipt, leafHash: leaves[next]! }), is("unverified"));
    await assert.rejects(verify({ ...receipt, origin: "other" }), is("unverified"));
    await assert.rejects(verify({ ...receipt, origin: "x" }, { origin: "x" }), is("unverified"));
    await assert.rejects(verify(receipt, { vkeys: [other.vkey] }), is("unverified"));
    await assert.rejects(verify({ ...receipt, proof: [] }), is("malformed"));
  }
});

test("a receipt is read with white space and with escapes outside ASCII, as servers write it", () => {
  const receipt = receiptOf(1);
  const text = formatReceipt(receipt);
  const escaped = text.replaceAll("—", "\\u2014");
  assert.notEqual(escaped, text);
  assert.deepEqual(parseReceipt(escaped), receipt);
  assert.deepEqual(parseReceipt(JSON.stringify(JSON.parse(escaped), undefined, 2)), receipt);
  for (const other of [text.replaceAll("—", "\\u2014 "), text.replaceAll("—", "\\\\u2014")]) {
    assert.throws(() => parseReceipt(other), is("malformed"));
  }
});

test("white space between the tokens of a receipt is of no account, all else is", () => {
  const receipt = receiptOf(1);
  const text = formatReceipt(receipt);
  const json = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual(parseReceipt(`\r\n\t${JSON.stringify(json, undefined, 2)}\n`), receipt);
  assert.deepEqual(receiptFromJson(json), receipt);
  const bad = [
    "",
    "null",
    "[]",
    "{}",
    text.slice(0, -1),
    text.replace('"seq":1', '"seq":1,"seq":1'),
    text.replace('"seq":1', '"seq":2,"seq":1'),
    text.replace('"seq":1', '"seq":1.0'),
    text.replace('"seq":1', '"seq":"1"'),
    text.replace('"seq":1', '"seq":-0'),
    text.replace('"seq":1', '"seq":9007199254740993'),
    text.replace('"seq":1', '"seq":1,"more":1'),
    text.replace('"origin"', '"\\u006frigin"'),
    text.replace("log.example", "log\\u002eexample"),
    text.replace(/"origin":"[^"]*"/, '"origin":""'),
    text.replace('"proof":[', '"proof":["",'),
    text.replace('"proof":[', '"proof":[1,'),
    text.replace("\\n4\\n", "\\n04\\n"),
    text.replace("\\n4\\n", "\\n\ud8004\\n"),
    text.replace('\\n"}', '"}'),
  ];
  for (const one of bad) assert.throws(() => parseReceipt(one), is("malformed"), one);
  for (const name of Object.keys(json)) {
    const { [name]: _dropped, ...rest } = json;
    assert.throws(() => receiptFromJson(rest), is("malformed"), name);
  }
});

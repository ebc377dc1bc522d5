/**
 * Goal: a checkpoint has one reading, and no changed byte gives it another one that verifies. Method: the examples of
 * the specifications, every refusal once, the ML-DSA-44 message spelled out by hand, and each byte of a signed
 * checkpoint flipped.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import {
  checkOrigin,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from "./checkpoint.ts";
import {
  formatTimestampedSignature,
  parseTimestampedSignature,
  subtreeMessage,
} from "./cosignature.ts";
import { base64, hex, utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import { formatNote, noteSigner, parseNote } from "./note.ts";

const { sha256 } = nodeCrypto;
const origin = "log.example/test";
const root = new Uint8Array(32).map((_, i) => 255 - i);
const checkpoint = { origin, size: 42, root };
const ed = noteSigner(sha256, origin, signerFromSeed("ed25519", new Uint8Array(32).fill(1)));
const pq = noteSigner(sha256, origin, signerFromSeed("ml-dsa-44", new Uint8Array(32).fill(2)));
const sofa =
  "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
  "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
  "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

function is(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => isCairnError(error, code);
}

test("the specifications' checkpoint with a cosignature is read", () => {
  const { text, signatures } = parseNote(utf8(sofa));
  const parsed = parseCheckpoint(text);
  assert.equal(parsed.origin, "example.com/behind-the-sofa");
  assert.equal(parsed.size, 20_852_163);
  assert.equal(base64(parsed.root), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
  assert.deepEqual(parsed.extensions, []);
  assert.equal(formatCheckpoint(parsed), text);
  const { timestamp, signature } = parseTimestampedSignature(signatures[1]!.signature);
  assert.equal(timestamp, 1_679_315_147);
  assert.equal(signature.length, 64);
});

test("any other spelling is refused", () => {
  const b64 = base64(root);
  const good = `${origin}\n42\n${b64}\n`;
  assert.deepEqual(parseCheckpoint(good), { ...checkpoint, extensions: [] });
  const sizes = ["", "042", "+42", "-1", "4.2", "1e3", "0x10", " 42", "42 ", "9007199254740992"];
  for (const size of sizes) {
    assert.throws(() => parseCheckpoint(good.replace("42", size)), is("malformed"), size);
  }
  const roots = ["", b64.slice(0, -1), `${b64} `, b64.replace("+", "-"), base64(root.slice(1))];
  roots.push(`${b64.slice(0, -2)}B=`);
  for (const text of roots) {
    const bad = `${origin}\n42\n${text}\n`;
    if (bad !== good) assert.throws(() => parseCheckpoint(bad), is("malformed"), text);
  }
  for (const bad of [
    "",
    "\n",
    `${origin}\n42\n`,
    good.slice(0, -1),
    `\n42\n${b64}\n`,
    `${good}\n`,
  ]) {
    assert.throws(() => parseCheckpoint(bad), is("malformed"), bad);
    assert.throws(() => parseCheckpoint(bad, { allowExtensions: true }), is("malformed"), bad);
  }
});

test("extension lines are for those who ask for them", () => {
  const text = `${formatCheckpoint(checkpoint)}one\ntwo\n`;
  assert.throws(() => parseCheckpoint(text), is("malformed"));
  assert.deepEqual(parseCheckpoint(text, { allowExtensions: true }).extensions, ["one", "two"]);
  const gap = `${formatCheckpoint(checkpoint)}one\n\ntwo\n`;
  assert.throws(() => parseCheckpoint(gap, { allowExtensions: true }), is("malformed"));
});

test("an origin is a key name of at most 255 bytes that no seal begins with", () => {
  for (const good of ["a", "example.com/log42", "x".repeat(255), "cairnlog/seals"])
    checkOrigin(good);
  const bad = ["", "a b", "a+b", "a\n", "x".repeat(256), "cairnlog/seal/", "cairnlog/seal/v1"];
  for (const text of bad) assert.throws(() => checkOrigin(text), is("malformed"), text);
  const seal = `cairnlog/seal/v1\n42\n${base64(root)}\n`;
  assert.throws(() => parseCheckpoint(seal, { allowExtensions: true }), is("malformed"));
  assert.throws(() => formatCheckpoint({ ...checkpoint, origin: "cairnlog/seal/v1" }), /invariant/);
});

test("the ML-DSA-44 message is that of tlog-cosignature, byte for byte", () => {
  const message = subtreeMessage("wit", 2 ** 40 + 5, { origin: "o", start: 0, end: 7, hash: root });
  assert.equal(
    hex(message),
    "737562747265652f76310a00" + // "subtree/v1\n\0"
      "03" +
      "776974" +
      "0000010000000005" +
      "01" +
      "6f" +
      "0000000000000000" +
      "0000000000000007" +
      hex(root),
  );
  const inner = { origin: "o", start: 8, end: 16, hash: root };
  assert.ok(hex(subtreeMessage("wit", 0, inner)).includes("00000000000000080000000000000010"));
  assert.throws(() => subtreeMessage("wit", 1, inner), /without a timestamp/);
});

test("a timestamp above 2^53 - 1 and a missing signature are refused", () => {
  const signature = new Uint8Array(64);
  const blob = formatTimestampedSignature({ timestamp: Number.MAX_SAFE_INTEGER, signature });
  assert.equal(parseTimestampedSignature(blob).timestamp, Number.MAX_SAFE_INTEGER);
  blob[1] = 0x20;
  assert.throws(() => parseTimestampedSignature(blob), is("malformed"));
  assert.throws(() => parseTimestampedSignature(blob.slice(0, 8)), is("malformed"));
});

test("either key is enough, another log's checkpoint or an extension is not", async () => {
  const bytes = utf8(await signCheckpoint([ed, pq], checkpoint));
  for (const vkeys of [[ed.vkey], [pq.vkey], [pq.vkey, ed.vkey]]) {
    const verdict = await verifyCheckpoint(nodeCrypto, bytes, vkeys, origin);
    assert.deepEqual(verdict.checkpoint, { ...checkpoint, extensions: [] });
    assert.equal(verdict.verified.length, vkeys.length);
  }
  await assert.rejects(verifyCheckpoint(nodeCrypto, bytes, [ed.vkey], "other"), is("unverified"));
  await assert.rejects(verifyCheckpoint(nodeCrypto, bytes, [], origin), is("unverified"));
  // The ML-DSA-44 signature does not cover extension lines: the parser has to refuse them.
  const { text, signatures } = parseNote(bytes);
  const extended = utf8(formatNote(`${text}more\n`, [signatures[1]!]));
  await assert.rejects(verifyCheckpoint(nodeCrypto, extended, [pq.vkey], origin), is("malformed"));
});

test("no flipped bit gives a checkpoint another meaning that verifies", async () => {
  const bytes = utf8(await signCheckpoint([ed, pq], checkpoint));
  const lastLine = utf8(formatCheckpoint(checkpoint)).length + 130;
  let accepted = 0;
  for (let at = 0; at < bytes.length; at++) {
    // Every bit of text and first signature; of the long ML-DSA-44 line one bit a byte.
    for (let bit = at < lastLine ? 0 : at % 8; bit < (at < lastLine ? 8 : (at % 8) + 1); bit++) {
      const bad = bytes.slice();
      bad[at]! ^= 1 << bit;
      try {
        const verdict = await verifyCheckpoint(nodeCrypto, bad, [ed.vkey, pq.vkey], origin);
        // Only the name or ID of one key can have changed: then the other one vouches alone.
        assert.deepEqual(verdict.checkpoint, { ...checkpoint, extensions: [] });
        assert.equal(verdict.verified.length, 1, `byte ${at}, bit ${bit}`);
        accepted++;
      } catch (error) {
        assert.ok(isCairnError(error, "malformed") || isCairnError(error, "unverified"), `${at}`);
      }
    }
  }
  assert.ok(accepted > 0 && accepted < 400, `${accepted} accepted`);
});

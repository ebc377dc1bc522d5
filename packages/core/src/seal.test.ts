/**
 * Goal: a seal says one thing, and is nothing but a seal. Method: a signed seal, every refusal once, each field
 * changed and signed anew, each byte of the note flipped, and seals passed off as checkpoints and back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { signCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import { formatNote, noteSigner, parseNote } from "./note.ts";
import { formatSeal, parseSeal, signSeal, verifySeal, type Seal } from "./seal.ts";

const { sha256 } = nodeCrypto;
const origin = "log.example/test";
const ed = noteSigner(sha256, origin, signerFromSeed("ed25519", new Uint8Array(32).fill(1)));
const pq = noteSigner(sha256, origin, signerFromSeed("ml-dsa-44", new Uint8Array(32).fill(2)));
const vkeys = [ed.vkey, pq.vkey];
const seal: Seal = {
  origin,
  first: 65_536,
  count: 65_536,
  root: new Uint8Array(32).fill(7),
  fileHash: new Uint8Array(32).fill(8),
  firstTime: "2026-11-23T05:00:00.123Z",
  lastTime: "2026-11-23T05:00:07.000Z",
};

function is(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => isCairnError(error, code);
}

test("a seal is signed, read and verified, by either key", async () => {
  const bytes = utf8(await signSeal([ed, pq], seal));
  assert.equal(formatSeal(seal).split("\n").length, 9);
  for (const keys of [vkeys, [ed.vkey], [pq.vkey]]) {
    const verdict = await verifySeal(nodeCrypto, bytes, keys, origin);
    assert.deepEqual(verdict.seal, seal);
    assert.equal(verdict.verified.length, keys.length);
  }
  await assert.rejects(verifySeal(nodeCrypto, bytes, vkeys, "other"), is("unverified"));
  await assert.rejects(verifySeal(nodeCrypto, bytes, [], origin), is("unverified"));
});

test("impossible seals are neither written nor read", () => {
  const changes: Partial<Seal>[] = [
    { origin: "" },
    { origin: "cairnlog/seal/v1" },
    { origin: "a b" },
    { first: -65_536 },
    { first: 1 },
    { first: 32_768 },
    { count: 0 },
    { count: 131_072 },
    { count: 1.5 },
    { first: 2 ** 53 - 65_536 },
    { root: new Uint8Array(31) },
    { fileHash: new Uint8Array(33) },
    { firstTime: "2026-11-23T05:00:00Z" },
    { lastTime: "2026-11-23T05:00:00.122Z" },
    { lastTime: "2026-02-30T05:00:00.122Z" },
  ];
  for (const change of changes) {
    assert.throws(
      () => formatSeal({ ...seal, ...change }),
      is("malformed"),
      JSON.stringify(change),
    );
  }
  const text = formatSeal(seal);
  const bad = [
    text.slice(0, -1),
    `${text}\n`,
    `${text}more\n`,
    text.replace("65536\n", "065536\n"),
    text.replace("\n65536", "\n+65536"),
    text.replace("BwcH", "Bwc="),
    text.replace("cairnlog/seal/v1", "cairnlog/seal/v01"),
    text.replace("cairnlog/seal/v1", "cairnlog/seals"),
    text.replace(".123Z", ".123z"),
    text.replace(`${origin}\n`, ""),
  ];
  for (const one of bad) assert.throws(() => parseSeal(one), is("malformed"), one);
  assert.throws(() => parseSeal(text.replace("/v1", "/v2")), is("unsupported_version"));
  assert.deepEqual(parseSeal(formatSeal({ ...seal, count: 40_000 })).count, 40_000);
});

test("each field is signed: by Ed25519 all of them, by ML-DSA-44 what names the subtree", async () => {
  const { signatures } = parseNote(utf8(await signSeal([ed, pq], seal)));
  const changes: [Partial<Seal>, boolean][] = [
    [{ first: 131_072 }, false],
    [{ count: 65_535 }, false],
    [{ root: new Uint8Array(32).fill(9) }, false],
    [{ fileHash: new Uint8Array(32).fill(9) }, true],
    [{ firstTime: "2026-11-23T05:00:00.122Z" }, true],
    [{ lastTime: "2026-11-23T05:00:07.001Z" }, true],
  ];
  for (const [change, isFreeForMlDsa] of changes) {
    const bytes = utf8(formatNote(formatSeal({ ...seal, ...change }), signatures));
    await assert.rejects(verifySeal(nodeCrypto, bytes, vkeys, origin), is("unverified"));
    await assert.rejects(verifySeal(nodeCrypto, bytes, [ed.vkey], origin), is("unverified"));
    const verdict = verifySeal(nodeCrypto, bytes, [pq.vkey], origin);
    if (isFreeForMlDsa) assert.equal((await verdict).verified[0]?.vkey.type, 6);
    else await assert.rejects(verdict, is("unverified"));
  }
});

test("no flipped byte gives a seal another meaning that verifies", async () => {
  const bytes = utf8(await signSeal([ed, pq], seal));
  for (let at = 0; at < bytes.length; at++) {
    const bad = bytes.slice();
    bad[at]! ^= 1 << (at % 8);
    try {
      const verdict = await verifySeal(nodeCrypto, bad, vkeys, origin);
      assert.deepEqual(verdict.seal, seal, `byte ${at}`);
      assert.equal(verdict.verified.length, 1);
    } catch (error) {
      const known = ["malformed", "unverified", "unsupported_version"] as const;
      assert.ok(
        known.some((code) => isCairnError(error, code)),
        `byte ${at}: ${String(error)}`,
      );
    }
  }
});

test("a seal is no checkpoint, and a checkpoint is no seal", async () => {
  const sealed = utf8(await signSeal([ed, pq], seal));
  for (const name of [origin, "cairnlog/seal/v1"]) {
    const verdict = verifyCheckpoint(nodeCrypto, sealed, vkeys, name, { allowExtensions: true });
    await assert.rejects(verdict, is("malformed"));
  }
  const note = utf8(await signCheckpoint([ed, pq], { origin, size: 65_536, root: seal.root }));
  await assert.rejects(verifySeal(nodeCrypto, note, vkeys, origin), is("malformed"));
});

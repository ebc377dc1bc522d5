/**
 * Goal: the same bytes as every other implementation, today and in every later release. Method: `vectors/note.json` is
 * made again from its seeds and compared, and what it holds is parsed and verified on both implementations.
 *
 * `node packages/crypto/src/note-vectors.test.ts --write` writes the file, once, for a new format. ML-DSA-44 is signed
 * here without randomness (FIPS 204's deterministic variant), so that the file can be made again.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import {
  base64,
  checkpointCosignatureMessage,
  fingerprint,
  formatCheckpoint,
  formatKeyId,
  formatNote,
  formatReceipt,
  formatTimestampedSignature,
  formatTlogProof,
  hashChildren,
  hashLeaf,
  hex,
  isCairnError,
  makeVkey,
  noteSigner,
  parseBase64,
  parseNote,
  parseReceipt,
  parseTlogProof,
  parseVkey,
  signCheckpoint,
  signNote,
  signSeal,
  signatureTypes,
  formatVkey,
  subtreeMessage,
  utf8,
  verifyCheckpoint,
  verifyCheckpointSignatures,
  verifyNote,
  verifyReceipt,
  verifySeal,
  verifyTlogProof,
  type NoteSigner,
  type Signer,
  type Subtree,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "./index.ts";
import { webCrypto } from "./web.ts";

const file = new URL("../../../vectors/note.json", import.meta.url);
const { sha256 } = nodeCrypto;
const origin = "log.example/vectors";
const timestamp = 1_679_315_147;
const about =
  "Keys, signed notes, checkpoints, a seal, a tlog-proof and a receipt. Every private key is 32 equal bytes: see " +
  "'seed' (hex). ML-DSA-44 signatures are the deterministic variant of FIPS 204, so that all can be made again; others " +
  "may be hedged. The tree has 3 entries, the ASCII texts 'entry 0' to 'entry 2'. See docs/spec/notes.md.";

function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

function deterministicMlDsa(seed: Uint8Array): Signer {
  const { secretKey, publicKey } = ml_dsa44.keygen(seed);
  return {
    algorithm: "ml-dsa-44",
    publicKey,
    sign: (message) => Promise.resolve(ml_dsa44.sign(message, secretKey, { extraEntropy: false })),
  };
}

function keyVector(seed: number, vkey: Vkey): object {
  return {
    seed: hex(seedOf(seed)),
    type: vkey.type,
    name: vkey.name,
    keyId: formatKeyId(vkey.id),
    vkey: formatVkey(vkey),
    fingerprint: fingerprint(sha256, vkey),
  };
}

/** Adds a witness's line, which only tests of this package make. */
async function cosign(note: string, key: NoteSigner, message: Uint8Array): Promise<string> {
  const { text, signatures } = parseNote(utf8(note));
  const signature = formatTimestampedSignature({
    timestamp,
    signature: await key.signer.sign(message),
  });
  const line = { name: key.vkey.name, keyId: key.vkey.id, signature };
  return formatNote(text, [...signatures, line]);
}

async function makeVectors(): Promise<Record<string, unknown>> {
  const log1 = noteSigner(sha256, origin, signerFromSeed("ed25519", seedOf(1)));
  const log6 = noteSigner(sha256, origin, deterministicMlDsa(seedOf(2)));
  const witness = signerFromSeed("ed25519", seedOf(3));
  const witness4: NoteSigner = {
    signer: witness,
    vkey: makeVkey(sha256, {
      name: "witness.example/w1",
      type: signatureTypes.ed25519Cosignature,
      publicKey: witness.publicKey,
    }),
  };
  const witness6 = noteSigner(sha256, "witness.example/w2", deterministicMlDsa(seedOf(4)));
  const leaves = [0, 1, 2].map((i) => hashLeaf(sha256, utf8(`entry ${i}`)));
  const left = hashChildren(sha256, leaves[0]!, leaves[1]!);
  const checkpoint = { origin, size: 3, root: hashChildren(sha256, left, leaves[2]!) };
  const text = formatCheckpoint(checkpoint);
  const signed = await signCheckpoint([log1, log6], checkpoint);
  const subtree: Subtree = { origin, start: 0, end: 3, hash: checkpoint.root };
  const message4 = checkpointCosignatureMessage(timestamp, text);
  const message6 = subtreeMessage(witness6.vkey.name, timestamp, subtree);
  const logMessage6 = subtreeMessage(origin, 0, subtree);
  const cosigned = await cosign(await cosign(signed, witness4, message4), witness6, message6);
  const seal = {
    origin,
    first: 131_072,
    count: 65_536,
    root: sha256(utf8("root of the segment")),
    fileHash: sha256(utf8("bytes of the file")),
    firstTime: "2026-11-23T05:00:00.123Z",
    lastTime: "2026-11-23T05:00:07.000Z",
  };
  const { first, count, root } = seal;
  const sealSubtree: Subtree = { origin, start: first, end: first + count, hash: root };
  const proof = [leaves[0]!, leaves[2]!];
  const inclusion = { index: 1, proof, checkpoint: signed };
  const receipt = { origin, seq: 1, leafHash: leaves[1]!, proof, checkpoint: signed };
  return {
    about,
    keys: {
      log1: keyVector(1, log1.vkey),
      log6: keyVector(2, log6.vkey),
      witness4: keyVector(3, witness4.vkey),
      witness6: keyVector(4, witness6.vkey),
    },
    note: await signNote([log1], "A text.\n\nWith an empty line.\n"),
    checkpoint: {
      size: 3,
      root: base64(checkpoint.root),
      signed,
      cosigned,
      timestamp,
      signedMessages: {
        log1: hex(utf8(text)),
        log6: hex(logMessage6),
        witness4: hex(message4),
        witness6: hex(message6),
      },
    },
    seal: {
      signed: await signSeal([log1, log6], seal),
      signedMessage6: hex(subtreeMessage(origin, 0, sealSubtree)),
    },
    tlogProof: {
      leafHash: base64(leaves[1]!),
      text: formatTlogProof({ extra: utf8("entry 1"), ...inclusion }),
    },
    receipt: { leafHash: base64(leaves[1]!), json: formatReceipt(receipt) },
  };
}

if (process.argv.includes("--write")) {
  writeFileSync(file, `${JSON.stringify(await makeVectors(), undefined, 2)}\n`);
}

interface Vectors {
  keys: Record<"log1" | "log6" | "witness4" | "witness6", { vkey: string }>;
  note: string;
  checkpoint: { root: string; signed: string; cosigned: string };
  seal: { signed: string };
  tlogProof: { leafHash: string; text: string };
  receipt: { leafHash: string; json: string };
}

const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const { log1, log6, witness4, witness6 } = vectors.keys;
const logKeys = [log1, log6].map((key) => parseVkey(sha256, key.vkey));
const witnessKeys = [witness4, witness6].map((key) => parseVkey(sha256, key.vkey));

test("the golden vectors are made again, byte for byte", async () => {
  const made: unknown = JSON.parse(JSON.stringify(await makeVectors()));
  assert.deepEqual(made, vectors);
});

for (const [name, crypto] of Object.entries({ nodeCrypto, webCrypto })) {
  test(`${name}: all that the golden vectors hold verifies`, async () => {
    const trust = { vkeys: logKeys, origin };
    const note = await verifyNote(crypto, utf8(vectors.note), logKeys);
    assert.equal(note.note.text, "A text.\n\nWith an empty line.\n");
    const bytes = utf8(vectors.checkpoint.cosigned);
    const { checkpoint, ...rest } = await verifyCheckpoint(crypto, bytes, logKeys, origin);
    assert.equal(base64(checkpoint.root), vectors.checkpoint.root);
    assert.deepEqual(
      rest.verified.map((one) => [one.vkey.type, one.timestamp]),
      [
        [1, undefined],
        [6, 0],
      ],
    );
    const cosigned = await verifyCheckpointSignatures(crypto, rest.note, checkpoint, witnessKeys);
    assert.deepEqual(
      cosigned.map((one) => [one.vkey.type, one.timestamp]),
      [
        [4, timestamp],
        [6, timestamp],
      ],
    );
    const sealed = await verifySeal(crypto, utf8(vectors.seal.signed), logKeys, origin);
    assert.equal(sealed.verified.length, 2);
    assert.equal(sealed.seal.first, 131_072);
    const proof = parseTlogProof(utf8(vectors.tlogProof.text));
    const leafHash = parseBase64(vectors.tlogProof.leafHash);
    assert.deepEqual(hashLeaf(crypto.sha256, proof.extra!), leafHash);
    assert.equal((await verifyTlogProof(crypto, proof, { leafHash, ...trust })).checkpoint.size, 3);
    const receipt = parseReceipt(vectors.receipt.json);
    const recorded = { entry: utf8("entry 1") };
    const checked = await verifyReceipt(crypto, receipt, { recorded, ...trust });
    assert.equal(checked.checkpoint.size, 3);
  });

  test(`${name}: a witness's key alone does not make a checkpoint the log's`, async () => {
    const bytes = utf8(vectors.checkpoint.signed);
    await assert.rejects(verifyCheckpoint(crypto, bytes, witnessKeys, origin), (error) =>
      isCairnError(error, "unverified"),
    );
  });
}

test("a verifier that knows the ML-DSA-44 key only accepts the checkpoint and the seal", async () => {
  const keys = logKeys.slice(1);
  const bytes = utf8(vectors.checkpoint.signed);
  const { verified } = await verifyCheckpoint(nodeCrypto, bytes, keys, origin);
  assert.deepEqual(verified, [{ vkey: keys[0], timestamp: 0 }]);
  const sealed = await verifySeal(nodeCrypto, utf8(vectors.seal.signed), keys, origin);
  assert.equal(sealed.verified[0]?.vkey.type, 6);
});

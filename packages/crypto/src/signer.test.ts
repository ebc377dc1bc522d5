/**
 * Goal: a key file brings back the same key, openssl reads it, and nothing else is taken for one. Method: known seeds
 * and their public keys, round trips, Node's own PEM writer as the other party, and files that are no keys.
 */
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { hex, isCairnError, parseHex, utf8, type KeyAlgorithm } from "@cairnlog/core";
import {
  exportSeed,
  generateSigner,
  newSecret,
  nodeCrypto,
  privateKeyPem,
  signerFromPem,
  signerFromSeed,
} from "./index.ts";

const algorithms: readonly KeyAlgorithm[] = ["ed25519", "ml-dsa-44"];
const seed = new Uint8Array(32).map((_, i) => i);
const message = utf8("message");

test("a seed gives the public key of RFC 8032 section 7.1, vector 2", () => {
  const { publicKey } = signerFromSeed(
    "ed25519",
    parseHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
  );
  const expected = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
  assert.equal(hex(publicKey), expected);
});

for (const algorithm of algorithms) {
  test(`${algorithm}: a key file brings back the key`, async () => {
    const signer = signerFromSeed(algorithm, seed);
    const pem = privateKeyPem(signer);
    assert.match(pem, /^-----BEGIN PRIVATE KEY-----\n[\s\S]{60,120}\n-----END PRIVATE KEY-----\n$/);
    const again = signerFromPem(pem);
    assert.deepEqual(again.publicKey, signer.publicKey);
    assert.equal(again.algorithm, algorithm);
    assert.deepEqual(exportSeed(again), seed);
    const signature = await again.sign(message);
    const { publicKey } = signer;
    assert.equal(await nodeCrypto.verify(algorithm, publicKey, message, signature), true);
    assert.equal(createPrivateKey(pem).asymmetricKeyType, algorithm);
  });

  test(`${algorithm}: a key file written by the platform, in its own form, is read`, () => {
    const made = signerFromSeed(algorithm, seed);
    const theirs = createPrivateKey(privateKeyPem(made)).export({ format: "pem", type: "pkcs8" });
    const read = signerFromPem(String(theirs));
    assert.deepEqual(read.publicKey, made.publicKey);
    assert.equal(privateKeyPem(read), privateKeyPem(made));
  });

  test(`${algorithm}: signing here and in the pool verify alike`, async () => {
    for (const where of ["here", "pool"] as const) {
      const signer = signerFromSeed(algorithm, seed, { where });
      const signatures = await Promise.all([signer.sign(message), signer.sign(message)]);
      for (const signature of signatures) {
        assert.equal(Object.getPrototypeOf(signature), Uint8Array.prototype);
        const { publicKey } = signer;
        assert.equal(await nodeCrypto.verify(algorithm, publicKey, message, signature), true);
      }
    }
  });

  test(`${algorithm}: new keys differ, and do not show themselves`, () => {
    const signer = generateSigner(algorithm);
    assert.notDeepEqual(signer.publicKey, generateSigner(algorithm).publicKey);
    const shown = JSON.stringify(signer) + Object.keys(signer).join();
    assert.ok(!shown.includes(hex(exportSeed(signer))));
    assert.deepEqual(Object.keys(signer).sort(), ["algorithm", "publicKey", "sign"]);
  });
}

test("what is no key file is refused", () => {
  const pem = privateKeyPem(signerFromSeed("ed25519", seed));
  const rsa = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const secret = createPrivateKey(pem).export({
    format: "pem",
    type: "pkcs8",
    cipher: "aes-256-cbc",
    passphrase: "p",
  });
  const bad = ["", "hello", pem.slice(0, 60), pem.replace("PRIVATE", "PUBLIC"), String(secret)];
  bad.push(String(rsa.export({ format: "pem", type: "pkcs8" })));
  for (const text of bad) {
    assert.throws(
      () => signerFromPem(text),
      (error) => isCairnError(error, "malformed"),
    );
  }
  for (const length of [0, 31, 33]) {
    const short = new Uint8Array(length);
    assert.throws(
      () => signerFromSeed("ed25519", short),
      (e) => isCairnError(e, "malformed"),
    );
    assert.throws(
      () => signerFromSeed("ml-dsa-44", short),
      (e) => isCairnError(e, "malformed"),
    );
  }
});

test("a secret is 43 characters of base64url, new each time", () => {
  assert.match(newSecret(), /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(newSecret(), newSecret());
});

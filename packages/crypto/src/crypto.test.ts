/**
 * Goal: Node's and the browser's cryptography say the same about every signature, and good ones only are good. Method:
 * one suite on both; known answers from RFC 8032 and FIPS 180-4; each checks what the other one's platform signed;
 * every damaged or misshapen input resolves to false.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { hex, keySizes, parseHex, utf8, type Crypto, type KeyAlgorithm } from "@cairnlog/core";
import { nodeCrypto, randomBytes, signerFromSeed } from "./index.ts";
import { webCrypto } from "./web.ts";

const algorithms: readonly KeyAlgorithm[] = ["ed25519", "ml-dsa-44"];
const message = utf8("a message that two parties must read alike");

function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

function describeCrypto(name: string, crypto: Crypto): void {
  describe(name, () => {
    test("SHA-256 gives the known answers, as a plain array", () => {
      const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
      const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
      assert.equal(hex(crypto.sha256(new Uint8Array(0))), empty);
      assert.equal(hex(crypto.sha256(utf8("abc"))), abc);
      const part = utf8("xabcx").subarray(1, 4);
      assert.equal(hex(crypto.sha256(part)), abc);
      assert.equal(Object.getPrototypeOf(crypto.sha256(part)), Uint8Array.prototype);
    });

    test("Ed25519 accepts the second vector of RFC 8032 section 7.1", async () => {
      const key = parseHex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
      const signature = parseHex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
      );
      assert.equal(await crypto.verify("ed25519", key, parseHex("72"), signature), true);
      assert.equal(await crypto.verify("ed25519", key, parseHex("73"), signature), false);
    });

    for (const algorithm of algorithms) {
      test(`${algorithm}: what Node signs verifies, and nothing near it`, async () => {
        const { publicKey, sign } = signerFromSeed(algorithm, seedOf(1));
        const signature = await sign(message);
        const verify = (m: Uint8Array, s: Uint8Array, k = publicKey): Promise<boolean> =>
          crypto.verify(algorithm, k, m, s);
        assert.equal(await verify(message, signature), true);
        for (let at = 0; at < signature.length; at += algorithm === "ed25519" ? 1 : 61) {
          const bad = signature.slice();
          bad[at]! ^= 1 << (at % 8);
          assert.equal(await verify(message, bad), false, `signature byte ${at}`);
        }
        const other = signerFromSeed(algorithm, seedOf(2)).publicKey;
        assert.equal(await verify(message, signature, other), false);
        assert.equal(await verify(message.subarray(1), signature), false);
        assert.equal(await verify(new Uint8Array(0), signature), false);
      });

      test(`${algorithm}: what does not even have the shape of a key or signature is false`, async () => {
        const { publicKey, signature } = keySizes[algorithm];
        for (const keyLength of [0, 1, publicKey - 1, publicKey, publicKey + 1]) {
          for (const length of [0, 1, signature - 1, signature, signature + 1]) {
            for (const fill of [0, 1, 0x7f, 0xff]) {
              const key = new Uint8Array(keyLength).fill(fill);
              const bytes = new Uint8Array(length).fill(0xff);
              assert.equal(await crypto.verify(algorithm, key, message, bytes), false);
            }
          }
        }
      });
    }

    test("ML-DSA-44: what noble signs verifies; a context or another message does not", async () => {
      const { secretKey, publicKey } = ml_dsa44.keygen(seedOf(3));
      const good = ml_dsa44.sign(message, secretKey);
      const other = ml_dsa44.sign(message, secretKey, { context: utf8("c") });
      assert.equal(await crypto.verify("ml-dsa-44", publicKey, message, good), true);
      assert.equal(await crypto.verify("ml-dsa-44", publicKey, message, other), false);
      assert.deepEqual(signerFromSeed("ml-dsa-44", seedOf(3)).publicKey, publicKey);
    });

    test("Ed25519: what WebCrypto signs verifies", async () => {
      const algorithm = { name: "Ed25519" };
      const made = await globalThis.crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      assert.ok("privateKey" in made);
      const { privateKey, publicKey } = made;
      const raw = new Uint8Array(await globalThis.crypto.subtle.exportKey("raw", publicKey));
      const signed = await globalThis.crypto.subtle.sign(algorithm, privateKey, message.slice());
      assert.equal(await crypto.verify("ed25519", raw, message, new Uint8Array(signed)), true);
    });
  });
}

describeCrypto("nodeCrypto", nodeCrypto);
describeCrypto("webCrypto", webCrypto);

test("SHA-256 into place writes the hash there, and nowhere else", () => {
  const { sha256 } = nodeCrypto;
  assert.ok(sha256.into !== undefined);
  for (const length of [0, 1, 65, 480, 70_000]) {
    const bytes = new Uint8Array(length).fill(length % 251);
    const out = new Uint8Array(48).fill(0xee);
    sha256.into(bytes, out, 7);
    assert.deepEqual(out.slice(7, 39), sha256(bytes));
    assert.deepEqual([...out.slice(0, 7), ...out.slice(39)], new Array(16).fill(0xee));
  }
});

test("more keys than are kept in memory still verify", async () => {
  for (let round = 0; round < 300; round++) {
    const { publicKey, sign } = signerFromSeed("ed25519", nodeCrypto.sha256(utf8(String(round))));
    const signature = await sign(message);
    assert.equal(await nodeCrypto.verify("ed25519", publicKey, message, signature), true);
    assert.equal(await nodeCrypto.verify("ed25519", publicKey, message, signature), true);
  }
});

test("random bytes have the length that was asked for, and differ", () => {
  assert.equal(randomBytes(18).length, 18);
  assert.notDeepEqual(randomBytes(18), randomBytes(18));
});

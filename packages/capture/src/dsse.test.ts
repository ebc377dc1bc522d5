/**
 * Goal: an envelope counts as signed by exactly the keys that signed it, whatever else about it is changed.
 * Method: the specification's own vector; envelopes signed here with keys of fixed seeds; then each byte of payload,
 * type and signature changed, and keys and spellings that must be refused.
 */
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import {
  parseEnvelope,
  parsePublicKeys,
  preAuthenticationEncoding,
  verifiedBy,
  type Envelope,
} from "./dsse.ts";

const ed25519 = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, 7)]),
  format: "der",
  type: "pkcs8",
});
// The key of the vector in DSSE 1.0.2, protocol.md, as 32-byte numbers.
const vectorKey = createPublicKey({
  format: "jwk",
  key: {
    kty: "EC",
    crv: "P-256",
    x: coordinate(46950820868899156662930047687818585632848591499744589407958293238635476079160n),
    y: coordinate(5640078356564379163099075877009565129882514886557779369047442380624545832820n),
  },
});
const vector = {
  payload: "aGVsbG8gd29ybGQ=",
  payloadType: "http://example.com/HelloWorld",
  signatures: [
    {
      sig: "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==",
    },
  ],
};

function coordinate(value: bigint): string {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex").toString("base64url");
}

function keysOf(...keys: KeyObject[]) {
  const pem = keys.map((key) => key.export({ type: "spki", format: "pem" })).join("\n");
  return parsePublicKeys(pem);
}

function signed(payload: string, payloadType = "text/plain"): Envelope {
  const bytes = utf8(payload);
  const signature = sign(null, preAuthenticationEncoding(payloadType, bytes), ed25519);
  return { payloadType, payload: bytes, signatures: [{ keyid: "", signature }] };
}

describe("DSSE", () => {
  it("encodes and verifies the specification's vector", () => {
    const envelope = parseEnvelope(vector);
    assert.equal(
      Buffer.from(preAuthenticationEncoding(envelope.payloadType, envelope.payload)).toString(),
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    );
    assert.equal(verifiedBy(envelope, keysOf(vectorKey)).length, 1);
  });

  it("counts lengths in bytes, so that type and payload cannot be shifted into one another", () => {
    const encoded = Buffer.from(preAuthenticationEncoding("é", utf8("1 x"))).toString();
    assert.equal(encoded, "DSSEv1 2 é 3 1 x");
  });

  it("names each key that signed, once, and no other", () => {
    const keys = keysOf(createPublicKey(ed25519), vectorKey, createPublicKey(ed25519));
    assert.equal(keys.length, 2);
    const envelope = signed("hello");
    const twice = [...envelope.signatures, ...envelope.signatures];
    assert.deepEqual(verifiedBy({ ...envelope, signatures: twice }, keys), [keys[0]]);
    assert.deepEqual(verifiedBy(envelope, keys.slice(1)), []);
    assert.deepEqual(verifiedBy({ ...envelope, signatures: [] }, keys), []);
  });

  it("takes none of it when a byte of payload, type or signature is another", () => {
    const keys = keysOf(createPublicKey(ed25519));
    const envelope = signed("hello");
    const flipped = (bytes: Uint8Array, i: number) => bytes.with(i, bytes[i]! ^ 1);
    for (let i = 0; i < envelope.payload.length; i++) {
      const payload = flipped(envelope.payload, i);
      assert.deepEqual(verifiedBy({ ...envelope, payload }, keys), []);
    }
    const { signature } = envelope.signatures[0]!;
    for (let i = 0; i < signature.length; i++) {
      const signatures = [{ keyid: "", signature: flipped(signature, i) }];
      assert.deepEqual(verifiedBy({ ...envelope, signatures }, keys), []);
    }
    for (const payloadType of ["text/plaim", "text/plain ", ""]) {
      assert.deepEqual(verifiedBy({ ...envelope, payloadType }, keys), []);
    }
    for (const length of [0, 1, 63, 65]) {
      const signatures = [{ keyid: "", signature: new Uint8Array(length) }];
      assert.deepEqual(verifiedBy({ ...envelope, signatures }, keysOf(vectorKey)), []);
    }
  });

  it("reads both alphabets of base64, and refuses what is neither", () => {
    const bytes = Uint8Array.of(0xfb, 0xff, 0xbf, 1);
    for (const encoding of ["base64", "base64url"] as const) {
      const payload = Buffer.from(bytes).toString(encoding);
      const envelope = parseEnvelope({ ...vector, payload });
      assert.deepEqual([...envelope.payload], [...bytes]);
    }
    const wrong = ["a", "====", "aGVsbG8gd29ybGQ=\n", "aGVs bG8=", "+_8=", "aGVsbG8gd29ybGR="];
    for (const payload of [...wrong, 7, null]) {
      assert.throws(
        () => parseEnvelope({ ...vector, payload }),
        (error) => isCairnError(error, "malformed"),
        JSON.stringify(payload),
      );
    }
  });

  it("refuses keys of another kind, and anything that stands between them", () => {
    const good = createPublicKey(ed25519).export({ type: "spki", format: "pem" }) as string;
    const rsa = createPublicKey({
      format: "jwk",
      key: { kty: "RSA", n: Buffer.alloc(256, 0xc7).toString("base64url"), e: "AQAB" },
    }).export({ type: "spki", format: "pem" });
    const damaged = good.replace("MCow", "MCox");
    for (const text of [`${good}junk`, damaged, String(rsa), "junk"]) {
      assert.throws(
        () => parsePublicKeys(text),
        (error) => isCairnError(error, "usage"),
      );
    }
    assert.deepEqual(parsePublicKeys(" \n"), []);
  });
});

/**
 * Goal: a verifier key has one spelling, and a mistyped one is not taken. Method: the key of the signed-note
 * specification, an ID computed by hand from the formula, and every refusal once.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { base64, hex, utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import type { Sha256 } from "./hash.ts";
import { fingerprint, formatVkey, isKeyName, makeVkey, parseVkey } from "./vkey.ts";

const sha256: Sha256 = (bytes) => new Uint8Array(hash("sha256", bytes, "buffer"));
const specKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

function refuses(text: string): void {
  assert.throws(
    () => parseVkey(sha256, text),
    (e) => isCairnError(e, "malformed"),
    text,
  );
}

test("the key of the specification is read and written back", () => {
  const vkey = parseVkey(sha256, specKey);
  assert.equal(vkey.name, "example.com/foo");
  assert.equal(vkey.type, 1);
  assert.equal(vkey.id, 0x530d903a);
  assert.equal(vkey.publicKey.length, 32);
  assert.equal(formatVkey(vkey), specKey);
});

test("an ID below 2^28 keeps its leading zero, and a key of each type comes back", () => {
  const shortIds: string[] = [];
  for (const type of [1, 4, 6] as const) {
    for (let fill = 0; fill < 40; fill++) {
      const publicKey = new Uint8Array(type === 6 ? 1312 : 32).fill(fill);
      const text = formatVkey(makeVkey(sha256, { name: "a", type, publicKey }));
      const input = new Uint8Array([0x61, 0x0a, type, ...publicKey]);
      assert.equal(text.split("+")[1], hex(sha256(input)).slice(0, 8));
      assert.equal(formatVkey(parseVkey(sha256, text)), text);
      if (text.startsWith("a+0")) shortIds.push(text);
    }
  }
  assert.ok(shortIds.length > 0);
});

test("the fingerprint is SHA-256 of type and key, whatever the name", () => {
  const vkey = parseVkey(sha256, specKey);
  const expected = hex(sha256(new Uint8Array([1, ...vkey.publicKey])));
  assert.equal(fingerprint(sha256, vkey), expected);
  assert.equal(fingerprint(sha256, { ...vkey, name: "b" }), expected);
  assert.notEqual(fingerprint(sha256, { ...vkey, type: 4 }), expected);
});

test("any other spelling, type, length or ID is refused", () => {
  const key = specKey.slice(specKey.lastIndexOf("+") + 1);
  refuses("");
  refuses("example.com/foo");
  refuses("example.com/foo+530d903a");
  refuses("example.com/foo+530d903a+");
  refuses(`+530d903a+${key}`);
  refuses(`example.com/fop+530d903a+${key}`);
  refuses(`example.com/foo+530d903b+${key}`);
  refuses(`example.com/foo+530D903A+${key}`);
  refuses(`example.com/foo+0530d903a+${key}`);
  refuses(`${specKey}\n`);
  refuses(` ${specKey}`);
  refuses(specKey.replace("AekyeRrm", "AekyeRrn"));
  refuses(`${specKey.slice(0, -1)}l`);
  refuses(`${specKey}=`);
  for (const type of [0, 2, 3, 5, 7, 0xff]) {
    refuses(`a+00000000+${base64(new Uint8Array([type, ...new Uint8Array(32)]))}`);
  }
  for (const length of [0, 31, 33, 1312]) {
    refuses(`a+00000000+${base64(new Uint8Array([1, ...new Uint8Array(length)]))}`);
  }
});

test("a key name has no white space of any script, no plus sign and no control character", () => {
  for (const good of ["a", "example.com/log42", "oid/1.3.6", "日本", "\ufeffa"]) {
    assert.equal(isKeyName(good), true, good);
  }
  const spaces = " \t\n\v\f\r\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000";
  for (const char of [...spaces, "+", "\u0000", "\u001b", "\ud800"]) {
    assert.equal(isKeyName(`a${char}b`), false, JSON.stringify(char));
  }
  assert.equal(isKeyName(""), false);
});

test("the name of an ML-DSA-44 key has at most 255 bytes", () => {
  const publicKey = new Uint8Array(1312);
  const make = (name: string): unknown => makeVkey(sha256, { name, type: 6, publicKey });
  make("é".repeat(127) + "x");
  assert.throws(
    () => make("é".repeat(128)),
    (e) => isCairnError(e, "malformed"),
  );
  assert.equal(utf8("é".repeat(128)).length, 256);
});

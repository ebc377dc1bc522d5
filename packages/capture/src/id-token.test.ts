/**
 * Goal: a token is let in only if its issuer signed it, for us, for now; and our reading of it is never laxer than that
 * of a library that the field trusts.
 * Method: tokens that `jose` signs, and each of them forged or damaged in one way. Every one is shown to both, `jose`
 * and ours: the expected answer stands beside each case, and what ours takes, `jose` must take too.
 */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import { SignJWT, createLocalJWKSet, jwtVerify } from "jose";
import { openIdToken, verifyIdToken } from "./id-token.ts";

const issuer = "https://ci.example";
const audience = "cairn";
const nowMs = 1_764_000_000_000;
const now = nowMs / 1000;

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
const published = (key: KeyObject, members: object): object => ({
  ...key.export({ format: "jwk" }),
  ...members,
});
const keys = [
  published(rsa.publicKey, { kid: "r", alg: "RS256", use: "sig" }),
  published(ec.publicKey, { kid: "e", alg: "ES256" }),
  published(short.publicKey, { kid: "s", alg: "RS256" }),
];
const jwks = JSON.stringify({ keys });

const claims = {
  iss: issuer,
  aud: audience,
  sub: "repo:a/b",
  iat: now - 10,
  nbf: now - 10,
  exp: now + 290,
};

const base64Url = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function signed(header: object, payload: object, key: KeyObject = ec.privateKey): string {
  const message = `${base64Url(header)}.${base64Url(payload)}`;
  const signature = sign("sha256", Buffer.from(message), { key, dsaEncoding: "ieee-p1363" });
  return `${message}.${signature.toString("base64url")}`;
}

const es = { alg: "ES256", kid: "e", typ: "JWT" };
const good = signed(es, claims);
const [head, body, signature] = good.split(".") as [string, string, string];
const claimed = (changed: object): string => signed(es, { ...claims, ...changed });

function keyedHash(key: string): string {
  const message = `${base64Url({ alg: "HS256", kid: "e" })}.${base64Url(claims)}`;
  return `${message}.${createHmac("sha256", key).update(message).digest("base64url")}`;
}

const cases: readonly (readonly [what: string, token: string, isGood: boolean])[] = [
  ["ES256", good, true],
  ["RS256", signed({ alg: "RS256", kid: "r" }, claims, rsa.privateKey), true],
  ["no key id", signed({ alg: "ES256" }, claims), true],
  ["several audiences, ours among them", claimed({ aud: ["x", audience] }), true],
  ["a clock that is a little off", claimed({ iat: now + 30, nbf: now + 30 }), true],
  ["another audience", claimed({ aud: "other" }), false],
  ["no audience", claimed({ aud: undefined }), false],
  ["an audience that begins like ours", claimed({ aud: "cairn2" }), false],
  ["another issuer", claimed({ iss: "https://ci.example.evil" }), false],
  ["no issuer", claimed({ iss: undefined }), false],
  ["too old", claimed({ exp: now - 120 }), false],
  ["no end", claimed({ exp: undefined }), false],
  ["an end that is no number", claimed({ exp: `${now + 290}` }), false],
  ["not yet", claimed({ nbf: now + 3600 }), false],
  ["of the future", claimed({ iat: now + 3600 }), false],
  ["somebody else's key", signed(es, claims, stranger.privateKey), false],
  ["an unknown key id", signed({ ...es, kid: "z" }, claims), false],
  ["another key's id", signed({ ...es, kid: "r" }, claims), false],
  ["a key that is too short", signed({ alg: "RS256", kid: "s" }, claims, short.privateKey), false],
  [
    "its own key inside",
    signed({ ...es, jwk: ec.publicKey.export({ format: "jwk" }) }, claims, stranger.privateKey),
    false,
  ],
  ["no signature at all", `${base64Url({ alg: "none" })}.${body}.`, false],
  ["the algorithm none", `${base64Url({ alg: "none", kid: "e" })}.${body}.${signature}`, false],
  [
    "HMAC with the public key",
    keyedHash(ec.publicKey.export({ type: "spki", format: "pem" }).toString()),
    false,
  ],
  ["HMAC with the set of keys", keyedHash(jwks), false],
  [
    "another algorithm of the same key",
    signed({ alg: "PS256", kid: "r" }, claims, rsa.privateKey),
    false,
  ],
  ["something critical", signed({ ...es, crit: ["b64"], b64: false }, claims), false],
  [
    "other claims under the same signature",
    `${head}.${base64Url({ ...claims, sub: "x" })}.${signature}`,
    false,
  ],
  [
    "another header under the same signature",
    `${base64Url({ ...es, x: 1 })}.${body}.${signature}`,
    false,
  ],
  ["a part too many", `${good}.${signature}`, false],
  ["a part too few", `${head}.${body}`, false],
  ["padding", `${good}==`, false],
  ["white space", `${good}\n`, false],
  ["claims that are no object", signedText("[]"), false],
  ["claims that are no JSON", signedText("{"), false],
  ["nothing", "", false],
  ["too much", `${head}.${"A".repeat(20_000)}.${signature}`, false],
];

function signedText(text: string): string {
  const message = `${base64Url(es)}.${base64Url(text)}`;
  const made = sign("sha256", Buffer.from(message), {
    key: ec.privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return `${message}.${made.toString("base64url")}`;
}

function isTaken(token: string, set = jwks): boolean {
  try {
    verifyIdToken(token, set, { issuer, audiences: [audience], nowMs });
    return true;
  } catch (error) {
    // Whatever is wrong, the answer is one and the same.
    assert.ok(isCairnError(error, "unauthenticated"), String(error));
    return false;
  }
}

async function isTakenByJose(token: string): Promise<boolean> {
  const set = createLocalJWKSet({ keys });
  const clock = { currentDate: new Date(nowMs), clockTolerance: 60, maxTokenAge: "1h" };
  try {
    await jwtVerify(token, set, { issuer, audience, algorithms: ["RS256", "ES256"], ...clock });
    return true;
  } catch {
    return false;
  }
}

describe("an ID token", () => {
  for (const [what, token, isGood] of cases) {
    it(`with ${what} is ${isGood ? "let in" : "refused"}`, async () => {
      assert.equal(isTaken(token), isGood);
      assert.ok(!isGood || (await isTakenByJose(token)), "jose refuses it");
    });
  }

  it("made by jose is read as jose reads it", async () => {
    const made = await new SignJWT(claims).setProtectedHeader(es).sign(ec.privateKey);
    const opened = openIdToken(made, jwks);
    assert.deepEqual(opened.claims, claims);
    assert.deepEqual(opened.key, keys[1]);
  });

  it("is refused with any of its bytes changed", () => {
    for (let i = 0; i < good.length; i++) {
      const other = good[i] === "A" ? "B" : "A";
      assert.ok(!isTaken(good.slice(0, i) + other + good.slice(i + 1)), `byte ${i}`);
    }
  });

  it("is refused where the set of keys is none, or has no public key of use", () => {
    const secret = { kty: "oct", k: base64Url("secret"), kid: "e" };
    const encrypting = published(ec.publicKey, { kid: "e", use: "enc" });
    const broken = { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: "e" };
    const sets = [
      "",
      "{",
      "[]",
      "{}",
      '{"keys":{}}',
      JSON.stringify({ keys: [secret, encrypting, broken, 7] }),
    ];
    for (const set of sets) assert.ok(!isTaken(good, set), set);
    assert.ok(isTaken(good, JSON.stringify({ keys: [broken, null, keys[1]] })));
  });

  it("never gives away a private key that somebody pasted", () => {
    const set = JSON.stringify({
      keys: [{ ...ec.privateKey.export({ format: "jwk" }), kid: "e" }],
    });
    const { key } = openIdToken(good, set);
    assert.deepEqual(Object.keys(key as object).sort(), ["crv", "kid", "kty", "x", "y"]);
  });
});

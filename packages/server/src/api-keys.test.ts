/**
 * Goal: a key can do what it was made for, for as long as it was meant to, and its secret is
 * nowhere but with its holder. Method: keys in a temporary folder, a clock that the test moves; the
 * file is also damaged by hand.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import { apiKeysPath, createKey, keyRing, listKeys, revokeKey, type NewApiKey } from "./index.ts";

const wanted: NewApiKey = { source: "api", logs: ["main"], scopes: ["write", "read"] };
const startMs = Date.UTC(2026, 10, 23);

function dataFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "cairn-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function handClock() {
  let ms = startMs;
  const now = (): number => ms;
  return { now, monotonic: now, advance: (byMs: number) => (ms += byMs) };
}

const code =
  (expected: CairnErrorCode) =>
  (error: unknown): boolean =>
    isCairnError(error, expected);

test("a key is created, listed and revoked; its secret is not in the file", (t) => {
  const folder = dataFolder(t);
  assert.deepEqual(listKeys(folder), []);
  const { key, token } = createKey(folder, { ...wanted, description: "the API" }, startMs);
  assert.match(token, /^cairn_[a-z2-7]{10}_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(listKeys(folder), [key]);
  assert.equal(key.created, "2026-11-23T00:00:00.000Z");
  const text = readFileSync(apiKeysPath(folder), "utf8");
  assert.ok(!text.includes(token.slice(-43)));
  assert.equal(statSync(apiKeysPath(folder)).mode & 0o777, 0o600);
  const second = createKey(folder, wanted).key;
  assert.deepEqual(revokeKey(folder, key.id), key);
  assert.deepEqual(listKeys(folder), [second]);
  assert.throws(() => revokeKey(folder, key.id), code("not_found"));
  assert.deepEqual(readdirSync(folder), ["api-keys.json"], "nothing is left lying about");
});

test("what a key may not be is refused, and the file stays as it was", (t) => {
  const folder = dataFolder(t);
  createKey(folder, wanted);
  const before = readFileSync(apiKeysPath(folder), "utf8");
  const bad: Partial<NewApiKey>[] = [
    { source: "cairn" },
    { source: "" },
    { source: "API" },
    { logs: [] },
    { logs: ["../etc"] },
    { scopes: [] },
    { scopes: ["admin" as "read"] },
    { expires: "tomorrow" },
    { expires: "2026-11-23T00:00:00Z" },
  ];
  for (const each of bad) {
    assert.throws(
      () => createKey(folder, { ...wanted, ...each }),
      code("usage"),
      JSON.stringify(each),
    );
  }
  assert.equal(readFileSync(apiKeysPath(folder), "utf8"), before);
});

test("a running server notices new and revoked keys, and the end of a key's time", (t) => {
  const folder = dataFolder(t);
  const clock = handClock();
  const ring = keyRing(apiKeysPath(folder), clock);
  const asked = (token: string) => ring.authenticate(`Bearer ${token}`);
  assert.throws(() => asked(`cairn_aaaaaaaaaa_${"A".repeat(43)}`), code("unauthenticated"));
  const first = createKey(folder, wanted, startMs);
  const principal = asked(first.token);
  assert.deepEqual(
    [principal.source, principal.covers("main"), principal.covers("b")],
    ["api", true, false],
  );
  assert.ok(principal.scopes.has("write") && !principal.scopes.has("operate"));

  const expires = new Date(startMs + 5000).toISOString();
  const second = createKey(folder, { ...wanted, logs: ["*"], expires }, startMs);
  assert.ok(asked(second.token).covers("anything"), "an unknown key is looked for at once");

  revokeKey(folder, first.key.id);
  clock.advance(999);
  assert.ok(asked(first.token), "the file is looked at once a second");
  clock.advance(1);
  assert.throws(() => asked(first.token), code("unauthenticated"));
  clock.advance(3999);
  assert.ok(asked(second.token));
  clock.advance(1);
  assert.throws(() => asked(second.token), /expired/);
});

test("only the whole token in its own spelling is a key", (t) => {
  const folder = dataFolder(t);
  const ring = keyRing(apiKeysPath(folder), handClock());
  const { token } = createKey(folder, wanted);
  const { token: other } = createKey(folder, wanted);
  assert.ok(ring.authenticate(`bearer  ${token}`));
  const mixed = token.slice(0, 17) + other.slice(17);
  const flipped = token.slice(0, 20) + (token[20] === "A" ? "B" : "A") + token.slice(21);
  const headers = [
    "",
    token,
    `Bearer ${token} `,
    `Bearer ${token}=`,
    `Bearer ${token.toUpperCase()}`,
  ];
  headers.push(`Bearer ${mixed}`, `Bearer ${flipped}`, `Bearer ${token.slice(0, -1)}`, "Bearer ");
  for (const header of [undefined, ...headers]) {
    assert.throws(() => ring.authenticate(header), code("unauthenticated"), header);
  }
});

test("a file that cannot be read refuses everybody, until it can be read again", (t) => {
  const folder = dataFolder(t);
  const clock = handClock();
  const ring = keyRing(apiKeysPath(folder), clock);
  const { token } = createKey(folder, wanted);
  assert.ok(ring.authenticate(`Bearer ${token}`));
  const good = readFileSync(apiKeysPath(folder), "utf8");
  const broken: [string, CairnErrorCode][] = [
    ["", "malformed"],
    ["[]", "malformed"],
    [good.replace('"keys"', '"kyes"'), "malformed"],
    [good.replace('"scopes"', '"scope"'), "malformed"],
    [good.replace('"source": "api"', '"source": "cairn"'), "malformed"],
    [good.replace(/"secretHash": "../, '"secretHash": "zz'), "malformed"],
    [good.replace(/("keys": \[)([^]*?)(\n {2}\])/, "$1$2,$2$3"), "malformed"],
    [good.replace("cairn-api-keys/1", "cairn-api-keys/2"), "unsupported_version"],
  ];
  for (const [text, expected] of broken) {
    writeFileSync(apiKeysPath(folder), text);
    clock.advance(1000);
    assert.throws(() => ring.authenticate(`Bearer ${token}`), code("unavailable"), text);
    assert.throws(() => listKeys(folder), code(expected), text);
    assert.throws(() => createKey(folder, wanted), code(expected), "and no command writes over it");
  }
  writeFileSync(apiKeysPath(folder), good);
  chmodSync(apiKeysPath(folder), 0o600);
  assert.ok(ring.authenticate(`Bearer ${token}`));
});

test("two commands cannot overwrite each other; a killed one is not in the way for long", (t) => {
  const folder = dataFolder(t);
  const lock = `${apiKeysPath(folder)}.next`;
  writeFileSync(lock, "");
  assert.throws(() => createKey(folder, wanted), code("conflict"));
  assert.throws(() => revokeKey(folder, "aaaa"), code("conflict"));
  utimesSync(lock, 0, 0);
  createKey(folder, wanted);
  assert.equal(listKeys(folder).length, 1);
});

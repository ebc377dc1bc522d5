/**
 * Goal: every adapter does with every delivery of its sender what the fixtures say, lets nobody else in, and meets
 * whatever may come in the sender's name with events that a log takes, or with a refusal.
 * Method: one run over all adapters and all their fixtures. Each delivery is captured, forged and damaged: cut, with
 * bytes flipped, and, where it is JSON, with each of its values replaced by one of another kind. To see one adapter
 * only: CAIRN_FIXTURES=github.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { EventScanner, checkEvent, isCairnError } from "@cairnlog/core";
import type { Adapter, Captured, Delivery, SourceSettings } from "./adapter.ts";
import { adapters } from "./adapters.ts";
import { renderCaptured } from "./captured-event.ts";
import { fixtureKinds, fixtureName, fixturesOf, type Fixture } from "./fixture.testing.ts";
import { isObject, type Json } from "./foreign-json.ts";

const chosen = process.env.CAIRN_FIXTURES;
const scanner = new EventScanner();
const utf8 = new TextDecoder();
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("adapters", () => {
  it("have names that can be typed, each once", () => {
    const kinds = adapters.map(({ kind }) => kind);
    assert.equal(new Set(kinds).size, kinds.length);
    for (const kind of kinds) assert.match(kind, /^[a-z][a-z0-9-]{0,31}$/);
  });

  it("are all there for whom there are fixtures, and none is without", () => {
    assert.deepEqual(fixtureKinds(), adapters.map(({ kind }) => kind).sort());
  });
});

for (const adapter of adapters) {
  if (chosen !== undefined && chosen !== adapter.kind) continue;
  const fixtures = fixturesOf(adapter);
  describe(`adapter ${adapter.kind}`, () => {
    it("has a fixture for each kind that it knows, and one for a kind that it does not", () => {
      const names = fixtures.map(({ name }) => name);
      const missing = adapter.known.map(({ kind }) => fixtureName(kind)).filter(isNotIn(names));
      assert.deepEqual(missing, []);
      // A generic adapter knows one kind, and takes whatever it is.
      const isGeneric = adapter.known.length <= 1;
      assert.ok(isGeneric || names.some((name) => name.startsWith("unknown")), "no unknown.json");
    });

    it("asks what it needs under names that can be settings", () => {
      for (const { name, default: text, pattern } of adapter.setup.questions) {
        assert.match(name, /^[a-z][a-zA-Z0-9]*$/);
        if (text !== undefined && pattern !== undefined) assert.match(text, pattern);
      }
      const paste = { url: "https://log.example/x", secret: "s3cret", source: "one" };
      assert.notEqual(adapter.setup.instructions(paste, defaultsOf(adapter)), "");
    });

    for (const fixture of fixtures) {
      it(`${fixture.name}: gives exactly the events`, () => givesEvents(adapter, fixture));
      it(`${fixture.name}: refuses who cannot prove it`, () => refusesForged(adapter, fixture));
      it(`${fixture.name}: damaged, gives good events or a refusal`, () =>
        survivesDamage(adapter, fixture));
    }
  });
}

function givesEvents(adapter: Adapter, fixture: Fixture): void {
  const { delivery, source, nowMs } = fixture;
  const words = Object.keys(fixture.provenance);
  assert.ok(words.length === 1 && /^(?:recorded|documented)$/.test(words[0]!), "no provenance");
  adapter.authenticate(delivery, source, nowMs);
  const captured = adapter.capture(delivery, source);
  const events = checkedEvents(captured);
  assert.deepEqual(events, fixture.events);
  assert.deepEqual(checkedEvents(adapter.capture(delivery, source)), events, "not the same again");
  assert.deepEqual(captured.refused ?? [], fixture.refused);
  const { status, body = "", headers = {} } = captured.answer ?? { status: 200, body: "{}" };
  const text = typeof body === "string" ? body : utf8.decode(body);
  const told = Object.entries(headers).filter(([name]) => name in fixture.answer.headers);
  assert.deepEqual({ status, body: text, headers: Object.fromEntries(told) }, fixture.answer);
  const known = adapter.known.find(({ kind }) => fixtureName(kind) === fixture.name);
  if (known !== undefined && /^[a-z0-9_.-]+$/.test(known.type)) {
    const types = captured.events.map(({ event }) => event.type);
    assert.ok(
      types.includes(known.type),
      `the table says ${known.type}, these are ${types.join()}`,
    );
  }
}

/** The events as a log would hold them; fails where a log would not take one of them. */
function checkedEvents(captured: Captured): unknown[] {
  const events = captured.events.map((one) => {
    const { bytes, blobs } = renderCaptured(one, sha256);
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
    for (const blob of blobs) assert.equal(sha256(blob.bytes), blob.sha256);
    return JSON.parse(utf8.decode(bytes)) as unknown;
  });
  if (captured.ndjson !== undefined) {
    const lines = utf8.decode(captured.ndjson).split("\n").filter(Boolean);
    assert.deepEqual(
      lines.map((line): unknown => JSON.parse(line)),
      events,
    );
  }
  return events;
}

function refusesForged(adapter: Adapter, { delivery, source, nowMs }: Fixture): void {
  const secrets = source.secrets.map(otherSecret);
  const isRefused = (sent: Delivery, as: SourceSettings): void =>
    assert.throws(
      () => adapter.authenticate(sent, as, nowMs),
      (error) => isCairnError(error, "unauthenticated"),
    );
  isRefused(delivery, { ...source, secrets });
  isRefused({ ...delivery, headers: {}, query: new URLSearchParams() }, source);
  // While a secret is being replaced either of them is good.
  const both = { ...source, secrets: [...secrets, ...source.secrets] };
  adapter.authenticate(delivery, both, nowMs);
  if (isSecretSent(delivery, source)) return;
  // What the secret signed is bound to it, byte by byte.
  for (const body of flippedBodies(delivery.body, 16)) isRefused({ ...delivery, body }, source);
}

/** Another one of the same form: one letter in its middle is changed. */
function otherSecret(secret: string): string {
  const middle = secret.length >> 1;
  const letter = secret[middle] === "A" ? "B" : "A";
  return secret.slice(0, middle) + letter + secret.slice(middle + 1);
}

/** A secret that travels with the delivery signs nothing of it. */
function isSecretSent({ headers, query }: Delivery, { secrets }: SourceSettings): boolean {
  const sent = [...Object.values(headers), ...query.values()].join("\n");
  const decoded = sent.replaceAll(/Basic +([A-Za-z0-9+/=]+)/gi, (_found, text: string) =>
    Buffer.from(text, "base64").toString(),
  );
  return secrets.some((secret) => decoded.includes(secret));
}

function survivesDamage(adapter: Adapter, { delivery, source }: Fixture): void {
  const bodies = [
    ...cutBodies(delivery.body, 16),
    ...flippedBodies(delivery.body, 64),
    ...changedValues(delivery.body, 300),
  ];
  for (const body of bodies) {
    try {
      checkedEvents(adapter.capture({ ...delivery, body }, source));
    } catch (error) {
      const isRefusal =
        isCairnError(error, "malformed") ||
        isCairnError(error, "unsupported_media") ||
        isCairnError(error, "too_large");
      if (!isRefusal) {
        throw new Error(`given the body ${utf8.decode(body).slice(0, 2000)}`, { cause: error });
      }
    }
  }
}

/** Up to `count` places, spread evenly over the length. */
function places(length: number, count: number): number[] {
  const step = Math.max(1, Math.floor(length / count));
  return Array.from({ length: Math.min(count, length) }, (_, i) => i * step);
}

function cutBodies(body: Uint8Array, count: number): Uint8Array[] {
  return places(body.length, count).map((at) => body.slice(0, at));
}

function flippedBodies(body: Uint8Array, count: number): Uint8Array[] {
  return places(body.length, count).map((at, i) => {
    const flipped = body.slice();
    flipped[at]! ^= [1, 0x20, 0x80][i % 3]!;
    return flipped;
  });
}

/** A JSON body with one of its values replaced by one of another kind, or left out. */
function changedValues(body: Uint8Array, count: number): Uint8Array[] {
  let value: Json;
  try {
    value = JSON.parse(utf8.decode(body)) as Json;
  } catch {
    return [];
  }
  const strange: readonly Json[] = [
    null,
    7,
    -1.5,
    "",
    "É\u0000 x\\",
    true,
    [],
    {},
    [null],
    "\ud83d",
  ];
  const paths = pathsOf(value, []);
  return places(paths.length * 3, count).map((at, i) => {
    const changed = replaced(value, paths[Math.floor(at / 3)]!, strange[i % strange.length]!);
    return new TextEncoder().encode(JSON.stringify(changed));
  });
}

function pathsOf(value: Json, path: readonly string[]): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value).flatMap(([name, one]) => pathsOf(one, [...path, name]));
  return [path, ...inner];
}

function replaced(value: Json, path: readonly string[], by: Json): Json {
  const [name, ...rest] = path;
  if (name === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((one: Json, i) => (String(i) === name ? replaced(one, rest, by) : one));
  }
  if (!isObject(value)) return value;
  return { ...value, [name]: replaced(value[name]!, rest, by) };
}

function defaultsOf(adapter: Adapter): Record<string, string> {
  const { questions } = adapter.setup;
  return Object.fromEntries(questions.map((one) => [one.name, one.default ?? "example"]));
}

function isNotIn(names: readonly string[]): (name: string) => boolean {
  return (name) => !names.includes(name);
}

/**
 * Goal: nothing that Terraform marks as sensitive, or that stands where it sets no marks, is recorded, told in an
 * error, or can be guessed from an id; and what it does not mark is there.
 * Method: all fixtures, and values with marks made by chance (fixed seed), in which each secret is the same word: it
 * must be nowhere in what comes out. An oracle that walks value and marks side by side says what must still be there.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import fc from "fast-check";
import { fixturesOf } from "./fixture.testing.ts";
import { masked, sensitiveMark } from "./terraform-sensitive.ts";
import { terraformAdapter } from "./terraform.ts";
import type { Captured } from "./adapter.ts";
import type { Json } from "./foreign-json.ts";

const secret = "hunter2";
const source = { name: "tf", secrets: ["token"], options: {} };

function capture(text: string, query = ""): Captured {
  const delivery = { method: "POST", path: "", query: new URLSearchParams(query), headers: {} };
  return terraformAdapter.capture({ ...delivery, body: utf8(text) }, source);
}

interface Marked {
  readonly value: Json;
  readonly marks: Json;
}

/** A value and Terraform's marks of it. What is marked holds the secret; marks of objects leave out what is false. */
const marked: fc.Arbitrary<Marked> = fc.letrec<{ marked: Marked }>((tie) => ({
  marked: fc.oneof(
    { maxDepth: 4 },
    fc.constant({ value: "plain", marks: false }),
    fc.constant({ value: secret, marks: true }),
    fc.constant({ value: { deep: [secret] }, marks: true }),
    fc.array(tie("marked"), { maxLength: 4 }).map((list) => ({
      value: list.map(({ value }) => value),
      marks: list.map(({ marks }) => marks),
    })),
    fc
      .dictionary(fc.constantFrom("a", "b", "__proto__", "sensitive"), tie("marked"))
      .map((members) => ({
        value: membersOf(members, ({ value }) => value),
        marks: membersOf(members, ({ marks }) => (marks === false ? undefined : marks)),
      })),
  ),
})).marked;

function membersOf(members: Record<string, Marked>, of: (one: Marked) => Json | undefined): Json {
  const entries = Object.entries(members).map(([name, one]): [string, Json | undefined] => [
    name,
    of(one),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Json;
}

function plainWords(value: Json | undefined): number {
  return JSON.stringify(value ?? null).split('"plain"').length - 1;
}

describe("terraform's sensitive values", () => {
  it("are in none of the events of the fixtures, and in none of their blobs", () => {
    const fixtures = fixturesOf(terraformAdapter);
    const withSecret = fixtures.filter(({ delivery }) =>
      Buffer.from(delivery.body).includes(secret),
    );
    assert.ok(withSecret.length >= 8);
    for (const { name, delivery } of withSecret) {
      const captured = terraformAdapter.capture(delivery, source);
      assert.ok(!JSON.stringify(captured.events).includes(secret), name);
      assert.ok(
        captured.events.every(({ blobs }) => blobs === undefined),
        name,
      );
    }
  });

  it("are masked wherever the marks are, and nothing else is", () => {
    fc.assert(
      fc.property(marked, ({ value, marks }) => {
        const out = masked(value, marks);
        assert.ok(!JSON.stringify(out ?? null).includes(secret));
        assert.equal(plainWords(out), plainWords(value));
      }),
      { seed: 20261123, numRuns: 500 },
    );
  });

  it("are masked where marks are missing or of another shape", () => {
    const cases: readonly (readonly [Json, Json | undefined])[] = [
      [{ a: secret }, undefined],
      [{ a: secret }, null],
      [{ a: secret }, []],
      [[secret], {}],
      [["plain", secret], [false]],
      [secret, {}],
      [secret, "false"],
      [secret, 0],
    ];
    for (const [value, marks] of cases) {
      assert.ok(!JSON.stringify(masked(value, marks)).includes(secret), JSON.stringify(marks));
    }
    assert.equal(masked(secret, true), sensitiveMark);
    assert.equal(masked(null, undefined), null);
  });

  it("are in no message that quotes the configuration or holds a whole resource", () => {
    const members = [
      { diagnostic: { severity: "error", snippet: { code: `password = "${secret}"` } } },
      { list_resource_found: { resource_object: { password: secret } } },
      { test_plan: { resource_changes: [{ change: { after: { password: secret } } }] } },
      { outputs: { a: { value: secret }, b: { sensitive: "no", value: secret }, c: secret } },
    ];
    for (const member of members) {
      const line = JSON.stringify({ "@message": "x", type: "odd", ...member });
      assert.ok(!JSON.stringify(capture(line)).includes(secret), line);
    }
  });

  it("are told in no error and in no refusal", () => {
    const line = '{"@message":"x","type":"log"}';
    const bodies = [
      `{"password": ${secret}}`,
      `{"format_version":"1.0","values":"${secret}`,
      `{"version":4,"serial":7,"lineage":"3f","outputs":{},"resources":[{"p":"${secret}"}]}`,
      `${line}\n{"password":"${secret}"\n`,
      `${line}\n${secret}\n${line}`,
    ];
    for (const body of bodies) {
      let told: string;
      try {
        const captured = capture(body);
        assert.equal(captured.refused?.length, 1);
        told = JSON.stringify(captured);
      } catch (error) {
        assert.ok(isCairnError(error, "malformed"), String(error));
        told = `${String(error)} ${String(error.cause)}`;
      }
      assert.ok(!told.includes(secret) && !told.includes("hunt"), told);
    }
  });

  it("change no id: who knows all but the password learns nothing from the hash", () => {
    const plan = (password: string): string =>
      JSON.stringify({
        format_version: "1.2",
        timestamp: "2026-11-23T05:00:00Z",
        variables: { password: { value: password } },
        resource_changes: [],
      });
    const [one, other] = [plan(secret), plan("letmein")].map((text) => capture(text).events);
    assert.deepEqual(one, other);
  });
});

describe("terraform runs", () => {
  it("without a time or a run have no id, so that two that look alike stay two", () => {
    const state = '{"format_version":"1.0","values":{}}';
    assert.equal(capture(state).events[0]?.event.id, undefined);
    assert.notEqual(capture(state, "run=1").events[0]?.event.id, undefined);
  });

  it("differ by run and actor, and are the same when sent again", () => {
    const line = '{"@message":"x","@timestamp":"2026-11-23T05:00:00Z","type":"log"}';
    const ids = ["run=1", "run=2", "run=1&actor=bob", "run=1"].map(
      (query) => capture(line, query).events[0]!.event.id,
    );
    assert.equal(new Set(ids).size, 3);
    assert.equal(ids[0], ids[3]);
  });
});

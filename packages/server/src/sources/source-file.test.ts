/**
 * Goal: the file of sources holds what was meant, for its owner alone, and nothing that could be read in two ways.
 * Method: write and read it through the door; then every field wrong, missing or strange, and other spellings.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import {
  addSource,
  changeSource,
  findSource,
  listSources,
  removeSource,
  sourceRing,
  sourcesPath,
  type Source,
} from "../index.ts";
import { formatSourceFile, parseSourceFile } from "./source-file.ts";

const folder = mkdtempSync(join(tmpdir(), "cairn-sources-"));
after(() => rmSync(folder, { recursive: true }));

const source: Source = {
  name: "github-acme",
  kind: "github",
  log: "main",
  secrets: ["old", "new"],
  options: { org: "acme" },
  created: "2026-11-23T05:00:00.000Z",
  silentAfterMs: 3_600_000,
  quota: { eventsPerSecond: 100, bytesPerDay: 1_000_000 },
};

function fails(run: () => unknown, ...codes: CairnErrorCode[]): void {
  assert.throws(run, (error) => isCairnError(error) && codes.includes(error.code));
}

describe("sources.json", () => {
  it("is added to, changed and taken from, and only its owner may read it", () => {
    assert.deepEqual(listSources(folder), []);
    addSource(folder, source);
    addSource(folder, { ...source, name: "other" });
    assert.equal(statSync(sourcesPath(folder)).mode & 0o777, 0o600);
    assert.deepEqual(findSource(folder, "github-acme"), source);
    fails(() => addSource(folder, source), "conflict");
    const changed = changeSource(folder, "other", (one) => ({ ...one, secrets: ["third"] }));
    assert.deepEqual(changed.secrets, ["third"]);
    assert.deepEqual(removeSource(folder, "github-acme"), source);
    assert.deepEqual(
      listSources(folder).map(({ name, secrets }) => [name, secrets]),
      [["other", ["third"]]],
    );
    fails(() => removeSource(folder, "github-acme"), "not_found");
    fails(() => changeSource(folder, "github-acme", (one) => one), "not_found");
    fails(() => findSource(folder, "github-acme"), "not_found");
  });

  it("keeps what it was where a change is not allowed, or another command holds it", () => {
    const before = readFileSync(sourcesPath(folder), "utf8");
    for (const name of ["", "A", "a/b", "cairn", "..", "a b", "a%2e", "a".repeat(65)]) {
      fails(() => addSource(folder, { ...source, name }), "usage");
    }
    fails(() => addSource(folder, { ...source, secrets: [] }), "usage");
    fails(() => changeSource(folder, "other", (one) => ({ ...one, secrets: [""] })), "usage");
    writeFileSync(`${sourcesPath(folder)}.next`, "");
    fails(() => addSource(folder, source), "conflict");
    rmSync(`${sourcesPath(folder)}.next`);
    assert.equal(readFileSync(sourcesPath(folder), "utf8"), before);
  });

  it("is read in one spelling, and by nobody who does not know its format", () => {
    const text = formatSourceFile([source]);
    assert.deepEqual(parseSourceFile(text, "x"), [source]);
    fails(
      () => parseSourceFile(text.replace("sources/1", "sources/2"), "x"),
      "unsupported_version",
    );
    const same = JSON.parse(text) as { sources: object[] };
    const wrong = [
      "",
      "[]",
      text.slice(0, -2),
      `${text}\n`,
      text.replace('"kind"', '"kind": "github",\n      "kind"'),
      JSON.stringify(same),
      formatSourceFile([source, source]),
    ];
    const bad: Readonly<Record<string, readonly unknown[]>> = {
      name: [undefined, 7, "A", "cairn"],
      kind: [undefined, "Git Hub", 1],
      log: [undefined, "../x", ""],
      secrets: [undefined, "x", [], [""], [7], Array(9).fill("x")],
      options: [undefined, [], { a: 1 }],
      created: [undefined, "yesterday", 7],
      silentAfterMs: [0, -1, 1.5, "1h"],
      quota: [[], 7, { eventsPerSecond: 0 }, { eventsPerYear: 1 }, { bytesPerDay: "1" }],
      other: [1],
    };
    for (const [name, values] of Object.entries(bad)) {
      for (const value of values) {
        wrong.push(formatSourceFile([{ ...source, [name]: value }]));
      }
    }
    for (const each of wrong)
      fails(() => parseSourceFile(each, "x"), "malformed", "unsupported_version");
  });

  it("is noticed by a running server within a second, at once where asked, and never guessed at", () => {
    let nowMs = 0;
    const path = join(folder, "ring.json");
    const ring = sourceRing(path, { monotonic: () => nowMs });
    assert.deepEqual(ring.list(), []);
    writeFileSync(path, formatSourceFile([source]));
    assert.deepEqual(ring.list(), []);
    assert.deepEqual(ring.list(true), [source]);
    rmSync(path);
    assert.deepEqual(ring.list(), [source]);
    nowMs = 1000;
    assert.deepEqual(ring.list(), []);
    writeFileSync(path, "{");
    nowMs = 2000;
    fails(() => ring.list(), "unavailable");
    fails(() => ring.list(), "unavailable");
  });
});

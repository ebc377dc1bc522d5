/**
 * Goal: each setting comes from where it was said nearest to the command line, and a mistake is named with its place.
 * Method: the same setting said in every combination of places; YAML with each kind of mistake.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import { parseConfig } from "./config-file.ts";
import { findApiKey, readConfiguration } from "./configuration.ts";
import { findNearest } from "./nearest.ts";
import { addressType, bytesType, listType, urlType } from "./setting-types.ts";
import { flagOf, keyOf, settingNames, settingOf, variableOf } from "./settings.ts";

let cwd = "";
before(() => (cwd = mkdtempSync(join(tmpdir(), "cairn-config-"))));
after(() => rmSync(cwd, { recursive: true, force: true }));

function readFile(text: string): ReadonlyMap<string, { text: string; place: string }> {
  return parseConfig(text, "cairn.yaml", "/etc/cairn");
}

function refusal(text: string): string {
  try {
    readFile(text);
  } catch (error) {
    if (isCairnError(error, "usage")) return error.message;
    throw error;
  }
  assert.fail("the file was taken");
}

describe("configuration", () => {
  it("takes a flag over a variable over the file over the default, and knows which", () => {
    writeFileSync(join(cwd, "cairn.yaml"), "\nlog: from-file\n");
    const cases = [
      { flags: { log: "flag" }, env: { CAIRN_LOG: "env" }, value: "flag", place: "--log" },
      { flags: {}, env: { CAIRN_LOG: "env" }, value: "env", place: "CAIRN_LOG" },
      { flags: {}, env: { CAIRN_LOG: "" }, value: "from-file", place: "cairn.yaml:2" },
      { flags: {}, env: { CAIRN_CONFIG: "none.yaml" }, value: undefined, place: "" },
    ];
    for (const { flags, env, value, place } of cases) {
      if (value === undefined) {
        assert.throws(
          () => readConfiguration({ env, cwd }, flags, undefined),
          /none\.yaml cannot be read/,
        );
        continue;
      }
      const { values, origins } = readConfiguration({ env, cwd }, flags, undefined);
      assert.equal(values.log, value);
      assert.equal(origins.get("log")?.place, place);
    }
    rmSync(join(cwd, "cairn.yaml"));
    const { values, origins } = readConfiguration({ env: {}, cwd }, {}, undefined);
    assert.equal(values.log, "main");
    assert.equal(origins.get("log")?.level, "default");
  });

  it("begins relative paths where they were said", () => {
    const config = readConfiguration({ env: { CAIRN_TLS_KEY: "key.pem" }, cwd }, {}, undefined);
    assert.equal(config.values.tlsKey, join(cwd, "key.pem"));
    assert.equal(readFile("data: logs").get("data")?.text, "/etc/cairn/logs");
  });

  it("heeds NO_COLOR, and the flag over it", () => {
    const env = { NO_COLOR: "1" };
    assert.equal(readConfiguration({ env, cwd }, {}, undefined).values.color, "never");
    const flags = { color: "always" };
    assert.equal(readConfiguration({ env, cwd }, flags, undefined).values.color, "always");
  });

  it("warns of a misspelled variable, and lets an orchestrator's be", () => {
    const env = { CAIRN_LISTNE: "x", CAIRN_SERVICE_HOST: "10.0.0.1", CAIRN_PORT: "tcp://x" };
    const { warnings } = readConfiguration({ env, cwd }, {}, undefined);
    assert.deepEqual(warnings, [
      "there is no setting for the variable CAIRN_LISTNE; did you mean CAIRN_LISTEN?",
    ]);
  });

  it("reads the key from a file, and not what is no key", () => {
    writeFileSync(join(cwd, "api.key"), "cairn_a_b\n");
    const config = readConfiguration(
      { env: { CAIRN_KEY: "k" }, cwd },
      { keyFile: "api.key" },
      undefined,
    );
    assert.equal(findApiKey(config), "cairn_a_b");
    writeFileSync(join(cwd, "api.key"), "two words");
    assert.throws(() => findApiKey(config), /does not hold one API key/);
  });
});

describe("cairn.yaml", () => {
  it("takes every setting under its key", () => {
    const samples: Readonly<Record<string, string>> = {
      address: "0.0.0.0:80",
      bytes: "4MiB",
      number: "5",
      duration: "2s",
      url: "https://a.example",
      "": "true",
    };
    for (const name of settingNames) {
      const { type, under } = settingOf(name);
      const value = samples[type.placeholder] ?? type.placeholder.split("|")[0]!;
      const text = under === undefined ? `${name}: ${value}` : `${under}:\n  ${name}: ${value}`;
      assert.ok(readFile(text).has(name), text);
    }
  });

  it("keeps numbers as they were typed, and takes lists", () => {
    assert.equal(readFile("listen: 8080").get("listen")?.text, "8080");
    assert.equal(
      readFile("hostName: [a.example, b.example]").get("hostName")?.text,
      "a.example,b.example",
    );
    assert.equal(readFile("# nothing\n").size, 0);
    assert.equal(readFile("").size, 0);
  });

  const refused: Readonly<Record<string, RegExp>> = {
    "log: main\nlisten_: 80": /line 2, column 1: unknown key "listen_"\. Did you mean listen\?/,
    "bodyBytesMax: 5":
      /line 1, column 1: unknown key "bodyBytesMax"\. Did you mean limits\.bodyBytesMax\?/,
    "limits:\n  bodyByteMax: 5":
      /line 2, column 3: unknown key "limits.bodyByteMax"\. Did you mean limits\.bodyBytesMax\?/,
    "listen: 99999": /line 1, column 9: listen: expected host:port/,
    "log: a\nlog: b": /line 2, column 1: Map keys must be unique/,
    "- log": /line 1, column 1: expected "key: value"/,
    "log: [a, b": /line 1/,
    "log:\n": /log: expected a plain value|log has no value/,
    "log: &x main": /expected a plain value/,
    "log: a\n---\nlog: b": /one YAML document/,
    "log: {a: b}": /log: expected a plain value/,
    "json: yes": /json: expected true or false, not "yes"/,
  };
  for (const [text, expected] of Object.entries(refused)) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.match(refusal(text), expected));
  }
});

describe("setting types", () => {
  it("reads addresses in one way", () => {
    assert.deepEqual(addressType.parse("[::1]:80", "x"), { host: "::1", port: 80 });
    assert.deepEqual(addressType.parse(":0", "x"), { host: "127.0.0.1", port: 0 });
    assert.deepEqual(addressType.parse("audit.example.com:443", "x"), {
      host: "audit.example.com",
      port: 443,
    });
    for (const bad of ["", "80:", "a:b", "a:080", "a:65536", "::1:80", "http://a:80"]) {
      assert.throws(() => addressType.parse(bad, "x"), /expected host:port/, bad);
    }
  });

  it("reads bytes, lists and addresses of servers strictly", () => {
    assert.equal(bytesType.parse("64KiB", "x"), 65_536);
    for (const bad of ["0", "1KB", "1.5MiB", "-1", " 1"])
      assert.throws(() => bytesType.parse(bad, "x"));
    assert.throws(() => listType.parse("a,,b", "x"));
    assert.equal(urlType.parse("https://a.example/", "x"), "https://a.example");
    for (const bad of ["a.example", "ftp://a", "http://u:p@a", "http://a?b"])
      assert.throws(() => urlType.parse(bad, "x"));
  });

  it("names each setting in three ways, each once", () => {
    for (const nameOf of [flagOf, variableOf, keyOf]) {
      assert.equal(new Set(settingNames.map(nameOf)).size, settingNames.length);
    }
    assert.equal(variableOf("bodyBytesMax"), "CAIRN_BODY_BYTES_MAX");
  });

  it("finds the word that was meant", () => {
    const known = ["listen", "log", "limits"];
    assert.equal(findNearest("lisetn", known), "listen");
    assert.equal(findNearest("lis", known), "listen");
    assert.equal(findNearest("zebra", known), undefined);
  });
});

/**
 * Goal: help is complete and true: each command has examples that the parser takes, and what docs/ says is in step.
 * Method: walk over the command table.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { isCairnError } from "@cairnlog/core";
import { allCommands } from "./commands.ts";
import { generatedDocs } from "./docs.ts";
import { parseArguments } from "./parser.ts";
import { shellWords } from "./run-command.testing.ts";

const commands = await allCommands();

const parse = (words: readonly string[]): ReturnType<typeof parseArguments> =>
  parseArguments(commands, words, "1.2.3");

function refusal(words: readonly string[]): string {
  try {
    parse(words);
  } catch (error) {
    if (isCairnError(error, "usage")) return error.message;
    throw error;
  }
  assert.fail("it was taken");
}

describe("help", () => {
  for (const spec of commands) {
    it(`cairn ${spec.name}: shows its examples, and they parse`, () => {
      const asked = parse([...spec.name.split(" "), "--help"]);
      assert.equal(asked.kind, "text");
      assert.ok(spec.examples.length > 0);
      for (const { line } of spec.examples) {
        assert.ok(asked.text.includes(line), `the help lacks ${line}`);
        const [cairn, ...words] = shellWords(line);
        assert.equal(cairn, "cairn");
        const found = parse(words);
        assert.ok(found.kind === "command" && found.spec === spec, line);
      }
      for (const text of [spec.summary, spec.description]) assert.ok(text.length > 5);
    });
  }

  it("help <command> is the same as <command> --help", () => {
    assert.deepEqual(parse(["help", "tail"]), parse(["tail", "--help"]));
  });

  it("cairn alone shows all commands", () => {
    const asked = parse([]);
    assert.ok(asked.kind === "text");
    for (const { name } of commands) assert.ok(asked.text.includes(name.split(" ")[0]!), name);
  });

  it("prints the version", () => {
    assert.deepEqual(parse(["--version"]), { kind: "text", text: "1.2.3\n" });
  });

  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["tial", /unknown command 'tial'\. Did you mean tail\?/],
    ["tail --folow", /unknown option '--folow'\. Did you mean --follow\?/],
    ["tail extra", /too many arguments/],
    ["keys", /takes one of: create, list, revoke/],
    ["keys creat", /unknown command 'creat'. Did you mean create\?/],
    ["keys revoke", /missing required argument 'id'/],
    ["tail --from", /argument missing/],
  ];
  for (const [line, expected] of mistakes) {
    it(`says what is wrong with: cairn ${line}`, () => {
      assert.match(refusal(line.split(" ")), expected);
    });
  }

  for (const [path, text] of generatedDocs()) {
    it(`${path} is in step (node packages/cli/src/docs.ts writes it)`, () => {
      const found = readFileSync(
        fileURLToPath(new URL(`../../../${path}`, import.meta.url)),
        "utf8",
      );
      // How JSON is laid out is the formatter's business.
      if (path.endsWith(".json")) assert.deepEqual(JSON.parse(found), JSON.parse(text));
      else assert.equal(found, text);
    });
  }
});

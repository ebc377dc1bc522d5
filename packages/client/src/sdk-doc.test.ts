/**
 * Goal: the snippets of docs/sdk.md and docs/spool.md run as they stand, and the defaults that it names are those of
 * the code.
 *
 * Method: each snippet in a process of its own, with the scripted log's address, key and policy in
 * place of the examples', and a folder for what it writes.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ScriptedLog } from "./scripted-log.testing.ts";
import { policyOf, witnesses } from "./watched-client.testing.ts";

const run = promisify(execFile);
const doc = await readFile(new URL("../../../docs/sdk.md", import.meta.url), "utf8");
const spoolDoc = await readFile(new URL("../../../docs/spool.md", import.meta.url), "utf8");
const snippets = [...(doc + spoolDoc).matchAll(/```ts\n([^]*?)```/g)].map((match) => match[1]!);

test("the snippets run", async () => {
  assert.equal(snippets.length, 10);
  const log = await ScriptedLog.open();
  log.cosigners = witnesses;
  const cwd = await mkdtemp(join(tmpdir(), "cairn-sdk-doc-"));
  const sdk = new URL("./index.ts", import.meta.url).href;
  const spool = new URL("../../spool/src/index.ts", import.meta.url).href;
  try {
    const runSnippet = async (snippet: string): Promise<void> => {
      const script = snippet
        .replace("cairnlog/client", sdk)
        .replace("cairnlog/spool", spool)
        .replace("http://127.0.0.1:8080", log.url)
        .replace(/"example.com\/log42[^"]*"/, JSON.stringify(log.vkey))
        .replace('await readFile("main.policy", "utf8")', JSON.stringify(policyOf(log)))
        .replaceAll("…", "k");
      const args = ["--input-type=module-typescript", "-e", script];
      const { stderr } = await run(process.execPath, args, { cwd });
      assert.equal(stderr, "", snippet);
    };
    // The one that reads needs what the first one writes.
    const [first, ...others] = snippets;
    await runSnippet(first!);
    await Promise.all(others.map(runSnippet));
    assert.equal(log.entries.length, 10);
    assert.deepEqual((await readdir(cwd)).sort(), ["cairn-spool", "cairn.memory"]);
  } finally {
    await log.close();
    await rm(cwd, { recursive: true });
  }
});

test("the table of options has every option, and no other", async () => {
  const code = await readFile(new URL("./client-options.ts", import.meta.url), "utf8");
  const options = /interface CairnClientOptions \{([^]*?)\n\}/.exec(code)![1]!;
  const declared = [...options.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1]!);
  const rows = doc.slice(doc.indexOf("## Options")).matchAll(/^\| (`[^|]*) \|/gm);
  const named = [...rows].flatMap((row) => [...row[1]!.matchAll(/`(\w+)`/g)].map((m) => m[1]!));
  assert.deepEqual(named.sort(), declared.sort());
});

/**
 * Goal: what a newcomer copies out of README.md works, and what the pages about the code say exists, exists.
 *
 * Method: the TypeScript snippets are compiled under the strict settings of the sources, and run against a log of
 * their own and a real server; the curl line is sent; each line of shell names a script, command and flags that there
 * are. Then paths, lengths and headings of the pages.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  CairnError,
  formatReceipt,
  parseVkey,
  receiptFromJson,
  verifyReceipt,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { openLog, record } from "@cairnlog/log";
import { allCommands } from "../packages/cli/src/commands.ts";
import { flagOf } from "../packages/cli/src/settings.ts";
import { checkoutFiles, checkoutPath } from "./checkout.ts";
import { removeFolder, serveLog, temporaryFolder, type ServedLog } from "./served-log.ts";

const commands = await allCommands();

const readme = readFileSync(checkoutPath("README.md"), "utf8");
const snippets = blocksOf("ts").map((text) =>
  text.replace(/"cairnlog\/([a-z]+)"/g, '"@cairnlog/$1"'),
);
const [sdk, embedded, checking] = snippets;

function blocksOf(language: string): string[] {
  const blocks = readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"));
  return [...blocks].map((match) => match[1]!);
}

function run(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<{ status: number; stdout: string; stderr: string }> {
  const { cwd, env } = options;
  return new Promise((resolve) => {
    const all = { cwd, env: { ...process.env, ...env } };
    execFile(file, args, all, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ status, stdout, stderr });
    });
  });
}

describe("README.md", () => {
  const work = temporaryFolder();
  let served: ServedLog;

  before(async () => {
    served = await serveLog(join(work, "served"));
  });
  after(async () => {
    await served.close();
    removeFolder(work);
  });

  it("its TypeScript compiles", async () => {
    assert.equal(snippets.length, 3);
    // Inside the checkout, so that the packages are found as they are by their own sources.
    const folder = checkoutPath("node_modules/.cache/readme");
    mkdirSync(folder, { recursive: true });
    try {
      snippets.forEach((text, i) => writeFileSync(join(folder, `snippet-${i}.ts`), text));
      const config = {
        extends: "../../../tsconfig.base.json",
        compilerOptions: { composite: false, declaration: false, noEmit: true },
        files: snippets.map((_, i) => `snippet-${i}.ts`),
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = checkoutPath("node_modules/typescript/bin/tsc");
      const { status, stdout, stderr } = await run(process.execPath, [tsc, "-p", folder], {
        cwd: folder,
      });
      // Errors in the sources themselves are for `npm run check` to tell.
      assert.deepEqual(stdout.match(/^snippet-.*/gm) ?? [], []);
      assert.ok(status === 0 || /^\S*packages\//m.test(stdout), stdout + stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("the SDK's snippet records an event", async () => {
    const script = sdk!.replace("http://127.0.0.1:8080", served.url).replace("…", served.key);
    const { status, stdout, stderr } = await runSnippet(script);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^entry \d+ of audit\.example\.com\/logs\/main$/m);
    assert.equal(stderr, "");
  });

  it("the embedded snippet makes a log, records, and leaves a receipt", async () => {
    const folder = join(work, "embedded");
    const script = embedded!.replace('"cairn-data"', JSON.stringify(folder));
    const { status, stdout, stderr } = await runSnippet(script);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^1 audit\.example\.com\/logs\/main\n2\n/m);
    const log = await openLog(folder, "main");
    assert.match(Buffer.from((await log.entry(1)).bytes).toString(), /"type":"identity\.login"/);
    await log.close();
  });

  it("the snippet that checks a receipt accepts a good one, and no other", async () => {
    const log = served.log;
    const event = { type: "api.call", actor: { id: "alice@example.com" }, action: "GET" };
    const receipt = formatReceipt(await record(log, event));
    const { bytes } = await log.entry(log.status().size - 1);
    const other = (await log.entry(0)).bytes;
    const call = async (entry: Uint8Array): Promise<{ status: number; stderr: string }> => {
      const args = [receipt, Buffer.from(entry).toString(), log.vkeys[0]!];
      const [text, entryText, vkey] = args.map((each) => JSON.stringify(each));
      return runSnippet(
        `${checking!}\nawait check(${text!}, new TextEncoder().encode(${entryText!}), ${vkey!});`,
      );
    };
    const good = await call(bytes);
    assert.equal(good.status, 0, good.stderr);
    const bad = await call(other);
    assert.notEqual(bad.status, 0);
    assert.match(bad.stderr, /the receipt is for another entry/);
  });

  it("the curl line gets a receipt that verifies", async (t) => {
    const [line] = blocksOf("bash");
    const env = { URL: served.url, KEY: served.key };
    const { status, stdout, stderr } = await run("bash", ["-euc", line!], { cwd: work, env });
    if (/curl: (?:command )?not found/.test(stderr)) return t.skip("curl is not installed");
    assert.equal(status, 0, stderr);
    const receipt = receiptFromJson(JSON.parse(stdout));
    const { bytes } = await served.log.entry(receipt.seq);
    const vkeys = served.log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
    const expected = { recorded: { entry: bytes }, vkeys, origin: served.log.origin };
    await verifyReceipt(nodeCrypto, receipt, expected);
    // What the page shows of an answer has these members, in this order.
    const shown = JSON.parse(blocksOf("json")[0]!) as object;
    assert.deepEqual(Object.keys(shown), Object.keys(JSON.parse(stdout) as object));
    // The same event under the same id again: the same seq. Another one: refused.
    const again = await run("bash", ["-euc", line!], { cwd: work, env });
    assert.equal(receiptSeq(again.stdout), receipt.seq);
    const changed = await run("bash", ["-euc", line!.replace("orders", "other")], {
      cwd: work,
      env,
    });
    assert.match(changed.stdout, /"code":"conflict"/);
  });

  it("each line of shell names what there is", () => {
    const { scripts } = JSON.parse(readFileSync(checkoutPath("package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const lines = blocksOf("sh").flatMap((block) => block.trim().split("\n"));
    assert.ok(lines.length >= 8, "the page has lines of shell");
    for (const line of lines) {
      const script = /^npm (?:run )?([a-z]+)$/.exec(line)?.[1];
      if (script !== undefined) assert.ok(Object.hasOwn(scripts, script), line);
      else if (line.startsWith("cairn ")) checkCommandLine(line);
      else assert.match(line, /^git clone /);
    }
  });

  function runSnippet(script: string): ReturnType<typeof run> {
    const args = ["--input-type=module-typescript", "-e", script];
    return run(process.execPath, args, { cwd: checkoutPath(".") });
  }
});

function receiptSeq(text: string): unknown {
  return (JSON.parse(text) as { seq?: unknown }).seq;
}

function checkCommandLine(line: string): void {
  const [, ...args] = line.split(" ");
  const command = commands.find(({ name }) => `${line} `.startsWith(`cairn ${name} `));
  if (command === undefined) throw new CairnError("usage", `there is no such command: ${line}`);
  const known = new Set([
    ...command.settings.map((setting) => `--${flagOf(setting)}`),
    ...(command.options ?? []).map((option) => option.flags.split(" ")[0]!),
  ]);
  for (const flag of args.filter((arg) => arg.startsWith("--"))) {
    assert.ok(known.has(flag), `${flag} of ${line}`);
  }
}

describe("the pages about the code", () => {
  const pages = checkoutFiles(".md").filter(({ path }) =>
    /^(?:README|ARCHITECTURE|SECURITY)\.md$|^docs\/decisions\/|^docs\/(?:README|verify-yourself)\.md$/.test(
      path,
    ),
  );

  it("every file that they name exists", () => {
    const named = /`((?:packages|testing|test|scripts|docs|vectors|bench)\/[\w./-]*\w)`/g;
    const findings = pages.flatMap(({ path, text }) =>
      [...text.matchAll(named)]
        .map((match) => match[1]!)
        .filter((name) => !existsSync(checkoutPath(name)))
        .map((name) => `${path}: ${name}`),
    );
    assert.deepEqual(findings, []);
    assert.ok(pages.length >= 12, "the pages are there");
  });

  it("what they name with its file is in that file", () => {
    const named = /`#?([\w.]+)`\s(?:in\s|\()\s?`((?:packages|testing)\/[\w./-]+\.ts)`/g;
    const places = pages.flatMap(({ path, text }) =>
      [...text.matchAll(named)].map(([, name, file]) => ({ path, name: name!, file: file! })),
    );
    const findings = places.filter(({ name, file }) => {
      const text = readFileSync(checkoutPath(file), "utf8");
      return !name.split(".").every((part) => text.includes(part));
    });
    assert.deepEqual(findings, []);
    assert.ok(places.length >= 6, "the pages name things with their files");
  });

  it("lines of prose have at most 120 columns", () => {
    const findings = pages.flatMap(({ path, text }) =>
      text
        .split("\n")
        .map((line, i) => ({ line, place: `${path}:${i + 1}` }))
        .filter(({ line }) => line.length > 120 && !line.startsWith("|"))
        .map(({ place }) => place),
    );
    assert.deepEqual(findings, []);
  });

  it("ARCHITECTURE.md has at most 250 lines, a decision record one page and its three parts", () => {
    for (const { path, text } of pages) {
      if (path === "ARCHITECTURE.md") assert.ok(text.split("\n").length <= 251, path);
      if (!path.startsWith("docs/decisions/")) continue;
      assert.ok(text.split("\n").length <= 60, `${path} is longer than a page`);
      const number = /(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1];
      assert.ok(text.startsWith(`# ${number}: `), path);
      const parts = [...text.matchAll(/^\*\*(Context|Choice|What would change our mind)\.\*\*/gm)];
      assert.deepEqual(
        parts.map((part) => part[1]),
        ["Context", "Choice", "What would change our mind"],
        path,
      );
    }
  });

  it("docs/README.md lists every page of docs", () => {
    const index = readFileSync(checkoutPath("docs/README.md"), "utf8");
    const missing = checkoutFiles(".md")
      .filter(({ path }) => path.startsWith("docs/") && path !== "docs/README.md")
      // The pages of sources are listed by a page that is made with them.
      .filter(({ path }) => !/^docs\/sources\/(?!README)/.test(path))
      .filter(({ path }) => !index.includes(`](${path.slice("docs/".length)})`))
      .map(({ path }) => path);
    assert.deepEqual(missing, []);
  });
});

/**
 * Goal: what is published works for somebody who has nothing of ours but the tarball.
 * Method: build and pack it, install it into an empty folder from the registry of this machine with no install script
 * allowed to run, then use every door, the types and the command there.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildPackage } from "../scripts/build-package.mjs";
import { checkoutPath } from "./checkout.ts";

const run = promisify(execFile);
const { version } = JSON.parse(readFileSync(checkoutPath("package.json"), "utf8")) as {
  version: string;
};
const doors = ["client", "core", "crypto", "log", "server", "spool", "store", "verify"];

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

describe("the published package", { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "cairnlog-package-"));
  const app = join(folder, "app");
  const installed = join(app, "node_modules", "cairnlog");
  const command = join(installed, "bin", "cairn.js");
  let packed: Packed;

  before(async () => {
    const built = buildPackage(join(folder, "built"));
    const said = await run("npm", ["pack", "--json", "--pack-destination", folder, built]);
    [packed] = JSON.parse(said.stdout) as [Packed];
    cpSync(checkoutPath(".npmrc"), join(app, ".npmrc"));
    writeFileSync(join(app, "package.json"), '{"private":true,"type":"module"}\n');
    const tarball = join(folder, packed.filename);
    await run("npm", ["install", "--ignore-scripts", "--prefer-offline", tarball], { cwd: app });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("holds what is needed to run and to read, no sources and no tests", () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of ["LICENSE", "README.md", "CHANGELOG.md", "bin/cairn.js"]) {
      assert.ok(paths.includes(path), `${path} is missing`);
    }
    const others = paths.filter((path) =>
      /\.test\.|\.testing\.|\.tsbuildinfo$|(?<!\.d)\.ts$/.test(path),
    );
    assert.deepEqual(others, []);
  });

  it("leads nowhere outside itself and its dependencies", () => {
    const { dependencies } = readJson(join(installed, "package.json")) as {
      dependencies: Record<string, string>;
    };
    const findings: string[] = [];
    for (const path of filesIn(installed).filter((name) => /\.(js|ts)$/.test(name))) {
      const text = readFileSync(path, "utf8");
      if (text.includes("@cairnlog/")) findings.push(`${path} names a private workspace`);
      for (const [, specifier] of text.matchAll(/(?:\bfrom |\bimport\(?|new URL\()"([^"\s]+)"/g)) {
        if (!isThere(specifier!, path, dependencies)) findings.push(`${path} imports ${specifier}`);
      }
      for (const [, worker] of text.matchAll(/"(\.\/[\w-]+-worker\.js)"/g)) {
        if (!existsSync(join(dirname(path), worker!))) findings.push(`${path} starts ${worker}`);
      }
    }
    assert.deepEqual(findings, []);
  });

  it("every door opens", async () => {
    const names = ["cairnlog", ...doors.map((door) => `cairnlog/${door}`), "cairnlog/crypto/web"];
    const found = await evaluate(
      `const names = ${JSON.stringify(names)};
       const all = await Promise.all(names.map((name) => import(name)));
       console.log(JSON.stringify(all.map((door) => Object.keys(door).length)));`,
    );
    const counts = JSON.parse(found) as number[];
    assert.deepEqual(
      names.filter((_, i) => !(counts[i]! > 0)),
      [],
    );
  });

  it("has one class for errors, whichever door it came through", async () => {
    const same = await evaluate(
      `const [core, client] = await Promise.all([import("cairnlog/core"), import("cairnlog/client")]);
       console.log(core.CairnError === client.CairnError);`,
    );
    assert.equal(same, "true\n");
  });

  it("core, client and crypto load for a browser without any module of Node", async () => {
    const refuse = `import { registerHooks } from "node:module";
      registerHooks({ resolve(specifier, context, next) {
        const found = next(specifier, context);
        if (found.url.startsWith("node:")) throw new Error(specifier + " from " + context.parentURL);
        return found;
      } });`;
    const said = await evaluate(
      `for (const door of ["core", "client", "crypto"]) await import("cairnlog/" + door);
       console.log("loaded");`,
      ["--conditions=browser", `--import=data:text/javascript,${encodeURIComponent(refuse)}`],
    );
    assert.equal(said, "loaded\n");
  });

  it("types resolve, for browsers without the types of Node", async () => {
    const consumer = (names: readonly string[]) =>
      names
        .map(
          (name) =>
            `import * as ${name} from "cairnlog/${name}";\nexport type ${name}Door = typeof ${name};`,
        )
        .join("\n");
    const known =
      '\nimport { CairnError, type CairnErrorCode } from "cairnlog/core";' +
      '\nexport const code: CairnErrorCode = new CairnError("usage", "x").code;' +
      '\n// @ts-expect-error: no such code\nexport const none: CairnErrorCode = "nothing";\n';
    writeFileSync(join(app, "node.ts"), consumer(doors) + known);
    writeFileSync(join(app, "browser.ts"), consumer(["client", "core"]) + known);
    const types = ["--typeRoots", checkoutPath("node_modules/@types"), "--types", "node"];
    await compile("node.ts", ["--skipLibCheck", ...types]);
    await compile("browser.ts", ["--lib", "es2024,dom,esnext.disposable", "--types", ""]);
  });

  it("the command runs", async () => {
    const { stdout } = await run("npx", ["--no-install", "cairn", "--version"], { cwd: app });
    assert.match(stdout, new RegExp(`\\b${RegExp.escape(version)}\\b`));
  });

  it("records, seals and verifies, worker threads included", async () => {
    const cairn = (...args: readonly string[]) =>
      run(command, args, { cwd: app, maxBuffer: 2 ** 26 });
    const line = (i: number) =>
      `{"id":"e${i}","type":"api.call","actor":{"id":"alice"},"action":"read"}\n`;
    // A few more than one sealed file holds.
    const lines = Array.from({ length: 65_600 }, (_, i) => line(i));
    writeFileSync(join(app, "events.ndjson"), lines.join(""));
    await cairn("init", "--origin", "example.com/logs/main");
    await cairn("append", "events.ndjson");
    assert.deepEqual(readdirSync(join(app, "cairn-data", "main", "sealed")), ["0".repeat(16)]);
    // It rejects for any exit status other than 0.
    await cairn("verify", join("cairn-data", "main"));
  });

  it("on a Node that is too old the command says what to install, and loads nothing", async () => {
    for (const old of ["10.24.1", "22.20.0", "24.11.9"]) {
      const pretend =
        "Object.defineProperty(process, 'versions', " +
        `{ value: { ...process.versions, node: ${JSON.stringify(old)} } });`;
      const preload = `--import=data:text/javascript,${encodeURIComponent(pretend)}`;
      await assert.rejects(run(process.execPath, [preload, command, "--version"]), {
        code: 3,
        stdout: "",
        stderr: new RegExp(`needs Node 24\\.12 or later, and this is Node ${RegExp.escape(old)}`),
      });
    }
  });

  async function evaluate(source: string, flags: readonly string[] = []): Promise<string> {
    const { stdout } = await run(
      process.execPath,
      [...flags, "--input-type=module", "--eval", source],
      {
        cwd: app,
      },
    );
    return stdout;
  }

  async function compile(file: string, flags: readonly string[]): Promise<void> {
    const tsc = checkoutPath("node_modules/typescript/bin/tsc");
    const options = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      ...flags,
    ];
    try {
      await run(process.execPath, [tsc, "--ignoreConfig", ...options, file], { cwd: app });
    } catch (error) {
      assert.fail(`${file} does not compile:\n${(error as { stdout: string }).stdout}`);
    }
  }
});

function isThere(specifier: string, from: string, dependencies: Record<string, string>): boolean {
  if (specifier.startsWith(".")) return existsSync(join(dirname(from), specifier));
  if (specifier.startsWith("node:")) return true;
  const [scopeOrName = "", rest] = specifier.split("/");
  const name = scopeOrName.startsWith("@") ? `${scopeOrName}/${rest}` : scopeOrName;
  return name === "cairnlog" || Object.hasOwn(dependencies, name);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

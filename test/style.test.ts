/**
 * Goal: the rules of the house that no linter knows hold for every source file.
 * Method: read the sources as text; each finding is one line `file:line what is wrong`, and the list must be empty.
 */
import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, it } from "node:test";
import { checkoutFiles, withoutComments, type CheckoutFile } from "./checkout.ts";

/** Who may import whom: imports point one way. A new package takes its place here first. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  crypto: ["core"],
  simd: ["core"],
  store: ["core", "crypto", "simd"],
  log: ["core", "crypto", "simd", "store"],
  verify: ["core", "crypto", "simd", "store"],
  witness: ["core", "crypto", "store", "verify"],
  worm: ["core", "crypto", "store", "verify"],
  scrub: ["core", "crypto", "log", "store", "verify"],
  capture: ["core"],
  syslog: ["core", "capture"],
  postgres: ["core", "capture"],
  server: ["core", "crypto", "store", "log", "verify", "scrub", "worm", "capture"],
  client: ["core", "crypto"],
  spool: ["core", "client"],
  instrument: ["core", "client"],
  page: ["core"],
  cli: [
    "core",
    "crypto",
    "store",
    "log",
    "verify",
    "witness",
    "worm",
    "scrub",
    "server",
    "client",
    "page",
    "capture",
    "syslog",
    "postgres",
  ],
};

/**
 * Readers that accept more than one spelling decide nothing here; see `parseDecimal`, `parseHex` and `parseBase64` in
 * core/encoding.ts. Who uses one all the same says why it cannot be fooled.
 */
const lenient =
  /(?<![\w$.])(?:Number|BigInt|parseInt|parseFloat|atob)\(|\bNumber\.parse(?:Int|Float)\(|\bDate\.parse\(|\bBuffer\.from\([^;]*?,\s*"(?:base64|base64url|hex)"/g;
const lenientAllowed: Readonly<Record<string, string>> = {
  "packages/cli/src/server-request.ts": "Retry-After: a pattern matches the digits first",
  "packages/verify/src/layout.ts":
    "the number in a file's name, which is printed again and compared",
  "packages/client/src/backoff.ts":
    "Retry-After: a pattern matches the digits first, a date is printed again",
  "packages/core/src/encoding.ts": "the strict readers themselves: each checks the spelling first",
  "packages/crypto/src/signer.ts": "a JWK that node:crypto has just written, its length checked",
  "packages/server/src/body-format.ts": "Content-Length: the HTTP parser lets only digits pass",
  "packages/server/src/key-ring.ts": "hex that api-key-file.ts has matched against a pattern",
  "packages/store/src/commit-slot.ts": "u64 fields of a binary slot, range-checked",
  "packages/store/src/segment-format.ts": "u64 fields of a binary footer, range-checked",
  "packages/store/src/paths.ts":
    "digits that a pattern has already matched, in a name that we print again",
};

const sources = checkoutFiles(".ts", ".mjs", ".js");
const inPackages = sources.filter(({ path }) => /^packages\/[^/]+\/src\//.test(path));
const shipped = inPackages.filter(({ path }) => !isTest(path));

describe("style", () => {
  it("finds the sources", () => {
    assert.ok(shipped.length > 50, `only ${shipped.length} files found`);
  });

  it("imports point one way, and through the door of a package", () => {
    const findings = inPackages.flatMap((file) => importsOf(file).flatMap(checkImport));
    assert.deepEqual(findings, []);
  });

  it("package.json and tsconfig.json name the packages that the table allows, no others", () => {
    const findings: string[] = [];
    for (const { path, text } of checkoutFiles("/package.json")) {
      const name = /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1];
      if (name === undefined) continue;
      const allowed = mayImport[name];
      if (allowed === undefined) {
        findings.push(`${path}: give ${name} a place in mayImport`);
        continue;
      }
      const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
      const named = Object.keys(dependencies).filter((dependency) =>
        dependency.startsWith("@cairnlog/"),
      );
      for (const dependency of named) {
        if (!allowed.includes(dependency.slice("@cairnlog/".length))) {
          findings.push(`${path}: may not depend on ${dependency}`);
        }
      }
      const references = referencesOf(`packages/${name}/tsconfig.json`);
      if (
        references.toSorted().join() !==
        named
          .map((at) => at.slice(10))
          .toSorted()
          .join()
      ) {
        findings.push(`packages/${name}/tsconfig.json: references differ from the dependencies`);
      }
    }
    assert.deepEqual(findings, []);
  });

  it("core has no platform: no node:, clock, randomness, environment, network or console", () => {
    const platform =
      /"node:|\b(?:process|Buffer|globalThis|console|fetch|setTimeout|setInterval|require)\b\s*[.(]|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bcrypto\.(?:subtle|random|getRandom)/g;
    assert.deepEqual(findAll(inPackage("core"), platform), []);
  });

  it("client imports no node: either, for it runs in browsers: it asks the platform what it has", () => {
    const imported = /(?<!\bgetBuiltinModule\??\.?\()"node:[^"]*"/g;
    assert.deepEqual(findAll(inPackage("client"), imported), []);
  });

  it("only the command reads the environment", () => {
    const others = shipped.filter(({ path }) => !path.startsWith("packages/cli/"));
    assert.deepEqual(findAll(others, /\bprocess\.env\b|\benv\b[^"\n]*\} from "node:process"/g), []);
  });

  it("no lenient reader decides anything", () => {
    const checked = shipped.filter(({ path }) => !Object.hasOwn(lenientAllowed, path));
    assert.deepEqual(findAll(checked, lenient), []);
  });

  it("the list of exceptions is not longer than it needs to be", () => {
    const needed = new Set(findAll(shipped, lenient).map((finding) => finding.split(":")[0]!));
    assert.deepEqual(
      Object.keys(lenientAllowed).filter((path) => !needed.has(path)),
      [],
    );
  });

  it("files are short: 400 lines, tests 600", () => {
    const findings = sources
      .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
      .filter(({ path, lines }) => lines > (isTest(path) ? 600 : 400))
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    assert.deepEqual(findings, []);
  });

  it("lines are short: prettier holds code to 100 columns, this holds comments to 120", () => {
    const comment = /^\s*(?:\/\/|\/?\*)/;
    const findings = sources.flatMap(({ path, text }) =>
      text
        .split("\n")
        .flatMap((line, i) =>
          comment.test(line) && line.length > 120
            ? [`${path}:${i + 1} ${line.length} columns`]
            : [],
        ),
    );
    assert.deepEqual(findings, []);
  });

  it("a file is named after its idea", () => {
    const vague = /(?:^|[-/])(?:utils?|helpers?|common|misc|manager)(?:[-./]|$)/i;
    assert.deepEqual(
      sources.map(({ path }) => path).filter((path) => vague.test(path)),
      [],
    );
  });

  it("every test and every shipped file begins by saying what it is", () => {
    const findings = sources
      .filter(({ path }) => path.startsWith("packages/") || path.startsWith("test"))
      .filter(({ text }) => !/^(?:#![^\n]*\n)?\/[/*]/.test(text))
      .map(({ path }) => path);
    assert.deepEqual(findings, []);
  });
});

interface Import {
  readonly from: CheckoutFile;
  readonly place: string;
  readonly specifier: string;
}

function importsOf(file: CheckoutFile): Import[] {
  const pattern = /(?:\bfrom|\bimport\(?)\s*"([^"]+)"/g;
  return [...withoutComments(file.text).matchAll(pattern)].map((match) => ({
    from: file,
    place: `${file.path}:${lineAt(file.text, match.index)}`,
    specifier: match[1]!,
  }));
}

function checkImport({ from, place, specifier }: Import): string[] {
  const name = from.path.split("/")[1]!;
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(from.path), specifier);
    return target.startsWith(`packages/${name}/src/`)
      ? []
      : [`${place} ${specifier} leaves the package; packages meet at their doors`];
  }
  const [scope, target = ""] = specifier.split("/");
  if (scope !== "@cairnlog") return [];
  // A test may bring in whatever it tests with: what is shipped is what must point one way.
  if (isTest(from.path)) return [];
  return mayImport[name]?.includes(target) ? [] : [`${place} ${name} may not import ${specifier}`];
}

function referencesOf(path: string): string[] {
  const [file] = checkoutFiles(path);
  const { references = [] } = JSON.parse(file!.text) as { references?: { path: string }[] };
  return references.map((reference) => reference.path.replace("../", ""));
}

/** Tests, and what only tests use: neither is shipped. */
function isTest(path: string): boolean {
  return /\.(?:test|testing)\.ts$/.test(path);
}

function inPackage(name: string): CheckoutFile[] {
  return shipped.filter(({ path }) => path.startsWith(`packages/${name}/`));
}

/** Each place outside comments that `pattern` matches. */
function findAll(files: readonly CheckoutFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(pattern)].map(
      (match) => `${path}:${lineAt(text, match.index)} ${match[0]}`,
    ),
  );
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

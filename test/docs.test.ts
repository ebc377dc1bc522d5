/**
 * Goal: what is written beside the code is true of it, and of any machine.
 * Method: compare the error page with the table, follow every relative link, look for what only one machine has.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import { errorsPagePath, renderErrorsPage } from "../scripts/errors-page.ts";
import { checkoutFiles, checkoutPath } from "./checkout.ts";

const pages = checkoutFiles(".md");

describe("docs", () => {
  it("docs/errors.md is what the error table says (npm run docs writes it)", () => {
    assert.equal(readFileSync(errorsPagePath, "utf8"), renderErrorsPage());
  });

  it("every relative link leads to a file, and to a heading where it names one", () => {
    const findings = pages.flatMap(({ path, text }) =>
      linksOf(text)
        .filter((link) => !leadsSomewhere(path, text, link))
        .map((link) => `${path}: ${link}`),
    );
    assert.deepEqual(findings, []);
  });

  it("one version in every package.json", () => {
    const versions = checkoutFiles("package.json").map(({ path, text }) => {
      const { version } = JSON.parse(text) as { version?: string };
      return `${version} ${path}`;
    });
    const [first] = versions.map((line) => line.split(" ")[0]);
    assert.deepEqual(
      versions.filter((line) => !line.startsWith(`${first} `)),
      [],
    );
  });

  it("no file knows the machine that it was written on", () => {
    // Alice lives in examples only.
    const folder = /(?<![\w.~-])\/(?:root|work|home(?!\/alice\b)|Users)\/[\w.][\w/.-]*/g;
    const findings = checkoutFiles("").flatMap(({ path, text }) =>
      path === "test/docs.test.ts" || path === "LICENSE"
        ? []
        : [...text.matchAll(folder)].map((match) => `${path}: ${match[0]}`),
    );
    assert.deepEqual(findings, []);
  });

  it("the lock file holds the programs of every platform, so that npm ci works on each", () => {
    const { packages } = JSON.parse(readFileSync(checkoutPath("package-lock.json"), "utf8")) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const findings = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => packages[`node_modules/${name}`] === undefined)
        .map((name) => `${path} may want ${name}`),
    );
    assert.deepEqual(findings, []);
  });

  it("the lock file names no registry: each machine asks the one that it was told", () => {
    const lock = readFileSync(checkoutPath("package-lock.json"), "utf8");
    assert.deepEqual(lock.match(/"resolved": "https?:[^"]*"/g) ?? [], []);
    const npmrc = readFileSync(checkoutPath(".npmrc"), "utf8");
    assert.ok(!npmrc.includes("://"), ".npmrc names a host");
  });
});

function linksOf(text: string): string[] {
  const prose = text.replace(/```[\s\S]*?```/g, "").replace(/`[^`\n]*`/g, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)].map((match) => match[1]!);
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(page: string, text: string, link: string): boolean {
  const [path = "", heading] = link.split("#");
  const target = path === "" ? page : normalize(join(dirname(page), path));
  if (!existsSync(checkoutPath(target))) return false;
  if (heading === undefined || !target.endsWith(".md")) return true;
  const there = path === "" ? text : readFileSync(checkoutPath(target), "utf8");
  return anchorsOf(there).has(heading);
}

/** As the forges make them: lower case, spaces to hyphens, punctuation gone. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
  const named = [...text.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1]!);
  return new Set([...headings, ...named]);
}

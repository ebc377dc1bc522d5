/**
 * Builds the page of evidence from `packages/page/browser` and what that imports, into `packages/page/src/page.html`:
 * one file, with style and script in it, and a place for the evidence. It is kept with the sources, so that they run
 * unbuilt; the same sources give the same bytes.
 *
 *     node scripts/build-page.mjs            writes it
 *     node scripts/build-page.mjs --check    says whether it is up to date
 */
import { createHash } from "node:crypto";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { root } from "./ensure-installed.mjs";

const folder = join(root, "packages/page/browser");
const generated = join(root, "packages/page/src/page.html");

async function buildPage() {
  const script = await bundle("main.ts", { format: "iife" });
  const style = await bundle("style.css", {});
  // Either would end its element early.
  if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) {
    throw new Error("the script or the style holds what ends it");
  }
  const values = new Map([
    ["{{script hash}}", hashOf(script)],
    ["{{style hash}}", hashOf(style)],
    ["<!-- style -->", `<style>${style}</style>`],
    ["<!-- evidence -->", '<script type="text/plain" id="evidence">{{evidence}}</script>'],
    ["<!-- script -->", `<script>${script}</script>`],
  ]);
  let page = readFileSync(join(folder, "page.html"), "utf8");
  for (const [place, value] of values) {
    const parts = page.split(place);
    if (parts.length !== 2) throw new Error(`page.html has not one place ${place}`);
    page = parts.join(value);
  }
  return page;
}

/**
 * @param {string} entry
 * @param {import("esbuild").BuildOptions} options
 */
async function bundle(entry, options) {
  const { outputFiles } = await build({
    entryPoints: [join(folder, entry)],
    absWorkingDir: root,
    bundle: true,
    write: false,
    minify: true,
    charset: "ascii",
    legalComments: "none",
    platform: "browser",
    target: ["es2022", "chrome120", "firefox120", "safari17"],
    logLevel: "error",
    ...options,
  });
  const [file] = outputFiles ?? [];
  if (file === undefined) throw new Error(`${entry} gives no file`);
  return file.text.trim();
}

/** @param {string} text */
function hashOf(text) {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const page = await buildPage();
  if (!process.argv.includes("--check")) writeFileSync(generated, page);
  else if (readFileSync(generated, "utf8") !== page) {
    console.error("packages/page/src/page.html is not what its sources give");
    process.exitCode = 1;
  }
}

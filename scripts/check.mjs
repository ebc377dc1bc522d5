/**
 * `npm run check`: everything that can be said about the sources without running them. Steps run side by side; a step
 * that passes is one line, a step that fails shows what it printed.
 *
 *     npm run check                 all steps
 *     npm run check -- lint types   these steps
 */
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";
import { ensureInstalled, root } from "./ensure-installed.mjs";
import { pathWith } from "./run-child.mjs";

const node = ensureInstalled();

/**
 * A tool from node_modules/.bin with its arguments, and what may put right what it finds.
 * @typedef {{ name: string, tool: string, args: string[], fix?: string }} Step
 */

/** @type {Step[]} */
const steps = [
  { name: "types", tool: "tsc", args: ["-b"] },
  { name: "lint", tool: "oxlint", args: ["--type-aware", "--deny-warnings"], fix: "oxlint --fix" },
  {
    name: "format",
    tool: "prettier",
    args: ["--check", "--log-level=warn", "."],
    fix: "npm run format",
  },
  {
    name: "kernel",
    tool: "node",
    args: ["scripts/build-simd.mjs", "--check"],
    fix: "node scripts/build-simd.mjs",
  },
  {
    name: "page",
    tool: "node",
    args: ["scripts/build-page.mjs", "--check"],
    fix: "node scripts/build-page.mjs",
  },
  { name: "exports", tool: "knip", args: ["--no-progress", "--no-config-hints"] },
  {
    name: "style and docs",
    tool: "node",
    args: ["--test", "--test-reporter=dot", "test/style.test.ts", "test/docs.test.ts"],
    fix: "npm run docs (for docs/errors.md)",
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some((step) => step.name.startsWith(name)));
if (unknown.length > 0) {
  console.error(
    `There is no step ${unknown.join(", ")}. Steps: ${steps.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}
const chosen = steps.filter(
  ({ name }) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)),
);
const results = await Promise.all(chosen.map(run));
if (results.includes(false)) process.exit(1);

/** @param {Step} step */
async function run({ name, tool, args, fix }) {
  const start = performance.now();
  const env = { ...process.env, PATH: pathWith(node), NO_COLOR: process.stdout.isTTY ? "" : "1" };
  const child = spawn(tool, args, { cwd: root, env, shell: process.platform === "win32" });
  /** @type {Buffer[]} */
  const output = [];
  child.stdout.on("data", (/** @type {Buffer} */ data) => output.push(data));
  child.stderr.on("data", (/** @type {Buffer} */ data) => output.push(data));
  /** @type {boolean} */
  const ok = await new Promise((resolve) => {
    child.on("error", (error) => {
      output.push(Buffer.from(`${tool} could not be started: ${error.message}\n`));
      resolve(false);
    });
    child.on("close", (code) => resolve(code === 0));
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(14)}  ${seconds} s`);
  if (ok) return true;
  process.stdout.write(Buffer.concat(output));
  if (fix !== undefined) console.log(`This may put it right: ${fix}`);
  return false;
}

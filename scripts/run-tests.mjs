/**
 * `npm test`: installs if need be, then runs every test under the project's own Node.
 *
 *     npm test                              everything
 *     npm test -- --only-package core       one package; may be given several times
 *     npm test -- packages/core/src/tile*   these files (globs are Node's own)
 *     npm test -- --test-name-pattern=seal  any other flag goes to `node --test`
 *
 * Some tests drive programs that npm does not bring. Where one is missing its tests are skipped, and this says so
 * first, loudly; with CI=true a missing one is a failure, because there nobody reads it. Go alone is optional.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { ensureInstalled, root } from "./ensure-installed.mjs";
import { become } from "./run-child.mjs";

/** @typedef {{ name: string, proves: string, alsoIn?: string, isOptional?: boolean }} Tool */

/** @type {Tool[]} */
const tools = [
  { name: "strace", proves: "that no answer leaves before the syncs that cover it" },
  {
    name: "go",
    proves: "that an independent verifier accepts our logs",
    alsoIn: "/usr/local/go/bin",
    // No system's packages bring one that is new enough everywhere: testing/go/go.mod says how new.
    isOptional: true,
  },
];

const everything = ["packages/*/src/**/*.test.ts", "testing/**/*.test.ts", "test/**/*.test.ts"];

const node = ensureInstalled();
const env = { ...process.env };
for (const tool of tools) findTool(tool);
const { flags, files } = readArguments(process.argv.slice(2));
const concurrency = Math.max(2, availableParallelism());
become(
  node,
  ["--test", "--test-reporter=spec", `--test-concurrency=${concurrency}`, ...flags, ...files],
  env,
);

/** @param {Tool} tool */
function findTool({ name, proves, alsoIn, isOptional = false }) {
  const path = env.PATH ?? "";
  if (path.split(delimiter).some((folder) => isExecutable(join(folder, name)))) return;
  if (alsoIn !== undefined && isExecutable(join(alsoIn, name))) {
    env.PATH = path + delimiter + alsoIn;
    return;
  }
  console.error(`\n*** ${name} is not installed: nothing will show ${proves}. ***\n`);
  if (env.CI === "true" && !isOptional) {
    console.error(`With CI=true that is a failure. Install ${name} (see .ci/run).`);
    process.exit(3);
  }
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string[]} args */
function readArguments(args) {
  const flags = [];
  const files = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--only-package") files.push(testsOf(rest.shift() ?? ""));
    else if (arg.startsWith("--only-package=")) files.push(testsOf(arg.slice(15)));
    else if (arg.startsWith("-")) flags.push(arg);
    else files.push(arg);
  }
  return { flags, files: files.length > 0 ? files : everything };
}

/** @param {string} name */
function testsOf(name) {
  if (name !== "" && existsSync(join(root, "packages", name))) {
    return `packages/${name}/src/**/*.test.ts`;
  }
  console.error(`There is no package "${name}". Say --only-package core, for example.`);
  process.exit(2);
}

/**
 * `npm test`: installs if need be, then runs every test under the project's own Node.
 *
 *     npm test                              everything
 *     npm test -- --only-package core       one package; may be given several times
 *     npm test -- packages/core/src/tile*   these files (globs are Node's own)
 *     npm test -- --test-name-pattern=seal  any other flag goes to `node --test`
 *
 * Some tests drive programs that npm does not bring. Where one is missing its tests are skipped, and this says so
 * first, loudly; with CI=true it is a failure, because there nobody reads it.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { ensureInstalled, root } from "./ensure-installed.mjs";
import { become } from "./run-child.mjs";

const tools = [
  { name: "strace", proves: "that no answer leaves before the syncs that cover it" },
  { name: "go", proves: "that an independent verifier accepts our logs", alsoIn: "/usr/local/go/bin" },
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

function findTool({ name, proves, alsoIn }) {
  if (env.PATH.split(delimiter).some((folder) => isExecutable(join(folder, name)))) return;
  if (alsoIn !== undefined && isExecutable(join(alsoIn, name))) {
    env.PATH += delimiter + alsoIn;
    return;
  }
  console.error(`\n*** ${name} is not installed: nothing will show ${proves}. ***\n`);
  if (env.CI === "true") {
    console.error(`With CI=true that is a failure. Install ${name} (see .ci/run).`);
    process.exit(3);
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readArguments(args) {
  const flags = [];
  const files = [];
  for (let i = 0; i < args.length; i++) {
    const [name, value] = args[i].split("=", 2);
    if (name === "--only-package") files.push(testsOf(value ?? args[++i]));
    else if (name.startsWith("-")) flags.push(args[i]);
    else files.push(args[i]);
  }
  return { flags, files: files.length > 0 ? files : everything };
}

function testsOf(name) {
  if (name !== undefined && existsSync(join(root, "packages", name))) {
    return `packages/${name}/src/**/*.test.ts`;
  }
  console.error(`There is no package ${name ?? "without a name"}. Say --only-package core, for example.`);
  process.exit(2);
}

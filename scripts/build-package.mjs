/**
 * Assembles the one package that is published, `cairnlog`, from the private workspaces, in dist-package/:
 *
 *     package.json        made here: the doors, the command, the dependencies of all workspaces
 *     bin/cairn.js        the command's first file, which asks for the Node it needs
 *     <workspace>/        .js and .d.ts from `tsc -b`, and whatever else lies beside the sources
 *
 * Node strips no types under node_modules, hence the build. `@cairnlog/x` becomes `cairnlog/x`: the package imports
 * itself by its own doors, so a bundler for browsers finds the browser's side of `crypto` there too.
 *
 *     npm run pack        builds, then writes cairnlog-<version>.tgz beside it
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureInstalled, root } from "./ensure-installed.mjs";

/** Its doors, by workspace. All but the command, which nobody imports. */
const doors = [
  "capture",
  "client",
  "core",
  "crypto",
  "instrument",
  "log",
  "page",
  "postgres",
  "scrub",
  "server",
  "simd",
  "spool",
  "store",
  "syslog",
  "verify",
  "witness",
  "worm",
];
const workspaces = [...doors, "cli"];

/**
 * What a package.json says, as far as it matters here.
 * @typedef {{
 *   version: string, description: string, license: string, dependencies?: Record<string, string>
 * }} Manifest
 */

/** Builds into `target`, which is emptied first. */
export function buildPackage(target = join(root, "dist-package")) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const projects = workspaces.map((name) => join(root, "packages", name));
  const { status } = spawnSync(process.execPath, [tsc, "-b", ...projects], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error("the sources do not compile; tsc says above what is wrong");
  rmSync(target, { recursive: true, force: true });
  for (const name of workspaces) copyWorkspace(name, target);
  writeCommand(target);
  writeFile(join(target, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(target, name));
  }
  return target;
}

/**
 * Copies what `tsc -b` made of each source that is there now: dist/ may still hold files of sources that are gone.
 * @param {string} name
 * @param {string} target
 */
function copyWorkspace(name, target) {
  const sources = join(root, "packages", name, "src");
  for (const path of filesIn(sources)) {
    const to = join(target, name, path);
    if (/\.(test|testing)\.ts$/.test(path)) continue;
    if (!path.endsWith(".ts")) {
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(sources, path), to);
      continue;
    }
    for (const ending of [".js", ".d.ts"]) {
      const built = path.replace(/\.ts$/, ending);
      const text = readFileSync(join(root, "packages", name, "dist", built), "utf8");
      writeFile(to.replace(/\.ts$/, ending), withPublishedNames(text));
    }
  }
}

/**
 * Names what is there in the package: our doors, and .js where tsc leaves .ts, as it does in a .d.ts.
 * @param {string} text
 */
function withPublishedNames(text) {
  return text
    .replace(/@cairnlog\/([a-z]+)/g, "cairnlog/$1")
    .replace(/(\bfrom |\bimport\()"(\.\.?\/[^"]+)\.ts"/g, '$1"$2.js"');
}

/** @param {string} target */
function writeCommand(target) {
  const source = readFileSync(join(root, "packages", "cli", "bin", "cairn.js"), "utf8");
  const built = source.replace('"../src/bin.ts"', '"../cli/bin.js"');
  if (built === source) throw new Error("bin/cairn.js no longer imports ../src/bin.ts");
  const path = join(target, "bin", "cairn.js");
  writeFile(path, built);
  chmodSync(path, 0o755);
}

function manifest() {
  const { version, description, license } = readManifest("package.json");
  return {
    name: "cairnlog",
    version,
    description,
    keywords: ["audit log", "immutable", "transparency log", "merkle tree", "c2sp", "zero trust"],
    license,
    type: "module",
    engines: { node: ">=24.12" },
    bin: { cairn: "bin/cairn.js" },
    exports: {
      // The log in an app's own process is what the bare name stands for.
      ".": door("log"),
      ...Object.fromEntries(doors.map((name) => [`./${name}`, door(name)])),
      "./crypto": {
        browser: { types: "./crypto/web.d.ts", default: "./crypto/web.js" },
        ...door("crypto"),
      },
      "./crypto/web": { types: "./crypto/web.d.ts", default: "./crypto/web.js" },
      "./package.json": "./package.json",
    },
    files: ["bin", ...workspaces, "CHANGELOG.md"],
    dependencies: dependencies(),
  };
}

/** @param {string} name */
function door(name) {
  return { types: `./${name}/index.d.ts`, default: `./${name}/index.js` };
}

/** What the workspaces need from outside, in one list. Two that ask for different ranges have to agree first. */
function dependencies() {
  /** @type {Map<string, string>} */
  const ranges = new Map();
  for (const name of workspaces) {
    const { dependencies: needed = {} } = readManifest(`packages/${name}/package.json`);
    for (const [dependency, range] of Object.entries(needed)) {
      if (dependency.startsWith("@cairnlog/")) continue;
      const before = ranges.get(dependency) ?? range;
      if (before !== range)
        throw new Error(`${dependency}: ${name} asks for ${range}, not ${before}`);
      ranges.set(dependency, range);
    }
  }
  return Object.fromEntries([...ranges].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @param {string} path */
function readManifest(path) {
  return /** @type {Manifest} */ (JSON.parse(readFileSync(join(root, path), "utf8")));
}

/** @param {string} folder */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/**
 * @param {string} path
 * @param {string} text
 */
function writeFile(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  ensureInstalled();
  console.log(`built ${relative(root, buildPackage())}/`);
}

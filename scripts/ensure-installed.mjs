/**
 * Makes sure that what package-lock.json asks for is in node_modules, the project's own Node among it.
 *
 * This runs before anything is installed, so under whatever Node the machine has (20 or later) and with nothing but
 * what Node brings. It looks at the two lock files, not at dates: a clone, a tarball and a restored backup carry dates
 * that mean nothing.
 *
 * `node scripts/ensure-installed.mjs` installs; as a module, `ensureInstalled()` returns the path of the Node to use.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** What the sources need: type stripping, `node:sqlite`, zstd and ML-DSA. */
const nodeNeeded = { major: 24, minor: 12 };

/**
 * What both lock files say of a package, as far as it matters here.
 * @typedef {{ version?: string, optional?: boolean, peer?: boolean, devOptional?: boolean }} LockEntry
 */

/** Installs if need be. Returns the path of the project's Node; ends the process with what to do where that fails. */
export function ensureInstalled() {
  const difference = findDifference();
  if (difference !== undefined) {
    console.error(`Installing dependencies with npm ci (${difference}).`);
    install();
  }
  return findNode() ?? reinstallNode();
}

/** Why node_modules is not what the lock file asks for; undefined if it is. */
function findDifference() {
  const wanted = readLock(join(root, "package-lock.json"));
  if (wanted === undefined) fail("package-lock.json is missing: this checkout is not complete.");
  const installed = readLock(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "nothing is installed yet";
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith("node_modules/")) continue;
    const found = installed[path];
    if (found === undefined) {
      // Optional packages of other platforms stay away, and so do peers that nobody insists on.
      if (entry.optional || entry.peer || entry.devOptional) continue;
      return `${path} is missing`;
    }
    if (entry.version !== found.version) return `${path} has another version`;
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, LockEntry> | undefined}
 */
function readLock(path) {
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, "utf8");
  try {
    return /** @type {{ packages: Record<string, LockEntry> }} */ (JSON.parse(text)).packages;
  } catch {
    return fail(`${path} is not JSON: restore it, then try again.`);
  }
}

function install() {
  const { status, error } = npm(["ci", "--loglevel=error"]);
  if (status === 0) return;
  fail(
    [
      error === undefined
        ? `npm ci failed with exit status ${status}; what it says above is the reason.`
        : `npm could not be started (${error.message}). Install npm 10 or later.`,
      "It needs a network, or a registry that `npm config get registry` names, and write access here.",
      "Then run the same command again.",
    ].join("\n"),
  );
}

/**
 * Runs npm with the machine's Node. The project's own stands first on the PATH of a script, but `npm ci` is about to
 * remove it.
 * @param {string[]} args
 */
function npm(args) {
  const { npm_execpath: npmPath, npm_node_execpath: nodePath } = process.env;
  const own = join(root, "node_modules") + sep;
  const outside = (/** @type {string} */ path) => !`${path}${sep}`.startsWith(own);
  const path = (process.env.PATH ?? "").split(delimiter).filter(outside).join(delimiter);
  /** @type {import("node:child_process").SpawnSyncOptions} */
  const options = {
    cwd: root,
    // All that npm says goes to standard error: standard output belongs to the command that was asked for.
    stdio: ["inherit", 2, 2],
    env: { ...process.env, PATH: path },
  };
  if (npmPath && nodePath && outside(nodePath) && npmPath.endsWith("npm-cli.js")) {
    return spawnSync(nodePath, [npmPath, ...args], options);
  }
  return spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
}

/** The project's Node, or the one that runs this if that is new enough; undefined if neither is. */
function findNode() {
  const name = process.platform === "win32" ? "node.exe" : "node";
  const own = join(root, "node_modules", "node", "bin", name);
  if (existsSync(own) && isNewEnough(versionOf(own))) return own;
  return isNewEnough(process.versions.node) ? process.execPath : undefined;
}

/** The package `node` fetches the binary in an install script: npm may have been told to run none. */
function reinstallNode() {
  console.error("The project's own Node is missing: fetching it with npm rebuild node.");
  npm(["rebuild", "node", "--ignore-scripts=false", "--loglevel=error"]);
  return (
    findNode() ??
    fail(
      `Node ${nodeNeeded.major}.${nodeNeeded.minor} or later is needed, and the npm package "node", which brings it, did not work here.\n` +
        `This is Node ${process.versions.node}. Install a newer one from https://nodejs.org, then try again.`,
    )
  );
}

/** @param {string} node */
function versionOf(node) {
  try {
    return execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1);
  } catch {
    return "0.0.0";
  }
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > nodeNeeded.major || (major === nodeNeeded.major && minor >= nodeNeeded.minor);
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(`\n${message}`);
  process.exit(3);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  ensureInstalled();
}

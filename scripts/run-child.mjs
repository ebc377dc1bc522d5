/**
 * Runs one child process in our place: same terminal, its signals, its exit status. For scripts that any Node from 20
 * on runs, before they hand over to the project's own.
 */
import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { root } from "./ensure-installed.mjs";

/**
 * Starts `node` with `args` and ends this process as the child ends.
 * @param {string} node
 * @param {string[]} args
 */
export function become(node, args, env = process.env) {
  const child = spawn(node, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...env, PATH: pathWith(node, env) },
  });
  // Ctrl-C at a terminal reaches the child by itself: sending it on would be a second one, which means "at once".
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGHUP", () => child.kill("SIGHUP"));
  child.on("error", (error) => {
    console.error(`${node} could not be started: ${error.message}`);
    process.exit(3);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 3);
    // Our own parent is to see the same signal, not an invented exit status.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * The PATH on which `node` and the tools of the project come first.
 * @param {string} node
 */
export function pathWith(node, env = process.env) {
  return [dirname(node), join(root, "node_modules", ".bin"), env.PATH ?? ""].join(delimiter);
}

/**
 * The Git work tree that a folder is in: its commit, branch, and whether anything in it differs from the commit. Asked
 * of `git` itself. Whatever it cannot say is left out: a run is recorded with or without it.
 */
import { execFile } from "node:child_process";
import { given } from "@cairnlog/capture";

export interface WorkTree {
  readonly commit?: string;
  /** Absent where no branch is checked out. */
  readonly branch?: string;
  /** Absent where `git` did not say in time. */
  readonly dirty?: boolean;
  readonly folder: string;
  /** Of the remote `origin`, without the credentials that an address may hold. */
  readonly remote?: string;
}

/** A large work tree on a slow disk must not keep the command waiting. */
const timeoutMs = 5000;

export async function findWorkTree(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<WorkTree | undefined> {
  const git = (...args: readonly string[]): Promise<string | undefined> =>
    askGit(folder, env, args);
  const top = await git("rev-parse", "--show-toplevel");
  if (top === undefined) return undefined;
  const [commit, branch, status, remote] = await Promise.all([
    git("rev-parse", "--verify", "--quiet", "HEAD"),
    git("symbolic-ref", "--quiet", "--short", "HEAD"),
    git("status", "--porcelain", "--ignore-submodules=none"),
    git("config", "--get", "remote.origin.url"),
  ]);
  return {
    ...given("commit", commit),
    ...given("branch", branch),
    ...given("dirty", status === undefined ? undefined : status !== ""),
    folder: top,
    ...given("remote", remote?.replace(/\/\/[^/@]*@/, "//")),
  };
}

/**
 * What it printed; undefined where it failed. The folder may be anybody's: `core.fsmonitor` of its configuration would
 * be run as a program by `git status`.
 */
function askGit(
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): Promise<string | undefined> {
  const options = {
    cwd,
    env: { ...env, GIT_OPTIONAL_LOCKS: "0", LC_ALL: "C" },
    timeout: timeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  };
  return new Promise((resolve) => {
    execFile("git", ["-c", "core.fsmonitor=false", ...args], options, (error, out) => {
      resolve(error === null ? out.trim() : undefined);
    });
  });
}

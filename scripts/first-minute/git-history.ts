/**
 * This checkout's own history as `deployment.commit` events: who, what, when, which files. The
 * event's id is the commit's hash, so that a commit is recorded once however often it is sent;
 * therefore the same commit must always give the same bytes, and git is told not to let anybody's
 * configuration change what it prints.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Events, oldest first; or why there are none, in a sentence. */
export type Found =
  | { readonly events: readonly object[] }
  | { readonly events: readonly object[]; readonly why: string };

const commitsMax = 20_000;
const filesShown = 100;
const outputBytesMax = 256 * 1024 * 1024;
// Each commit begins with a byte that no status of a file begins with.
const mark = "\u0001";
const fields = ["%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%s"];

export async function readGitHistory(root: string, commits = commitsMax): Promise<Found> {
  // Without this, a tarball unpacked inside somebody's repository would show that one's history.
  if (!existsSync(join(root, ".git")))
    return none("This is not a git checkout, so there is no history to record.");
  const git = await runGit(root, [
    "--no-pager",
    "-c",
    "core.quotePath=false",
    "-c",
    "log.showSignature=false",
    "log",
    "-z",
    `--max-count=${commits}`,
    "--no-renames",
    "--no-mailmap",
    "--no-ext-diff",
    "--no-color",
    "--no-notes",
    "--no-relative",
    "--encoding=UTF-8",
    "-O/dev/null",
    "--name-status",
    `--format=${mark}${fields.join("%x00")}`,
  ]);
  if (git.why !== undefined) return none(git.why);
  return { events: parseGitLog(git.output).reverse() };
}

/** The commits in the order of the output, newest first. */
export function parseGitLog(output: string): object[] {
  const tokens = output.split("\0");
  const events: object[] = [];
  let at = 0;
  while (at < tokens.length) {
    if (!tokens[at]!.startsWith(mark)) {
      at++;
      continue;
    }
    const header = tokens.slice(at, at + fields.length);
    at += fields.length;
    const files: { status: string; path: string }[] = [];
    while (at < tokens.length && !tokens[at]!.startsWith(mark)) {
      const status = tokens[at]!.trim();
      if (status === "") {
        at++;
        continue;
      }
      files.push({ status, path: tokens[at + 1] ?? "" });
      at += 2;
    }
    // Output that was cut in the middle of a commit: the commit before it is the last whole one.
    if (header.length === fields.length) events.push(commitEvent(header, files));
  }
  return events;
}

function commitEvent(
  header: readonly string[],
  files: readonly { readonly status: string; readonly path: string }[],
): object {
  const [hash, parents, author, email, authored, committer, committerEmail, committed, subject] =
    header as [string, string, string, string, string, string, string, string, string];
  return {
    id: hash.slice(mark.length),
    type: "deployment.commit",
    time: sameZone(authored),
    actor: {
      id: clipped(email || author || "unknown", 1000),
      type: "user",
      name: clipped(author, 200),
    },
    action: "commit",
    targets: [{ type: "repository", id: "this checkout" }],
    outcome: "success",
    details: {
      subject: clipped(subject, 500),
      parents: parents.split(" ").filter((parent) => parent !== ""),
      committer: {
        id: clipped(committerEmail, 1000),
        name: clipped(committer, 200),
        time: sameZone(committed),
      },
      filesChanged: files.length,
      files: files
        .slice(0, filesShown)
        .map(({ status, path }) => ({ status, path: clipped(path, 400) })),
    },
  };
}

/** UTC is `Z` to some releases of git and `+00:00` to others. */
function sameZone(time: string): string {
  return time.replace(/\+00:00$/, "Z");
}

/**
 * What is too long for an event, or could not stand in one, is cut or replaced: it is shown, not
 * relied on.
 */
function clipped(text: string, length: number): string {
  return [...text.toWellFormed()]
    .slice(0, length)
    .join("")
    .replace(/\p{Noncharacter_Code_Point}/gu, "\ufffd");
}

function none(why: string): Found {
  return { events: [], why };
}

function runGit(
  root: string,
  args: readonly string[],
): Promise<{ output: string; why?: undefined } | { output?: undefined; why: string }> {
  return new Promise((resolve) => {
    const git = spawn("git", ["-C", root, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const pieces: Buffer[] = [];
    let byteLength = 0;
    let complaint = "";
    git.stdout.on("data", (piece: Buffer) => {
      pieces.push(piece);
      byteLength += piece.length;
      if (byteLength > outputBytesMax) git.kill();
    });
    git.stderr.on("data", (piece: Buffer) => {
      complaint = (complaint + piece.toString()).slice(0, 2000);
    });
    git.on("error", () =>
      resolve({ why: "There is no git on this machine, so that the history cannot be read." }),
    );
    git.on("close", (code) => {
      const isCut = byteLength > outputBytesMax;
      if (code === 0 || isCut) resolve({ output: Buffer.concat(pieces).toString("utf8") });
      else
        resolve({ why: `git cannot read the history: ${complaint.trim().split("\n")[0] ?? ""}` });
    });
  });
}

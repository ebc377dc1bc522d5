/**
 * Goal: `cairn run` is not felt by the command or by whoever reads it, and leaves nothing out of the log: bytes, exit
 * statuses, signals, terminals are the command's own; no record, no run; what a killed wrapper or an unreachable log
 * left behind is recorded by the next run. Method: real commands of any Linux; the wrapper in this process where that
 * is the same, else as a process of its own; terminals are made by script(1).
 */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCast } from "@cairnlog/capture";
import { Workplace, type Ran, type RunOptions } from "../run-command.testing.ts";

const bin = fileURLToPath(new URL("../bin.ts", import.meta.url));
const isWindows = process.platform === "win32";
const hasScript = /util-linux/.test(String(spawnSync("script", ["--version"]).stdout));
if (!hasScript && process.env["CI"] !== undefined)
  throw new Error("CI needs script(1) of util-linux");
if (!hasScript)
  console.warn("SKIPPED LOUDLY: terminals of `cairn run`: no script(1) of util-linux");

const work = new Workplace();
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  work.remove();
});

interface Event {
  readonly id: string;
  readonly type: string;
  readonly actor: { readonly id: string };
  readonly outcome: string;
  readonly trace: string;
  readonly details: Record<string, unknown> & {
    readonly output?: {
      readonly streams: Record<string, { byteLength: number; sha256?: string }>;
      readonly bytesNotKept?: number;
    };
  };
  readonly blobs?: readonly [{ readonly sha256: string; readonly byteLength: number }];
}

const env = { HOME: work.folder, PATH: process.env["PATH"] ?? "", GIT_CEILING_DIRECTORIES: "/" };

function run(options: string, command: readonly string[], more: RunOptions = {}): Promise<Ran> {
  const words = ["run", ...options.split(" ").filter((word) => word !== ""), "--", ...command];
  return work.run(words, { ...more, env: { ...env, ...more.env } });
}

/** The newest events, oldest first. */
async function last(count: number, data = "cairn-data"): Promise<Event[]> {
  const text = await work.ok(`tail -n ${count} --json --data ${data}`);
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => (JSON.parse(line) as { event: Event }).event);
}

async function castOf({ blobs }: Event): Promise<ReturnType<typeof parseCast>> {
  const { sha256 } = blobs![0];
  await work.ok(`get --blob ${sha256} --out ${sha256}.cast`);
  const text = await import("node:fs").then((fs) =>
    fs.readFileSync(work.path(`${sha256}.cast`), "utf8"),
  );
  return parseCast(text);
}

const textOf = ({ events }: ReturnType<typeof parseCast>): string =>
  events.map(({ text }) => text).join("");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** As a process of its own. */
function start(words: readonly string[], wrap?: (line: string) => string[]): ChildProcess {
  const all = [process.execPath, bin, ...words];
  const [file = "", ...args] =
    wrap === undefined
      ? all
      : wrap(all.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" "));
  const child = spawn(file, args, { cwd: work.folder, env, stdio: ["pipe", "pipe", "pipe"] });
  children.push(child);
  return child;
}

interface Done {
  readonly ended: readonly [number | null, string | null];
  readonly out: Buffer;
  readonly err: string;
}

async function done(child: ChildProcess): Promise<Done> {
  const [out, err]: Buffer[][] = [[], []];
  child.stdout!.on("data", (piece: Buffer) => out!.push(piece));
  child.stderr!.on("data", (piece: Buffer) => err!.push(piece));
  const ended = (await once(child, "close")) as [number | null, string | null];
  return { ended, out: Buffer.concat(out!), err: Buffer.concat(err!).toString() };
}

/** Resolves when the child has written it. */
function says(child: ChildProcess, text: string): Promise<void> {
  let seen = "";
  return new Promise((resolve, reject) => {
    child.stdout!.on("data", (piece: Buffer) => {
      seen += piece.toString();
      if (seen.includes(text)) resolve();
    });
    child.once("close", () => reject(new Error(`it ended without saying ${text}: ${seen}`)));
  });
}

describe("cairn run", { skip: isWindows }, () => {
  before(() => work.ok("init"));

  it("records who, what and where before the command starts, and how it ended", async () => {
    const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ran = await run("--env DEPLOY_* --env CI", ["sh", "-c", "echo $TRACEPARENT; exit 7"], {
      env: {
        ...{ TRACEPARENT: parent, DEPLOY_ENV: "prod", SECRET: "hidden", CI: "true" },
        ...{ GITHUB_ACTIONS: "true", GITHUB_ACTOR: "alice", GITHUB_RUN_ID: "99" },
      },
    });
    assert.equal(ran.exit, 7);
    const [started, finished] = (await last(2)) as [Event, Event];
    assert.deepEqual([started.type, finished.type], ["deployment.started", "deployment.finished"]);
    assert.deepEqual(started.details["env"], { CI: "true", DEPLOY_ENV: "prod" });
    assert.doesNotMatch(JSON.stringify([started, finished]), /hidden/);
    assert.equal(started.actor.id, "alice");
    const who = started.details["who"] as { from: string; ci: object };
    assert.deepEqual([who.from, who.ci], ["GITHUB_ACTOR", { system: "github", run: "99" }]);
    assert.equal(started.trace, finished.trace);
    assert.equal(started.trace.slice(0, 36), parent.slice(0, 36));
    assert.notEqual(started.trace, parent);
    assert.equal(ran.out, `${started.trace}\n`);
    assert.equal(started.details["parent"], parent);
    assert.deepEqual([finished.outcome, finished.details["exit"]], ["failure", 7]);
    assert.equal(started.details["run"], finished.details["run"]);
    assert.deepEqual(
      (await last(2)).map(({ id }) => id.slice(36)),
      [".started", ".finished"],
    );
  });

  it("names the commit, and whether anything differs from it", async () => {
    const git = (...args: string[]): void => {
      const author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
      const options = { cwd: work.path("tree"), env: { ...env, HOME: work.path("tree") } };
      const { status, stderr } = spawnSync("git", [...author, ...args], options);
      assert.equal(status, 0, String(stderr));
    };
    await run("", ["mkdir", "tree"]);
    git("init", "-q", "-b", "trunk");
    git("remote", "add", "origin", "https://user:secret@git.example.com/a.git");
    git("commit", "-q", "--allow-empty", "-m", "first");
    const { findWorkTree } = await import("./work-tree.ts");
    const found = await findWorkTree(work.path("tree"), env);
    assert.match(found?.commit ?? "", /^[0-9a-f]{40}$/);
    assert.deepEqual([found?.branch, found?.dirty], ["trunk", false]);
    assert.equal(found?.remote, "https://git.example.com/a.git");
    writeFileSync(work.path("tree/new"), "");
    assert.equal((await findWorkTree(work.path("tree"), env))?.dirty, true);
    assert.equal(await findWorkTree(work.folder, env), undefined);
  });

  it("passes input, both outputs and the exit status through, byte for byte", async () => {
    const input = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7919) % 256));
    const child = start(["run", "--", "sh", "-c", "cat; printf 'to \\377 err' >&2; exit 130"]);
    child.stdin!.end(input);
    const { ended, out, err } = await done(child);
    assert.deepEqual(ended, [130, null]);
    assert.ok(out.equals(input));
    assert.equal(err, "to \uFFFD err");
    const [finished] = await last(1);
    assert.deepEqual(finished!.details.output!.streams, {
      stdout: { byteLength: input.length, sha256: sha256(input) },
      stderr: { byteLength: 8, sha256: sha256(Buffer.from("to \xff err", "latin1")) },
    });
  });

  it("keeps the output with its timing, up to the limit, and counts and hashes the rest", async () => {
    let length = 0;
    const command = "echo begin; head -c 3000000 /dev/zero | tr '\\0' x";
    const ran = await run("--output-bytes-max 64KiB", ["sh", "-c", command], {
      onOut: (piece) => (length += piece.length),
    });
    assert.deepEqual([ran.exit, length], [0, 3_000_006]);
    const [finished] = await last(1);
    const { streams, bytesNotKept } = finished!.details.output!;
    const whole = Buffer.from(`begin\n${"x".repeat(3_000_000)}`);
    assert.deepEqual(streams["stdout"], { byteLength: 3_000_006, sha256: sha256(whole) });
    assert.ok(finished!.blobs![0].byteLength <= 64 * 1024);
    const cast = await castOf(finished!);
    const mark = `\r\n[cairn: ${bytesNotKept} bytes more were not kept]\r\n`;
    assert.equal(textOf(cast).length - mark.length + bytesNotKept!, 3_000_006);
    assert.ok(textOf(cast).startsWith("begin\n") && textOf(cast).endsWith(mark));
    const times = cast.events.map(({ timeMs }) => timeMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  });

  it("keeps no output with --no-record", async () => {
    assert.equal((await run("--no-record", ["echo", "hidden"])).exit, 0);
    const [finished] = await last(1);
    assert.deepEqual([finished!.blobs, finished!.details.output], [undefined, undefined]);
  });

  it("redacts output that comes in pieces, arguments and variables, and keeps no hash of them", async () => {
    const command = "printf 'a s3c'; sleep 0.1; printf 'ret, b\\n'; echo $0";
    const ran = await run(
      "--redact s\\wcret --env TOKEN",
      ["sh", "-c", command, "--token=s3cret"],
      {
        env: { TOKEN: "s3cret" },
      },
    );
    assert.equal(ran.out, "a s3cret, b\n--token=s3cret\n");
    const [started, finished] = (await last(2)) as [Event, Event];
    assert.doesNotMatch(JSON.stringify([started, finished]), /s3cret/);
    assert.deepEqual(started.details["env"], { TOKEN: "[redacted]" });
    assert.deepEqual(finished.details.output!.streams, { stdout: { byteLength: 27 } });
    assert.equal(textOf(await castOf(finished)), "a [redacted], b\n--token=[redacted]\n");
  });

  it("no record, no run: exit status 3, and the command never started", async () => {
    for (const target of ["--url http://127.0.0.1:1 --key k", "--data missing"]) {
      const ran = await run(target, ["touch", "ran"]);
      assert.equal(ran.exit, 3, target);
      assert.match(ran.err, /the command was not run, because its start could not be recorded/);
    }
    assert.equal(existsSync(work.path("ran")), false);
  });

  it("--allow-unrecorded runs it, says so, and the next run records both", async () => {
    const ran = await run("--data later --allow-unrecorded", ["sh", "-c", "echo kept; exit 4"]);
    assert.deepEqual([ran.exit, ran.out], [4, "kept\n"]);
    assert.match(ran.err, /NOT RECORDED: .*runs all the same/);
    assert.match(
      ran.err,
      /END of this run is NOT RECORDED yet: .* the next `cairn run` records it/,
    );
    await work.ok("init --data later");
    // Its wrapper, this process, is still alive: another process finds what it left. It is told so by the file.
    const folder = work.path(".local/state/cairn/runs");
    const kept = readdirSync(folder).find((name) => name.endsWith(".json"));
    disown(`${folder}/${kept!}`);
    const next = await run("--data later", ["true"]);
    assert.match(next.err, /recorded the end of 1 runs/);
    const events = await last(4, "later");
    assert.deepEqual(
      events.map(({ type, outcome }) => `${type} ${outcome}`),
      [
        "deployment.started unknown",
        "deployment.started unknown",
        "deployment.finished failure",
        "deployment.finished success",
      ],
    );
    assert.equal(events[1]!.details["recordedAfterTheStart"], true);
    assert.equal(events[2]!.details["startRecordedAfterwards"], true);
    assert.equal(await work.ok("replay 3 --data later"), "kept\n");
    assert.deepEqual(readdirSync(folder), []);
  });

  it("a killed wrapper leaves the start alone; the next run says that nobody knows the end", async () => {
    const child = start(["run", "--", "sh", "-c", "echo up; exec sleep 30"]);
    await says(child, "up");
    child.kill("SIGKILL");
    await once(child, "close");
    assert.equal((await last(1))[0]!.type, "deployment.started");
    const { details } = (await last(1))[0]!;
    assert.equal((await run("", ["true"])).exit, 0);
    const [, lost] = (await last(3)) as [Event, Event, Event];
    assert.deepEqual([lost.type, lost.outcome], ["deployment.finished", "unknown"]);
    assert.equal(lost.details["run"], details["run"]);
  });

  it("what cannot be started is recorded, with the status that shells give", async () => {
    const ran = await run("", ["no-such-command"]);
    assert.equal(ran.exit, 127);
    assert.equal((await last(1))[0]!.details["notStarted"], "ENOENT");
    assert.equal((await run("", [work.folder])).exit, 126);
  });

  it("ends by the signal that ended the command", async () => {
    const { ended } = await done(start(["run", "--", "sh", "-c", "kill -KILL $$"]));
    assert.deepEqual(ended, [null, "SIGKILL"]);
    assert.equal((await last(1))[0]!.details["signal"], "SIGKILL");
  });

  it("hands signals on, twice if they come twice, and lives to record the end", async () => {
    const trap = "n=0; trap 'n=$((n+1)); echo got $n; [ $n = 2 ] && exit 5' INT; echo up; ";
    const child = start(["run", "--", "sh", "-c", `${trap} while :; do sleep 0.02; done`]);
    await says(child, "up");
    child.kill("SIGINT");
    await says(child, "got 1");
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "close"), [5, null]);
    assert.equal((await last(1))[0]!.details["exit"], 5);
  });

  it("a reader who goes is felt by the command as without us", () => {
    const line = `'${process.execPath}' '${bin}' run -- yes | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const ran = spawnSync("bash", ["-c", line], { cwd: work.folder, env, encoding: "utf8" });
    assert.equal(ran.stdout, "y\n141\n");
  });

  it("gives the command pipes that it can open by name", async () => {
    const { out, err } = await run("", ["sh", "-c", "echo a >/dev/stdout; echo b >/dev/stderr"]);
    assert.deepEqual([out, err], ["a\n", "b\n"]);
  });

  it("does not wait for what the command left running", async () => {
    const sinceMs = performance.now();
    const ran = await run("", ["sh", "-c", "sleep 20 & echo $!"]);
    assert.ok(performance.now() - sinceMs < 15_000);
    process.kill(Number.parseInt(ran.out, 10));
  });
});

describe("cairn run on a terminal", { skip: isWindows || !hasScript }, () => {
  const onTerminal = (line: string): string[] => {
    return ["script", "-qec", `stty rows 33 cols 99; ${line}`, "/dev/null"];
  };

  it("the command has one too, of the same size; Ctrl-C is the command's; it is recorded", async () => {
    const command = "stty size; test -t 0 && test -t 1 && test -t 2 && echo all; echo $SHELL;";
    const trap = "trap 'echo got; exit 130' INT; echo READY; while :; do sleep 0.02; done";
    const child = start(["run", "--", "sh", "-c", command + trap], onTerminal);
    const finish = done(child);
    await says(child, "READY");
    child.stdin!.write("\u0003");
    const { ended, out } = await finish;
    assert.deepEqual(ended, [130, null]);
    assert.match(out.toString(), /^33 99\r\nall\r\n\r\nREADY\r\n(?:\^C)?got\r\n$/);
    const [started, finished] = (await last(2)) as [Event, Event];
    assert.equal(started.details["output"], "terminal");
    assert.equal(finished.details["exit"], 130);
    const { header, events } = await castOf(finished);
    assert.deepEqual([header.width, header.height], [99, 33]);
    assert.equal(events.map(({ text }) => text).join(""), out.toString());
  });

  it("tells a signal from the exit status that looks like it", async () => {
    const { ended } = await done(start(["run", "--", "sh", "-c", "kill -KILL $$"], onTerminal));
    // script(1) around it says so with a status.
    assert.deepEqual(ended, [137, null]);
    assert.equal((await last(1))[0]!.details["signal"], "SIGKILL");
    await done(start(["run", "--", "sh", "-c", "exit 137"], onTerminal));
    assert.equal((await last(1))[0]!.details["exit"], 137);
  });
});

/** Has a kept run belong to a process that is gone. */
function disown(path: string): void {
  const gone = spawnSync("true").pid;
  const text = String(spawnSync("cat", [path]).stdout);
  writeFileSync(path, text.replace(/"process":\d+/, `"process":${gone}`));
}

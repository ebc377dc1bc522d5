/**
 * Runs a command as if nobody stood between: the same input, the same bytes out, at the reader's pace; the same signals
 * and the same end. What it writes is shown to `take` besides.
 *
 * On a terminal the command gets one of its own, which script(1) of util-linux makes: only so do programs behave as
 * they do without us. Elsewhere its two outputs are pipes. Input is never looked at: the command has the descriptor.
 */
import { spawn, spawnSync, type ChildProcess, type StdioOptions } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Io } from "../io.ts";
import { closeWriteEnds, openPipes } from "./real-pipe.ts";
import type { StreamName } from "./recording.ts";
import type { FromTerminal, ToTerminal } from "./terminal-messages.ts";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Ended =
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  /** It was never started: `ENOENT`, `EACCES`. */
  | { readonly kind: "failed"; readonly code: string };

export type TakeOutput = (name: StreamName, bytes: Uint8Array) => void;

/**
 * How the output comes to be recorded: through a terminal of its own, through pipes (and why no terminal), or not at
 * all: then the command has our outputs themselves.
 */
export type Channel = { readonly kind: "terminal" | "none" } | { kind: "pipes"; why: string };

/** After the command's end its outputs may be held open by what it left behind: so long is waited for more of it. */
const quietMs = 1000;

export function chooseChannel(io: Io, isRecorded: boolean): Channel {
  if (!isRecorded) return { kind: "none" };
  const { stdin, stdout, stderr } = io.isTerminal;
  if (!stdin || !stdout || !stderr) return { kind: "pipes", why: "no terminal" };
  const { stdout: version, error } = spawnSync("script", ["--version"], { encoding: "utf8" });
  if (error === undefined && /util-linux 2\.(3[5-9]|[4-9]\d|\d{3})/.test(version)) {
    return { kind: "terminal" };
  }
  return { kind: "pipes", why: "script(1) of util-linux 2.35 or later is not installed" };
}

export function execute(
  io: Io,
  command: Command,
  channel: Channel,
  take: TakeOutput,
): Promise<Ended> {
  if (channel.kind === "terminal") return inTerminal(io, command, take);
  return throughPipes(io, command, channel, take);
}

async function throughPipes(
  io: Io,
  { file, args, env }: Command,
  channel: Channel,
  take: TakeOutput,
): Promise<Ended> {
  const isPiped = channel.kind === "pipes" || descriptorOf(io.stdout) === undefined;
  const pipes = isPiped ? openPipes(2) : undefined;
  const output = (i: number): number | "pipe" | "inherit" =>
    pipes?.[i]?.writeEnd ?? (isPiped ? "pipe" : "inherit");
  let child: ChildProcess;
  try {
    const stdio: StdioOptions = [descriptorOf(io.stdin) ?? "pipe", output(0), output(1)];
    child = spawn(file, args, { env, cwd: io.cwd, stdio });
  } catch (error) {
    // What Node refuses by itself, as an empty name.
    for (const { readable } of pipes ?? []) readable.destroy();
    return { kind: "failed", code: codeOf(error) };
  } finally {
    closeWriteEnds(pipes);
  }
  if (child.stdin !== null) {
    child.stdin.on("error", () => {});
    io.stdin.pipe(child.stdin);
  }
  const release = io.process?.takeSignals((signal) => {
    // Ctrl-C on a terminal reaches the command by itself: it must not get it twice.
    if (isOfTerminal(io, signal)) return;
    child.kill(signal);
  });
  try {
    const pumps = [
      pump(pipes?.[0]?.readable ?? child.stdout, io.stdout, (bytes) => take("stdout", bytes)),
      pump(pipes?.[1]?.readable ?? child.stderr, io.stderr, (bytes) => take("stderr", bytes)),
    ];
    const ended = await endOf(child);
    await Promise.all(pumps.map((each) => each.drained()));
    return ended;
  } finally {
    release?.();
  }
}

async function inTerminal(io: Io, command: Command, take: TakeOutput): Promise<Ended> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = fileURLToPath(new URL(`../terminal-worker.${extension}`, import.meta.url));
  const line = `exec ${shellQuoted(process.execPath)} ${shellQuoted(program)}`;
  const child = spawn("script", ["-q", "-e", "-c", line, "/dev/null"], {
    cwd: io.cwd,
    // Of script(1) alone: the command gets its environment over the channel.
    env: { ...io.env, SHELL: "/bin/sh", NODE_OPTIONS: undefined },
    stdio: [descriptorOf(io.stdin) ?? "ignore", "pipe", "inherit", "ipc"],
  });
  let ended: Ended | undefined;
  child.on("message", (message: FromTerminal) => {
    ended = message.kind === "failed" ? message : endedBy(message.status, message.signal);
  });
  child.on("error", () => {});
  const tell = (message: ToTerminal): void => {
    if (child.connected) child.send(message, () => {});
  };
  const { file, args, env } = command;
  tell({ file, args, env: { ...env } });
  const release = io.process?.takeSignals((signal) => tell({ signal }));
  try {
    const shown = pump(child.stdout, io.stdout, (bytes) => take("terminal", bytes));
    const own = await endOf(child);
    await shown.drained();
    return ended ?? (own.kind === "status" ? { kind: "failed", code: "script(1) failed" } : own);
  } finally {
    release?.();
  }
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("exit", (status, signal) => resolve(endedBy(status, signal)));
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ kind: "failed", code: codeOf(error) });
    });
  });
}

function endedBy(status: number | null, signal: NodeJS.Signals | null): Ended {
  return signal === null ? { kind: "status", status: status ?? 0 } : { kind: "signal", signal };
}

/** Passes a stream on. What is waiting to be written keeps the next from being read. */
function pump(
  from: Readable | null,
  to: Writable,
  take: (bytes: Uint8Array) => void,
): { drained(): Promise<void> } {
  const flow = { lastMs: performance.now(), isWriting: false };
  async function pass(stream: Readable): Promise<void> {
    try {
      for await (const bytes of stream as AsyncIterable<Uint8Array>) {
        take(bytes);
        flow.isWriting = true;
        const isGone = to.destroyed || !(await written(to, bytes));
        flow.isWriting = false;
        flow.lastMs = performance.now();
        // Nobody reads any more: the command is to learn it as it would without us.
        if (isGone) break;
      }
    } catch {
      // A terminal that is gone reads as an error; there is nothing more to come either way.
    } finally {
      stream.destroy();
    }
  }
  const passed = from === null ? Promise.resolve() : pass(from);
  return {
    async drained(): Promise<void> {
      const done = new AbortController();
      void passed.then(() => done.abort());
      flow.lastMs = performance.now();
      const isMoving = (): boolean => flow.isWriting || performance.now() - flow.lastMs < quietMs;
      while (!done.signal.aborted && isMoving()) {
        await sleep(20, undefined, { signal: done.signal }).catch(() => {});
      }
      from?.destroy();
      await passed;
    },
  };
}

/** Resolves when there is room for more; false where the reader has gone. */
function written(to: Writable, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    to.write(bytes, (error) => resolve(error === null || error === undefined));
  });
}

function isOfTerminal(io: Io, signal: NodeJS.Signals): boolean {
  const { stdin, stdout, stderr } = io.isTerminal;
  return (signal === "SIGINT" || signal === "SIGQUIT") && (stdin || stdout || stderr);
}

function descriptorOf(stream: Readable | Writable): number | undefined {
  const { fd } = stream as { readonly fd?: unknown };
  return typeof fd === "number" ? fd : undefined;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The real command as a process of its own: made, served, killed. For the tests about what outlives a process. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseDecimal } from "@cairnlog/core";
import { checkoutPath } from "./checkout.ts";

export const origin = "audit.example.com/logs/main";
const command = checkoutPath("packages/cli/bin/cairn.js");

export interface MadeLog {
  readonly vkeys: readonly string[];
  /** An API key for everything but operating. */
  readonly key: string;
}

/** `cairn init` in `folder`. */
export function initLog(folder: string): MadeLog {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [command, "init", "--data", folder, "--origin", origin, "--json"],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`cairn init: ${stderr}`);
  const made = JSON.parse(stdout) as { vkeys: string[]; key?: unknown };
  return { vkeys: made.vkeys, key: tokenOf(made.key) };
}

function tokenOf(key: unknown): string {
  if (typeof key === "string") return key;
  if (typeof key === "object" && key !== null && "token" in key) return String(key.token);
  throw new Error("cairn init shows its key");
}

export interface ServeOptions {
  /** What runs the command, as a program and its arguments; by default this Node. */
  readonly under?: readonly string[];
}

export class ServedProcess {
  readonly child: ChildProcess;
  /** Resolves with the URL; rejects where the process ends before it serves. */
  readonly url: Promise<string>;
  readonly ended: Promise<unknown>;
  #stderr = "";

  constructor(folder: string, { under = [] }: ServeOptions = {}) {
    const [program, ...args] = [...under, process.execPath, command, "serve"];
    const settings = ["--data", folder, "--listen", "127.0.0.1:0", "--json"];
    this.child = spawn(program, [...args, ...settings], { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = once(this.child, "close");
    this.child.stderr!.on("data", (text: Buffer) => {
      this.#stderr += text.toString("utf8");
    });
    this.url = this.#firstLine();
    // Whoever asks for the URL hears of it.
    this.url.catch(() => undefined);
  }

  /** What it has complained of. */
  get stderr(): string {
    return this.#stderr;
  }

  async #firstLine(): Promise<string> {
    for await (const line of createInterface({ input: this.child.stdout! })) {
      const { url } = JSON.parse(line) as { url: string };
      this.child.stdout!.resume();
      return url;
    }
    await this.ended;
    throw new Error(`cairn serve ended before it served: ${this.#stderr}`);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.child.kill(signal);
    await this.ended;
  }

  /** Sends the signal to the process that the program named by `under` has started: a tracer keeps it to itself. */
  async killInner(signal: NodeJS.Signals): Promise<void> {
    const { pid } = this.child;
    const inner = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    process.kill(parseDecimal(inner, "process id"), signal);
    await this.ended;
  }
}

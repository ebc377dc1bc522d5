/** A log that is served in a process of its own, killed, and served again at the same ports. For tests of syslog. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CairnEvent } from "@cairnlog/core";
import { Workplace } from "./run-command.testing.ts";

const bin = fileURLToPath(new URL("bin.ts", import.meta.url));
const patienceMs = 20_000;

export interface Entry {
  readonly source: string;
  readonly event: CairnEvent & { readonly details: Record<string, unknown> };
}

export class Receiver {
  readonly work = new Workplace();
  readonly ports = new Map<string, number>();
  #child: ChildProcess | undefined;

  async init(): Promise<void> {
    await this.work.ok("init");
  }

  async start(...args: string[]): Promise<void> {
    const child = spawn(
      process.execPath,
      [bin, "serve", "--listen", "0", "--scrub", "off", ...args],
      {
        cwd: this.work.folder,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    this.#child = child;
    const expected = args.filter((arg) => arg.startsWith("127.0.0.1:")).length;
    let text = "";
    for await (const piece of child.stdout) {
      text += String(piece);
      if ((text.match(/^Receiving .*\n/gm)?.length ?? 0) >= expected) break;
    }
    for (const [, what, port] of text.matchAll(/Receiving (\S+|syslog over \S+) at \S+:(\d+)/g)) {
      this.ports.set(what!.replace("syslog over ", ""), JSON.parse(port!) as number);
    }
    assert.match(text, /Serving/);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
    if (signal === "SIGTERM") assert.equal(child.exitCode, 0);
  }

  async entries(): Promise<Entry[]> {
    const out = await this.work.ok("tail --from 1 --json");
    return out
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Entry)
      .filter(({ source }) => source !== "cairn");
  }

  /** The arguments with which it starts again where it was. */
  samePorts(): string[] {
    return [...this.ports].flatMap(([name, port]) => [
      name.startsWith("relp") ? `--${name}` : `--syslog-${name}`,
      `127.0.0.1:${port}`,
    ]);
  }

  /** How many entries there are. */
  async size(): Promise<number> {
    const last = await this.work.ok("tail -n 1 --json");
    return (JSON.parse(last) as { seq: number }).seq + 1;
  }

  /** Waits until there are so many entries, however many more are coming. */
  async untilSize(size: number): Promise<void> {
    const giveUpAt = Date.now() + patienceMs;
    while ((await this.size()) < size && Date.now() < giveUpAt) await sleep(50);
  }

  /** Waits until it is quiet and `isEnough` of what is in the log; then what is there is what there is. */
  async until(isEnough: (entries: readonly Entry[]) => boolean): Promise<Entry[]> {
    const giveUpAt = Date.now() + patienceMs;
    for (let before = -1; ; await sleep(100)) {
      const size = await this.size();
      const isLate = Date.now() > giveUpAt;
      if (size === before || isLate) {
        const entries = await this.entries();
        if (isEnough(entries) || isLate) return entries;
      }
      before = size;
    }
  }

  async close(): Promise<void> {
    await this.end("SIGKILL");
    this.work.remove();
  }
}

/** What a program said, in the order of the log. */
export function messages(entries: readonly Entry[], app: string): string[] {
  return entries
    .filter(({ event }) => event.details.app === app)
    .map(({ event }) => String(event.details.message).trim());
}

export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `line ${i} of ${count}`);
}

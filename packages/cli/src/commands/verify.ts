/** `cairn verify`: finds out what it was given, checks all of it, and ends in a clear verdict. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CairnError, utf8 } from "@cairnlog/core";
import type { Report } from "@cairnlog/verify";
import type { CommandContext, CommandSpec } from "../command.ts";
import { findApiKey, type Configuration } from "../configuration.ts";
import type { Exit } from "../io.ts";
import { asciiJson } from "../safe-text.ts";
import { progressBar } from "../progress-bar.ts";
import { printReport } from "../print-report.ts";

export const verifyCommand: CommandSpec = {
  name: "verify",
  parameters: [
    {
      usage: "[target]",
      about:
        "a data folder, a log's folder, a URL, a sealed file, a proof, a receipt or a checkpoint (default: the setting data)",
    },
  ],
  summary: "check all of a log, or a proof",
  description:
    "Finds out what it was given and checks all of it: every entry, link of the chain, time, node of the tree, root, signature and seal. " +
    "It trusts neither the server nor the folder: only the verifier keys that you give it. Without keys it can only say that everything agrees with itself. " +
    "Exit status: 0 good, 1 not proven, 2 usage, 3 not to be read.",
  settings: ["data", "log", "key", "keyFile"],
  options: [
    {
      flags: "--vkey <key>",
      about: "a verifier key of the log, or a file with one a line; may be repeated",
      isList: true,
    },
    {
      flags: "--checkpoint <path>",
      about: "a checkpoint from elsewhere, which the log must extend",
    },
    { flags: "--entry <path>", about: "with a receipt: the entry that it is for, byte for byte" },
  ],
  examples: [
    { line: "cairn verify", about: "all logs in ./cairn-data" },
    {
      line: "cairn verify /mnt/copy/main --vkey main.vkeys --checkpoint last-year.checkpoint",
      about: "a copy, with keys and a checkpoint that you kept",
    },
    {
      line: "cairn verify https://audit.example.com --log payments --key-file reader.key --vkey main.vkeys",
      about: "a server, entry by entry",
    },
    { line: "cairn verify 42.tlog-proof --vkey main.vkeys", about: "one proof, without the log" },
  ],
  run,
};

async function run({ io, output, config, options, parameters }: CommandContext): Promise<Exit> {
  const { values, origins } = config;
  const target = targetOf(io.cwd, parameters[0] ?? values.data, config);
  const vkeys = options.list("vkey").flatMap((text) => readVkeys(io.cwd, text));
  const [checkpoint, entry] = [options.text("checkpoint"), options.text("entry")];
  const key = findApiKey(config);
  const isNamed = origins.get("log")!.level === "flag";
  const { verifyTarget } = await import("@cairnlog/verify");
  let report: Report;
  try {
    report = await verifyTarget(target, {
      ...(vkeys.length === 0 ? {} : { vkeys }),
      ...(checkpoint === undefined
        ? {}
        : { checkpoint: readArgument(io.cwd, checkpoint, "--checkpoint") }),
      ...(entry === undefined
        ? {}
        : { entry: withoutNewline(readArgument(io.cwd, entry, "--entry")) }),
      ...(isNamed ? { log: values.log } : {}),
      ...(key === undefined ? {} : { key }),
      onProgress: progressBar(output, () => io.now()),
      signal: AbortSignal.any([io.interrupted, output.closed]),
    });
  } catch (error) {
    if (!io.interrupted.aborted) throw error;
    throw new CairnError("unavailable", `interrupted: nothing is proven about ${target}`, {
      cause: error,
    });
  }
  if (output.isJson) await output.line(asciiJson(report));
  else await printReport(output, report);
  return exitOf(report);
}

/** A path as it is; of a server's address without a path, the place of the log's tiles. */
function targetOf(cwd: string, target: string, { values }: Configuration): string {
  if (!/^https?:\/\//i.test(target)) return resolve(cwd, target);
  const isServer = URL.canParse(target) && new URL(target).pathname === "/";
  return isServer ? `${target.replace(/\/+$/, "")}/logs/${values.log}/` : target;
}

/** What could not be read is neither good nor bad. */
function exitOf({ ok, problems }: Report): Exit {
  if (ok) return 0;
  const isUnread = problems.every(({ code }) => code === "unreadable" || code === "version");
  return isUnread && problems.length > 0 ? 3 : 1;
}

/** `cairn get 42 --json > 42.json` writes a line; the entry is what it says. */
function withoutNewline(text: string): Uint8Array {
  return utf8(text.replace(/\n$/, ""));
}

/** A key as it is, or a file that holds one a line. */
function readVkeys(cwd: string, text: string): string[] {
  if (/^[^+]+\+[0-9a-f]{8}\+/.test(text)) return [text];
  const lines = readArgument(cwd, text, "--vkey").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

function readArgument(cwd: string, path: string, flag: string): string {
  try {
    return readFileSync(resolve(cwd, path), "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `${flag}: ${why}`, { cause, place: { path } });
  }
}

/** `cairn verify`: finds out what it was given, checks all of it, and ends in a clear verdict. */
import { resolve } from "node:path";
import { CairnError, parseUtf8 } from "@cairnlog/core";
import type * as VerifyModule from "@cairnlog/verify";
import type { Report } from "@cairnlog/verify";
import type { CommandContext, CommandSpec } from "../command.ts";
import { findApiKey, type Configuration } from "../configuration.ts";
import type { Exit } from "../io.ts";
import { isBucket, readArgument, readPolicy } from "../key-arguments.ts";
import { readVkeys, tilesAddress, vkeyOption } from "../key-arguments.ts";
import { asciiJson } from "../safe-text.ts";
import { progressBar } from "../progress-bar.ts";
import { printReport } from "../print-report.ts";
import { bucketOptions } from "../worm-copies.ts";

export const verifyCommand: CommandSpec = {
  name: "verify",
  parameters: [
    {
      usage: "[target]",
      about:
        "a data folder, a log's folder, a URL, a bucket (s3://…), a sealed file, an evidence file or page, a proof, a receipt or a checkpoint (default: the setting data)",
    },
  ],
  summary: "check all of a log, a proof or evidence",
  description:
    "Finds out what it was given and checks all of it: every entry, link of the chain, time, node of the tree, root, signature and seal. " +
    "It trusts neither the server nor the folder: only the verifier keys and the policy that you give it. Without them it can only say that everything agrees with itself; " +
    "for a file that holds its own keys that proves nothing. " +
    "Exit status: 0 good, 1 not proven, 2 usage, 3 not to be read.",
  settings: ["data", "log", "key", "keyFile", "s3Endpoint", "s3Region", "s3PathStyle"],
  options: [
    vkeyOption,
    {
      flags: "--policy <path>",
      about:
        "a tlog-policy: the log's keys, its witnesses, and the quorum of them that must have cosigned",
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
    {
      line: "cairn verify s3://example-audit/logs --vkey main.vkeys",
      about: "the write-once copies, by their locked versions",
    },
    {
      line: "cairn verify case-17.evidence --policy audit.policy",
      about: "evidence, under the witnesses that you trust",
    },
    { line: "cairn verify 42.tlog-proof --vkey main.vkeys", about: "one proof, without the log" },
  ],
  run,
};

async function run({ io, output, config, options, parameters }: CommandContext): Promise<Exit> {
  const { values, origins } = config;
  const target = targetOf(io.cwd, parameters[0] ?? values.data, config);
  const vkeys = options.list("vkey").flatMap((text) => readVkeys(io.cwd, text));
  const policy = readPolicy(io.cwd, options);
  const [checkpoint, entry] = [options.text("checkpoint"), options.text("entry")];
  const key = findApiKey(config);
  const isNamed = origins.get("log")!.level === "flag";
  const verifyTarget = await verifierOf(target, config, () => io.now());
  let report: Report;
  try {
    report = await verifyTarget(target, {
      ...(vkeys.length === 0 ? {} : { vkeys }),
      ...(policy === undefined ? {} : { policy }),
      now: Math.floor(io.now() / 1000),
      ...(checkpoint === undefined
        ? {}
        : { checkpoint: parseUtf8(readArgument(io.cwd, checkpoint, "--checkpoint")) }),
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

type Verifier = typeof VerifyModule.verifyTarget;

/** Only who verifies a bucket loads what talks to one. */
async function verifierOf(
  target: string,
  { values }: Configuration,
  now: () => number,
): Promise<Verifier> {
  if (!isBucket(target)) return (await import("@cairnlog/verify")).verifyTarget;
  const { verifyBucket } = await import("@cairnlog/worm");
  const s3 = bucketOptions(values);
  return (place, options = {}) => verifyBucket(place, { ...options, s3, nowMs: now() });
}

/** A path or bucket as it is; of a server's address without a path, the place of the log's tiles. */
function targetOf(cwd: string, target: string, { values }: Configuration): string {
  if (isBucket(target)) return target;
  if (!/^https?:\/\//i.test(target)) return resolve(cwd, target);
  return tilesAddress(target, values.log);
}

/** What could not be read is neither good nor bad. */
function exitOf({ ok, problems }: Report): Exit {
  if (ok) return 0;
  const isUnread = problems.every(({ code }) => code === "unreadable" || code === "version");
  return isUnread && problems.length > 0 ? 3 : 1;
}

/** `cairn get 42 --json > 42.json` writes a line; the entry is what it says. */
function withoutNewline(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

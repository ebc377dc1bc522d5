/**
 * What `cairn mirror` and `cairn monitor` have in common: whom to trust, where to remember, and who hears of alarms.
 */
import fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fingerprint, parseVkey, type Policy, type Vkey } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type {
  FollowFile,
  FollowSink,
  FollowState,
  WatchAlarm,
  WatchStatus,
} from "@cairnlog/witness";
import type { CommandContext, OptionSpec } from "./command.ts";
import { findApiKey } from "./configuration.ts";
import { givenPolicy, policyOfVkeys, readVkeys, vkeyOption } from "./key-arguments.ts";
import { metricsOption } from "./metrics-listen.ts";
import { asciiJson, safeText } from "./safe-text.ts";
import { durationType } from "./setting-types.ts";

export const watchOptions: readonly OptionSpec[] = [
  vkeyOption,
  { flags: "--policy <path>", about: "a tlog-policy: the log's keys, its witnesses, their quorum" },
  { flags: "--interval <duration>", about: "between two looks (default: 5s)" },
  { flags: "--stale-after <duration>", about: "cosignatures that are older alarm (default: 3m)" },
  { flags: "--unreachable-after <duration>", about: "silence that is longer alarms (default: 1m)" },
  metricsOption,
  { flags: "--once", about: "look once, and end: 0 good, 1 alarm, 3 no answer" },
];

const { sha256 } = nodeCrypto;

export interface Watching {
  readonly status: () => WatchStatus;
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly lookOnce: () => Promise<WatchStatus>;
  readonly state: () => FollowState;
}

/** Sets a watch of `url` up, with its memory in `files`. */
export async function openWatch(
  context: CommandContext,
  url: string,
  files: FollowFile,
  sink?: FollowSink,
): Promise<Watching> {
  const { io, output, options, config } = context;
  const { Follower, Watch } = await import("@cairnlog/witness");
  const { Fetcher } = await import("@cairnlog/verify");
  const key = findApiKey(config);
  const signal = io.interrupted;
  // It will look again anyway.
  const attempts = 2;
  const source = new Fetcher(url, { signal, attempts, ...(key === undefined ? {} : { key }) });
  const policy = await findPolicy(context, files.folder, source);
  const follower = await Follower.open({
    source,
    crypto: nodeCrypto,
    policy,
    memory: files,
    signal,
    now: () => io.now(),
    ...(sink === undefined ? {} : { sink }),
    onEntries: (verified, size) => {
      output.progress(
        `${verified.toLocaleString("en-US")} of ${size.toLocaleString("en-US")} entries`,
      );
    },
  });
  const duration = (name: string, flag: string, standard: string): number =>
    durationType.parse(options.text(name) ?? standard, flag);
  const watch = new Watch({
    follower,
    policy,
    target: url,
    now: () => io.now(),
    intervalMs: duration("interval", "--interval", "5s"),
    staleAfterMs: duration("staleAfter", "--stale-after", "3m"),
    unreachableAfterMs: duration("unreachableAfter", "--unreachable-after", "1m"),
    sleep: (ms, until) => sleep(ms, undefined, { signal: until }).catch(() => undefined),
    onAlarm: (alarm) => tell(context, files.folder, alarm),
    onLook: (status, entries) => {
      if (entries > 0) output.note(describe(status, entries));
    },
  });
  return {
    status: () => watch.status(),
    run: (until) => watch.run(until),
    lookOnce: () => watch.lookOnce(),
    state: () => follower.state,
  };
}

function describe({ size, witnesses }: WatchStatus, entries: number): string {
  const count = (n: number): string => n.toLocaleString("en-US");
  const by = witnesses.length === 0 ? "" : `, cosigned by ${witnesses.join(", ")}`;
  return `${count(entries)} new entries verified, ${count(size)} in all${by}`;
}

/** First on the disk, then said: an alarm outlives whoever should have read the terminal. */
async function tell({ output }: CommandContext, folder: string, alarm: WatchAlarm): Promise<void> {
  const file = fs.openSync(join(folder, "alarms.ndjson"), "a", 0o600);
  try {
    fs.writeSync(file, `${asciiJson(alarm)}\n`);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  if (output.isJson) return output.line(asciiJson(alarm));
  const head = alarm.kind === "over" ? output.paint("good", "over ") : output.paint("bad", "ALARM");
  await output.line(`${head} ${alarm.at} ${alarm.code}: ${safeText(alarm.message)}`);
  if (alarm.evidence !== undefined) {
    output.note(`The signed notes that show it are in ${join(folder, "alarms.ndjson")}`);
  }
}

/** The user's policy and keys; else the keys that were taken at the first sight. */
async function findPolicy(
  { io, output, options }: CommandContext,
  folder: string,
  source: { get(path: string, byteLengthMax: number): Promise<Uint8Array> },
): Promise<Policy> {
  const given = givenPolicy(io.cwd, options);
  if (given !== undefined) return given;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kept = join(folder, "vkeys");
  if (!fs.existsSync(kept)) {
    const { keysOnFirstUse } = await import("@cairnlog/witness");
    const found = await keysOnFirstUse(source);
    fs.writeFileSync(kept, found.map((text) => `${text}\n`).join(""), { mode: 0o600 });
    output.note("No key was given: those that the log names are taken, and held to from now on.");
    for (const text of found) output.note(`  ${describeKey(parseVkey(sha256, text))}`);
    output.note("Compare the fingerprint with the operator's, over another way.");
  }
  return policyOfVkeys(readVkeys(folder, "vkeys"));
}

function describeKey(vkey: Vkey): string {
  return `${vkey.name}  ${fingerprint(sha256, vkey)}`;
}

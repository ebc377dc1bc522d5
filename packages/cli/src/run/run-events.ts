/**
 * The two events of a run: `<workflow>.started`, which is durable before the command starts, and `<workflow>.finished`.
 * They have the run's id in common (`details.run`, and their own ids begin with it), the trace, who, and what; and the
 * second one alone says how it ended. Where a wrapper was killed, the first one stands alone until somebody finds what
 * it has left (kept-runs.ts).
 */
import { constants } from "node:os";
import { eventFrom, fitted, given, type Workflow } from "@cairnlog/capture";
import type { NamedBlob } from "@cairnlog/core";
import type { Channel, Ended } from "./execute.ts";
import type { OutputSummary } from "./recording.ts";
import type { Redaction } from "./redaction.ts";
import type { RunTrace } from "./trace.ts";
import type { Who } from "./who.ts";
import type { WorkTree } from "./work-tree.ts";

export interface Run {
  readonly id: string;
  readonly workflow: Workflow;
  readonly argv: readonly string[];
  readonly who: Who;
  readonly host: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workTree: WorkTree | undefined;
  readonly trace: RunTrace;
  readonly channel: Channel;
  readonly redaction: Redaction;
  readonly startedMs: number;
}

export interface RunEnd {
  readonly ended: Ended;
  readonly endedMs: number;
  readonly durationMs: number;
  readonly output: OutputSummary | undefined;
  /** The cast, where it is in the log. */
  readonly blob: NamedBlob | undefined;
  /** Why there is none. */
  readonly blobRefused?: string | undefined;
  /** The command ran although its start was not in the log. */
  readonly isStartLate: boolean;
}

/** All arguments together; what is longer is cut and marked with its hash. */
const argvBytesMax = 16 * 1024;
const argumentsMax = 256;
const textBytesMax = 2048;

export function startEvent(run: Run, isLate: boolean): object {
  const { channel, workTree, env } = run;
  const isAny = Object.keys(env).length > 0;
  return eventFrom({
    ...commonParts(run),
    id: `${run.id}.started`,
    type: `${run.workflow}.started`,
    time: new Date(run.startedMs).toISOString(),
    outcome: "unknown",
    details: {
      ...commonDetails(run),
      ...given("git", workTree === undefined ? undefined : shortTexts(workTree)),
      ...given("env", isAny ? shortTexts(env) : undefined),
      output: channel.kind,
      ...(channel.kind === "pipes" ? { whyNoTerminal: channel.why } : {}),
      ...(isLate ? { recordedAfterTheStart: true } : {}),
    },
  });
}

export function endEvent(run: Run, end: RunEnd): object {
  const { ended, output, blob, blobRefused } = end;
  const isGood = ended.kind === "status" && ended.status === 0;
  const event = eventFrom({
    ...commonParts(run),
    id: `${run.id}.finished`,
    type: `${run.workflow}.finished`,
    time: new Date(end.endedMs).toISOString(),
    outcome: isGood ? "success" : "failure",
    details: {
      ...commonDetails(run),
      ...given("exit", ended.kind === "status" ? ended.status : undefined),
      ...given("signal", ended.kind === "signal" ? ended.signal : undefined),
      ...given("notStarted", ended.kind === "failed" ? ended.code : undefined),
      durationMs: Math.round(end.durationMs),
      ...given("output", output),
      ...given("outputNotKept", blobRefused),
      ...(end.isStartLate ? { startRecordedAfterwards: true } : {}),
    },
  });
  return blob === undefined ? event : { ...event, blobs: [blob] };
}

/**
 * What is recorded for a run whose wrapper ended before the command, or whose machine did. It says no time: nobody
 * knows it. The same text whoever finds it.
 */
export function lostEvent(run: Run): object {
  return eventFrom({
    ...commonParts(run),
    id: `${run.id}.finished`,
    type: `${run.workflow}.finished`,
    outcome: "unknown",
    details: { ...commonDetails(run), lost: "the wrapper ended before it could record the end" },
  });
}

/** As shells have it: 128 and the signal's number; 127 for what is not there, 126 for what cannot be run. */
export function exitStatusOf(ended: Ended): number {
  if (ended.kind === "status") return ended.status;
  if (ended.kind === "signal") return 128 + constants.signals[ended.signal];
  return ended.code === "ENOENT" ? 127 : 126;
}

function commonParts({ who, trace, host, argv, redaction }: Run): {
  actor: { id: string; type: string };
  action: string;
  targets: { type: string; id: string }[];
  trace: string;
} {
  const line = fitted(redaction.of(argv.join(" ")), 512) ?? "";
  return {
    actor: { id: redaction.of(who.id), type: "user" },
    action: "run",
    targets: [
      { type: "host", id: host },
      { type: "command", id: line },
    ],
    trace: trace.traceparent,
  };
}

function commonDetails(run: Run): object {
  const { id, who, cwd, trace } = run;
  const { from, user, sudo, ci } = who;
  return {
    run: id,
    command: argvOf(run),
    who: {
      from,
      user,
      ...given("sudo", sudo === undefined ? undefined : shortTexts(sudo, run.redaction)),
      ...given("ci", ci === undefined ? undefined : shortTexts(ci, run.redaction)),
    },
    ...given("cwd", fitted(cwd, textBytesMax)),
    ...given("parent", trace.parent),
  };
}

function argvOf({ argv, redaction }: Run): object {
  let room = argvBytesMax;
  const args: string[] = [];
  for (const each of argv.slice(0, argumentsMax)) {
    const text =
      each === "" ? "" : fitted(redaction.of(each), Math.max(128, Math.min(room, 4096)))!;
    if (room <= 0) break;
    room -= Buffer.byteLength(JSON.stringify(text));
    args.push(text);
  }
  return { args, ...(args.length < argv.length ? { argsCount: argv.length } : {}) };
}

/** The texts of an object, each within a limit; what is no text stays. */
function shortTexts(value: object, redaction?: Redaction): object {
  const entries = Object.entries(value).map(([name, each]: [string, unknown]) => {
    if (typeof each !== "string") return [name, each];
    return [name, fitted(redaction?.of(each) ?? each, textBytesMax) ?? ""];
  });
  return Object.fromEntries(entries) as object;
}

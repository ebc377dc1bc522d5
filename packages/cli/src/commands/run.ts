/** `cairn run`: any command, recorded before it starts and when it has ended. */
import { randomUUID } from "node:crypto";
import type { Workflow } from "@cairnlog/capture";
import { CairnError, isCairnError, utf8 } from "@cairnlog/core";
import type { BlobFile } from "../blob-file.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { LogSink } from "../log-view.ts";
import { chooseTarget, openSink } from "../open-target.ts";
import { describeError } from "../report-error.ts";
import { deliver } from "../run/deliver.ts";
import { chooseChannel, execute, type Ended } from "../run/execute.ts";
import { deliverKept, KeptRun, runsFolder } from "../run/kept-runs.ts";
import { Recording } from "../run/recording.ts";
import { Redaction } from "../run/redaction.ts";
import { endEvent, exitStatusOf, lostEvent, startEvent, type Run } from "../run/run-events.ts";
import { traceOfRun } from "../run/trace.ts";
import { whoRuns } from "../run/who.ts";
import { findWorkTree } from "../run/work-tree.ts";
import { bytesType, choiceType } from "../setting-types.ts";

const outputLimit = "16MiB";
const workflowType = choiceType([
  "deployment",
  "change",
  "security",
  "database",
  "api",
  "identity",
]);

export const runCommand: CommandSpec = {
  name: "run",
  parameters: [{ usage: "<command...>", about: "the command and its arguments, after --" }],
  summary: "run a command, and record that it ran",
  description:
    "Records who runs what, where, at which commit; then runs it; then records how it ended, with its output. " +
    "The start is durable in the log before the command starts: what cannot be recorded is not run (exit status 3). " +
    "Input, output, signals and exit status are the command's own. " +
    "Output is kept with its timing, and `cairn replay` plays it; what is typed is never recorded, but what a terminal echoes is output. " +
    "See docs/run.md.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    {
      flags: "--type <workflow>",
      about: "deployment (the default), change, security, database, api or identity",
    },
    {
      flags: "--env <name>",
      about:
        "record this variable of the environment; NAME_* for all that begin so; may be repeated",
      isList: true,
    },
    {
      flags: "--redact <regex>",
      about:
        "keep [redacted] in place of what matches, in output, arguments and variables; may be repeated",
      isList: true,
    },
    { flags: "--no-record", about: "do not keep the output" },
    {
      flags: "--output-bytes-max <bytes>",
      about: `keep so much of the output, as a recording; count and hash the rest (default: ${outputLimit})`,
    },
    {
      flags: "--allow-unrecorded",
      about: "run the command although its start cannot be recorded, and record both later",
    },
    {
      flags: "--source <alias>",
      about: "with a data folder: the alias to record under (default: run)",
    },
  ],
  examples: [
    {
      line: "cairn run --url https://audit.example.com --key-file run.key -- make deploy",
      about: "deploy, and have it on record",
    },
    {
      line: "cairn run --type change --env DEPLOY_ENV --env TF_* -- terraform apply",
      about: "with some of the environment",
    },
    {
      line: 'cairn run --redact "token=[^ ]+" -- ./migrate.sh --token=abc',
      about: "without what must not be kept",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<number> {
  const { options, io, output } = context;
  const outputBytesMax = bytesType.parse(
    options.text("outputBytesMax") ?? outputLimit,
    "--output-bytes-max",
  );
  const allowsUnrecorded = options.has("allowUnrecorded");
  const plan = await planRun(context);
  const folder = runsFolder(io.env);
  const isLate = !(await recordStart(context, plan, folder, allowsUnrecorded));
  if (io.interrupted.aborted) {
    throw new CairnError(
      "unavailable",
      "interrupted before the command was started: it did not run",
    );
  }
  const kept = keepRun(context, plan, folder, isLate);
  const recording = options.isOn("record")
    ? new Recording(headerOf(context, plan), plan.redaction, outputBytesMax)
    : undefined;
  const began = performance.now();
  const sinceMs = (): number => performance.now() - began;
  const onResize = (): void => {
    const { width, height } = windowOf(context);
    recording?.resize(width, height, sinceMs());
  };
  io.stdout.on("resize", onResize);
  const [file = "", ...args] = plan.argv;
  const env = { ...io.env, TRACEPARENT: plan.trace.traceparent };
  const ended = await execute(io, { file, args, env }, plan.channel, (name, bytes) => {
    recording?.take(name, bytes, sinceMs());
  });
  io.stdout.off("resize", onResize);
  const durationMs = sinceMs();
  if (ended.kind === "failed") output.error(`cairn: ${file} cannot be run: ${ended.code}`);
  const summary = recording?.end(durationMs);
  const isSilent = summary === undefined || Object.keys(summary.streams).length === 0;
  const blob = isSilent ? undefined : recording?.blob();
  const end = { ended, endedMs: io.now(), durationMs, output: summary, isStartLate: isLate };
  const events = (named: BlobFile | undefined, blobRefused?: string): object[] => [
    ...(isLate ? [startEvent(plan, true)] : []),
    endEvent(plan, { ...end, blob: named?.name, blobRefused }),
  ];
  // Signals must not stop the end from being recorded: the command has had its own.
  const release = io.process?.takeSignals(() => {});
  try {
    await deliver(context, { source: sourceOf(context), kept, blob, events });
  } finally {
    release?.();
  }
  return pass(context, ended);
}

async function planRun({ options, io, parameters }: CommandContext): Promise<Run> {
  const redaction = new Redaction(options.list("redact"));
  const workflow: Workflow = workflowType.parse(options.text("type") ?? "deployment", "--type");
  return {
    id: randomUUID(),
    workflow,
    argv: parameters,
    who: whoRuns(io.env),
    host: io.hostName,
    cwd: io.cwd,
    env: allowedVariables(options.list("env"), io.env, redaction),
    workTree: await findWorkTree(io.cwd, io.env),
    trace: traceOfRun(io.env["TRACEPARENT"]),
    channel: chooseChannel(io, options.isOn("record")),
    redaction,
    startedMs: io.now(),
  };
}

/** Whether the start is in the log. Throws where it is not and that is not allowed. */
async function recordStart(
  context: CommandContext,
  plan: Run,
  folder: string | undefined,
  allowsUnrecorded: boolean,
): Promise<boolean> {
  let sink: LogSink | undefined;
  try {
    sink = await openSink(context, sourceOf(context));
    const bytes = utf8(JSON.stringify(startEvent(plan, false)));
    const [outcome] = (await sink.append({ form: "one", bytes }, "short")).outcomes;
    if (outcome === undefined || "error" in outcome) {
      throw outcome?.error ?? new CairnError("unavailable", "the log gave no receipt");
    }
    await deliverOthers(context, folder, sink);
    return true;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const why = describeError(error).replace(/^cairn: /, "");
    if (!allowsUnrecorded) {
      const message = `the command was not run, because its start could not be recorded: ${why}`;
      throw new CairnError("unavailable", message, { cause: error });
    }
    context.output.error(
      `cairn: NOT RECORDED: ${why} The command runs all the same (--allow-unrecorded).`,
    );
    return false;
  } finally {
    await sink?.close();
  }
}

/** What runs before this one left behind. It must not stop this one. */
async function deliverOthers(
  { output, config }: CommandContext,
  folder: string | undefined,
  sink: LogSink,
): Promise<void> {
  if (folder === undefined) return;
  try {
    const count = await deliverKept(folder, logOf(config), sink);
    if (count > 0)
      output.note(`cairn: recorded the end of ${count} runs that had been left behind.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    output.note(`cairn: runs that were left behind still wait in ${folder}: ${why}`);
  }
}

function keepRun(
  { config, output }: CommandContext,
  plan: Run,
  folder: string | undefined,
  isLate: boolean,
): KeptRun | undefined {
  try {
    if (folder === undefined) throw new Error("neither HOME nor XDG_STATE_HOME is set");
    const events = [...(isLate ? [startEvent(plan, true)] : []), lostEvent(plan)];
    return KeptRun.begin(folder, plan.id, logOf(config), events);
  } catch (error) {
    // The start is in the log, or it was said loudly that it is not: what is lost is only convenience.
    const why = error instanceof Error ? error.message : String(error);
    output.error(`cairn: if this run cannot be recorded at its end, nothing is kept of it: ${why}`);
    return undefined;
  }
}

function sourceOf({ options }: CommandContext): string {
  return options.text("source") ?? "run";
}

function logOf(config: CommandContext["config"]): string {
  const target = chooseTarget(config);
  return `${target.kind === "server" ? target.url : target.folder} ${config.values.log}`;
}

function headerOf(
  context: CommandContext,
  { argv, redaction, startedMs }: Run,
): ConstructorParameters<typeof Recording>[0] {
  const { TERM } = context.io.env;
  return {
    ...windowOf(context),
    timestamp: Math.floor(startedMs / 1000),
    command: redaction.of(argv.join(" ")).slice(0, 4096),
    ...(TERM === undefined ? {} : { env: { TERM: TERM.slice(0, 64) } }),
  };
}

/** What a terminal is where there is none. */
const standardWindow = { width: 80, height: 24 };

function windowOf({ io }: CommandContext): { width: number; height: number } {
  const { columns, rows } = io.stdout as { readonly columns?: number; readonly rows?: number };
  if (columns === undefined || rows === undefined) return standardWindow;
  return { width: columns, height: rows };
}

function allowedVariables(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  redaction: Redaction,
): Record<string, string> {
  const allowed = names.flatMap((name) => name.split(","));
  const isAllowed = (variable: string): boolean =>
    allowed.some((name) =>
      name.endsWith("*") ? variable.startsWith(name.slice(0, -1)) : variable === name,
    );
  const found: Record<string, string> = {};
  for (const variable of Object.keys(env).filter(isAllowed).sort().slice(0, 100)) {
    found[variable] = redaction.of(env[variable] ?? "").slice(0, 512);
  }
  return found;
}

/** Ends as the command did. */
function pass({ io }: CommandContext, ended: Ended): number {
  if (ended.kind === "signal") io.process?.endBySignal(ended.signal);
  return exitStatusOf(ended);
}

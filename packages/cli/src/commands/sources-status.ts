/** `cairn sources status`: how complete what each source sent is, over any period. */
import { formatLogTime } from "@cairnlog/core";
import type { ContinuityReport, SourceContinuity, StreamContinuity } from "@cairnlog/log";
import type { CommandContext, CommandSpec } from "../command.ts";
import { chooseTarget, openView } from "../open-target.ts";
import type { Output } from "../output.ts";
import { safeText } from "../safe-text.ts";
import { request } from "../server-request.ts";

const dayMs = 86_400_000;
/** A server reads the entries first. */
const timeoutMs = 600_000;
/** Ranges that are written out for each stream; all of them with --json. */
const rangesShown = 5;

export const sourcesStatusCommand: CommandSpec = {
  name: "sources status",
  summary: "show how complete each source is",
  description:
    "Shows for each source, and each stream of its numbered events: first and last entry, how many events, their numbers, " +
    "what is missing, conflicts, clocks that ran backwards, silences, and what was refused. Computed from the entries of the " +
    "period. Ends with status 1 where numbers are missing.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
    { flags: "--since <time>", about: "entries committed from then on (default: 24h)" },
    { flags: "--until <time>", about: "entries committed before" },
    { flags: "--source <alias>", about: "this source only" },
  ],
  examples: [
    { line: "cairn sources status", about: "the last 24 hours" },
    {
      line: "cairn sources status --since 7d --source orders --json",
      about: "one source over a week, as JSON",
    },
  ],
  async run(context: CommandContext): Promise<0 | 1> {
    const { output } = context;
    const report = await reportFor(context);
    if (output.isJson) await output.line(JSON.stringify(report));
    else await print(output, report);
    const isWhole = report.sources.every(({ streams }) => streams.every((s) => s.missing === 0));
    return isWhole ? 0 : 1;
  },
};

async function reportFor(context: CommandContext): Promise<ContinuityReport> {
  const { config, io, options, output } = context;
  const sinceMs = options.time("since", io.now()) ?? io.now() - dayMs;
  const untilMs = options.time("until", io.now());
  const source = options.text("source");
  const target = chooseTarget(config);
  if (target.kind === "server") {
    const query = new URLSearchParams({ since: formatLogTime(sinceMs) });
    if (untilMs !== undefined) query.set("until", formatLogTime(untilMs));
    if (source !== undefined) query.set("source", source);
    // No path or query of the server has an escape: a colon and a slash stand for themselves.
    const text = query.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
    const path = `/v1/logs/${config.values.log}/continuity?${text}`;
    return JSON.parse(await request(target, { path, timeoutMs })) as ContinuityReport;
  }
  const { Continuity } = await import("@cairnlog/log");
  const continuity = new Continuity(source);
  const view = await openView(context);
  const signal = AbortSignal.any([io.interrupted, output.closed]);
  const range = { from: undefined, to: undefined, sinceMs, untilMs, limit: undefined };
  for await (const { bytes } of view.entries({ ...range, follow: false, signal })) {
    continuity.add(bytes);
  }
  return continuity.report();
}

async function print(output: Output, report: ContinuityReport): Promise<void> {
  const { entries, first, last, sources, refused, streamsLeftOut } = report;
  if (first === undefined || last === undefined) {
    output.note("There are no entries in this period.");
    return;
  }
  await output.line(
    `${entries} entries, ${first.seq} to ${last.seq}, ${first.time} to ${last.time}`,
  );
  for (const source of sources) await printSource(output, source);
  for (const [identity, codes] of Object.entries(refused)) {
    await output.line(`${output.paint("bold", safeText(identity))}  refused ${counts(codes)}`);
  }
  if (streamsLeftOut > 0) {
    await output.line(output.paint("warn", `${streamsLeftOut} more streams: ask for one source`));
  }
}

async function printSource(output: Output, source: SourceContinuity): Promise<void> {
  const { conflicts, clockSteps, silences, refused, first, last } = source;
  const span = first && last ? `  ${first.seq} (${first.time}) to ${last.seq} (${last.time})` : "";
  await output.line(
    `${output.paint("bold", source.source)}  ${plural(source.events, "event")}${span}`,
  );
  const troubles = [
    conflicts > 0 ? plural(conflicts, "conflict") : "",
    clockSteps > 0 ? `clock ran backwards ${plural(clockSteps, "time")}` : "",
    ...silences.map(({ since, until }) => `silent from ${since} ${until ? `to ${until}` : "on"}`),
    Object.keys(refused).length > 0 ? `refused ${counts(refused)}` : "",
  ];
  for (const trouble of troubles) {
    if (trouble !== "") await output.line(`  ${output.paint("warn", trouble)}`);
  }
  for (const stream of source.streams) await output.line(`  ${streamLine(output, stream)}`);
}

function streamLine(output: Output, stream: StreamContinuity): string {
  const { events, firstNumber, lastNumber, missing, gaps, filled } = stream;
  const parts = [
    stream.stream,
    events === 0
      ? "no events"
      : `${plural(events, "event")}, numbers ${firstNumber} to ${lastNumber}`,
    missing === 0
      ? output.paint("good", "none missing")
      : output.paint("bad", `${missing} missing: ${ranges(gaps)}`),
  ];
  if (filled.length > 0) parts.push(`came late: ${ranges(filled)}`);
  return parts.join("  ");
}

function ranges(list: readonly { readonly from: number; readonly to: number }[]): string {
  const shown = list
    .slice(0, rangesShown)
    .map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  return list.length > rangesShown ? `${shown.join(", ")}, …` : shown.join(", ");
}

function counts(codes: Readonly<Record<string, number>>): string {
  return Object.entries(codes)
    .map(([code, count]) => `${count} × ${safeText(code)}`)
    .join(", ");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

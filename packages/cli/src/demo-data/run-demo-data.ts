/** `npm run demo:data`: fills a log with a story, checks what came of it, and says what to look at. */
import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { CairnError, errorTable, formatLogTime, isCairnError } from "@cairnlog/core";
import { openLog, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { verifyDirectory } from "@cairnlog/verify";
import { defaultOrigin } from "../data-folder.ts";
import { flagsOf, readArguments, usage, type DemoDataArguments } from "./arguments.ts";
import { fillLog, type Filled } from "./fill.ts";
import { workflows } from "./happening.ts";
import { describeAttack, findSteps } from "./reveal.ts";
import { Story } from "./story.ts";
import { noteStory, toldStories } from "./told-stories.ts";

/** What the command knows of the world outside. */
export interface DemoDataIo {
  /** Relative paths begin here. */
  readonly folder: string;
  readonly hostName: string;
  /** Milliseconds since 1970. */
  now(): number;
  readonly interrupted: AbortSignal;
  print(line: string): void;
  printError(line: string): void;
  /** Replaces what it showed before; absent where nobody watches. */
  readonly progress?: (text: string) => void;
}

/** Returns the exit status: 0 good, 1 not proven, 2 usage, 3 unavailable. */
export async function runDemoData(argv: readonly string[], io: DemoDataIo): Promise<number> {
  try {
    const asked = readArguments(argv, {
      folder: io.folder,
      nowMs: io.now(),
      anySeed: () => randomInt(1, 1_000_000),
    });
    if (asked.help) {
      io.print(usage);
      return 0;
    }
    if (asked.reveal && !asked.append) {
      const stories = toldStories(asked.data, asked.log);
      for (const options of stories) await reveal(asked, new Story(options), io);
      if (stories.length > 0) return 0;
    }
    return await fill(asked, io);
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const { exit, todo } = errorTable[error.code];
    io.printError(`${error.message}${error.code === "usage" ? "" : `. ${todo}`}`);
    return exit;
  }
}

async function reveal(asked: DemoDataArguments, story: Story, io: DemoDataIo): Promise<void> {
  io.print(`The story of ${flagsOf(story.options)}`);
  const store = filesStore({ folder: asked.data });
  const seqs = await findSteps(store, asked.log, story, io.interrupted);
  for (const line of describeAttack(story, seqs)) io.print(line);
}

async function fill(asked: DemoDataArguments, io: DemoDataIo): Promise<number> {
  const story = new Story(asked.story);
  mkdirSync(asked.data, { recursive: true });
  const log = await openLog(filesStore({ folder: asked.data }), asked.log, {
    createWith: { origin: defaultOrigin(io.hostName, asked.log) },
  });
  try {
    // A new log has one entry, its own.
    if (log.status().size > 1 && !asked.append) throw notEmpty(log, asked.data);
    noteStory(asked.data, asked.log, asked.story);
    const { untilMs, days } = asked.story;
    io.print(
      `Telling ${days} days, up to ${formatLogTime(untilMs)}, to the log ${log.name} in ${asked.data}`,
    );
    io.print(`  the same again: npm run demo:data -- ${flagsOf(asked.story)}`);
    const beganMs = performance.now();
    const filled = await fillLog(log, story, io.interrupted, (recorded) =>
      io.progress?.(`  ${number(recorded)} of ${number(asked.story.events)} events`),
    );
    showRecorded(filled, performance.now() - beganMs, io);
    if (!filled.isWhole) {
      io.printError("Interrupted. What is recorded stays; the same flags and --append go on.");
      return errorTable.unavailable.exit;
    }
    const isGood = await showVerdict(log, asked.data, io);
    if (asked.reveal) for (const line of describeAttack(story, filled.seqs)) io.print(line);
    showNext(asked, story, io);
    return isGood ? 0 : errorTable.unverified.exit;
  } finally {
    await log.close();
  }
}

function notEmpty(log: Log, data: string): CairnError {
  const { size } = log.status();
  return new CairnError(
    "usage",
    `the log ${log.name} in ${data} has ${number(size)} entries already, and nothing can be taken out of a log. ` +
      "Name another one with --log, or say --append if the story is to follow them",
    { place: { log: log.name } },
  );
}

function showRecorded({ recorded, duplicates }: Filled, ms: number, io: DemoDataIo): void {
  const total = [...recorded.values()].reduce((sum, count) => sum + count, 0);
  io.progress?.("");
  for (const workflow of workflows) {
    const count = recorded.get(workflow) ?? 0;
    const share = total === 0 ? 0 : (100 * count) / total;
    io.print(
      `  ${`${workflow}.*`.padEnd(14)} ${number(count).padStart(12)}  ${share.toFixed(1).padStart(5)} %`,
    );
  }
  const known = duplicates === 0 ? "" : `; ${number(duplicates)} were there already`;
  const rate = number(Math.round((total + duplicates) / Math.max(0.001, ms / 1000)));
  io.print(
    `Recorded ${number(total)} events, durable, in ${(ms / 1000).toFixed(1)} s: ${rate} a second${known}`,
  );
}

async function showVerdict(log: Log, data: string, io: DemoDataIo): Promise<boolean> {
  await log.publish();
  const report = await verifyDirectory(join(data, log.name), { signal: io.interrupted });
  io.print(
    `Verified ${number(report.entriesChecked)} entries: ${report.ok ? "GOOD" : "BAD"}. ${report.summary}`,
  );
  for (const { message } of report.problems.slice(0, 5)) io.print(`  ${JSON.stringify(message)}`);
  return report.ok;
}

function showNext({ data, log }: DemoDataArguments, story: Story, io: DemoDataIo): void {
  const shown = relative(io.folder, data);
  const place = `--data ${shown.startsWith("..") || shown === "" ? data : shown} --log ${log}`;
  const attacked = story.attack.map(({ happening: { actor } }) => actor.id);
  const somebody = story.people.find(({ id, team }) => team === "data" && !attacked.includes(id))!;
  const lines = [
    "",
    "Somebody broke in. Where to begin (the hunt, with hints: docs/demo-data.md):",
    "",
    `  npx cairn tail -n 40 ${place}`,
    `  npx cairn evidence ${place} --actor ${somebody.id} --who you --why "what a colleague did" --out colleague.evidence`,
    `  npx cairn sources status ${place}`,
    "",
    "When you have found it, or given up: npm run demo:data -- --reveal" +
      (place === "--data cairn-data --log demo" ? "" : ` ${place}`),
  ];
  for (const line of lines) io.print(line);
}

function number(value: number): string {
  return value.toLocaleString("en");
}

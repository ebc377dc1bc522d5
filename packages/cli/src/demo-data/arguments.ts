/** What `npm run demo:data` is told, read strictly. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CairnError, formatLogTime, parseDecimal } from "@cairnlog/core";
import { parseTimeArgument } from "../time-argument.ts";
import { seedLimit } from "./random.ts";
import type { StoryOptions } from "./story.ts";

export const usage = `npm run demo:data -- [options]

Fills a log with a story: a week at an invented company, with an attack hidden in it (docs/demo-data.md).

  --seed NUMBER    another seed is another story (default: any; it is printed)
  --days NUMBER    how long the story is (default 7)
  --events NUMBER  how many events it has (default 20000, at most 10000000)
  --until TIME     when it ends: 2026-11-23T05:00:00Z, 2026-11-23, 3d (default: now)
  --data FOLDER    the data folder (default: cairn-data)
  --log NAME       the log, made if it is not there (default: demo)
  --append         record also where the log has entries
  --reveal         show where the attack is; of a log that is filled already, do nothing else`;

export interface DemoDataArguments {
  readonly story: StoryOptions;
  readonly data: string;
  readonly log: string;
  readonly append: boolean;
  readonly reveal: boolean;
  readonly help: boolean;
}

export function readArguments(
  argv: readonly string[],
  world: { readonly folder: string; readonly nowMs: number; readonly anySeed: () => number },
): DemoDataArguments {
  const values = parse(argv);
  const seed =
    values.seed === undefined ? world.anySeed() : wholeNumber(values.seed, "--seed", seedLimit - 1);
  const untilMs =
    values.until === undefined
      ? world.nowMs
      : parseTimeArgument(values.until, "--until", world.nowMs);
  const days = wholeNumber(values.days ?? "7", "--days");
  const events = wholeNumber(values.events ?? "20000", "--events");
  return {
    // Whole seconds: the printed end is the end that was meant.
    story: { seed, days, events, untilMs: Math.floor(untilMs / 1000) * 1000 },
    data: resolve(world.folder, values.data ?? "cairn-data"),
    log: values.log ?? "demo",
    append: values.append ?? false,
    reveal: values.reveal ?? false,
    help: values.help ?? false,
  };
}

/** The flags that tell the same story again. */
export function flagsOf({ seed, days, events, untilMs }: StoryOptions): string {
  const until = formatLogTime(untilMs).replace(".000Z", "Z");
  return `--seed ${seed} --days ${days} --events ${events} --until ${until}`;
}

function parse(argv: readonly string[]): ReturnType<typeof parseFlags> {
  try {
    return parseFlags(argv);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `${why}\n\n${usage}`, { cause });
  }
}

function parseFlags(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  return parseArgs({
    args: [...argv],
    options: {
      seed: text,
      days: text,
      events: text,
      until: text,
      data: text,
      log: text,
      append: flag,
      reveal: flag,
      help: { ...flag, short: "h" },
    },
  }).values;
}

function wholeNumber(text: string, name: string, max = 2 ** 53 - 1): number {
  const number = /^[0-9]{1,15}$/.test(text) ? parseDecimal(text, name) : Infinity;
  if (number <= max) return number;
  throw new CairnError("usage", `${name}: expected a whole number, not ${JSON.stringify(text)}`);
}

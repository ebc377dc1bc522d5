/**
 * Which stories a log was filled with: a small file beside the log, so that they can be told again. It holds what the
 * command was told and nothing of the answer; without it `--seed`, `--days`, `--events` and `--until` do the same.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CairnError } from "@cairnlog/core";
import type { StoryOptions } from "./story.ts";

function pathOf(data: string, log: string): string {
  return join(data, `${log}.demo-data.ndjson`);
}

export function noteStory(data: string, log: string, options: StoryOptions): void {
  const line = `${JSON.stringify(options)}\n`;
  const path = pathOf(data, log);
  if (existsSync(path) && readFileSync(path, "utf8").includes(line)) return;
  appendFileSync(path, line);
}

export function toldStories(data: string, log: string): readonly StoryOptions[] {
  const path = pathOf(data, log);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line, i) => {
    try {
      const { seed, days, events, untilMs } = JSON.parse(line) as StoryOptions;
      return { seed, days, events, untilMs };
    } catch (cause) {
      const what = `${path}, line ${i + 1}: not what this command writes there. Remove the line`;
      throw new CairnError("malformed", what, { place: { path }, cause });
    }
  });
}

/** `cairn tail`: the last entries, or a range, or what comes from now on. */
import { CairnError } from "@cairnlog/core";
import type { CommandContext, CommandSpec } from "../command.ts";
import { openView } from "../open-target.ts";
import { printEntry } from "../print-entry.ts";

const shownByDefault = 10;

export const tailCommand: CommandSpec = {
  name: "tail",
  summary: "show entries, and follow",
  description:
    "Shows the last 10 entries, or those of a range: seq, time of commit, source, type, actor, action, targets, outcome. " +
    "With --json each entry leaves byte for byte, one a line. From a data folder it reads also while another process writes.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
    { flags: "--from <seq>", about: "the first entry" },
    { flags: "--to <seq>", about: "the entry to stop before" },
    {
      flags: "--since <time>",
      about: "entries committed from then on: 2h, 15m, 2026-11-23, 2026-11-23T05:00:00Z",
    },
    { flags: "--until <time>", about: "entries committed before" },
    {
      flags: "-n, --limit <number>",
      about: "how many at most; without a range the last ones (default there: 10)",
    },
    { flags: "-f, --follow", about: "go on with what is recorded from now on, until Ctrl-C" },
  ],
  examples: [
    { line: "cairn tail -f", about: "the last entries, and new ones as they come" },
    { line: "cairn tail --since 2h --until 1h", about: "an hour, an hour ago" },
    {
      line: "cairn tail --from 0 --json --url http://127.0.0.1:8080",
      about: "everything, as NDJSON",
    },
  ],
  async run(context: CommandContext): Promise<0> {
    const { io, output, options } = context;
    const [from, to, limit] = [options.count("from"), options.count("to"), options.count("limit")];
    const sinceMs = options.time("since", io.now());
    const untilMs = options.time("until", io.now());
    const follow = options.has("follow");
    if (from !== undefined && to !== undefined && from > to) {
      throw new CairnError("usage", `--from ${from} is beyond --to ${to}`);
    }
    const view = await openView(context);
    let start = from;
    const hasStart = from !== undefined || sinceMs !== undefined;
    if (!hasStart && to === undefined && untilMs === undefined) {
      start = Math.max(0, (await view.describe()).size - (limit ?? shownByDefault));
    }
    const signal = AbortSignal.any([io.interrupted, output.closed]);
    const range = {
      from: start,
      to,
      sinceMs,
      untilMs,
      limit: follow && !hasStart ? undefined : limit,
    };
    for await (const { bytes } of view.entries({ ...range, follow, signal })) {
      await printEntry(output, bytes, "line");
    }
    return 0;
  },
};

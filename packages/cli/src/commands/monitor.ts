/** `cairn monitor`: looks at somebody else's log from outside, again and again, and alarms. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { tilesAddress } from "../key-arguments.ts";
import { serveMetrics } from "../metrics-listen.ts";
import { asciiJson } from "../safe-text.ts";
import { openWatch, watchOptions } from "../watching.ts";

export const monitorCommand: CommandSpec = {
  name: "monitor",
  parameters: [{ usage: "<url>", about: "where the log's tiles lie, or its server" }],
  summary: "watch a log from outside, and alarm",
  description:
    "Follows a log over its tiles: verifies every new entry, link of the chain, root, signature and the policy's quorum of witnesses, and remembers what it saw. " +
    "It alarms when the log goes back on what it signed, serves what it did not sign, falls silent, or when its cosignatures grow stale. " +
    "Alarms are lines on standard output and in alarms.ndjson, with the signed notes that prove them.",
  settings: ["log", "key", "keyFile", "hostName"],
  options: [
    ...watchOptions,
    { flags: "--memory <path>", about: "the folder to remember in (default: cairn-monitor)" },
  ],
  examples: [
    {
      line: "cairn monitor https://audit.example.com --log payments --policy payments.policy",
      about: "until Ctrl-C",
    },
    {
      line: "cairn monitor https://audit.example.com --once --vkey main.vkeys",
      about: "from a timer, by its exit status",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, output, options, config, parameters } = context;
  const { createMetricsServer, FollowFile, watchRegistry } = await import("@cairnlog/witness");
  const url = tilesAddress(parameters[0]!, config.values.log);
  const folder = resolve(io.cwd, options.text("memory") ?? "cairn-monitor");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const watch = await openWatch(context, url, new FollowFile(folder));
  if (options.has("once")) {
    const status = await watch.lookOnce();
    if (output.isJson) await output.line(asciiJson(status));
    return onceExit(status);
  }
  output.note(`Watching ${url}. Ctrl-C stops it.`);
  const metrics = await serveMetrics(context, (served) =>
    createMetricsServer(
      watchRegistry(() => watch.status()),
      served,
    ),
  );
  try {
    await watch.run(AbortSignal.any([io.interrupted, output.closed]));
  } finally {
    await metrics.close();
  }
  return watch.status().alarms.length === 0 ? 0 : 1;
}

/** Silence is not good: without an answer nothing was looked at. */
export function onceExit(status: {
  alarms: readonly string[];
  lookedAt: number | undefined;
}): Exit {
  if (status.alarms.some((code) => code !== "unreachable" && code !== "refused")) return 1;
  return status.lookedAt === undefined ? 3 : 0;
}

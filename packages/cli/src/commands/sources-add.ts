/** `cairn sources add`: plugs another system in, and waits for its first event. */
import { findAdapter } from "@cairnlog/capture";
import { CairnError, formatLogTime, parseEntryHead } from "@cairnlog/core";
import type { Source } from "@cairnlog/server";
import type { CommandContext, CommandSpec } from "../command.ts";
import { openDataFolder } from "../data-folder.ts";
import { FolderLog } from "../folder-log.ts";
import { printEntry } from "../print-entry.ts";
import { asciiJson, safeLines } from "../safe-text.ts";
import {
  answersTo,
  Asking,
  parseQuotas,
  requireAdapter,
  secretFor,
  secretOptions,
  sourceUrl,
} from "../source-setup.ts";
import { parseDuration } from "../time-argument.ts";

export const addressOption = {
  flags: "--address <url>",
  about: "the server's address as the sender reaches it (default: from --host-name and --listen)",
} as const;

export const sourcesAddCommand: CommandSpec = {
  name: "sources add",
  parameters: [{ usage: "<kind>", about: "as `cairn sources kinds` lists them" }],
  summary: "plug in another system",
  description:
    "Adds a source: asks what its kind needs, makes or takes the secret, and prints what to paste where. " +
    "On a terminal it asks; a script gives the answers with --set. Works while a server runs on the same data folder, which " +
    "takes the source's deliveries at once.",
  settings: ["data", "log", "listen", "hostName", "tlsCert"],
  options: [
    { flags: "--name <name>", about: "the alias under which it is recorded (default: its kind)" },
    {
      flags: "--set <name=value>",
      about: "an answer to one of the kind's questions",
      isList: true,
    },
    {
      flags: "--map <file>",
      about: "where an event's fields are in its records (docs/mapping.md)",
    },
    ...secretOptions,
    {
      flags: "--silent-after <duration>",
      about: "a longer silence is an event: 15m, 2h (default: none)",
    },
    {
      flags: "--quota <amount>",
      about: "what it may send: 100/s or 6000/m events, 1GiB/d; may be repeated",
      isList: true,
    },
    addressOption,
    { flags: "--wait", about: "wait for the first event, and show it" },
  ],
  examples: [
    {
      line: "cairn sources add json --name shop --wait",
      about: "anything that posts JSON; wait until something has",
    },
    {
      line: "cairn sources add standard-webhooks --name billing --secret-file whsec --silent-after 1d",
      about: "a sender with a secret of its own, whose silence for a day is an event",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<0> {
  const { config, options, output, io, parameters } = context;
  const adapter = requireAdapter(parameters[0]!);
  const { data, log } = config.values;
  const store = openDataFolder(data);
  if (!(await store.logs()).includes(log)) {
    throw new CairnError("not_found", `there is no log ${JSON.stringify(log)} in ${data}`);
  }
  const name = options.text("name") ?? adapter.kind;
  await requireFree(data, name);
  const silentAfter = options.text("silentAfter");
  const quota = parseQuotas(options.list("quota"));
  const asking = new Asking(context);
  let source: Source;
  try {
    const answers = await answersTo(adapter, context, asking);
    const secret = await secretFor(adapter, context, asking);
    source = {
      name,
      kind: adapter.kind,
      log,
      secrets: [secret],
      options: answers,
      created: formatLogTime(io.now()),
      ...(silentAfter === undefined
        ? {}
        : { silentAfterMs: parseDuration(silentAfter, "--silent-after") }),
      ...(quota === undefined ? {} : { quota }),
    };
  } finally {
    asking.close();
  }
  // From before it is known: nothing of it can come earlier.
  const view = await FolderLog.open(store, log);
  const { size } = await view.describe();
  const { addSource } = await import("@cairnlog/server");
  addSource(data, source);
  await printSetup(context, source);
  if (!options.has("wait")) return 0;
  output.note("Waiting for the first event. Ctrl-C ends the waiting; the source stays.");
  const signal = AbortSignal.any([io.interrupted, output.closed]);
  const range = { from: size, to: undefined, sinceMs: undefined, untilMs: undefined };
  for await (const { bytes } of view.entries({
    ...range,
    limit: undefined,
    follow: true,
    signal,
  })) {
    if (parseEntryHead(bytes).source !== name) continue;
    await printEntry(output, bytes, "whole");
    return 0;
  }
  output.note("Nothing has come yet.");
  return 0;
}

/** What to paste where. The secret is shown here, and nowhere else. */
export async function printSetup(context: CommandContext, source: Source): Promise<void> {
  const { output } = context;
  const { name, kind, log, options, created } = source;
  const secret = source.secrets.at(-1)!;
  const url = sourceUrl(context, log, name);
  if (output.isJson) {
    await output.line(asciiJson({ name, kind, log, url, secret, created }));
    return;
  }
  const text = findAdapter(kind)?.setup.instructions({ url, secret, source: name }, options) ?? "";
  await output.line(`${output.paint("bold", name)}  ${kind}  records into the log ${log}`);
  for (const [label, value] of [
    ["address", url],
    ["secret", secret],
  ] as const) {
    await output.line(`  ${label.padEnd(8)} ${safeLines(value)}`);
  }
  await output.line("");
  await output.line(safeLines(text));
}

async function requireFree(data: string, name: string): Promise<void> {
  const { isSourceName, listKeys, listSources } = await import("@cairnlog/server");
  if (!isSourceName(name)) {
    throw new CairnError(
      "usage",
      `--name: expected 1 to 64 of a-z 0-9 . _ -, not ${asciiJson(name)}`,
    );
  }
  if (listSources(data).some((source) => source.name === name)) {
    throw new CairnError("conflict", `there is a source ${name} already: give another --name`);
  }
  // Under one alias two senders could take each other's ids.
  if (listKeys(data).some((key) => key.source === name)) {
    const message = `${name} is the alias of an API key: give another --name`;
    throw new CairnError("conflict", message);
  }
}

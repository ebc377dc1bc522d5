/** `cairn logs`: the logs of a server or of a data folder. */
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { CommandContext, CommandSpec } from "../command.ts";
import { defaultOrigin, openDataFolder } from "../data-folder.ts";
import { describeVkeys, showKeys } from "../describe-log.ts";
import { FolderLog } from "../folder-log.ts";
import type { LogDescription } from "../log-view.ts";
import { chooseTarget, openView } from "../open-target.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import { createServerLog, listServerLogs } from "../server-log.ts";

export const logsListCommand: CommandSpec = {
  name: "logs list",
  summary: "list logs",
  description: "Lists the logs of a data folder, or those of a server that the API key covers.",
  settings: ["data", "url", "key", "keyFile"],
  examples: [{ line: "cairn logs list", about: "the logs in ./cairn-data" }],
  async run({ config, output }: CommandContext): Promise<0> {
    const target = chooseTarget(config);
    const logs =
      target.kind === "server" ? await listServerLogs(target) : await listFolderLogs(target.folder);
    for (const log of logs) {
      if (output.isJson) await output.line(asciiJson(log));
      else {
        const size = `${log.size} entries`;
        await output.line(
          `${safeText(log.name)}  ${size}  ${safeText(log.origin)}${log.public ? "  public" : ""}`,
        );
      }
    }
    if (logs.length === 0) output.note("There are no logs. Make one with: cairn init");
    return 0;
  },
};

export const logsCreateCommand: CommandSpec = {
  name: "logs create",
  parameters: [{ usage: "<name>", about: "1 to 64 of a-z 0-9 . _ -" }],
  summary: "make another log",
  description:
    "Makes a log: through a server, with an API key that may operate, or in a data folder. A server that runs on that folder does not see a log made behind its back until it starts again.",
  settings: ["data", "url", "key", "keyFile"],
  options: [
    {
      flags: "--origin <name>",
      about: "the log's identity for ever (default: <machine>/logs/<name>)",
    },
    { flags: "--public", about: "anybody may read the log's tiles, entries included" },
  ],
  examples: [
    {
      line: "cairn logs create payments --origin audit.example.com/logs/payments",
      about: "one log for each domain of trust",
    },
  ],
  async run({ config, output, io, parameters, options }: CommandContext): Promise<0> {
    const target = chooseTarget(config);
    const name = parameters[0]!;
    const origin = options.text("origin");
    const wanted = { name, origin, public: options.has("public") };
    let made: LogDescription;
    if (target.kind === "server") made = await createServerLog(target, wanted);
    else {
      const log = await createLog(filesStore({ folder: target.folder }), {
        name,
        origin: origin ?? defaultOrigin(io.hostName, name),
        isPublic: wanted.public,
      });
      made = {
        name,
        origin: log.origin,
        vkeys: log.vkeys,
        public: log.isPublic,
        size: log.status().size,
      };
      await log.close();
    }
    await printLog(output, made);
    return 0;
  },
};

export const logsShowCommand: CommandSpec = {
  name: "logs show",
  parameters: [{ usage: "[name]", about: "the log (default: the setting log)" }],
  summary: "show a log's identity: origin, verifier keys, fingerprints",
  description:
    "Shows a log's origin, size, verifier keys and their fingerprints. Compare fingerprints with whoever runs the log, another way than through its server, before you trust the keys.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [{ flags: "--vkeys", about: "print the verifier keys and nothing else, one a line" }],
  examples: [
    { line: "cairn logs show main", about: "who the log is" },
    {
      line: "cairn logs show main --vkeys > main.vkeys",
      about: "the keys that auditors need, in a file",
    },
  ],
  async run(context: CommandContext): Promise<0> {
    const [name = context.config.values.log] = context.parameters;
    const values = { ...context.config.values, log: name };
    const view = await openView({ ...context, config: { ...context.config, values } });
    const log = await view.describe();
    if (!context.options.has("vkeys")) await printLog(context.output, log);
    else for (const { vkey } of showKeys(log.vkeys)) await context.output.line(vkey);
    return 0;
  },
};

async function listFolderLogs(folder: string): Promise<LogDescription[]> {
  const store = openDataFolder(folder);
  const logs: LogDescription[] = [];
  for (const name of await store.logs()) {
    logs.push(await (await FolderLog.open(store, name)).describe());
  }
  return logs;
}

async function printLog(output: CommandContext["output"], log: LogDescription): Promise<void> {
  const { name, origin, vkeys, size } = log;
  if (output.isJson) {
    await output.line(asciiJson({ ...log, keys: showKeys(vkeys) }));
    return;
  }
  await output.line(`${output.paint("bold", safeText(name))}${log.public ? "  public" : ""}`);
  await output.line(`  ${"origin".padEnd(12)} ${safeText(origin)}`);
  await output.line(`  ${"size".padEnd(12)} ${size} entries`);
  for (const line of describeVkeys(vkeys)) await output.line(`  ${line}`);
}

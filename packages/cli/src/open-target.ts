/**
 * Server or data folder? Whichever was said nearer to the command line: `--data` beats `CAIRN_URL`,
 * `CAIRN_URL` beats `data:` in the file. Said equally near, in the environment or in the file, the
 * server counts: it is the one that writes. Both as flags are a contradiction.
 */
import { CairnError } from "@cairnlog/core";
import { findApiKey, isNearer, type Configuration } from "./configuration.ts";
import type { CommandContext } from "./command.ts";
import { openDataFolder } from "./data-folder.ts";
import { FolderLog } from "./folder-log.ts";
import { FolderSink } from "./folder-sink.ts";
import type { LogSink, LogView } from "./log-view.ts";
import { ServerLog } from "./server-log.ts";
import type { ServerTarget } from "./server-request.ts";
import { witnessOptions } from "./witness-settings.ts";

export type Target =
  | ({ readonly kind: "server" } & ServerTarget)
  | { readonly kind: "folder"; readonly folder: string };

export function chooseTarget(config: Configuration): Target {
  const { values, origins } = config;
  const { url, data } = values;
  if (url === undefined) return { kind: "folder", folder: data };
  if (origins.get("url")!.level === "flag" && origins.get("data")!.level === "flag") {
    throw new CairnError("usage", "--url names a server and --data a folder: give one of them");
  }
  if (isNearer(origins, "data", "url")) return { kind: "folder", folder: data };
  return { kind: "server", url, key: findApiKey(config) };
}

/** The log to read. */
export async function openView({ config, io }: CommandContext): Promise<LogView> {
  const target = chooseTarget(config);
  const { log } = config.values;
  if (target.kind === "server") return new ServerLog(target, log, io.interrupted);
  return FolderLog.open(openDataFolder(target.folder), log);
}

/** The log to write to. `source` is for a folder; a server knows it from the key. */
export async function openSink(context: CommandContext, source: string): Promise<LogSink> {
  const { config, io } = context;
  const target = chooseTarget(config);
  const { log } = config.values;
  if (target.kind === "server") return new ServerLog(target, log, io.interrupted);
  const witnesses = witnessOptions(config.values);
  const options = witnesses === undefined ? {} : { witnesses };
  return FolderSink.open(openDataFolder(target.folder), log, source, options);
}

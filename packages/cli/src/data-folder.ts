/** The data folder: which logs it has, and what to say where it has none. */
import { existsSync } from "node:fs";
import { CairnError } from "@cairnlog/core";
import { filesStore, type Store } from "@cairnlog/store";

/** The store of an existing data folder. "not_found" says how to make one. */
export function openDataFolder(folder: string): Store {
  if (!existsSync(folder)) {
    throw new CairnError(
      "not_found",
      `there is no data folder ${folder}: make one with \`cairn init\`, or name another one with --data`,
      { place: { path: folder } },
    );
  }
  return filesStore({ folder });
}

/**
 * The origin of a log that was given none: the machine's name and the log's. It is the log's
 * identity for ever, so a name of one's own (`--origin audit.example.com/logs/main`) is better.
 */
export function defaultOrigin(hostName: string, log: string): string {
  const host = hostName
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, "-")
    .replace(/^[.-]+|[.-]+$/g, "");
  return `${host === "" ? "localhost" : host}/logs/${log}`;
}

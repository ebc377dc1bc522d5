/** `cairn watch`: records files as they change. */
import { createHash, randomUUID } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { CairnError, isCairnError } from "@cairnlog/core";
import type { CommandContext, CommandSpec } from "../command.ts";
import { chooseTarget, openSink } from "../open-target.ts";
import { describeError } from "../report-error.ts";
import { safeText } from "../safe-text.ts";
import { runsFolder } from "../run/kept-runs.ts";
import { parseDuration } from "../time-argument.ts";
import type { Change } from "../watch/changes.ts";
import { Watcher } from "../watch/watcher.ts";
import { WatchSignal } from "../watch/watch-signal.ts";
import { WatchState } from "../watch/watch-state.ts";

export const watchCommand: CommandSpec = {
  name: "watch",
  parameters: [{ usage: "<path...>", about: "files, and folders with all that is in them" }],
  summary: "record configuration files as they change",
  description:
    "Records each change of a file with its hash before and after, mode, owner, and a unified diff of what is text. " +
    "What changed while it did not run is found when it starts. What the log cannot take now waits on disk. " +
    "Who changed a file, the file system does not say: the actor is its owner. See docs/watch.md.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    { flags: "--include <glob>", about: "only files that match; may be repeated", isList: true },
    {
      flags: "--exclude <glob>",
      about: "not what matches, nor what is in it; may be repeated",
      isList: true,
    },
    {
      flags: "--hash-only <glob>",
      about: "no content of files that match, only hashes; may be repeated",
      isList: true,
    },
    { flags: "--keep-content", about: "keep the whole content of changed files, as blobs" },
    { flags: "--interval <duration>", about: "look at least so often (default: 5s)" },
    { flags: "--once", about: "look once and end" },
    {
      flags: "--state <folder>",
      about: "what is remembered (default: below ~/.local/state/cairn)",
    },
    {
      flags: "--source <alias>",
      about: "with a data folder: the alias to record under (default: watch)",
    },
  ],
  examples: [
    {
      line: "cairn watch /etc --exclude mtab --hash-only shadow* --url https://audit.example.com --key-file watch.key",
      about: "a machine's configuration, without its secrets",
    },
    {
      line: 'cairn watch /srv/app --include "*.yaml" --include "*.toml" --keep-content',
      about: "an app's, with the whole content of each version",
    },
    { line: "cairn watch /etc --once", about: "from a timer" },
  ],
  async run(context: CommandContext): Promise<0> {
    const { options, io } = context;
    const intervalMs = parseDuration(options.text("interval") ?? "5s", "--interval");
    const roots = context.parameters.map((path) => resolve(io.cwd, path));
    const folder = stateFolder(context, roots);
    const state = WatchState.open(folder, randomUUID());
    const watcher = new Watcher(state, {
      selection: {
        roots,
        include: options.list("include"),
        exclude: options.list("exclude"),
        own: [folder],
      },
      hashOnly: options.list("hashOnly"),
      keepContent: options.has("keepContent"),
      host: io.hostName,
      now: () => io.now(),
      openSink: () => openSink(context, options.text("source") ?? "watch"),
    });
    const isOnce = options.has("once");
    const signal = new WatchSignal(isOnce ? [] : roots, (path, why) => {
      context.output.note(`cairn: ${path}: the kernel does not tell of changes here (${why})`);
    });
    try {
      await show(context, await watcher.begin());
      let told = await deliver(context, watcher, "");
      context.output.note(`Watching ${state.files.size} paths.`);
      if (!isOnce) {
        while (!io.interrupted.aborted) {
          await signal.next(intervalMs, io.interrupted);
          await show(context, await watcher.look());
          told = await deliver(context, watcher, told);
        }
        watcher.end();
      }
      // The last word: what is not taken now waits for the next start.
      told = await deliver(context, watcher, "");
      if (told !== "") throw new CairnError("unavailable", told);
      return 0;
    } finally {
      signal.close();
      state.close();
    }
  },
};

/** Returns why not, where something waits still; the same reason is not told twice. */
async function deliver(context: CommandContext, watcher: Watcher, told: string): Promise<string> {
  try {
    for (const error of await watcher.deliver()) {
      context.output.error(`${describeError(error)} This change is NOT RECORDED.`);
    }
    if (told !== "") context.output.note("cairn: the log takes events again.");
    return "";
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const text = `${error.message}. What changed waits on disk`;
    if (text !== told) context.output.error(`cairn: ${text}, and is sent again.`);
    return text;
  }
}

async function show({ output }: CommandContext, changes: readonly Change[]): Promise<void> {
  for (const { verb, path, from } of changes) {
    const origin = from === undefined ? {} : { from };
    if (output.isJson) await output.line(JSON.stringify({ change: verb, path, ...origin }));
    else {
      const suffix = from === undefined ? "" : ` from ${safeText(from)}`;
      await output.line(`${verb.replace("_", " ").padEnd(20)}${safeText(path)}${suffix}`);
    }
  }
}

/** One for each set of paths and each log, so that each goes on where it was. */
function stateFolder({ options, io, config }: CommandContext, roots: readonly string[]): string {
  const given = options.text("state");
  if (given !== undefined) return resolve(io.cwd, given);
  const runs = runsFolder(io.env);
  if (runs === undefined) {
    throw new CairnError("usage", "neither HOME nor XDG_STATE_HOME is set: name a --state folder");
  }
  const target = chooseTarget(config);
  const place = target.kind === "server" ? target.url : target.folder;
  const name = createHash("sha256").update(JSON.stringify([place, config.values.log, roots]));
  return join(dirname(runs), "watch", name.digest("hex").slice(0, 32));
}

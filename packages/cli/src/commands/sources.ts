/** `cairn sources`: other systems that record into the logs of a data folder. A running server notices at once. */
import { adapters, findAdapter } from "@cairnlog/capture";
import { CairnError } from "@cairnlog/core";
import type { Source } from "@cairnlog/server";
import type { CommandContext, CommandSpec } from "../command.ts";
import { openDataFolder } from "../data-folder.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import { Asking, requireAdapter, secretFor, secretOptions, sourceUrl } from "../source-setup.ts";
import { addressOption, printSetup } from "./sources-add.ts";

const nameParameter = [{ usage: "<name>", about: "as `cairn sources list` shows it" }] as const;

export const sourcesKindsCommand: CommandSpec = {
  name: "sources kinds",
  summary: "list the kinds of systems that can be plugged in",
  description:
    "Lists what `cairn sources add` takes. docs/sources has a page for each: which events it knows, and where their fields come from.",
  settings: [],
  examples: [{ line: "cairn sources kinds", about: "what can be plugged in" }],
  async run({ output }: CommandContext): Promise<0> {
    const width = Math.max(...adapters.map(({ kind }) => kind.length));
    for (const { kind, title, basis, known } of adapters) {
      if (output.isJson) await output.line(asciiJson({ kind, title, basis, known }));
      else await output.line(`${kind.padEnd(width)}  ${title}`);
    }
    return 0;
  },
};

export const sourcesListCommand: CommandSpec = {
  name: "sources list",
  summary: "list the sources that are plugged in",
  description: "Lists the sources of a data folder. Their secrets are not shown.",
  settings: ["data"],
  examples: [{ line: "cairn sources list", about: "who delivers into which log" }],
  async run({ config, output }: CommandContext): Promise<0> {
    const { listSources } = await import("@cairnlog/server");
    openDataFolder(config.values.data);
    const sources = listSources(config.values.data);
    for (const source of sources) {
      if (output.isJson) await output.line(asciiJson(shown(source)));
      else {
        const kind =
          findAdapter(source.kind) === undefined ? `${source.kind} (unknown)` : source.kind;
        await output.line(`${source.name}  ${kind}  ${source.log}  added ${source.created}`);
      }
    }
    if (sources.length === 0) output.note("There are no sources. Add one with: cairn sources add");
    return 0;
  },
};

export const sourcesShowCommand: CommandSpec = {
  name: "sources show",
  parameters: nameParameter,
  summary: "show a source: its address, its settings, its quota",
  description: "Shows all about a source but its secrets, which nothing shows again.",
  settings: ["data", "listen", "hostName", "tlsCert"],
  options: [addressOption],
  examples: [{ line: "cairn sources show github", about: "where it delivers to" }],
  async run(context: CommandContext): Promise<0> {
    const { config, output, parameters } = context;
    const { findSource } = await import("@cairnlog/server");
    openDataFolder(config.values.data);
    const source = findSource(config.values.data, parameters[0]!);
    const described = { ...shown(source), url: sourceUrl(context, source.log, source.name) };
    if (output.isJson) {
      await output.line(asciiJson(described));
      return 0;
    }
    for (const [label, value] of Object.entries(described)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      await output.line(`${label.padEnd(13)} ${safeText(text)}`);
    }
    return 0;
  },
};

export const sourcesRemoveCommand: CommandSpec = {
  name: "sources remove",
  parameters: nameParameter,
  summary: "unplug a source",
  description:
    "Removes a source. A running server refuses its deliveries within a second. What it has recorded stays.",
  settings: ["data"],
  examples: [{ line: "cairn sources remove github", about: "it delivers no more" }],
  async run({ config, output, parameters }: CommandContext): Promise<0> {
    const { removeSource } = await import("@cairnlog/server");
    openDataFolder(config.values.data);
    const source = removeSource(config.values.data, parameters[0]!);
    await output.line(
      output.isJson
        ? asciiJson({ removed: shown(source) })
        : `Removed ${source.name} (${source.kind}).`,
    );
    return 0;
  },
};

export const sourcesRotateCommand: CommandSpec = {
  name: "sources rotate",
  parameters: nameParameter,
  summary: "replace a source's secret without a gap",
  description:
    "Gives a source another secret beside those that it has: both are good. When the sender uses the new one, --finish drops the others.",
  settings: ["data", "listen", "hostName", "tlsCert"],
  options: [
    ...secretOptions,
    { flags: "--finish", about: "only the newest secret is good from now on" },
    addressOption,
  ],
  examples: [
    { line: "cairn sources rotate github", about: "a new secret; the old one still works" },
    { line: "cairn sources rotate github --finish", about: "the old one does not work any more" },
  ],
  run: rotate,
};

async function rotate(context: CommandContext): Promise<0> {
  const { config, output, options, parameters } = context;
  const { data } = config.values;
  const name = parameters[0]!;
  const { changeSource, findSource, secretsMax } = await import("@cairnlog/server");
  openDataFolder(data);
  if (options.has("finish")) {
    const isSecretGiven = options.text("secret") ?? options.text("secretFile");
    if (isSecretGiven !== undefined) throw new CairnError("usage", "--finish takes no new secret");
    const left = changeSource(data, name, (one) => ({ ...one, secrets: one.secrets.slice(-1) }));
    await output.line(
      output.isJson ? asciiJson(shown(left)) : `Only the newest secret of ${name} is good now.`,
    );
    return 0;
  }
  const asking = new Asking(context);
  try {
    const adapter = requireAdapter(findSource(data, name).kind);
    const secret = await secretFor(adapter, context, asking);
    const source = changeSource(data, name, (one) => {
      if (one.secrets.length >= secretsMax) {
        const message = `${name} has ${secretsMax} secrets: drop the old ones with --finish first`;
        throw new CairnError("usage", message);
      }
      return { ...one, secrets: [...one.secrets, secret] };
    });
    await printSetup(context, source);
  } finally {
    asking.close();
  }
  output.note(`The old secret is good until: cairn sources rotate ${name} --finish`);
  return 0;
}

/** All but the secrets. */
function shown({ secrets, ...source }: Source): Omit<Source, "secrets"> & { secrets: number } {
  return { ...source, secrets: secrets.length };
}

/**
 * Writes docs/cli.md, docs/configuration.md and docs/cairn.schema.json from the tables of commands
 * and settings, and docs/sources from the adapters:
 *
 *     node packages/cli/src/docs.ts
 *
 * A test keeps them in step.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { allCommands } from "./commands.ts";
import { commonSettings } from "./parser.ts";
import {
  configSchema,
  flagOf,
  keyOf,
  settingNames,
  settingOf,
  variableOf,
  type SettingName,
} from "./settings.ts";
import { sourceDocs } from "./source-docs.ts";

const commands = await allCommands();

/** The generated files by path, from the root of the checkout. */
export function generatedDocs(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/cli.md", cliDocument()],
    ["docs/configuration.md", configurationDocument()],
    ["docs/cairn.schema.json", `${JSON.stringify(configSchema(), undefined, 2)}\n`],
    ...sourceDocs(),
  ]);
}

function cliDocument(): string {
  return [
    "# The command",
    "<!-- Made from the command table by `node packages/cli/src/docs.ts`. -->",
    "`cairn help <command>` shows the same on a terminal. Exit status: 0 good, 1 not proven, 2 usage, 3 unavailable.",
    "Results go to standard output, everything else to standard error. `--json` is for machines: one JSON value a line, and " +
      "errors as problem documents (RFC 9457). For people, whatever could repaint a terminal is escaped.",
    "**Where.** Commands that read or write a log take a server (`--url`, and `--key-file`) or a data folder (`--data`), " +
      "whichever was said nearer to the command line; said equally near, in the environment or in the file, the server counts. " +
      "Reading a folder needs no lock and works while somebody writes; appending does, and says who holds it.",
    "**Times** are RFC 3339 (`2026-11-23T05:00:00Z`), a date (`2026-11-23`, its beginning in UTC), or how long ago: " +
      "`90s`, `15m`, `2h`, `3d`, `1w`.",
    "**TLS.** A server's certificate must be one that Node trusts: where your own CA made it, name the CA's file in " +
      "`NODE_EXTRA_CA_CERTS`.",
    "All commands take " +
      [...commonSettings.map((name) => `\`--${flagOf(name)}\``), "`--config <path>`"].join(", ") +
      " and `--help`; [configuration.md](configuration.md) has them and the other settings.",
    table(
      ["command", ""],
      commands.map((spec) => [`[\`cairn ${spec.name}\`](#${anchorOf(spec)})`, spec.summary]),
    ),
    ...commands.map(commandSection),
    "",
  ]
    .join("\n\n")
    .replace(/\n+$/, "\n");
}

function anchorOf(spec: CommandSpec): string {
  return `cairn-${spec.name.replace(" ", "-")}`;
}

function commandSection(spec: CommandSpec): string {
  const parameters = spec.parameters ?? [];
  const usage = ["cairn", spec.name, ...parameters.map((each) => each.usage)].join(" ");
  const rows = [
    ...parameters.map(({ usage: name, about }) => [`\`${name}\``, about]),
    ...(spec.options ?? []).map(({ flags, about }: OptionSpec) => [`\`${flags}\``, about]),
    ...spec.settings.map(settingRow),
  ];
  const examples = spec.examples.map(({ line, about }) => `# ${about}\n${line}`).join("\n\n");
  return [
    `## cairn ${spec.name}`,
    `    ${usage} [options]`,
    spec.description,
    ...(rows.length > 0 ? [table(["", ""], rows)] : []),
    `\`\`\`sh\n${examples}\n\`\`\``,
  ].join("\n\n");
}

function settingRow(name: SettingName): string[] {
  const { type, about } = settingOf(name);
  const parameter = type.placeholder === "" ? "" : ` <${type.placeholder}>`;
  return [`\`--${flagOf(name)}${parameter}\``, `${about} ([setting](configuration.md))`];
}

function configurationDocument(): string {
  const rows = settingNames.map((name) => {
    const { about, default: standard } = settingOf(name);
    return [
      `\`${keyOf(name)}\``,
      `\`--${flagOf(name)}\``,
      `\`${variableOf(name)}\``,
      standard === undefined ? "" : `\`${standard}\``,
      about,
    ];
  });
  return [
    "# Configuration",
    "<!-- Made from the table of settings by `node packages/cli/src/docs.ts`. -->",
    "A flag comes before a variable `CAIRN_…`, a variable before `cairn.yaml`, the file before the default. " +
      "`cairn config print` shows each value and where it came from.",
    "The file is `./cairn.yaml`, or what `--config` or `CAIRN_CONFIG` names. Relative paths in it begin at its own folder. " +
      "A key that is unknown is an error, with its line, column and the key that was probably meant. Its JSON Schema is " +
      "[cairn.schema.json](cairn.schema.json) (`cairn config schema`).",
    table(["in the file", "flag", "variable", "default", ""], rows),
    "Durations are `250ms`, `90s`, `15m`, `2h`, `3d`, `1w`; bytes are `65536`, `64KiB`, `16MiB`, `1GiB`. A list is names with " +
      "commas between them, a repeated flag, or a YAML sequence.",
    [
      "```yaml",
      "# yaml-language-server: $schema=docs/cairn.schema.json",
      "data: /var/lib/cairn",
      "listen: 0.0.0.0:443",
      "hostName: [audit.example.com]",
      "tlsCert: tls/cert.pem",
      "tlsKey: tls/key.pem",
      "limits:",
      "  bodyBytesMax: 16MiB",
      "```",
    ].join("\n"),
    "",
  ]
    .join("\n\n")
    .replace(/\n+$/, "\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  for (const [path, text] of generatedDocs()) {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, text);
  }
}

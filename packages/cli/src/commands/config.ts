/** `cairn config`: what holds, and where it was said. */
import type { CommandContext, CommandSpec } from "../command.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import {
  configSchema,
  flagOf,
  keyOf,
  settingNames,
  settingOf,
  variableOf,
  type SettingName,
} from "../settings.ts";

export const configPrintCommand: CommandSpec = {
  name: "config print",
  summary: "show each setting, its value and where it came from",
  description:
    "Shows each setting with its value and where it was said: a flag, a variable, a line of cairn.yaml, or the default. Secrets are not shown.",
  settings: settingNames.filter((name) => !["json", "color", "logLevel"].includes(name)),
  examples: [
    { line: "cairn config print", about: "what holds here" },
    {
      line: "cairn config print --config /etc/cairn.yaml --json",
      about: "check a file before it is used",
    },
  ],
  async run({ config, output }: CommandContext): Promise<0> {
    if (config.file !== undefined) output.note(`Read ${config.file}`);
    for (const name of settingNames) {
      const { level, place, text } = config.origins.get(name)!;
      const value = shownValue(name, text);
      if (output.isJson) {
        const names = { flag: `--${flagOf(name)}`, variable: variableOf(name), key: keyOf(name) };
        await output.line(
          asciiJson({ setting: name, value: value ?? null, from: level, place, ...names }),
        );
        continue;
      }
      const from = level === "default" ? "default" : place;
      await output.line(
        `${keyOf(name).padEnd(28)} ${safeText(value ?? "-").padEnd(28)} ${output.paint("dim", from)}`,
      );
    }
    return 0;
  },
};

export const configSchemaCommand: CommandSpec = {
  name: "config schema",
  summary: "print the JSON Schema of cairn.yaml",
  description:
    "Prints the JSON Schema of cairn.yaml, for editors and for checks. It is also docs/cairn.schema.json.",
  settings: [],
  examples: [{ line: "cairn config schema", about: "give it to your editor" }],
  async run({ output }: CommandContext): Promise<0> {
    await output.line(JSON.stringify(configSchema(), undefined, 2));
    return 0;
  },
};

function shownValue(name: SettingName, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  return settingOf(name).isSecret === true ? "•••" : text;
}

/**
 * Makes a parser out of the command table. The parser only parses: it prints through us, and never
 * ends the process.
 */
import { Command, CommanderError, Option } from "commander";
import { CairnError } from "@cairnlog/core";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { flagOf, settingNames, settingOf, type SettingName } from "./settings.ts";

/** What was asked for: a command, or a text to print. */
export type Asked =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "command";
      readonly spec: CommandSpec;
      readonly parameters: readonly string[];
      readonly values: Readonly<Record<string, unknown>>;
    };

/** Settings that every command takes. */
export const commonSettings: readonly SettingName[] = ["json", "color", "logLevel"];

/** Reads the arguments. "usage" with the nearest suggestion for what nobody knows. */
export function parseArguments(
  specs: readonly CommandSpec[],
  argv: readonly string[],
  version: string,
): Asked {
  let asked: Asked | undefined;
  let text = "";
  let failure = "";
  const program = buildProgram(specs, version, (found) => (asked = found));
  if (argv.length === 0) return { kind: "text", text: helpOf(program) };
  forEachCommand(program, (command) => {
    command.exitOverride();
    command.configureOutput({
      writeOut: (piece) => (text += piece),
      writeErr: (piece) => (failure += piece),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    });
  });
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || error.code === "commander.help") {
      // A group without its command: what there is, but as an error.
      if (text === "") throw new CairnError("usage", missingCommand(program, argv));
      return { kind: "text", text };
    }
    throw new CairnError("usage", usageMessage(error.message, failure));
  }
  return asked ?? { kind: "text", text: helpOf(program) };
}

/** The help text with what `addHelpText` adds, which `helpInformation` leaves out. */
function helpOf(program: Command): string {
  let text = "";
  program.configureOutput({ writeOut: (piece) => (text += piece), getOutHasColors: () => false });
  program.outputHelp();
  return text;
}

/** The parser for all the commands; `take` hears which one was asked for. */
export function buildProgram(
  specs: readonly CommandSpec[],
  version: string,
  take: (asked: Asked) => void,
): Command {
  const program = new Command("cairn");
  program
    .description("An immutable audit log: every acknowledgement is a proof.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .showSuggestionAfterError(true)
    .addHelpText("after", "\nExit status: 0 good, 1 not proven, 2 usage, 3 unavailable.");
  addSettings(program, commonSettings);
  program.option(
    "--config <path>",
    "the configuration file (default: cairn.yaml, if there is one)",
  );
  const groups = new Map<string, Command>();
  for (const spec of specs) {
    const [first = "", second] = spec.name.split(" ");
    if (second === undefined) addCommand(program, spec, first, take);
    else {
      // `cairn witness` is a command, and has some below it.
      let group = groups.get(first) ?? program.commands.find((each) => each.name() === first);
      if (group === undefined) {
        group = program.command(first).description(groupSummary(first, specs)).helpCommand(false);
        groups.set(first, group);
      }
      addCommand(group, spec, second, take);
    }
  }
  return program;
}

/** Names of the settings that were given as flags, with their values as text. */
export function settingFlags(
  values: Readonly<Record<string, unknown>>,
): Partial<Record<SettingName, string>> {
  const flags: Partial<Record<SettingName, string>> = {};
  for (const name of settingNames) {
    const value = values[name];
    if (typeof value === "string" || value === true) flags[name] = String(value);
    else if (Array.isArray(value)) flags[name] = value.join(",");
  }
  return flags;
}

function addCommand(
  parent: Command,
  spec: CommandSpec,
  name: string,
  take: (asked: Asked) => void,
): void {
  const command = parent.command(name).summary(spec.summary).description(spec.description);
  for (const { usage, about } of spec.parameters ?? []) command.argument(usage, about);
  for (const option of spec.options ?? []) command.addOption(makeOption(option));
  addSettings(command, [...spec.settings, ...commonSettings]);
  command.option(
    "--config <path>",
    "the configuration file (default: cairn.yaml, if there is one)",
  );
  const examples = spec.examples.map(({ line, about }) => `  ${line}\n      ${about}`);
  command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  command.action((...given: unknown[]) => {
    const parameters = given
      .slice(0, spec.parameters?.length ?? 0)
      .flat()
      .filter((each) => each !== undefined);
    take({
      kind: "command",
      spec,
      parameters: parameters.map(String),
      values: command.optsWithGlobals(),
    });
  });
}

function makeOption({ flags, about, isList }: OptionSpec): Option {
  const option = new Option(flags, about);
  if (isList === true) option.argParser(collect);
  return option;
}

/** Each further one is added to those before it. */
function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function addSettings(command: Command, names: readonly SettingName[]): void {
  for (const name of names) {
    const { type, about, default: standard } = settingOf(name);
    const parameter = type.placeholder === "" ? "" : ` <${type.placeholder}>`;
    const isShown = standard !== undefined && standard !== "false";
    const option = new Option(
      `--${flagOf(name)}${parameter}`,
      isShown ? `${about} (default: ${standard})` : about,
    );
    if (type.placeholder === "names") {
      option.argParser(collect);
    }
    command.addOption(option);
  }
}

function groupSummary(name: string, specs: readonly CommandSpec[]): string {
  const members = specs.filter((spec) => spec.name.startsWith(`${name} `));
  return members.map((spec) => spec.name.slice(name.length + 1)).join(", ");
}

function missingCommand(program: Command, argv: readonly string[]): string {
  const group = program.commands.find((each) => argv.includes(each.name()));
  const names = (group ?? program).commands.map((each) => each.name()).join(", ");
  const name = group === undefined ? "cairn" : `cairn ${group.name()}`;
  return `${name} takes one of: ${names}. See \`${name} --help\``;
}

/** `error: unknown command 'tial'\n(Did you mean tail?)` as one line. */
function usageMessage(message: string, printed: string): string {
  const suggestion = /\(Did you mean [^)]*\)/.exec(`${message}\n${printed}`)?.[0] ?? "";
  const what = message.split("\n")[0]!.replace(/^error: /, "");
  return `${what}${suggestion === "" ? "" : `. ${suggestion.slice(1, -1)}`}`;
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const each of command.commands) forEachCommand(each, visit);
}

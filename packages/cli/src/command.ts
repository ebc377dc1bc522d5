/**
 * What a command is: a row of the command table. The parser, the help texts, docs/cli.md and the
 * tests of the examples are all made from these rows.
 */
import { CairnError, parseDecimal } from "@cairnlog/core";
import type { Configuration } from "./configuration.ts";
import type { Io } from "./io.ts";
import type { Output } from "./output.ts";
import type { SettingName } from "./settings.ts";
import { parseTimeArgument } from "./time-argument.ts";

export interface OptionSpec {
  /** As in help: `--from <seq>`, `-f, --follow`. */
  readonly flags: string;
  readonly about: string;
  /** May be given several times. */
  readonly isList?: boolean;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

export interface CommandSpec {
  /** `keys create` */
  readonly name: string;
  /** `[file]`, `<seq...>`; "" for none. */
  readonly parameters?: readonly { readonly usage: string; readonly about: string }[];
  readonly summary: string;
  /** More about it, in whole sentences. */
  readonly description: string;
  /** Settings that it takes as flags, besides those that all commands take. */
  readonly settings: readonly SettingName[];
  readonly options?: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** A status beyond `Exit` is that of a command that was run, passed on. */
  run(context: CommandContext): Promise<number>;
}

export interface CommandContext {
  readonly io: Io;
  readonly output: Output;
  readonly config: Configuration;
  readonly options: GivenOptions;
  readonly parameters: readonly string[];
}

/** What was given on the command line, by the long name in camelCase. */
export class GivenOptions {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  /** False where `--no-<name>` was given. */
  isOn(name: string): boolean {
    return this.#values[name] !== false;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  count(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseCount(text, `--${name}`);
  }

  /** Milliseconds since 1970. */
  time(name: string, nowMs: number, direction: "ago" | "ahead" = "ago"): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseTimeArgument(text, `--${name}`, nowMs, direction);
  }
}

/** A seq or a size as an argument. */
export function parseCount(text: string, name: string): number {
  try {
    return parseDecimal(text, "number");
  } catch (cause) {
    throw new CairnError(
      "usage",
      `${name}: expected a whole number, not ${JSON.stringify(text.slice(0, 40))}`,
      {
        cause,
      },
    );
  }
}

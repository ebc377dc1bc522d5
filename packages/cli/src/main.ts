/**
 * The command, as a function: arguments and a world in, an exit status out. It never ends the
 * process and touches nothing that `io` does not give it, so that tests call it like any other
 * function.
 */
import { readFileSync } from "node:fs";
import { CairnError, isCairnError } from "@cairnlog/core";
import { GivenOptions } from "./command.ts";
import { commandsFor } from "./commands.ts";
import { readConfiguration } from "./configuration.ts";
import type { Io } from "./io.ts";
import { Output, PipeClosed } from "./output.ts";
import { parseArguments, settingFlags, type Asked } from "./parser.ts";
import { reportError } from "./report-error.ts";

/** Runs one command; `argv` holds the arguments after `cairn`. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // Until the configuration is read, this is all that is known of how to write.
  const isJson = argv.includes("--json") || /^(1|true)$/.test(io.env["CAIRN_JSON"] ?? "");
  let output = new Output(io, isJson, "auto");
  let showStack = false;
  try {
    const asked = parseArguments(await commandsFor(argv), argv, version());
    if (asked.kind === "text") {
      await output.line(asked.text.trimEnd());
      return 0;
    }
    const config = readConfiguration(io, settingFlags(asked.values), configFlag(asked));
    const { json, color, logLevel } = config.values;
    showStack = logLevel === "debug";
    await output.end();
    output = new Output(io, json, color);
    for (const warning of config.warnings) output.note(`cairn: ${warning}`);
    const { spec, parameters, values } = asked;
    return await spec.run({ io, output, config, parameters, options: new GivenOptions(values) });
  } catch (error) {
    if (error instanceof PipeClosed) return 0;
    return reportError(output, unavailableIfSystem(error), showStack);
  } finally {
    await output.end();
  }
}

export function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function configFlag({ values }: Extract<Asked, { kind: "command" }>): string | undefined {
  const { config } = values;
  return typeof config === "string" ? config : undefined;
}

/** What the operating system refused (no such file, no permission) is no mistake of ours. */
function unavailableIfSystem(error: unknown): unknown {
  if (isCairnError(error) || !(error instanceof Error)) return error;
  if (!("syscall" in error) || !("code" in error)) return error;
  return new CairnError("unavailable", error.message, { cause: error });
}

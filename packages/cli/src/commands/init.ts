/** `cairn init`: a data folder, a log with keys of its own, and the first API key. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CairnError, checkOrigin } from "@cairnlog/core";
import { createLog, type Succession } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { CommandContext, CommandSpec } from "../command.ts";
import { defaultOrigin } from "../data-folder.ts";
import { describeVkeys } from "../describe-log.ts";
import { asciiJson } from "../safe-text.ts";

export const initCommand: CommandSpec = {
  name: "init",
  summary: "make a log, its keys, and an API key",
  description:
    "Makes the data folder if need be, a log with signing keys of its own, and an API key that may write and read it. " +
    "The API key is shown once. Give the log's verifier keys to whoever is to check it, another way than through the server.",
  settings: ["data", "log"],
  options: [
    {
      flags: "--origin <name>",
      about:
        "the log's identity for ever, as audit.example.com/logs/main (default: <machine>/logs/<log>)",
    },
    { flags: "--public", about: "anybody may read the log's tiles, entries included" },
    { flags: "--source <alias>", about: "the alias of whoever uses the API key (default: api)" },
    { flags: "--no-key", about: "make no API key" },
    {
      flags: "--succeeds <file>",
      about: "a file with the last checkpoint of a log that this one follows",
    },
    { flags: "--reason <text>", about: "why it follows; goes into entry 0" },
  ],
  examples: [
    { line: "cairn init", about: "make the log main in ./cairn-data" },
    {
      line: "cairn init --data /var/lib/cairn --log payments --origin audit.example.com/logs/payments",
      about: "with a name of your own, which is better",
    },
    {
      line: 'cairn init --log main-2 --succeeds old/main/checkpoint --reason "disk lost entries 81 to 90"',
      about: "go on after a log that was damaged",
    },
  ],
  run,
};

async function run({ io, output, config, options }: CommandContext): Promise<0> {
  const { data, log: name } = config.values;
  const origin = options.text("origin") ?? defaultOrigin(io.hostName, name);
  checkOriginArgument(origin);
  const succeeds = readSuccession(io.cwd, options.text("succeeds"), options.text("reason"));
  const log = await createLog(filesStore({ folder: data }), {
    name,
    origin,
    isPublic: options.has("public"),
    ...(succeeds === undefined ? {} : { succeeds }),
  });
  const { vkeys } = log;
  await log.close();
  // Loaded only here: the HTTP framework behind this door costs every command a third of its start.
  const { createKey } = await import("@cairnlog/server");
  const created = options.isOn("key")
    ? createKey(
        data,
        {
          source: options.text("source") ?? "api",
          logs: [name],
          scopes: ["write", "read"],
          description: "made by cairn init",
        },
        io.now(),
      )
    : undefined;
  if (output.isJson) {
    const key = created === undefined ? {} : { key: created.token, source: created.key.source };
    await output.line(asciiJson({ data, log: name, origin, vkeys, ...key }));
    return 0;
  }
  await output.line(`Made the log ${output.paint("bold", name)} in ${data}`);
  await output.line(`\n  origin       ${origin}`);
  for (const line of describeVkeys(vkeys)) await output.line(`  ${line}`);
  if (created !== undefined) {
    await output.line(`\n  API key      ${output.paint("bold", created.token)}`);
    await output.line(
      "               may write and read; shown only now: `cairn keys create` makes another one",
    );
  }
  await output.line(
    `\nKeep ${data}/${name}/keys secret, and back it up. Give the verifier keys to whoever checks the log.`,
  );
  await output.line(`Next: cairn serve --data ${data}`);
  return 0;
}

function checkOriginArgument(origin: string): void {
  try {
    checkOrigin(origin);
  } catch (cause) {
    throw new CairnError("usage", `--origin: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
}

function readSuccession(
  cwd: string,
  file: string | undefined,
  reason: string | undefined,
): Succession | undefined {
  if (file === undefined && reason === undefined) return undefined;
  if (file === undefined || reason === undefined) {
    throw new CairnError("usage", "--succeeds and --reason go together: which log, and why");
  }
  try {
    return { checkpoint: readFileSync(resolve(cwd, file), "utf8"), reason };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `--succeeds: ${why}`, { cause, place: { path: file } });
  }
}

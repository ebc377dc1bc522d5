/** `cairn keys`: API keys of a data folder. A running server notices changes within a second. */
import { CairnError, formatLogTime } from "@cairnlog/core";
import type { ApiKey, Scope } from "@cairnlog/server";
import type { CommandContext, CommandSpec } from "../command.ts";
import { openDataFolder } from "../data-folder.ts";
import { parseQuotaArgument } from "../quota-argument.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import { parseDuration } from "../time-argument.ts";

export const keysCreateCommand: CommandSpec = {
  name: "keys create",
  summary: "make an API key",
  description:
    "Makes an API key and shows it, once: only its hash is stored. Works while a server runs on the same data folder.",
  settings: ["data"],
  options: [
    {
      flags: "--source <alias>",
      about: "the alias under which logs record what this key sends (default: api)",
    },
    { flags: "--logs <names>", about: "logs, with commas between them, or * for all (default: *)" },
    { flags: "--scopes <scopes>", about: "write, read, operate (default: write,read)" },
    {
      flags: "--expires <time>",
      about: "90d, 2027-01-01, or 2027-01-01T00:00:00Z (default: never)",
    },
    {
      flags: "--quota <rate>",
      about:
        "what it may send: 1000/s, 60000/m, 10gb/day, with commas between them (default: no bound)",
    },
    {
      flags: "--silent-after <duration>",
      about: "a longer silence of the source is an event; for a key that names its logs",
    },
    { flags: "--description <text>", about: "a note for people" },
  ],
  examples: [
    {
      line: "cairn keys create --source ci --scopes write --logs main --expires 90d",
      about: "a key for CI that can only write",
    },
    {
      line: "cairn keys create --source admin --scopes write,read,operate",
      about: "a key that may also create logs and see metrics",
    },
  ],
  async run({ config, options, output, io }: CommandContext): Promise<0> {
    const { createKey, scopes } = await import("@cairnlog/server");
    const { data } = config.values;
    openDataFolder(data);
    const expiresMs = options.time("expires", io.now(), "ahead");
    if (expiresMs !== undefined && expiresMs <= io.now()) {
      throw new CairnError("usage", "--expires is in the past");
    }
    const description = options.text("description");
    const quota = options.text("quota");
    const silentAfter = options.text("silentAfter");
    const { key, token } = createKey(
      data,
      {
        source: options.text("source") ?? "api",
        logs: listOf(options.text("logs") ?? "*"),
        scopes: listOf(options.text("scopes") ?? "write,read").map((text) =>
          parseScope(text, scopes),
        ),
        ...(expiresMs === undefined ? {} : { expires: formatLogTime(expiresMs) }),
        ...(description === undefined ? {} : { description }),
        ...(quota === undefined ? {} : { quota: parseQuotaArgument(quota, "--quota") }),
        ...(silentAfter === undefined
          ? {}
          : { silentAfterMs: parseDuration(silentAfter, "--silent-after") }),
      },
      io.now(),
    );
    if (output.isJson) {
      await output.line(asciiJson({ ...shown(key), key: token }));
      return 0;
    }
    await output.line(token);
    output.note(
      `It records as ${key.source}, may ${key.scopes.join(", ")}, for ${key.logs.join(", ")}. Shown only now.`,
    );
    return 0;
  },
};

export const keysListCommand: CommandSpec = {
  name: "keys list",
  summary: "list API keys",
  description:
    "Lists the API keys of a data folder. The keys themselves cannot be shown: only their hashes are stored.",
  settings: ["data"],
  examples: [{ line: "cairn keys list", about: "who may do what" }],
  async run({ config, output, io }: CommandContext): Promise<0> {
    const { listKeys } = await import("@cairnlog/server");
    openDataFolder(config.values.data);
    const keys = listKeys(config.values.data);
    if (output.isJson) {
      for (const key of keys) await output.line(asciiJson(shown(key)));
      return 0;
    }
    if (keys.length === 0) output.note("There are no API keys. Make one with: cairn keys create");
    for (const key of keys) {
      const until = key.expires === undefined ? "never expires" : `expires ${key.expires}`;
      const isOver = key.expires !== undefined && key.expires <= formatLogTime(io.now());
      const fields = [
        key.id,
        key.source,
        key.scopes.join(","),
        key.logs.join(","),
        `made ${key.created}`,
        isOver ? output.paint("bad", until) : until,
        safeText(key.description ?? ""),
      ];
      await output.line(fields.join("  ").trimEnd());
    }
    return 0;
  },
};

export const keysRevokeCommand: CommandSpec = {
  name: "keys revoke",
  parameters: [
    { usage: "<id>", about: "as `cairn keys list` shows it: the middle part of the key" },
  ],
  summary: "revoke an API key",
  description: "Removes an API key. A running server refuses it within a second.",
  settings: ["data"],
  examples: [{ line: "cairn keys revoke k3q7x2mzpa", about: "this key is of no use any more" }],
  async run({ config, output, parameters }: CommandContext): Promise<0> {
    const { revokeKey } = await import("@cairnlog/server");
    openDataFolder(config.values.data);
    // Who pastes the whole key means the key.
    const id = /^cairn_([a-z0-9]+)_/.exec(parameters[0]!)?.[1] ?? parameters[0]!;
    const key = revokeKey(config.values.data, id);
    await output.line(
      output.isJson ? asciiJson({ revoked: shown(key) }) : `Revoked ${key.id} (${key.source}).`,
    );
    return 0;
  },
};

function shown({ secretHash: _, ...key }: ApiKey): object {
  return key;
}

function listOf(text: string): string[] {
  return text.split(",").map((each) => each.trim());
}

function parseScope(text: string, scopes: readonly Scope[]): Scope {
  const scope = scopes.find((each) => each === text);
  if (scope !== undefined) return scope;
  throw new CairnError(
    "usage",
    `--scopes: expected ${scopes.join(", ")}, not ${JSON.stringify(text)}`,
  );
}

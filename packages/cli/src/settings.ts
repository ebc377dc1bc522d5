/**
 * The one table of settings. Each has a flag, a variable `CAIRN_…`, a key in `cairn.yaml` and a
 * default, in this order of precedence; all three names, the help texts, the JSON Schema and
 * docs/configuration.md are made from this table.
 */
import {
  addressType,
  booleanType,
  bytesType,
  choiceType,
  countType,
  durationType,
  listType,
  pathType,
  textType,
  urlType,
  type SettingType,
} from "./setting-types.ts";

export interface Setting<T = unknown> {
  readonly type: SettingType<T>;
  /** What holds where nobody says anything, as text; undefined for nothing. */
  readonly default: string | undefined;
  readonly about: string;
  /** Where it stands in `cairn.yaml`: at the top, or under this name. */
  readonly under?: "limits";
  /** Shown as dots by `config print`. */
  readonly isSecret?: boolean;
}

function setting<T>(
  type: SettingType<T>,
  about: string,
  more: { default?: string; under?: "limits"; isSecret?: boolean } = {},
): Setting<T> {
  return { default: undefined, ...more, type, about };
}

const limits = { under: "limits" } as const;

export const settingTable = {
  data: setting(pathType, "The data folder: logs and API keys.", { default: "cairn-data" }),
  log: setting(textType, "The log's name.", { default: "main" }),
  url: setting(urlType, "The server to talk to, instead of a data folder."),
  key: setting(
    textType,
    "API key for the server. Other users of the machine may see flags: better use a file or the variable.",
    { isSecret: true },
  ),
  keyFile: setting(pathType, "A file that holds the API key, and nothing else."),
  listen: setting(addressType, "Where the server listens. Port 0 is any free one.", {
    default: "127.0.0.1:8080",
  }),
  hostName: setting(
    listType,
    "Names that the Host header may have besides loopback's and the listening address.",
  ),
  tlsCert: setting(pathType, "Certificate chain of the server, PEM."),
  tlsKey: setting(pathType, "Private key of the server's certificate, PEM."),
  publishInterval: setting(durationType, "How often the published checkpoint moves, at most.", {
    default: "1s",
  }),
  bodyBytesMax: setting(bytesType, "Bytes of a request's body as sent.", {
    default: "16MiB",
    ...limits,
  }),
  decompressedBytesMax: setting(bytesType, "Bytes of a body after decompression.", {
    default: "64MiB",
    ...limits,
  }),
  queueEventsMax: setting(countType, "Events that may wait for a commit, per log.", {
    default: "200000",
    ...limits,
  }),
  queueBytesMax: setting(bytesType, "Bytes of events that may wait for a commit, per log.", {
    default: "64MiB",
    ...limits,
  }),
  json: setting(booleanType, "Write JSON for machines; errors too, on standard error.", {
    default: "false",
  }),
  color: setting(
    choiceType(["auto", "always", "never"]),
    "Whether to use colours. NO_COLOR=1 means never.",
    { default: "auto" },
  ),
  logLevel: setting(
    choiceType(["error", "warn", "info", "debug"]),
    "What the server writes about itself on standard error.",
    { default: "warn" },
  ),
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settingTable;

type ValueOf<S> = S extends Setting<infer T> ? T : never;
type Always = "data" | "log" | "listen" | "publishInterval" | "json" | "color" | "logLevel";
type Limited = "bodyBytesMax" | "decompressedBytesMax" | "queueEventsMax" | "queueBytesMax";

/** The values that hold. What has no default may be undefined. */
export type Settings = {
  readonly [Name in SettingName]: Name extends Always | Limited
    ? ValueOf<(typeof settingTable)[Name]>
    : ValueOf<(typeof settingTable)[Name]> | undefined;
};

export const settingNames = Object.keys(settingTable) as readonly SettingName[];

export function settingOf(name: SettingName): Setting {
  return settingTable[name];
}

/** `bodyBytesMax` is `body-bytes-max` on the command line … */
export function flagOf(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** … `CAIRN_BODY_BYTES_MAX` in the environment … */
export function variableOf(name: SettingName): string {
  return `CAIRN_${flagOf(name).replaceAll("-", "_").toUpperCase()}`;
}

/** … and `limits.bodyBytesMax` in the file. */
export function keyOf(name: SettingName): string {
  const { under } = settingOf(name);
  return under === undefined ? name : `${under}.${name}`;
}

/** JSON Schema of `cairn.yaml`. */
export function configSchema(): object {
  const top: Record<string, object> = {};
  const nested: Record<string, object> = {};
  for (const name of settingNames) {
    const { type, about, under, default: standard } = settingOf(name);
    const isPlain = type === booleanType || type === countType;
    const value = standard === undefined || !isPlain ? standard : (JSON.parse(standard) as unknown);
    const schema = {
      description: about,
      ...type.schema,
      ...(value === undefined ? {} : { default: value }),
    };
    (under === undefined ? top : nested)[name] = schema;
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "cairn.yaml",
    description: "Configuration of Cairn. Flags and CAIRN_* variables come before it.",
    type: "object",
    additionalProperties: false,
    properties: {
      ...top,
      limits: {
        description: "What the server takes on.",
        type: "object",
        additionalProperties: false,
        properties: nested,
      },
    },
  };
}

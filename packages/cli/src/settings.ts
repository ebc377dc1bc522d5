/**
 * The one table of settings. Each has a flag, a variable `CAIRN_…`, a key in `cairn.yaml` and a
 * default, in this order of precedence; all three names, the help texts, the JSON Schema and
 * docs/configuration.md are made from this table.
 */
import {
  addressType,
  booleanType,
  bucketType,
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
  witnessPolicy: setting(
    pathType,
    "File with the policy of the logs' witnesses (C2SP tlog-policy): who they are, their URLs, and which of them are a quorum.",
  ),
  requireWitnesses: setting(
    booleanType,
    "Acknowledge an event only when a quorum of witnesses has cosigned it.",
    { default: "false" },
  ),
  startWithoutWitnesses: setting(
    booleanType,
    "Record from the start although no quorum of witnesses has said what it holds. This is an entry in the log.",
    { default: "false" },
  ),
  witnessTimeout: setting(durationType, "How long a witness may take to answer.", {
    default: "5s",
  }),
  scrub: setting(
    choiceType(["on", "off"]),
    "Whether all files of the logs are watched and re-read all the time.",
    { default: "on" },
  ),
  scrubRate: setting(bytesType, "Bytes that are re-read in a second, at most, of all logs.", {
    default: "6MiB",
  }),
  alarmWebhook: setting(
    urlType,
    "Where alarms are sent, signed as Standard Webhooks has it; best to another host.",
  ),
  alarmSecret: setting(
    textType,
    "The webhook's secret, whsec_ and base64. Other users of the machine may see flags: better use a file or the variable.",
    { isSecret: true },
  ),
  alarmSecretFile: setting(pathType, "A file that holds the webhook's secret, and nothing else."),
  worm: setting(
    bucketType,
    "Where write-once copies of all logs go: s3://bucket/prefix, a bucket with Object Lock.",
  ),
  wormRetentionDays: setting(
    countType,
    "For how many days a copy is locked, from the moment it is made. Nobody can shorten it.",
  ),
  wormInterval: setting(durationType, "How often the published checkpoint is copied, at most.", {
    default: "1m",
  }),
  s3Endpoint: setting(urlType, "Address of an S3 that is not AWS."),
  s3Region: setting(textType, "The bucket's region."),
  s3PathStyle: setting(
    booleanType,
    "Ask for https://host/bucket/key instead of https://bucket.host/key.",
    { default: "false" },
  ),
  syslogTcp: setting(addressType, "Where syslog over plain TCP is received."),
  syslogTls: setting(addressType, "Where syslog over TLS is received (RFC 5425)."),
  syslogUdp: setting(addressType, "Where syslog over UDP is received, which may lose messages."),
  relp: setting(addressType, "Where RELP is received: syslog that answers when it is durable."),
  relpTls: setting(addressType, "Where RELP over TLS is received."),
  syslogLog: setting(textType, "The log that syslog goes to.", { default: "main" }),
  syslogSource: setting(
    textType,
    "Alias of what syslog brings; with client certificates, / and the certificate's name follow.",
    { default: "syslog" },
  ),
  syslogPeers: setting(listType, "Addresses and networks that may send syslog. Default: all."),
  syslogZone: setting(
    textType,
    "Time zone of messages that name none: UTC, +02:00 or Europe/Berlin.",
    { default: "UTC" },
  ),
  syslogTlsCert: setting(pathType, "Certificate chain for syslog, PEM. Default: the server's."),
  syslogTlsKey: setting(pathType, "Private key of that certificate, PEM."),
  syslogClientCa: setting(
    pathType,
    "CAs of syslog's clients, PEM: with them, only who has a certificate of theirs may send.",
  ),
  syslogMessageMax: setting(
    bytesType,
    "Bytes of one message. A longer one is recorded in pieces of this size.",
    { default: "256KiB" },
  ),
  bodyBytesMax: setting(bytesType, "Bytes of a request's body as sent.", {
    default: "16MiB",
    ...limits,
  }),
  decompressedBytesMax: setting(bytesType, "Bytes of a body after decompression.", {
    default: "64MiB",
    ...limits,
  }),
  blobBytesMax: setting(bytesType, "Bytes of one blob.", { default: "64MiB", ...limits }),
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
type Always =
  | "data"
  | "log"
  | "listen"
  | "publishInterval"
  | "json"
  | "color"
  | "logLevel"
  | Scrubbed
  | Witnessed
  | Copied
  | Received;
type Received = "syslogLog" | "syslogSource" | "syslogZone" | "syslogMessageMax";
type Copied = "wormInterval" | "s3PathStyle";
type Scrubbed = "scrub" | "scrubRate";
type Witnessed = "requireWitnesses" | "startWithoutWitnesses" | "witnessTimeout";
type Limited =
  "bodyBytesMax" | "decompressedBytesMax" | "blobBytesMax" | "queueEventsMax" | "queueBytesMax";

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

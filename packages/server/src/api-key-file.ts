/** The text of `api-keys.json`: read strictly, because it decides who may do what. */
import { CairnError, isSource, parseLogTime } from "@cairnlog/core";
import { parseQuota, type Quota } from "./sources/source-file.ts";

export const scopes = ["write", "read", "operate"] as const;
/** `write` records events, `read` reads them, `operate` creates logs and sees metrics. */
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  /** Public part of the token. */
  readonly id: string;
  readonly source: string;
  /** SHA-256 of the token's secret part, hex. */
  readonly secretHash: string;
  readonly logs: readonly string[];
  readonly scopes: readonly Scope[];
  readonly created: string;
  readonly expires?: string;
  readonly description?: string;
  /** A longer silence of the source in these logs is an event. Only for a key that names its logs. */
  readonly silentAfterMs?: number;
  /** What the key may send. */
  readonly quota?: Quota;
}

const format = "cairn-api-keys/1";
const fields = new Set([
  "id",
  "source",
  "secretHash",
  "logs",
  "scopes",
  "created",
  "expires",
  "description",
  "silentAfterMs",
  "quota",
]);
// What the log says about itself must not be sayable by anybody else.
const reservedSource = "cairn";
const logName = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export function formatKeyFile(keys: readonly ApiKey[]): string {
  return `${JSON.stringify({ format, keys }, undefined, 2)}\n`;
}

/** Throws "malformed" or "unsupported_version", naming `path`. */
export function parseKeyFile(text: string, path: string): ApiKey[] {
  const refuse = (why: string, cause?: unknown): CairnError =>
    new CairnError("malformed", `${path}: ${why}`, { place: { path }, cause });
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw refuse("it is not JSON", cause);
  }
  if (!isObject(file)) throw refuse("it is not a JSON object");
  if (file["format"] !== format) {
    const found = String(file["format"]).slice(0, 40);
    throw new CairnError(
      "unsupported_version",
      `${path} has the format ${JSON.stringify(found)}; this release reads ${format}`,
      { place: { path } },
    );
  }
  const keys = file["keys"];
  if (!Array.isArray(keys)) throw refuse("`keys` is not an array");
  const parsed = keys.map((key, i) => parseKey(key, (why) => refuse(`key ${i}: ${why}`)));
  if (new Set(parsed.map((key) => key.id)).size < parsed.length) {
    throw refuse("two keys have the same id");
  }
  return parsed;
}

function parseKey(key: unknown, refuse: (why: string) => CairnError): ApiKey {
  if (!isObject(key)) throw refuse("it is not an object");
  const strange = Object.keys(key).find((name) => !fields.has(name));
  if (strange !== undefined) throw refuse(`unknown field ${JSON.stringify(strange.slice(0, 40))}`);
  const { id, source, secretHash, logs, scopes: granted, created, expires, description } = key;
  const { silentAfterMs, quota } = key;
  if (typeof id !== "string" || !/^[a-z0-9]{4,32}$/.test(id)) throw refuse("`id`");
  if (typeof source !== "string" || !isSource(source) || source === reservedSource) {
    throw refuse(
      "`source` must be 1 to 64 of a-z 0-9 . _ / -, and not " +
        `"${reservedSource}", under which the log speaks of itself`,
    );
  }
  if (typeof secretHash !== "string" || !/^[0-9a-f]{64}$/.test(secretHash)) {
    throw refuse("`secretHash` is not a SHA-256 in hex");
  }
  if (!isListOf(logs, isLogPattern)) throw refuse('`logs` is not a list of log names or ["*"]');
  if (!isListOf(granted, isScope)) throw refuse(`\`scopes\` is not a list of ${scopes.join(", ")}`);
  if (typeof created !== "string") throw refuse("`created` is not a time");
  parseLogTime(created);
  if (expires !== undefined) {
    if (typeof expires !== "string") throw refuse("`expires` is not a time");
    parseLogTime(expires);
  }
  if (description !== undefined && typeof description !== "string") {
    throw refuse("`description` is not a text");
  }
  if (silentAfterMs !== undefined) {
    if (!isCount(silentAfterMs)) throw refuse("`silentAfterMs` is not a positive whole number");
    if (logs.includes("*")) throw refuse("`silentAfterMs` is for a key that names its logs");
  }
  return {
    id,
    source,
    secretHash,
    logs,
    scopes: granted,
    created,
    ...(expires === undefined ? {} : { expires }),
    ...(description === undefined ? {} : { description }),
    ...(silentAfterMs === undefined ? {} : { silentAfterMs }),
    ...(quota === undefined ? {} : { quota: parseQuota(quota, refuse) }),
  };
}

function isListOf<T extends string>(
  value: unknown,
  isOne: (each: unknown) => each is T,
): value is T[] {
  return Array.isArray(value) && value.length > 0 && value.every(isOne);
}

function isLogPattern(value: unknown): value is string {
  return value === "*" || (typeof value === "string" && logName.test(value));
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isScope(value: unknown): value is Scope {
  return scopes.some((scope) => scope === value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The text of `<data>/sources.json`: which senders record into which log, and what proves them.
 *
 *     {"format":"cairn-sources/1","sources":[{"name":"github-acme","kind":"github","log":"main","secrets":["…"],
 *       "options":{},"created":"2026-11-23T05:00:00.000Z","silentAfterMs":3600000,"quota":{"eventsPerSecond":100}}]}
 *
 * Secrets stand here in plain text, unlike those of API keys: whoever checks an HMAC needs the key itself. So the file
 * is for its owner alone (0600), and nothing prints a secret but the command that makes one.
 *
 * Read strictly, because it decides who may write under which name: text that would not be written like this is
 * refused, so that nobody reads two sources out of one.
 */
import { CairnError, isSource, parseLogTime } from "@cairnlog/core";

export interface Source {
  /** Its alias in the log and the last part of its address. Unique in the data folder. */
  readonly name: string;
  /** Of its adapter: `github`. */
  readonly kind: string;
  readonly log: string;
  /** Any of them proves the sender; the newest is the last. At least one. */
  readonly secrets: readonly string[];
  /** Answers to the adapter's questions. */
  readonly options: Readonly<Record<string, string>>;
  readonly created: string;
  /** A silence longer than this is worth an event. */
  readonly silentAfterMs?: number;
  readonly quota?: Quota;
}

/** What a source may send. Whatever is not named has no bound. */
export interface Quota {
  readonly eventsPerSecond?: number;
  readonly eventsPerMinute?: number;
  readonly bytesPerDay?: number;
}

export const quotaNames = ["eventsPerSecond", "eventsPerMinute", "bytesPerDay"] as const;
/** While one is being replaced there are two; a few more for senders with many machines. */
export const secretsMax = 8;

const format = "cairn-sources/1";
const fields = new Set([
  "name",
  "kind",
  "log",
  "secrets",
  "options",
  "created",
  "silentAfterMs",
  "quota",
]);
// Narrower than an alias: a "/" in it would make its address ambiguous.
const sourceName = /^[a-z0-9._-]{1,64}$/;
// What the log says about itself must not be sayable by anybody else; and a path with dots alone is no path.
const reservedNames = new Set(["cairn", ".", ".."]);
const logName = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const secretLengthMax = 8192;

export function isSourceName(name: string): boolean {
  return sourceName.test(name) && isSource(name) && !reservedNames.has(name);
}

export function formatSourceFile(sources: readonly Source[]): string {
  return `${JSON.stringify({ format, sources }, undefined, 2)}\n`;
}

/** Throws "malformed" or "unsupported_version", naming `path`. */
export function parseSourceFile(text: string, path: string): Source[] {
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
  const list = file["sources"];
  if (!Array.isArray(list)) throw refuse("`sources` is not an array");
  const sources = list.map((one, i) => parseSource(one, (why) => refuse(`source ${i}: ${why}`)));
  if (new Set(sources.map(({ name }) => name)).size < sources.length) {
    throw refuse("two sources have the same name");
  }
  if (formatSourceFile(sources) !== text) {
    throw refuse("it is not spelled as `cairn sources` writes it: change it with that command");
  }
  return sources;
}

function parseSource(value: unknown, refuse: (why: string) => CairnError): Source {
  if (!isObject(value)) throw refuse("it is not an object");
  const strange = Object.keys(value).find((name) => !fields.has(name));
  if (strange !== undefined) throw refuse(`unknown field ${JSON.stringify(strange.slice(0, 40))}`);
  const { name, kind, log, secrets, options, created, silentAfterMs, quota } = value;
  if (typeof name !== "string" || !isSourceName(name)) {
    throw refuse('`name` must be 1 to 64 of a-z 0-9 . _ -, and not "cairn"');
  }
  if (typeof kind !== "string" || !/^[a-z][a-z0-9-]{0,31}$/.test(kind)) throw refuse("`kind`");
  if (typeof log !== "string" || !logName.test(log)) throw refuse("`log` is not a log's name");
  if (!isSecretList(secrets)) {
    throw refuse(`\`secrets\` is not a list of 1 to ${secretsMax} texts`);
  }
  if (!isTexts(options)) throw refuse("`options` is not an object of texts");
  if (typeof created !== "string") throw refuse("`created` is not a time");
  parseLogTime(created);
  if (silentAfterMs !== undefined && !isCount(silentAfterMs)) {
    throw refuse("`silentAfterMs` is not a positive whole number");
  }
  return {
    name,
    kind,
    log,
    secrets,
    options,
    created,
    ...(silentAfterMs === undefined ? {} : { silentAfterMs }),
    ...(quota === undefined ? {} : { quota: parseQuota(quota, refuse) }),
  };
}

/** Also of an API key. */
export function parseQuota(value: unknown, refuse: (why: string) => CairnError): Quota {
  if (!isObject(value)) throw refuse("`quota` is not an object");
  for (const [name, limit] of Object.entries(value)) {
    if (!quotaNames.some((known) => known === name) || !isCount(limit)) {
      throw refuse(`\`quota\` is not an object of ${quotaNames.join(", ")} as whole numbers`);
    }
  }
  return value;
}

function isSecretList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= secretsMax &&
    value.every((one) => typeof one === "string" && one.length > 0 && one.length <= secretLengthMax)
  );
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((one) => typeof one === "string");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

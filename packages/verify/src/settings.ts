/**
 * What a log says of itself: `log.json` beside its files, and entry 0 inside it. Entry 0 is the one with proof; the
 * file must agree with it, and is in one spelling (docs/spec/files.md).
 */
import {
  base64,
  CairnError,
  isCairnError,
  isSameBytes,
  parseEntry,
  parseHex,
  parseLogTime,
  parseUtf8,
  utf8,
  type Sha256,
} from "@cairnlog/core";

export const settingsPath = "log.json";
export const settingsByteLengthMax = 65_536;
const settingsFormat = "cairn-log/1";
const entryFormat = "cairn-entry/1";

export interface Settings {
  readonly name: string;
  readonly origin: string;
  readonly created: string;
  readonly vkeys: readonly string[];
  /** Keys the hashes in `index/ids`. */
  readonly idKey: Uint8Array;
}

/** What entry 0 says. */
export interface Genesis {
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly time: string;
  /** SHA-256 of `log.json`, base64, where the log recorded it. */
  readonly settingsHash: string | undefined;
}

type Members = Readonly<Record<string, unknown>>;

/** Reads `log.json` in its only spelling. "malformed" or "unsupported_version". */
export function parseSettings(bytes: Uint8Array): Settings {
  const place = { path: settingsPath };
  const refuse = (why: string): CairnError =>
    new CairnError("malformed", `${settingsPath} is damaged: ${why}`, { place });
  let members: Members;
  try {
    members = JSON.parse(parseUtf8(bytes)) as Members;
  } catch {
    throw refuse("it is not JSON");
  }
  if (typeof members !== "object" || members === null) throw refuse("it is no object");
  const { format, name, origin, created, vkeys, idKey } = members;
  if (typeof format === "string" && /^cairn-log\/[1-9][0-9]{0,5}$/.test(format)) {
    if (format !== settingsFormat) {
      const what = `the log has the format ${format}; this release knows ${settingsFormat}`;
      throw new CairnError("unsupported_version", `${what}: upgrade Cairn`, { place });
    }
  }
  const isKnown =
    format === settingsFormat &&
    [name, origin, created, idKey].every((each) => typeof each === "string") &&
    typeof members.public === "boolean" &&
    isStrings(vkeys);
  if (!isKnown) throw refuse("a member is missing or has another shape");
  try {
    parseLogTime(created as string);
    if (parseHex(idKey as string).length !== 8) throw refuse("`idKey` is not 8 bytes");
  } catch (error) {
    throw isCairnError(error) ? refuse(error.message) : error;
  }
  const again = { format, name, origin, public: members.public, created, vkeys, idKey };
  if (!isSameBytes(utf8(`${JSON.stringify(again, undefined, 2)}\n`), bytes)) {
    throw refuse("it was edited");
  }
  return {
    name: name as string,
    origin: origin as string,
    created: created as string,
    vkeys,
    idKey: parseHex(idKey as string),
  };
}

/** What entry 0 of a log of ours says, or "malformed". */
export function parseGenesis(bytes: Uint8Array): Genesis {
  const refuse = (why: string): CairnError =>
    new CairnError("malformed", `entry 0 does not begin a log: ${why}`, { place: { seq: 0 } });
  const entry = parseEntry(bytes);
  if (entry.seq !== 0) throw refuse(`it says it is entry ${entry.seq}`);
  const event = JSON.parse(parseUtf8(entry.event)) as Members;
  if (entry.source !== "cairn" || event.type !== "system.log.created") {
    throw refuse("it is not system.log.created by the log itself");
  }
  const details = (event.details ?? {}) as Members;
  const { format, hash, origin, keys, settings } = details;
  if (typeof format === "string" && format !== entryFormat && /^cairn-entry\/\d+$/.test(format)) {
    throw new CairnError(
      "unsupported_version",
      `the log has entries of the format ${format}; this release knows ${entryFormat}: upgrade Cairn`,
      { place: { seq: 0 } },
    );
  }
  if (format !== entryFormat || hash !== "sha256") throw refuse("its format or hash is unknown");
  if (typeof origin !== "string" || !isStrings(keys)) throw refuse("it names no origin or keys");
  return {
    origin,
    vkeys: keys,
    time: entry.time,
    settingsHash: typeof settings === "string" ? settings : undefined,
  };
}

/** Where `log.json` and entry 0 differ, in words; undefined where they agree. */
export function settingsConflict(
  sha256: Sha256,
  settings: Settings,
  settingsBytes: Uint8Array,
  genesis: Genesis,
): string | undefined {
  if (settings.origin !== genesis.origin) return "the origins differ";
  if (settings.vkeys.join(" ") !== genesis.vkeys.join(" ")) return "the keys differ";
  if (parseLogTime(settings.created) > parseLogTime(genesis.time)) {
    return "the log was created after its first entry";
  }
  const recorded = genesis.settingsHash;
  if (recorded !== undefined && recorded !== base64(sha256(settingsBytes))) {
    return "entry 0 has another hash of the file";
  }
  return undefined;
}

function isStrings(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string")
  );
}

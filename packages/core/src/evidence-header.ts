/**
 * The header of an evidence file: one line of JSON in one spelling, that of `JSON.stringify` with the members in this
 * order.
 *
 *     {"origin":"…","size":10,"count":2,"keys":["<vkey>"],
 *      "export":{"who":"…","why":"…","time":"…","query":{…}},"recorded":11}
 *
 * Nothing signs it: it is what the exporter says. Origin, size and count are checked against what follows; `keys` only
 * serve to show a fingerprint, and never make anything verified; `export` is proven where the entry `recorded` is in
 * the file and says the same.
 */
import { utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { parseLogTime } from "./time.ts";

/** A value of a query's member. Numbers are whole, 0 to 2^53 - 1. */
export type EvidenceQueryValue = string | number | boolean;

/** What was asked for: members named `[a-z][a-zA-Z0-9]{0,31}`, as in `{"types":["database.query"],"from":12}`. */
export type EvidenceQuery = Readonly<
  Record<string, EvidenceQueryValue | readonly EvidenceQueryValue[]>
>;

/** Who took the evidence out, why, when, and by which query. */
export interface EvidenceExport {
  readonly who: string;
  readonly why: string;
  /** As in an entry: `2026-11-23T05:00:00.123Z`. */
  readonly time: string;
  readonly query: EvidenceQuery;
}

export interface EvidenceHeader {
  /** The log's origin, as in the checkpoint. */
  readonly origin: string;
  /** The checkpoint's size. */
  readonly size: number;
  /** Number of entries in the file, at least 1. */
  readonly count: number;
  /** The log's verifier keys as the exporter gives them; at most 8. */
  readonly keys: readonly string[];
  readonly export: EvidenceExport;
  /** Seq of the entry that records this export. It need not be in the file, nor under its checkpoint. */
  readonly recorded?: number;
}

export const evidenceHeaderBytesMax = 65_536;
export const evidenceEntriesMax = 1_000_000;
const keysMax = 8;
const whoLengthMax = 1024;
const whyLengthMax = 8192;

/** The header's line, without its newline. "malformed" for a header that `parseEvidenceHeader` would refuse. */
export function formatEvidenceHeader(header: EvidenceHeader): string {
  const { origin, size, count, keys, recorded } = header;
  const line = JSON.stringify({
    origin,
    size,
    count,
    keys,
    export: orderedExport(header.export),
    ...(recorded === undefined ? {} : { recorded }),
  });
  if (utf8(line).length > evidenceHeaderBytesMax) {
    throw new CairnError("too_large", `a header has at most ${evidenceHeaderBytesMax} bytes`);
  }
  headerFromJson(JSON.parse(line));
  return line;
}

/** Reads the header's line. "malformed" for any other spelling. */
export function parseEvidenceHeader(line: string): EvidenceHeader {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new CairnError("malformed", "not an evidence file: its header is not JSON", { cause });
  }
  const header = headerFromJson(value);
  // Refuses duplicate names, white space, and whatever else two readers could read in two ways.
  if (formatEvidenceHeader(header) !== line) throw refuse("has another spelling");
  return header;
}

/** True if a value, such as a member of a recorded event, says the same of an export as `expected`. */
export function isSameExport(value: unknown, expected: EvidenceExport): boolean {
  if (!isObject(value) || !isObject(value["query"])) return false;
  const { who, why, time, query } = value;
  const names = Object.keys(value).toSorted().join();
  const given = JSON.stringify({ who, why, time, query });
  return names === "query,time,who,why" && given === JSON.stringify(orderedExport(expected));
}

function orderedExport({ who, why, time, query }: EvidenceExport): EvidenceExport {
  return { who, why, time, query };
}

function headerFromJson(value: unknown): EvidenceHeader {
  if (!isObject(value)) throw refuse("is not a JSON object");
  checkNames(value, ["origin", "size", "count", "keys", "export", "recorded"]);
  const { origin, size, count, keys, recorded } = value;
  if (!isText(origin, 255)) throw refuse("has no `origin`");
  if (!isWhole(size) || size < 1) throw refuse("has no `size` of at least 1");
  if (!isWhole(count) || count < 1 || count > Math.min(size, evidenceEntriesMax)) {
    throw refuse(`has no \`count\` of 1 to ${evidenceEntriesMax}, at most the size`);
  }
  if (!Array.isArray(keys) || keys.length > keysMax || !keys.every((key) => isText(key, 4096))) {
    throw refuse(`has no \`keys\`, at most ${keysMax} verifier keys`);
  }
  if (recorded !== undefined && !isWhole(recorded)) throw refuse("`recorded` is not a seq");
  return {
    origin,
    size,
    count,
    keys,
    export: exportFromJson(value["export"]),
    ...(recorded === undefined ? {} : { recorded }),
  };
}

function exportFromJson(value: unknown): EvidenceExport {
  if (!isObject(value)) throw refuse("has no `export`");
  checkNames(value, ["who", "why", "time", "query"]);
  const { who, why, time, query } = value;
  if (!isText(who, whoLengthMax)) throw refuse("does not say who exported it");
  if (!isText(why, whyLengthMax)) throw refuse("does not say why it was exported");
  if (typeof time !== "string") throw refuse("does not say when it was exported");
  parseLogTime(time);
  if (!isObject(query)) throw refuse("has no `query`");
  for (const [name, member] of Object.entries(query)) {
    const values: readonly unknown[] = Array.isArray(member) ? member : [member];
    if (/^[a-z][a-zA-Z0-9]{0,31}$/.test(name) && values.every(isQueryValue)) continue;
    throw refuse(`has a query with a strange member ${JSON.stringify(name.slice(0, 40))}`);
  }
  return { who, why, time, query: query as EvidenceQuery };
}

function isQueryValue(value: unknown): value is EvidenceQueryValue {
  if (typeof value === "string") return value.isWellFormed();
  return typeof value === "boolean" || isWhole(value);
}

function isText(value: unknown, lengthMax: number): value is string {
  if (typeof value !== "string" || value === "") return false;
  return value.length <= lengthMax && value.isWellFormed();
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkNames(value: object, known: readonly string[]): void {
  const strange = Object.keys(value).find((name) => !known.includes(name));
  if (strange === undefined) return;
  throw refuse(`has a field ${JSON.stringify(strange.slice(0, 40))}`);
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not an evidence file: its header ${why}`);
}

/**
 * Which entries an export of evidence is of: ranges of seq, ranges of time, types, actors. What is given must all hold;
 * of a list, any one.
 */
import {
  CairnError,
  formatLogTime,
  hex,
  isCairnError,
  parseDecimal,
  parseUtf8,
  utf8,
  type EvidenceQuery,
  type Sha256,
} from "@cairnlog/core";
import type { EntryFilter } from "@cairnlog/store";
import type { Log } from "./log.ts";

/** Entries from `from` up to, not including, `to`. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

export interface EvidenceSelection {
  /** Default: all. */
  readonly seqs?: readonly SeqRange[];
  /** Committed from then on, and before then: milliseconds since 1970. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** `database.query`, or `database.*` for a whole workflow. */
  readonly types?: readonly string[];
  /** Ids of actors. */
  readonly actors?: readonly string[];
}

/** `12`, or `5-10` for 5 to 10 with both ends. "usage" for anything else. */
export function parseSeqRange(text: string): SeqRange {
  const [first = "", last = first, ...more] = text.split("-");
  try {
    const range = { from: parseDecimal(first, "seq"), to: parseDecimal(last, "seq") + 1 };
    if (more.length === 0 && range.from < range.to) return range;
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  const shown = JSON.stringify(text.slice(0, 40));
  throw new CairnError("usage", `not a range of entries: ${shown}. Write 12, or 5-10 for 5 to 10`);
}

/** How far the reading of entries is, for those who wait: called every few thousand entries. */
export type OnScan = (entriesDone: number, entriesTotal: number) => void;

/** More ranges than these are not listed in the file's header: their bounds and SHA-256 are. */
const rangesListedMax = 256;
/** More texts than these are not looked for in the bytes: then every entry is parsed. */
const textsSoughtMax = 16;
/** Entries between two looks at whether anybody still waits. */
const scanBeat = 4096;

/** The selection as the header of the file says it. */
export function queryOf(sha256: Sha256, selection: EvidenceSelection): EvidenceQuery {
  const { seqs, sinceMs, untilMs, types, actors } = selection;
  return {
    ...(seqs === undefined ? {} : rangesOf(sha256, seqs)),
    ...(sinceMs === undefined ? {} : { since: formatLogTime(sinceMs) }),
    ...(untilMs === undefined ? {} : { until: formatLogTime(untilMs) }),
    ...(types === undefined ? {} : { types }),
    ...(actors === undefined ? {} : { actors }),
  };
}

function rangesOf(sha256: Sha256, ranges: readonly SeqRange[]): EvidenceQuery {
  const texts = ranges.map(rangeText);
  if (texts.length <= rangesListedMax) return { seqs: texts };
  return {
    ranges: texts.length,
    from: ranges.reduce((least, { from }) => Math.min(least, from), Infinity),
    to: ranges.reduce((most, { to }) => Math.max(most, to), 0),
    rangesSha256: hex(sha256(utf8(texts.join("\n")))),
  };
}

function rangeText({ from, to }: SeqRange): string {
  return to === from + 1 ? String(from) : `${from}-${to - 1}`;
}

/**
 * The seqs of the log's entries below `size` that match, ascending. Types and actors are read from the entries
 * themselves: that takes a second for some 600,000 of them. "usage" if more than `countMax` match.
 */
export async function selectEntries(
  log: Log,
  selection: EvidenceSelection,
  size: number,
  countMax: number,
  { signal, onScan }: { readonly signal?: AbortSignal; readonly onScan?: OnScan } = {},
): Promise<number[]> {
  const { sinceMs, untilMs, types, actors } = selection;
  const from = sinceMs === undefined ? 0 : await log.seqAtTime(sinceMs);
  const to = Math.min(size, untilMs === undefined ? size : await log.seqAtTime(untilMs));
  const filter = filterOf(types, actors);
  const seqs: number[] = [];
  const take = (seq: number): void => {
    if (seqs.length === countMax) throw tooMany(countMax);
    seqs.push(seq);
  };
  const ranges = merged(selection.seqs ?? [{ from: 0, to: size }], size).map((range) => {
    const begin = Math.max(range.from, from);
    return { begin, end: Math.max(begin, Math.min(range.to, to)) };
  });
  const total = ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
  let done = 0;
  let saidAt = -scanBeat;
  const beat = (count: number): void => {
    done += count;
    if (done === total || done - saidAt < scanBeat) return;
    saidAt = done;
    signal?.throwIfAborted();
    onScan?.(done, total);
  };
  for (const { begin, end } of ranges) {
    if (filter === undefined) {
      for (let seq = begin; seq < end; seq++) take(seq);
      continue;
    }
    let at = begin;
    if (at < end) beat(0);
    for await (const { to: read, seqs: found } of log.search(begin, end, filter)) {
      for (const seq of found) take(seq);
      beat(read - at);
      at = read;
    }
  }
  return seqs;
}

/** Ascending, without overlaps. "usage" for a range that is none, "not_found" for one beyond the log. */
function merged(ranges: readonly SeqRange[], size: number): SeqRange[] {
  const result: SeqRange[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    if (!Number.isSafeInteger(from) || from < 0 || !(to > from)) {
      throw new CairnError("usage", `not a range of entries: ${from} up to ${to}`);
    }
    if (to > size) {
      throw new CairnError(
        "not_found",
        `the log has ${size} entries; entry ${to - 1} is not there`,
      );
    }
    const last = result.at(-1);
    if (last !== undefined && from <= last.to) {
      result[result.length - 1] = { from: last.from, to: Math.max(last.to, to) };
    } else result.push({ from, to });
  }
  return result;
}

function filterOf(
  types: readonly string[] | undefined,
  actors: readonly string[] | undefined,
): EntryFilter | undefined {
  if (types === undefined && actors === undefined) return undefined;
  const exact = new Set(types);
  const prefixes = (types ?? []).filter(isPrefix).map((type) => type.slice(0, -1));
  const ids = new Set(actors);
  const matches = (entry: Uint8Array): boolean => {
    // What was read has the hash that the log gave it when it took it, strictly parsed.
    const { event } = JSON.parse(parseUtf8(entry)) as { readonly event: Members };
    const { type, actor } = event;
    if (types !== undefined) {
      if (typeof type !== "string") return false;
      if (!exact.has(type) && !prefixes.some((prefix) => type.startsWith(prefix))) return false;
    }
    if (actors === undefined) return true;
    const id = (actor as Members | undefined)?.["id"];
    return typeof id === "string" && ids.has(id);
  };
  // There are more actors than types: where one is, fewer entries are left to look at.
  const holds = [actorsSought(actors), typesSought(types)].filter((list) => list !== undefined);
  return { holds, matches };
}

/** `database.*` is all types that begin with `database.`. */
function isPrefix(type: string): boolean {
  return type.endsWith(".*");
}

/** What stands in an entry of one of these types, which have one spelling; undefined where that is too much to seek. */
function typesSought(types: readonly string[] | undefined): Buffer[] | undefined {
  if (types === undefined || types.length > textsSoughtMax) return undefined;
  return types.map((type) => Buffer.from(isPrefix(type) ? `"${type.slice(0, -1)}` : `"${type}"`));
}

/**
 * The same for actors. An id stands there as it is, or is spelled with an escape. What needs no escape can have two
 * kinds of them only (RFC 8259, section 7): a code, and a slash behind a backslash.
 */
function actorsSought(actors: readonly string[] | undefined): Buffer[] | undefined {
  if (actors === undefined || actors.length > textsSoughtMax) return undefined;
  const spellings = new Set<string>();
  for (const id of actors) {
    spellings.add(`"${id}"`);
    const needsEscape = JSON.stringify(id) !== `"${id}"`;
    spellings.add(needsEscape ? "\\" : "\\u");
    if (id.includes("/")) spellings.add("\\/");
  }
  return [...spellings].map((spelling) => Buffer.from(spelling));
}

type Members = Readonly<Record<string, unknown>>;

function tooMany(countMax: number): CairnError {
  const what = `more than ${countMax} entries match`;
  return new CairnError("usage", `${what}: narrow the selection, or export it in parts`);
}

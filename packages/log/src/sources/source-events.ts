/**
 * What a log tells of its sources, as entries of its own: gaps in their numbers, silence, clocks that ran backwards,
 * and what was refused. `docs/continuity.md` shows one of each.
 */
import { formatLogTime } from "@cairnlog/core";
import { ownEvent } from "../system-events.ts";
import type { GapTelling, StreamState } from "./stream-state.ts";

export const gapType = "source.gap";
export const silentType = "source.silent";
export const heardType = "source.heard";
export const clockType = "source.clock";
export const refusedType = "source.refused";

/** Ranges of numbers in one entry, together. Such an entry has some 10 KB at most. */
export const rangesPerEntryMax = 100;

export interface StreamGaps extends GapTelling {
  readonly stream: string;
}

interface GapEntry {
  readonly type: typeof gapType;
  readonly details: { readonly source: string; readonly streams: readonly StreamGaps[] };
}

interface SilentEntry {
  readonly type: typeof silentType;
  readonly details: { readonly source: string; readonly sinceMs: number };
}

interface HeardEntry {
  readonly type: typeof heardType;
  readonly details: { readonly source: string; readonly atMs: number };
}

/** What the log's state follows from; the others tell, and no more. */
export type OwnEntry = GapEntry | SilentEntry | HeardEntry;

/** Reads an event that the log has written; undefined for one of another type. */
export function readOwnEntry(event: string): OwnEntry | undefined {
  const { type, details } = JSON.parse(event) as {
    readonly type: string;
    readonly details: { readonly source: string; readonly since?: string; readonly at?: string };
  };
  const { source } = details;
  if (type === gapType) return { type, details: details as GapEntry["details"] };
  if (type === silentType) {
    return { type, details: { source, sinceMs: new Date(details.since ?? 0).getTime() } };
  }
  if (type === heardType) {
    return { type, details: { source, atMs: new Date(details.at ?? 0).getTime() } };
  }
  return undefined;
}

/** What is to be told of these streams of one source, as far as it fits; undefined where there is nothing. */
export function gapEntryOf(source: string, states: Iterable<StreamState>): GapEntry | undefined {
  const streams: StreamGaps[] = [];
  let room = rangesPerEntryMax;
  for (const state of states) {
    if (room <= 0) break;
    const telling = state.telling(room);
    // A stream takes room by its name as well.
    room -= 1 + telling.missing.length + telling.filled.length;
    streams.push({ stream: state.stream, ...telling });
  }
  return streams.length === 0 ? undefined : { type: gapType, details: { source, streams } };
}

/** `open`: how many numbers of each stream are missing once this is told. */
export function gapEvent({ details }: GapEntry, open: readonly number[]): Uint8Array {
  const streams = details.streams.map((stream, i) => ({ ...stream, open: open[i] }));
  return ownEvent({ type: gapType, action: "detect", details: { ...details, streams } });
}

export function silentEvent(source: string, sinceMs: number, silentAfterMs: number): Uint8Array {
  const since = formatLogTime(sinceMs);
  return ownEvent({ type: silentType, action: "miss", details: { source, since, silentAfterMs } });
}

export function heardEvent(source: string, sinceMs: number, atMs: number): Uint8Array {
  const details = { source, since: formatLogTime(sinceMs), at: formatLogTime(atMs) };
  const silentMs = atMs - sinceMs;
  return ownEvent({ type: heardType, action: "hear", details: { ...details, silentMs } });
}

export interface ClockSteps {
  readonly source: string;
  /** The stream of the largest step. */
  readonly stream: string;
  readonly count: number;
  /** The largest step, and the two times between which it lies. */
  readonly backwardsMs: number;
  readonly from: number;
  readonly to: number;
  /** Entries that it was noticed in, first and last. */
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export function clockEvent(steps: ClockSteps): Uint8Array {
  const { from, to, ...rest } = steps;
  const details = { ...rest, from: spelled(from), to: spelled(to) };
  return ownEvent({ type: clockType, action: "detect", details });
}

/** A source may claim any year, also one that no log has. */
function spelled(ms: number): string {
  return new Date(ms).toISOString();
}

export interface Refusals {
  /** Id of an API key, name of a source, "anonymous"; "others" where there were too many to name. */
  readonly identity: string;
  readonly source?: string;
  /** How many, by the code of the error. */
  readonly codes: Readonly<Record<string, number>>;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export function refusedEvent({ firstMs, lastMs, ...rest }: Refusals): Uint8Array {
  const details = { ...rest, first: formatLogTime(firstMs), last: formatLogTime(lastMs) };
  return ownEvent({ type: refusedType, action: "refuse", details });
}

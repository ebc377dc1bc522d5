/**
 * The continuity of sources over a period: what the entries of that period themselves show, and what the log told of
 * its sources meanwhile. A pure reading of entries, in order: whoever has the entries can make the same report.
 *
 * A stream's first number in the period counts as its beginning: what was missing before it is no gap of this period.
 */
import {
  eventFields,
  EventScanner,
  isCairnError,
  jsonKinds,
  parseEntryHead,
  parseUtf8,
  sequenceOf,
} from "@cairnlog/core";
import { systemSource } from "../system-events.ts";
import type { StreamGaps } from "./source-events.ts";
import { StreamState, type NumberRange } from "./stream-state.ts";

/** Streams that are reported one by one. */
export const reportedStreamsMax = 10_000;

export interface EntryMark {
  readonly seq: number;
  readonly time: string;
}

export interface StreamContinuity {
  readonly stream: string;
  readonly events: number;
  readonly first: EntryMark | undefined;
  readonly last: EntryMark | undefined;
  /** Of the numbers in the period; 0 where there was none. */
  readonly firstNumber: number;
  readonly lastNumber: number;
  /** Numbers that were passed over in the period, or told to be missing, and have not come. */
  readonly missing: number;
  /** Which ones, as far as they are remembered. */
  readonly gaps: readonly NumberRange[];
  /** Ranges that were told to be missing, and of those what came. */
  readonly toldMissing: readonly NumberRange[];
  readonly filled: readonly NumberRange[];
}

export interface SourceContinuity {
  readonly source: string;
  readonly events: number;
  readonly first: EntryMark | undefined;
  readonly last: EntryMark | undefined;
  readonly conflicts: number;
  readonly clockSteps: number;
  /** `until` is undefined where the source had not been heard again. */
  readonly silences: readonly { readonly since: string; readonly until: string | undefined }[];
  /** Refused requests and events, by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly streams: readonly StreamContinuity[];
}

export interface ContinuityReport {
  readonly entries: number;
  readonly first: EntryMark | undefined;
  readonly last: EntryMark | undefined;
  readonly sources: readonly SourceContinuity[];
  /** Refusals of those who are no source: "anonymous", "others". */
  readonly refused: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Streams beyond `reportedStreamsMax`, which are not reported. */
  readonly streamsLeftOut: number;
}

interface Stream {
  readonly state: StreamState;
  readonly firstNumber: number;
  first: EntryMark | undefined;
  last: EntryMark | undefined;
  readonly toldMissing: NumberRange[];
  readonly filled: NumberRange[];
}

interface Source {
  events: number;
  first: EntryMark | undefined;
  last: EntryMark | undefined;
  conflicts: number;
  clockSteps: number;
  readonly silences: { readonly since: string; until: string | undefined }[];
  readonly refused: Map<string, number>;
  readonly streams: Map<string, Stream>;
}

interface OwnDetails {
  readonly source?: string;
  readonly streams?: readonly StreamGaps[];
  readonly count?: number;
  readonly since?: string;
  readonly at?: string;
  readonly identity?: string;
  readonly codes?: Readonly<Record<string, number>>;
}

/** Takes entries in order; `report` says what they show so far. */
export class Continuity {
  readonly #only: string | undefined;
  readonly #scanner = new EventScanner();
  readonly #sources = new Map<string, Source>();
  readonly #refused = new Map<string, Map<string, number>>();
  #entries = 0;
  #first: EntryMark | undefined;
  #last: EntryMark | undefined;
  #streams = 0;
  readonly #leftOut = new Set<string>();

  /** `only`: the source to report on; all of them by default. */
  constructor(only?: string) {
    this.#only = only;
  }

  /** The next entry, as it is hashed. */
  add(bytes: Uint8Array): void {
    const entry = parseEntryHead(bytes);
    const { seq, time, source } = entry;
    const mark = { seq, time };
    this.#entries++;
    this.#first ??= mark;
    this.#last = mark;
    if (source === systemSource) {
      this.#addOwn(parseUtf8(entry.event));
      return;
    }
    if (this.#only !== undefined && this.#only !== source) return;
    const known = this.#source(source);
    known.events++;
    known.first ??= mark;
    known.last = mark;
    this.#scanner.scan(bytes, entry.eventOffset, bytes.length - 1);
    if (this.#scanner.kinds[eventFields.sequence] === jsonKinds.absent) return;
    try {
      const { stream, number } = sequenceOf(this.#scanner, bytes)!;
      this.#addNumber(known, source, stream, number, mark);
    } catch (error) {
      // Recorded before `sequence` meant anything.
      if (!isCairnError(error, "invalid")) throw error;
    }
  }

  #addNumber(source: Source, name: string, stream: string, number: number, mark: EntryMark): void {
    const known = this.#stream(source, name, stream, number);
    if (known === undefined) return;
    known.first ??= mark;
    known.last = mark;
    known.state.take(number, mark.seq, NaN);
  }

  #stream(source: Source, name: string, stream: string, number: number): Stream | undefined {
    const known = source.streams.get(stream);
    if (known !== undefined) return known;
    if (this.#streams >= reportedStreamsMax) {
      this.#leftOut.add(`${name} ${stream}`);
      return undefined;
    }
    this.#streams++;
    const state = new StreamState(name, stream);
    state.mark = number - 1;
    const fresh = { state, firstNumber: number, toldMissing: [], filled: [] };
    const made = { ...fresh, first: undefined, last: undefined };
    source.streams.set(stream, made);
    return made;
  }

  #addOwn(event: string): void {
    // Most of the log's own entries are not about sources.
    if (!event.startsWith('{"type":"source.')) return;
    const { type, details } = JSON.parse(event) as { type: string; details: OwnDetails };
    if (type === "source.refused") this.#addRefused(details);
    const { source: name } = details;
    if (name === undefined || (this.#only !== undefined && this.#only !== name)) return;
    const source = this.#source(name);
    if (type === "source.conflict") source.conflicts++;
    else if (type === "source.clock") source.clockSteps += details.count ?? 1;
    else if (type === "source.silent") {
      source.silences.push({ since: details.since ?? "", until: undefined });
    } else if (type === "source.heard") {
      const open = source.silences.at(-1);
      if (open === undefined)
        source.silences.push({ since: details.since ?? "", until: details.at });
      else open.until = details.at;
    } else if (type === "source.gap") this.#addGaps(source, name, details.streams ?? []);
  }

  #addGaps(source: Source, name: string, streams: readonly StreamGaps[]): void {
    for (const { stream, missing, filled } of streams) {
      const last = missing.at(-1);
      const known = this.#stream(source, name, stream, (last?.to ?? 0) + 1);
      if (known === undefined) continue;
      for (const { from, to, before } of missing) {
        known.toldMissing.push({ from, to });
        // What a heartbeat named is not to be seen in the numbers themselves.
        if (before === undefined) known.state.toldTo = Math.max(known.state.toldTo, to);
      }
      for (const { from, to } of filled) known.filled.push({ from, to });
    }
  }

  #addRefused({ identity = "others", source, codes = {} }: OwnDetails): void {
    if (this.#only !== undefined && this.#only !== source) return;
    let sums = source === undefined ? this.#refused.get(identity) : this.#source(source).refused;
    if (sums === undefined) this.#refused.set(identity, (sums = new Map<string, number>()));
    for (const [code, count] of Object.entries(codes))
      sums.set(code, (sums.get(code) ?? 0) + count);
  }

  #source(name: string): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = {
        events: 0,
        first: undefined,
        last: undefined,
        conflicts: 0,
        clockSteps: 0,
        silences: [],
        refused: new Map(),
        streams: new Map(),
      };
      this.#sources.set(name, source);
    }
    return source;
  }

  report(): ContinuityReport {
    const sources = [...this.#sources]
      .sort(byName)
      .map(([source, { refused, streams, ...rest }]) => ({
        source,
        ...rest,
        refused: Object.fromEntries(refused),
        streams: [...streams].sort(byName).map(([stream, known]) => continuityOf(stream, known)),
      }));
    const refused = [...this.#refused].map(([identity, codes]) => {
      return [identity, Object.fromEntries(codes)] as const;
    });
    return {
      entries: this.#entries,
      first: this.#first,
      last: this.#last,
      sources,
      refused: Object.fromEntries(refused),
      streamsLeftOut: this.#leftOut.size,
    };
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function continuityOf(stream: string, known: Stream): StreamContinuity {
  const { state, first, last, toldMissing, filled } = known;
  const { mark, toldTo } = state;
  const atEnd = toldTo > mark ? [{ from: mark + 1, to: toldTo }] : [];
  const isEmpty = state.count === 0;
  return {
    stream,
    events: state.count,
    first,
    last,
    toldMissing,
    filled,
    firstNumber: isEmpty ? 0 : known.firstNumber,
    lastNumber: isEmpty ? 0 : mark,
    missing: state.missing,
    gaps: [...state.gaps.map(({ from, to }) => ({ from, to })), ...atEnd],
  };
}

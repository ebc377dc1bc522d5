/**
 * What is known of the streams right now: the states of those that spoke lately, and, for each segment that is not
 * sealed, what changed in it. One code for the three ways to come to it: the writer records events, a log opens and
 * reads its tail, the file of a sealed segment is made again.
 *
 * States are held for the streams that changed in an open segment or of which something is to be told, and beyond
 * these for `liveStreamsMax` in all. The others lie in the files of sealed segments (`stream-index.ts`).
 */
import { assert } from "@cairnlog/core";
import { segmentEntries } from "@cairnlog/store";
import { SegmentStreams, streamKey } from "./segment-streams.ts";
import type { GapTelling, StreamState } from "./stream-state.ts";

/** States that are held in memory although nothing requires it. */
export const liveStreamsMax = 10_000;

export class StreamTable {
  /** Streams of which there is something to tell. */
  readonly due = new Set<StreamState>();
  readonly #live = new Map<string, StreamState>();
  readonly #liveMax: number;
  /** Of the segments that are not sealed, in order, without a gap. */
  readonly #segments: SegmentStreams[] = [];
  #current: SegmentStreams;

  /** `first`: seq of the first entry that it will be told of, a multiple of 65,536. */
  constructor(first: number, liveMax: number = liveStreamsMax) {
    this.#current = new SegmentStreams(first);
    this.#segments.push(this.#current);
    this.#liveMax = liveMax;
  }

  get openFrom(): number {
    return this.#segments[0]!.first;
  }

  get size(): number {
    return this.#live.size;
  }

  states(): Iterable<StreamState> {
    return this.#live.values();
  }

  /** The state of a stream, or undefined where it is not in memory. */
  get(source: string, stream: string): StreamState | undefined {
    return this.#live.get(streamKey(source, stream));
  }

  /** Like `get`, for a stream that speaks: it will be forgotten the last of all. */
  use(source: string, stream: string): StreamState | undefined {
    const key = streamKey(source, stream);
    const state = this.#live.get(key);
    if (state === undefined || this.#live.size <= this.#liveMax / 2) return state;
    this.#live.delete(key);
    this.#live.set(key, state);
    return state;
  }

  add(state: StreamState): void {
    const key = streamKey(state.source, state.stream);
    assert(!this.#live.has(key), "a stream has one state");
    this.#live.set(key, state);
    this.judge(state);
  }

  /** True if what there is to tell may have changed. */
  take(state: StreamState, number: number, seq: number, eventMs: number): boolean {
    this.#segmentAt(seq).take(state, number, seq);
    const isChanged = state.take(number, seq, eventMs);
    if (isChanged) this.judge(state);
    return isChanged;
  }

  /** `count` entries of a source, from `seq` on, committed at `timeMs`. They may go on in the next segment. */
  spoke(source: string, seq: number, count: number, timeMs: number): void {
    for (let from = seq; from < seq + count;) {
      const segment = this.#segmentAt(from);
      const to = Math.min(seq + count, segment.first + segmentEntries);
      segment.spoke(source, from, to - from, timeMs);
      from = to;
    }
  }

  /** The entry at `seq` has told this of the stream. */
  toldGaps(state: StreamState, telling: GapTelling, seq: number): void {
    this.#segmentAt(seq).touch(state);
    state.told(telling);
    this.judge(state);
  }

  toldSilence(source: string, isSilent: boolean, lastMs: number, seq: number): void {
    this.#segmentAt(seq).toldSilence(source, isSilent, lastMs);
  }

  /** Seq of the entry with this number in a segment that is not sealed, or -1. */
  find(source: string, stream: string, number: number): number {
    for (const segment of this.#segments.toReversed()) {
      const place = segment.find(source, stream, number);
      if (place >= 0) return segment.first + place;
    }
    return -1;
  }

  /** Of the segments that are not sealed, the last one in which there is something about the source. */
  segmentOf(source: string): SegmentStreams | undefined {
    return this.#segments.findLast((segment) => segment.source(source) !== undefined);
  }

  /** The segment that begins at `first`, which is full and about to be sealed. */
  full(first: number): SegmentStreams {
    const segment = this.#segmentAt(first);
    segment.freeze(this.due);
    return segment;
  }

  /** The file of the segment is durable. */
  dropSealed(first: number): void {
    assert(this.#segments[0]?.first === first, "segments are sealed in order");
    if (this.#segments.length === 1) this.#segmentAt(first + segmentEntries);
    this.#segments.shift();
  }

  /** Lets go of what spoke longest ago. Not while anybody holds a state. */
  trim(): void {
    // What must stay is put to the end, so that the same ones are not looked at each time.
    for (let looked = 0; this.#live.size > this.#liveMax && looked < 64; looked++) {
      const [key, state] = this.#live.entries().next().value!;
      this.#live.delete(key);
      if (state.changedIn >= this.openFrom || this.due.has(state)) this.#live.set(key, state);
    }
  }

  /** Whether there is something to tell of the stream. */
  judge(state: StreamState): void {
    if (state.isDue) this.due.add(state);
    else this.due.delete(state);
  }

  /** The open segment that holds `seq`. Those before it are full. */
  #segmentAt(seq: number): SegmentStreams {
    const at = Math.floor((seq - this.openFrom) / segmentEntries);
    while (at >= this.#segments.length) {
      this.#current.freeze(this.due);
      this.#current = new SegmentStreams(this.#current.first + segmentEntries);
      this.#segments.push(this.#current);
    }
    return this.#segments[at]!;
  }
}

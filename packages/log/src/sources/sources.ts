/**
 * No silent loss: what a log knows of those who write to it, and what it tells of that. The writer asks it whether a
 * number was seen, and tells it what was recorded; before each commit it says which entries of the log's own are due.
 *
 * All of it is in the writer's hands, synchronously, but for two questions that go to the files of sealed segments: the
 * state of a stream that is not in memory (`load`), and the entry of an old number (`find`).
 */
import type { Clock, Timer } from "../clock.ts";
import { clockToleranceMs, ClockSteps } from "./clock-steps.ts";
import { GapNews } from "./gap-news.ts";
import type { NumberedEvents } from "./numbered-events.ts";
import { takeOwn } from "./read-streams.ts";
import type { StreamStatus } from "./log-sources.ts";
import { streamKey, type SourceRecord } from "./segment-streams.ts";
import { gapType, type OwnEntry } from "./source-events.ts";
import type { StreamIndex } from "./stream-index.ts";
import { StreamState } from "./stream-state.ts";
import type { StreamTable } from "./stream-table.ts";

/** How long to wait where the disk has no room for what is to be told. */
const noRoomMs = 5000;

export interface SourcesParts {
  readonly table: StreamTable;
  readonly index: StreamIndex;
  readonly clock: Clock;
}

export class Sources {
  readonly #table: StreamTable;
  readonly #index: StreamIndex;
  readonly #clock: Clock;
  readonly #news: GapNews;
  readonly #steps = new ClockSteps();
  /** Streams that somebody waits for, by key. */
  readonly #wanted = new Map<string, readonly [source: string, stream: string]>();
  /** What others have to tell: silences, refusals. */
  readonly #queued: { readonly event: Uint8Array; readonly entry?: OwnEntry }[] = [];
  #timer: Timer | undefined;
  #timerMs = Infinity;
  #isStarted = false;
  #noRoomUntil = -Infinity;
  #wake: () => void = () => undefined;
  /** Called with each source that was recorded, and when. */
  onSpoke: ((source: string, timeMs: number) => void) | undefined;

  constructor({ table, index, clock }: SourcesParts) {
    this.#table = table;
    this.#index = index;
    this.#clock = clock;
    this.#news = new GapNews(table.due);
  }

  /** From now on it tells. `wake` makes the writer ask for what there is. */
  start(wake: () => void): void {
    this.#wake = wake;
    this.#isStarted = true;
    if (this.#table.due.size > 0) this.#news.changed();
    if (this.hasNews) wake();
  }

  close(): void {
    this.#isStarted = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * The states of a batch's streams, or undefined where one has to be loaded first. They are good until the writer
   * waits for something.
   */
  resolve(source: string, streams: readonly string[]): readonly StreamState[] | undefined {
    const states: StreamState[] = [];
    for (const stream of streams) {
      let state = this.#table.use(source, stream);
      if (state === undefined && this.#table.openFrom === 0) {
        // No segment is sealed: what is not in memory has never been.
        state = new StreamState(source, stream);
        this.#table.add(state);
      }
      if (state === undefined) this.#wanted.set(streamKey(source, stream), [source, stream]);
      else states.push(state);
    }
    return states.length === streams.length ? states : undefined;
  }

  /** True if a stream has to be loaded before the next batch can be taken. */
  get isWanting(): boolean {
    return this.#wanted.size > 0;
  }

  /** Loads what `resolve` did not find. */
  async load(): Promise<void> {
    const wanted = [...this.#wanted.values()];
    this.#wanted.clear();
    for (const [source, stream] of wanted) await this.stateOf(source, stream);
  }

  /** The state of a stream, from then on in memory. */
  async stateOf(source: string, stream: string): Promise<StreamState> {
    for (;;) {
      const known = this.#table.get(source, stream);
      if (known !== undefined) return known;
      const { openFrom } = this.#table;
      const found = await this.#index.state(source, stream);
      // Somebody else may have been faster; and if a segment was sealed meanwhile, the stream may have changed in it.
      if (this.#table.get(source, stream) !== undefined) continue;
      if (this.#table.openFrom !== openFrom) continue;
      this.#table.add(found);
      return found;
    }
  }

  /** The source has counted this far, and had time enough to deliver. */
  async expect(source: string, stream: string, number: number): Promise<void> {
    const state = await this.stateOf(source, stream);
    if (number <= Math.max(state.mark, state.toldTo)) return;
    state.expected = Math.max(state.expected, number);
    this.#table.judge(state);
    this.#news.changed();
    if (this.hasNews) this.#wake();
  }

  /** What the entries say of a source as a whole, as far as the last segment that has anything about it. */
  async sourceRecord(source: string): Promise<SourceRecord | undefined> {
    const open = this.#table.segmentOf(source)?.source(source);
    return open ?? this.#index.source(source);
  }

  /** The streams that are in memory. */
  streams(): StreamStatus[] {
    return Array.from(this.#table.states(), (state) => {
      const { source, stream, mark, markSeq, firstSeq, lastSeq, count, missing, gaps } = state;
      const plain = { source, stream, mark, markSeq, firstSeq, lastSeq, count, missing };
      return { ...plain, gaps: [...gaps] };
    });
  }

  /** An event with this number was recorded at `seq`. */
  take(state: StreamState, numbered: NumberedEvents, i: number, seq: number): void {
    const number = numbered.numbers[i]!;
    const eventMs = numbered.timesMs[i]!;
    if (number > state.mark && eventMs < state.eventMs - clockToleranceMs) {
      this.#steps.note(state, eventMs, seq);
    }
    if (this.#table.take(state, number, seq, eventMs)) this.#news.changed();
  }

  /** `count` entries of a source were rendered, from `seq` on. */
  spoke(source: string, seq: number, count: number, timeMs: number): void {
    this.#table.spoke(source, seq, count, timeMs);
    this.onSpoke?.(source, timeMs);
  }

  /** Seq of an entry with this number that is not in a sealed segment, or -1. */
  findOpen(source: string, stream: string, number: number): number {
    return this.#table.find(source, stream, number);
  }

  /** Seq of the entry with this number, or -1. What the log knows of it: the entry must still be compared. */
  async find(source: string, stream: string, number: number): Promise<number> {
    const open = this.#table.find(source, stream, number);
    return open >= 0 ? open : this.#index.find(source, stream, number);
  }

  /** The log is to tell this with its next commit. */
  tell(event: Uint8Array, entry?: OwnEntry): void {
    this.#queued.push(entry === undefined ? { event } : { event, entry });
    if (this.hasNews) this.#wake();
  }

  /** There is, or may be, something to tell now. */
  get hasNews(): boolean {
    return this.#isStarted && this.#nextMs() <= this.#clock.monotonic();
  }

  #nextMs(): number {
    const next = this.#queued.length > 0 ? -Infinity : this.#news.nextMs;
    return Math.max(this.#noRoomUntil, Math.min(next, this.#steps.nextMs));
  }

  /** Renders what is due: `append` returns the entry's seq, or undefined where there is no room for it. */
  render(append: (event: Uint8Array) => number | undefined): void {
    const nowMs = this.#clock.monotonic();
    if (!this.#isStarted || this.#nextMs() > nowMs) return;
    for (;;) {
      const news = this.#queued[0] ?? this.#next(nowMs);
      if (news === undefined) return;
      const seq = append(news.event);
      if (seq === undefined) {
        // What there is to say of gaps may be something else by the time that there is room.
        if (news.entry?.type === gapType) this.#news.changed();
        else if (news !== this.#queued[0]) this.#queued.unshift(news);
        this.#noRoomUntil = nowMs + noRoomMs;
        return;
      }
      if (news === this.#queued[0]) this.#queued.shift();
      if (news.entry !== undefined) takeOwn(this.#table, news.entry, seq);
    }
  }

  #next(nowMs: number): { readonly event: Uint8Array; readonly entry?: OwnEntry } | undefined {
    const gaps = this.#news.next(nowMs);
    if (gaps !== undefined) return gaps;
    const event = this.#steps.next(nowMs);
    return event === undefined ? undefined : { event };
  }

  /** After each commit, when nobody holds a state: lets go of what is not needed, and waits for what is due later. */
  settle(): void {
    // Not before what was asked for is loaded and taken: a batch of more streams than are held would never have all.
    if (!this.isWanting) this.#table.trim();
    const next = this.#nextMs();
    if (!this.#isStarted || next === this.#timerMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = next;
    if (next === Infinity) return;
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = undefined;
        this.#timerMs = Infinity;
        if (this.hasNews) this.#wake();
        else this.settle();
      },
      Math.max(1, next - this.#clock.monotonic()),
    );
  }
}

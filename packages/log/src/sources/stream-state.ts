/**
 * What a log knows of one stream: how far its source has counted, and what is missing. It follows from the log's
 * entries alone, one after the other: those of the stream (`take`), and those in which the log itself told of its gaps
 * (`told`). So the state that is made anew from the entries is the one that was lost with the process.
 *
 * Words: the *mark* is the highest number that was recorded. A *gap* is a range of numbers below it that were not. A
 * gap is *told* once a `source.gap` entry names it. *Filled* are the numbers of told gaps that came after all. What is
 * beyond the bound of gaps is *forgotten*: how many numbers are missing there is known, not which.
 */

/** Ranges that are remembered of one stream. Beyond, the oldest is forgotten. */
export const gapsPerStreamMax = 64;
const filledRangesMax = 64;

export interface NumberRange {
  readonly from: number;
  /** Including. */
  readonly to: number;
}

export interface Gap extends NumberRange {
  /** Seqs of the entries between which it was noticed. `after` is -1 where nothing came before. */
  readonly after: number;
  /** -1 where nothing has come after: a heartbeat named a number that never came. */
  readonly before: number;
  readonly isTold: boolean;
}

/** What one `source.gap` entry tells of one stream. */
export interface GapTelling {
  readonly missing: readonly (NumberRange & {
    readonly after?: number;
    readonly before?: number;
  })[];
  readonly filled: readonly NumberRange[];
  /** Numbers that are missing although no gap that is remembered names them. */
  readonly forgotten: number;
}

/** As it is kept in a segment's file. */
export interface StreamSnapshot {
  readonly mark: number;
  readonly markSeq: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Null where no event had a `time`. */
  readonly eventMs: number | null;
  readonly count: number;
  readonly toldTo: number;
  readonly forgotten: number;
  readonly toldForgotten: number;
  /** Five numbers each: from, to, after, before, told (0 or 1). */
  readonly gaps: readonly number[];
  /** Two numbers each. */
  readonly filled: readonly number[];
}

export class StreamState {
  readonly source: string;
  readonly stream: string;
  mark = 0;
  /** Seq of the entry with that number. */
  markSeq = -1;
  firstSeq = -1;
  lastSeq = -1;
  /** The `time` of the event at the mark, or of the last one before it that had any; -Infinity where none had. */
  eventMs = -Infinity;
  count = 0;
  /** Numbers above the mark, up to this one, were told to be missing. */
  toldTo = 0;
  forgotten = 0;
  toldForgotten = 0;
  /** Ascending. */
  gaps: Gap[] = [];
  /** Not told yet. */
  filled: NumberRange[] = [];
  /** The source said that it has counted this far, and had time enough to deliver. Not derived: it is said again. */
  expected = 0;
  /** First seq of the last segment in which it changed; -1 where there is none. */
  changedIn = -1;
  /** The one before that. */
  changedBefore = -1;

  constructor(source: string, stream: string) {
    this.source = source;
    this.stream = stream;
  }

  static restore(source: string, stream: string, snapshot: StreamSnapshot): StreamState {
    const { gaps, filled, eventMs, ...plain } = snapshot;
    const state = Object.assign(new StreamState(source, stream), plain);
    state.eventMs = eventMs ?? -Infinity;
    for (let i = 0; i < gaps.length; i += 5) {
      const [from, to, after, before, told] = gaps.slice(i, i + 5) as [
        number,
        number,
        number,
        number,
        number,
      ];
      state.gaps.push({ from, to, after, before, isTold: told === 1 });
    }
    for (let i = 0; i < filled.length; i += 2) {
      state.filled.push({ from: filled[i]!, to: filled[i + 1]! });
    }
    return state;
  }

  snapshot(): StreamSnapshot {
    const { mark, markSeq, firstSeq, lastSeq, count } = this;
    const { toldTo, forgotten, toldForgotten } = this;
    return {
      mark,
      markSeq,
      firstSeq,
      lastSeq,
      count,
      toldTo,
      forgotten,
      toldForgotten,
      eventMs: this.eventMs === -Infinity ? null : this.eventMs,
      gaps: this.gaps.flatMap((g) => [g.from, g.to, g.after, g.before, g.isTold ? 1 : 0]),
      filled: this.filled.flatMap(({ from, to }) => [from, to]),
    };
  }

  /** False if no event of this number was recorded. True may be wrong where gaps were forgotten: look for the entry. */
  hasSeen(number: number): boolean {
    return number <= this.mark && this.#gapOf(number) < 0;
  }

  /** There is something to tell. */
  get isDue(): boolean {
    return this.filled.length > 0 || this.#hasLosses();
  }

  /** The same, but for what only a heartbeat said: what follows from the log's entries alone. */
  get isDueByEntries(): boolean {
    const { expected } = this;
    this.expected = 0;
    const { isDue } = this;
    this.expected = expected;
    return isDue;
  }

  /** There is something to tell now, and not only that some of a gap has come. */
  get isUrgent(): boolean {
    return this.#hasLosses() || (this.filled.length > 0 && this.missing === 0);
  }

  #hasLosses(): boolean {
    if (this.forgotten > this.toldForgotten || this.#expectedFrom <= this.expected) return true;
    return this.gaps.some(({ isTold }) => !isTold);
  }

  /** The first number that neither came nor was told to be missing. */
  get #expectedFrom(): number {
    return Math.max(this.mark, this.toldTo) + 1;
  }

  get missing(): number {
    const inGaps = this.gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    return inGaps + this.forgotten + Math.max(0, this.toldTo - this.mark);
  }

  /**
   * An event of this number was recorded at `seq`; `eventMs` is its own `time`, NaN where it has none. True if what
   * there is to tell may have changed.
   */
  take(number: number, seq: number, eventMs: number): boolean {
    if (this.firstSeq < 0) this.firstSeq = seq;
    this.lastSeq = seq;
    this.count++;
    // What comes late may well be old: only what moves the mark says something about the source's clock.
    if (number > this.mark && eventMs === eventMs) this.eventMs = eventMs;
    if (number === this.mark + 1 && number > this.toldTo) {
      this.mark = number;
      this.markSeq = seq;
      return false;
    }
    if (number > this.mark) this.#advance(number, seq);
    else this.#takeLate(number);
    return true;
  }

  #advance(number: number, seq: number): void {
    const { mark, markSeq: after, toldTo } = this;
    const from = mark + 1;
    const to = number - 1;
    const split = Math.min(toldTo, to);
    if (from <= split) this.#remember({ from, to: split, after, before: seq, isTold: true });
    const rest = Math.max(from, split + 1);
    if (rest <= to) this.#remember({ from: rest, to, after, before: seq, isTold: false });
    if (number <= toldTo) this.#fill(number);
    this.mark = number;
    this.markSeq = seq;
  }

  #remember(gap: Gap): void {
    this.gaps.push(gap);
    if (this.gaps.length <= gapsPerStreamMax) return;
    const { from, to, isTold } = this.gaps.shift()!;
    this.forgotten += to - from + 1;
    if (isTold) this.toldForgotten += to - from + 1;
  }

  #takeLate(number: number): void {
    const at = this.#gapOf(number);
    if (at < 0) {
      // Of a gap that was forgotten; or, in entries that were recorded before numbers counted, a repetition.
      if (this.forgotten === 0) return;
      this.forgotten--;
      if (this.toldForgotten > this.forgotten) this.toldForgotten = this.forgotten;
      this.#fill(number);
      return;
    }
    const gap = this.gaps[at]!;
    const left = { ...gap, to: number - 1 };
    const right = { ...gap, from: number + 1 };
    this.gaps.splice(at, 1, ...[left, right].filter(({ from, to }) => from <= to));
    if (gap.isTold) this.#fill(number);
    if (this.gaps.length > gapsPerStreamMax) this.#remember(this.gaps.pop()!);
  }

  #fill(number: number): void {
    const last = this.filled.at(-1);
    if (last?.to === number - 1) this.filled[this.filled.length - 1] = { ...last, to: number };
    else if (last?.from === number + 1) {
      this.filled[this.filled.length - 1] = { ...last, from: number };
    } else if (this.filled.length < filledRangesMax) this.filled.push({ from: number, to: number });
  }

  /** Place of the gap that holds `number`, or -1. */
  #gapOf(number: number): number {
    let low = 0;
    let high = this.gaps.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.gaps[middle]!.to < number) low = middle + 1;
      else high = middle;
    }
    return low < this.gaps.length && this.gaps[low]!.from <= number ? low : -1;
  }

  /** What is to be told now, of at most `rangesMax` ranges. */
  telling(rangesMax: number): GapTelling {
    const missing: GapTelling["missing"][number][] = [];
    for (const { from, to, after, before, isTold } of this.gaps) {
      if (isTold || missing.length >= rangesMax) continue;
      missing.push({ from, to, ...(after < 0 ? {} : { after }), before });
    }
    const from = this.#expectedFrom;
    if (from <= this.expected && missing.length < rangesMax) {
      missing.push({
        from,
        to: this.expected,
        ...(this.markSeq < 0 ? {} : { after: this.markSeq }),
      });
    }
    const filled = this.filled.slice(0, rangesMax - missing.length);
    return { missing, filled, forgotten: this.forgotten };
  }

  /** An entry has told this. */
  told({ missing, filled, forgotten }: GapTelling): void {
    for (const { from, to, before } of missing) {
      if (before === undefined) {
        if (from === this.#expectedFrom) this.toldTo = to;
        continue;
      }
      const at = this.#gapOf(from);
      const gap = this.gaps[at];
      if (gap?.from === from && gap.to === to) this.gaps[at] = { ...gap, isTold: true };
    }
    this.filled.splice(0, filled.length);
    this.toldForgotten = Math.min(forgotten, this.forgotten);
  }
}

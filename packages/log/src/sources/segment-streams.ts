/**
 * The streams that spoke in one segment of 65,536 entries: which numbers lie where, and, once the segment is full, what
 * was known of each stream at its end. Held in memory while the segment is open, then kept in a file
 * (`stream-file.ts`), which is written before the segment counts as sealed.
 */
import { assert } from "@cairnlog/core";
import type { StreamSnapshot, StreamState } from "./stream-state.ts";

/** What there is of one stream in a segment. */
export interface StreamRecord {
  readonly source: string;
  readonly stream: string;
  /** First seq of the segment before this one in which the stream changed; -1 where there is none. */
  readonly before: number;
  /** At the end of the segment. */
  readonly state: StreamSnapshot;
  /** The numbers that were recorded in the segment, ascending, and the place of each, counted from its first entry. */
  readonly numbers: Float64Array;
  readonly places: Uint16Array;
}

/** What there is of a source as a whole, numbered or not, in a segment. */
export interface SourceRecord {
  readonly source: string;
  /** Entries in the segment. */
  readonly count: number;
  /** Seqs of the first and the last of them; -1 where there are none. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the source was heard last, as far as the segment tells. */
  readonly lastMs: number;
  /** What the log has told last: that it fell silent, that it was heard again; null where nothing was told. */
  readonly isSilent: boolean | null;
}

/** By which a source as a whole is found: no stream has an empty name. */
export function sourceKey(source: string): string {
  return streamKey(source, "");
}

export function streamKey(source: string, stream: string): string {
  return `${source} ${stream}`;
}

/** Numbers and places, in the order of recording until somebody asks. */
class Numbers {
  #numbers = new Float64Array(16);
  #places = new Uint16Array(16);
  #length = 0;
  #isSorted = true;

  push(number: number, place: number): void {
    const at = this.#length++;
    if (at === this.#numbers.length) {
      const numbers = new Float64Array(2 * at);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
      const places = new Uint16Array(2 * at);
      places.set(this.#places);
      this.#places = places;
    }
    if (at > 0 && this.#numbers[at - 1]! > number) this.#isSorted = false;
    this.#numbers[at] = number;
    this.#places[at] = place;
  }

  /** Both arrays, ascending by number. */
  sorted(): { readonly numbers: Float64Array; readonly places: Uint16Array } {
    if (!this.#isSorted) {
      const order = Array.from({ length: this.#length }, (_, i) => i);
      order.sort((a, b) => this.#numbers[a]! - this.#numbers[b]!);
      this.#numbers = Float64Array.from(order, (i) => this.#numbers[i]!);
      this.#places = Uint16Array.from(order, (i) => this.#places[i]!);
      this.#isSorted = true;
    }
    return {
      numbers: this.#numbers.subarray(0, this.#length),
      places: this.#places.subarray(0, this.#length),
    };
  }
}

/** The place of `number`, or -1. `numbers` ascend. */
export function findPlace(
  record: Pick<StreamRecord, "numbers" | "places">,
  number: number,
): number {
  const { numbers, places } = record;
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (numbers[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return numbers[low] === number ? places[low]! : -1;
}

export class SegmentStreams {
  /** Seq of its first entry. */
  readonly first: number;
  readonly #streams = new Map<StreamState, Numbers>();
  readonly #byKey = new Map<string, Numbers>();
  readonly #sources = new Map<string, SourceRecord>();
  #records: Map<string, StreamRecord> | undefined;
  /** Keys of the streams of which there was something left to tell at the end of the segment. */
  due: readonly string[] = [];

  constructor(first: number) {
    this.first = first;
  }

  /** The state changes in this segment. Returns where its numbers are noted. */
  touch(state: StreamState): Numbers {
    let numbers = this.#streams.get(state);
    if (numbers === undefined) {
      assert(this.#records === undefined, "a segment that is full does not change");
      numbers = new Numbers();
      this.#streams.set(state, numbers);
      this.#byKey.set(streamKey(state.source, state.stream), numbers);
      state.changedBefore = state.changedIn;
      state.changedIn = this.first;
    }
    return numbers;
  }

  take(state: StreamState, number: number, seq: number): void {
    this.touch(state).push(number, seq - this.first);
  }

  /** Entries of a source, from `seq` on, committed at `timeMs`. */
  spoke(source: string, seq: number, count: number, timeMs: number): void {
    const known = this.#sources.get(source) ?? unheard(source);
    this.#sources.set(source, {
      ...known,
      count: known.count + count,
      firstSeq: known.firstSeq < 0 ? seq : known.firstSeq,
      lastSeq: seq + count - 1,
      lastMs: timeMs,
    });
  }

  /** An entry of the log's own told that the source is silent since `lastMs`, or was heard again at that time. */
  toldSilence(source: string, isSilent: boolean, lastMs: number): void {
    const known = this.#sources.get(source) ?? unheard(source);
    this.#sources.set(source, { ...known, isSilent, lastMs: Math.max(known.lastMs, lastMs) });
  }

  source(source: string): SourceRecord | undefined {
    return this.#sources.get(source);
  }

  /** In the order of their names. */
  sources(): readonly SourceRecord[] {
    return [...this.#sources.values()].sort((a, b) => (a.source < b.source ? -1 : 1));
  }

  /** The place of a number that was recorded in this segment, or -1. */
  find(source: string, stream: string, number: number): number {
    const key = streamKey(source, stream);
    const found = this.#records?.get(key) ?? this.#byKey.get(key)?.sorted();
    return found === undefined ? -1 : findPlace(found, number);
  }

  /** The segment is full: what is known now is what holds at its end. Before any of its states changes again. */
  freeze(due: Iterable<StreamState>): void {
    if (this.#records !== undefined) return;
    this.#records = new Map();
    for (const [state, numbers] of this.#streams) {
      const { source, stream } = state;
      this.#records.set(streamKey(source, stream), {
        source,
        stream,
        before: state.changedBefore,
        state: state.snapshot(),
        ...numbers.sorted(),
      });
    }
    this.due = [...due]
      .filter((state) => state.isDueByEntries)
      .map(({ source, stream }) => streamKey(source, stream))
      .sort();
    this.#streams.clear();
    this.#byKey.clear();
  }

  /** In the order of their keys. */
  records(): readonly StreamRecord[] {
    assert(this.#records !== undefined, "the segment is full");
    return [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  }
}

function unheard(source: string): SourceRecord {
  return { source, count: 0, firstSeq: -1, lastSeq: -1, lastMs: 0, isSilent: null };
}

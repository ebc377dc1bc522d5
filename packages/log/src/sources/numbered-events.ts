/**
 * The numbers that the events of a batch carry (`sequence`), read once at the edge. A batch without such events has no
 * such object, and pays nothing for it.
 */
import {
  eventFields,
  jsonKinds,
  PlainSequence,
  sequenceOf,
  sourceTimeMs,
  type EventScanner,
} from "@cairnlog/core";

export interface NumberedEventsParts {
  readonly streams: readonly string[];
  readonly streamOf: Int32Array;
  readonly numbers: Float64Array;
  readonly timesMs: Float64Array;
}

const plain = new PlainSequence();

export class NumberedEvents {
  /** The streams of the batch, each once. */
  readonly streams: string[] = [];
  /** By the event's place in the batch: its stream's place in `streams` plus 1; 0 where it has no number. */
  streamOf: Int32Array;
  numbers: Float64Array;
  /** The event's own `time` in milliseconds since 1970; NaN where it has none. */
  timesMs: Float64Array;
  readonly #places = new Map<string, number>();
  /** Where the name of the stream before lies, and its place: most events are of the same stream as the last one. */
  #lastBytes: Uint8Array | undefined;
  #lastFrom = 0;
  #lastTo = 0;
  #last = 0;

  constructor(expected: number) {
    const length = Math.max(1, expected);
    this.streamOf = new Int32Array(length);
    this.numbers = new Float64Array(length);
    this.timesMs = new Float64Array(length);
  }

  /** Those of a batch that was read by another thread. */
  static of(parts: NumberedEventsParts): NumberedEvents {
    const events = new NumberedEvents(0);
    events.streams.push(...parts.streams);
    events.streamOf = parts.streamOf;
    events.numbers = parts.numbers;
    events.timesMs = parts.timesMs;
    return events;
  }

  parts(): NumberedEventsParts {
    const { streams, streamOf, numbers, timesMs } = this;
    return { streams, streamOf, numbers, timesMs };
  }

  /** Notes the number of event `i`, which `scanner` has just scanned, which was checked, and which has one. */
  note(i: number, scanner: EventScanner, bytes: Uint8Array): void {
    if (i >= this.streamOf.length) this.#grow(i);
    const from = scanner.from[eventFields.sequence]!;
    if (plain.read(bytes, from, scanner.to[eventFields.sequence]!)) {
      this.streamOf[i] = this.#placeOf(bytes, plain.streamFrom, plain.streamTo);
      this.numbers[i] = plain.number;
    } else {
      const sequence = sequenceOf(scanner, bytes)!;
      this.streamOf[i] = this.#placeOfName(sequence.stream);
      this.numbers[i] = sequence.number;
    }
    const isTimed = scanner.kinds[eventFields.time] === jsonKinds.string;
    // Of an OCSF event `time` is a number, or whatever its source likes: not looked at.
    const isOurs = isTimed && scanner.kinds[eventFields.class_uid] === jsonKinds.absent;
    this.timesMs[i] = isOurs
      ? sourceTimeMs(bytes, scanner.from[eventFields.time]! + 1, scanner.to[eventFields.time]! - 1)
      : NaN;
  }

  #placeOf(bytes: Uint8Array, from: number, to: number): number {
    if (bytes === this.#lastBytes && to - from === this.#lastTo - this.#lastFrom) {
      let i = 0;
      while (i < to - from && bytes[from + i] === bytes[this.#lastFrom + i]) i++;
      if (i === to - from) return this.#last;
    }
    let name = "";
    for (let i = from; i < to; i++) name += String.fromCharCode(bytes[i]!);
    this.#lastBytes = bytes;
    this.#lastFrom = from;
    this.#lastTo = to;
    this.#last = this.#placeOfName(name);
    return this.#last;
  }

  #placeOfName(name: string): number {
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.streams.push(name);
      this.#places.set(name, place);
    }
    return place;
  }

  #grow(i: number): void {
    const length = Math.max(16, i + 1, this.streamOf.length * 2);
    const { streamOf, numbers, timesMs } = this;
    this.streamOf = new Int32Array(length);
    this.streamOf.set(streamOf);
    this.numbers = new Float64Array(length);
    this.numbers.set(numbers);
    this.timesMs = new Float64Array(length);
    this.timesMs.set(timesMs);
  }
}

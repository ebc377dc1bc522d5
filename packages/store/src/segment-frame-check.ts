/**
 * Checks the 256 entries of a decompressed frame against their leaf hashes, without making them whole anywhere else:
 * the hottest part of checking a log.
 *
 * An entry is hashed where it lies. What restoring puts before it is written over the end of the entry before, which
 * is checked by then. So nothing is copied, and nothing is allocated but the view that is hashed.
 */
import { EventScanner, parseEntry, restoreEntry, type CairnError } from "@cairnlog/core";
import { isHashOf } from "./bulk-hash.ts";
import { bundleEntries, segmentError } from "./segment-format.ts";
import { cutFrame, type FramePlace } from "./segment-frame.ts";
import {
  EntryPrefix,
  StrippedTimes,
  explain,
  findStrippedEvent,
  restoredMore,
} from "./segment-stripped.ts";

/** Before the first entry there is no other one to write over. One byte for the leaf's 0x00 (RFC 6962). */
const firstAt = restoredMore + 1;

export interface FrameCheckOptions {
  /** Whether each event is read as strict I-JSON. Only then is the entry wholly parsed. */
  readonly scanEvents: boolean;
  /** No entry is earlier than the one before it, the first one not earlier than this. */
  readonly notBeforeMs: number;
}

export interface FrameTimes {
  readonly firstTimeMs: number;
  readonly lastTimeMs: number;
}

/** Keeps its buffers between frames: one for each thread of work. */
export class FrameChecker {
  readonly #scanner = new EventScanner();
  readonly #prefix = new EntryPrefix();
  readonly #times = new StrippedTimes();
  readonly #first = new Uint8Array(firstAt + 0xffff);

  /**
   * Throws at the first entry that has not its one spelling, or not its leaf hash in `expected`. `expected` begins
   * with the leaf hash of the entry before the frame; the 256 of the frame follow. Overwrites `stripped`.
   */
  check(
    stripped: Uint8Array,
    place: FramePlace,
    expected: Uint8Array,
    options: FrameCheckOptions,
  ): FrameTimes {
    const { notBeforeMs, scanEvents } = options;
    let firstTimeMs = 0;
    let lastTimeMs = notBeforeMs;
    let at = 0;
    for (let i = 0; i < bundleEntries; i++) {
      const start = at + 2;
      const length = stripped[at]! * 256 + stripped[at + 1]!;
      const end = start + length;
      // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
      if (!(end <= stripped.length)) throw cutFrame(place, place.first + i);
      const eventAt = findStrippedEvent(stripped, start, end);
      const timeMs = eventAt < 0 ? undefined : this.#times.at(stripped, start);
      if (timeMs === undefined) throw this.#refusal(stripped, start, end, place, i, expected);
      if (timeMs < lastTimeMs) throw differs(place, i, "it is earlier than the entry before");
      if (i === 0) firstTimeMs = timeMs;
      lastTimeMs = timeMs;
      if (i > 0) this.#checkEntry(stripped, start, end, eventAt, place, i, expected, scanEvents);
      else {
        this.#first.set(stripped.subarray(start, end), firstAt);
        const shift = firstAt - start;
        this.#checkEntry(
          ...[this.#first, firstAt, end + shift, eventAt + shift, place, 0] as const,
          ...[expected, scanEvents] as const,
        );
      }
      at = end;
    }
    if (at !== stripped.length) throw cutFrame(place, place.first + bundleEntries - 1);
    return { firstTimeMs, lastTimeMs };
  }

  /** The entry's head is in its one spelling. Before `start` there is room for its prefix. */
  #checkEntry(
    bytes: Uint8Array,
    start: number,
    end: number,
    eventAt: number,
    place: FramePlace,
    index: number,
    expected: Uint8Array,
    scanEvents: boolean,
  ): void {
    const prefix = this.#prefix;
    prefix.set(place.first + index, expected, 32 * index);
    // The prefix ends in place of the entry's first brace.
    const entryAt = start + 1 - prefix.bytes.length;
    bytes.set(prefix.bytes, entryAt);
    bytes[entryAt - 1] = 0x00;
    if (end - entryAt > 0xffff) throw differs(place, index, "it is longer than any entry");
    if (!isHashOf(bytes.subarray(entryAt - 1, end), expected, 32 * index + 32)) {
      throw differs(place, index, "it does not have the leaf hash that the file holds for it");
    }
    if (scanEvents) this.#scan(bytes, entryAt, eventAt, end, place, index);
  }

  #scan(
    bytes: Uint8Array,
    entryAt: number,
    eventAt: number,
    end: number,
    place: FramePlace,
    index: number,
  ): void {
    const scanner = this.#scanner;
    try {
      scanner.scan(bytes, eventAt, end - 1, entryAt);
      if (scanner.whiteSpace > 0) parseEntry(bytes.slice(entryAt, end));
    } catch (error) {
      throw explain(
        () => {
          throw error;
        },
        { path: place.path, byte: place.byte },
        place.first + index,
      );
    }
  }

  #refusal(
    stripped: Uint8Array,
    start: number,
    end: number,
    place: FramePlace,
    index: number,
    expected: Uint8Array,
  ): Error {
    const seq = place.first + index;
    const prev = expected.slice(32 * index, 32 * index + 32);
    return explain(
      () => {
        const whole = new Uint8Array(end - start + restoredMore);
        parseEntry(whole.subarray(0, restoreEntry(whole, 0, seq, prev, stripped, start, end)));
      },
      { path: place.path, byte: place.byte },
      seq,
    );
  }
}

function differs(place: FramePlace, index: number, what: string): CairnError {
  const { path, byte, first } = place;
  return segmentError("unverified", what, { path, byte, seq: first + index });
}

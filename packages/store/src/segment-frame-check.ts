/**
 * Checks the 256 entries of a decompressed frame against their leaf hashes, without making them whole anywhere else:
 * the hottest part of checking a log.
 *
 * The plain way checks one entry after the other. An entry is hashed where it lies: what restoring puts before it is
 * written over the end of the entry before, which is checked by then. So nothing is copied, and nothing is allocated
 * but the view that is hashed.
 *
 * Where there is a SIMD kernel, it checks all entries after the first one, in less than half the time. It refuses
 * nothing: where it stops, or leaves an event to us, the plain way has the say. So one authority says what is wrong.
 */
import {
  EventScanner,
  isCairnError,
  parseEntry,
  restoreEntry,
  type CairnError,
} from "@cairnlog/core";
import type { FrameKernel } from "@cairnlog/simd";
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

/** Before the first entry there is no other one to write over. One byte is for the leaf's 0x00 (RFC 6962). */
const firstAt = restoredMore + 1;

export interface CheckedFrame {
  readonly firstTimeMs: number;
  readonly lastTimeMs: number;
}

/** Keeps its buffers between frames: one for each thread of work. */
export class FrameChecker {
  /** Whether each event is read as strict I-JSON: only then is an entry wholly parsed. */
  readonly #scanEvents: boolean;
  readonly #scanner = new EventScanner();
  readonly #prefix = new EntryPrefix();
  readonly #times = new StrippedTimes();
  readonly #first = new Uint8Array(firstAt + 0xffff);
  #place: FramePlace = { path: "", byte: 0, first: 0 };
  #expected: Uint8Array = new Uint8Array(0);
  readonly #kernel: FrameKernel | undefined;
  #timeMs = 0;

  constructor(scanEvents: boolean, kernel?: FrameKernel) {
    this.#scanEvents = scanEvents;
    this.#kernel = kernel;
  }

  /**
   * Throws at the first entry that is not in its one spelling, has not its leaf hash, or is earlier than the one
   * before it (the first one: than `notBeforeMs`). `expected` begins with the leaf hash of the entry before the
   * frame; the frame's 256 follow. Overwrites `stripped`.
   */
  check(
    stripped: Uint8Array,
    place: FramePlace,
    expected: Uint8Array,
    notBeforeMs: number,
  ): CheckedFrame {
    this.#place = place;
    this.#expected = expected;
    const kernel = this.#kernel;
    const bytes = kernel === undefined ? stripped : kernel.load(stripped, expected);
    const end = stripped.length;
    let firstTimeMs = 0;
    let lastTimeMs = notBeforeMs;
    let at = 0;
    for (let i = 0; i < bundleEntries;) {
      const before = at;
      at = this.#checkNext(bytes, at, end, i, lastTimeMs);
      lastTimeMs = this.#timeMs;
      if (i === 0) firstTimeMs = lastTimeMs;
      i++;
      if (kernel === undefined || i === bundleEntries) continue;
      const next = kernel.check(i, at, place.first + i - 1, before, this.#scanEvents);
      if (next === i) continue;
      this.#scanRest(kernel, bytes, next);
      lastTimeMs = this.#times.at(bytes, kernel.startOf(next - 1) + 2)!;
      at = kernel.startOf(next);
      i = next;
    }
    if (at !== end) throw cutFrame(place, place.first + bundleEntries - 1);
    return { firstTimeMs, lastTimeMs };
  }

  /** Checks entry `index`, whose length lies at `at`; returns its end and leaves its time in `#timeMs`. */
  #checkNext(
    bytes: Uint8Array,
    at: number,
    frameEnd: number,
    index: number,
    notBeforeMs: number,
  ): number {
    const start = at + 2;
    const end = start + bytes[at]! * 256 + bytes[at + 1]!;
    // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
    if (!(end <= frameEnd)) throw cutFrame(this.#place, this.#place.first + index);
    const eventAt = findStrippedEvent(bytes, start, end);
    const timeMs = eventAt < 0 ? undefined : this.#times.at(bytes, start);
    if (timeMs === undefined) throw this.#explain(bytes, start, end, index);
    if (timeMs < notBeforeMs) throw this.#differs(index, "it is earlier than the entry before");
    this.#timeMs = timeMs;
    if (index > 0) this.#checkEntry(bytes, start, end, eventAt, index);
    else {
      const first = this.#first;
      first.set(bytes.subarray(start, end), firstAt);
      const shift = firstAt - start;
      this.#checkEntry(first, firstAt, end + shift, eventAt + shift, index);
    }
    return end;
  }

  /** Scans the events that the kernel left to us, of the entries before `next`. */
  #scanRest(kernel: FrameKernel, bytes: Uint8Array, next: number): void {
    const scanner = this.#scanner;
    for (const index of kernel.unscanned(next)) {
      const start = kernel.startOf(index) + 2;
      const end = kernel.startOf(index + 1);
      const eventAt = findStrippedEvent(bytes, start, end);
      try {
        scanner.scan(bytes, eventAt, end - 1);
        if (scanner.whiteSpace === 0) continue;
      } catch (error) {
        if (!isCairnError(error)) throw error;
      }
      // Refused: said by whoever checks the whole entry.
      this.#checkEntry(bytes, start, end, eventAt, index);
    }
  }

  /** Checks entry `index` of the frame, whose head is in its one spelling: the longest prefix fits before it. */
  #checkEntry(bytes: Uint8Array, start: number, end: number, eventAt: number, index: number): void {
    const prefix = this.#prefix;
    const expected = this.#expected;
    prefix.set(this.#place.first + index, expected, 32 * index);
    // The prefix ends in the place of the entry's first brace.
    const entryAt = start + 1 - prefix.bytes.length;
    if (end - entryAt > 0xffff) throw this.#differs(index, "it is longer than any entry");
    bytes.set(prefix.bytes, entryAt);
    bytes[entryAt - 1] = 0x00;
    if (!isHashOf(bytes.subarray(entryAt - 1, end), expected, 32 * index + 32)) {
      throw this.#differs(index, "it does not have the leaf hash that the file holds for it");
    }
    if (this.#scanEvents) this.#scan(bytes, entryAt, eventAt, end, index);
  }

  #scan(bytes: Uint8Array, entryAt: number, eventAt: number, end: number, index: number): void {
    const scanner = this.#scanner;
    try {
      scanner.scan(bytes, eventAt, end - 1, entryAt);
      if (scanner.whiteSpace > 0) parseEntry(bytes.slice(entryAt, end));
    } catch (error) {
      const rethrow = (): never => {
        throw error;
      };
      throw explain(rethrow, this.#at(), this.#place.first + index);
    }
  }

  /** Why an entry that departs from its spelling does: the core is asked. */
  #explain(stripped: Uint8Array, start: number, end: number, index: number): Error {
    const seq = this.#place.first + index;
    const prev = this.#expected.slice(32 * index, 32 * index + 32);
    const refuse = (): void => {
      const whole = new Uint8Array(end - start + restoredMore);
      parseEntry(whole.subarray(0, restoreEntry(whole, 0, seq, prev, stripped, start, end)));
    };
    return explain(refuse, this.#at(), seq);
  }

  #differs(index: number, what: string): CairnError {
    return segmentError("unverified", what, { ...this.#at(), seq: this.#place.first + index });
  }

  #at(): { readonly path: string; readonly byte: number } {
    return { path: this.#place.path, byte: this.#place.byte };
  }
}

/**
 * The content of one frame: 256 stripped entries, each u16 length || entry without its `seq` and `prev`; and the way
 * back to whole entries, each of which proves itself by its leaf hash.
 *
 * A stripped entry is read by position, without a copy: this is the hottest part of checking a log. Where it departs
 * from its one spelling, the core's strict reader is asked why, so that there is one authority for what is wrong.
 */
import { zstdDecompressSync } from "node:zlib";
import {
  EventScanner,
  assert,
  findLogTime,
  hashFramedEntry,
  headByteLengthMax,
  isCairnError,
  logTimeLength,
  parseEntry,
  restoreEntry,
  saltByteLength,
  sourceLengthMax,
  utf8,
  type ErrorPlace,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import { bundleEntries, frameByteLengthMax, segmentError } from "./segment-format.ts";

/** Where a frame lies, for messages and for rebuilding what is not stored. */
export interface FramePlace {
  readonly path: string;
  /** Offset of the frame in the file. */
  readonly byte: number;
  /** Seq of its first entry. */
  readonly first: number;
}

export interface RestoredFrame {
  /** The entry bundle: each u16 length || entry. A view, overwritten by the next frame. */
  readonly bundle: Uint8Array;
  /** The leaf hashes, one run. Overwritten by the next frame. */
  readonly leafHashes: Uint8Array;
  readonly firstTimeMs: number;
  readonly lastTimeMs: number;
}

const saltLabel = utf8('{"salt":"');
const timeLabel = utf8('","time":"');
const sourceLabel = utf8('","source":"');
const eventLabel = utf8('","event":');
const saltLength = (saltByteLength / 3) * 4;
const timeLabelAt = saltLabel.length + saltLength;
const timeAt = timeLabelAt + timeLabel.length;
const sourceLabelAt = timeAt + logTimeLength;
const sourceAt = sourceLabelAt + sourceLabel.length;
/** `{"seq":…,"prev":"…",` with the longest seq: what restoring adds to an entry, at most. */
const restoredMore = headByteLengthMax - sourceAt - sourceLengthMax - eventLabel.length + 1;

const isBase64 = flags("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const isSourceByte = flags("abcdefghijklmnopqrstuvwxyz0123456789._/-");

function flags(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of utf8(characters)) table[byte] = 1;
  return table;
}

function isAt(bytes: Uint8Array, at: number, label: Uint8Array): boolean {
  for (let i = 0; i < label.length; i++) if (bytes[at + i] !== label[i]) return false;
  return true;
}

/**
 * Offset of the event in the stripped entry between `start` and `end`, or -1 where its head has another spelling. 24
 * characters of base64 are 18 bytes in their only spelling, so looking at the alphabet is enough. The time between
 * the labels is for `findLogTime`.
 */
export function findStrippedEvent(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < sourceAt + 1 + eventLabel.length + 3 || bytes[end - 1] !== 0x7d) return -1;
  if (!isAt(bytes, start, saltLabel) || !isAt(bytes, start + timeLabelAt, timeLabel)) return -1;
  if (!isAt(bytes, start + sourceLabelAt, sourceLabel)) return -1;
  for (let i = start + saltLabel.length; i < start + timeLabelAt; i++) {
    if (isBase64[bytes[i]!] === 0) return -1;
  }
  let at = start + sourceAt;
  while (at < end && isSourceByte[bytes[at]!] === 1) at++;
  const sourceLength = at - start - sourceAt;
  if (sourceLength < 1 || sourceLength > sourceLengthMax || !isAt(bytes, at, eventLabel)) return -1;
  const eventAt = at + eventLabel.length;
  return end - 1 - eventAt < 2 ? -1 : eventAt;
}

/** Milliseconds since 1970 at which the log committed the stripped entry at `start`; undefined if it is no time. */
export function strippedTimeMs(bytes: Uint8Array, start: number): number | undefined {
  return findLogTime(bytes, start + timeAt);
}

/** Decompresses a frame, which may be damaged; never to more than a frame can be. */
export function decompressFrame(compressed: Uint8Array, place: FramePlace): Uint8Array {
  try {
    return zstdDecompressSync(compressed, {
      maxOutputLength: frameByteLengthMax,
      // One output buffer for a usual frame, instead of joining several.
      chunkSize: 128 * 1024,
    });
  } catch (cause) {
    const { path, byte, first } = place;
    const what = `entries ${first} to ${first + bundleEntries - 1} cannot be decompressed`;
    throw segmentError("malformed", what, { path, byte, seq: first }, cause);
  }
}

/** Calls `visit` with the range of each stripped entry; throws unless there are exactly 256 and nothing else. */
export function visitStripped(
  stripped: Uint8Array,
  place: FramePlace,
  visit: (index: number, start: number, end: number) => void,
): void {
  let at = 0;
  for (let i = 0; i < bundleEntries; i++) {
    const start = at + 2;
    const end = start + stripped[at]! * 256 + stripped[at + 1]!;
    // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
    if (!(end <= stripped.length)) throw cut(place, place.first + i);
    visit(i, start, end);
    at = end;
  }
  if (at !== stripped.length) throw cut(place, place.first + bundleEntries - 1);
}

function cut(place: FramePlace, seq: number): Error {
  const { path, byte } = place;
  return segmentError("malformed", "the frame is not 256 entries", { path, byte, seq });
}

/** Rebuilds entries and their leaf hashes. Keeps its buffers between frames: one for each thread of work. */
export class FrameRestorer {
  readonly #sha256: Sha256;
  readonly #scanner = new EventScanner();
  /** Where the event begins in the stripped entry whose head was checked last. */
  #eventOffset = 0;
  readonly #leafHashes = new Uint8Array(bundleEntries * 32);
  #out = new Uint8Array(0);

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /**
   * Restores a frame whose first entry has the leaf hash `prev` before it. Each entry's head is in its one spelling
   * and each leaf hash is the one in `expected` (256 hashes), which is how damage is found at the first entry
   * that has it. With `scanEvents` each event is read as strict I-JSON too: only then is the entry wholly parsed.
   * No entry is earlier than the one before it, the first one not earlier than `notBeforeMs`.
   */
  restore(
    stripped: Uint8Array,
    place: FramePlace,
    prev: Hash,
    expected: Uint8Array,
    options: { readonly scanEvents: boolean; readonly notBeforeMs: number },
  ): RestoredFrame {
    const out = this.#room(stripped.length + bundleEntries * restoredMore);
    const hashes = this.#leafHashes;
    let before = prev;
    let at = 0;
    let firstTimeMs = 0;
    let lastTimeMs = options.notBeforeMs;
    visitStripped(stripped, place, (index, start, end) => {
      const seq = place.first + index;
      const timeMs = this.#checkHead(stripped, start, end, seq, before, place);
      if (timeMs < lastTimeMs) throw unverified(place, seq, "it is earlier than the entry before");
      if (index === 0) firstTimeMs = timeMs;
      lastTimeMs = timeMs;
      const entryEnd = restoreEntry(out, at + 2, seq, before, stripped, start, end);
      const length = entryEnd - at - 2;
      if (length > 0xffff) throw unverified(place, seq, "it is longer than any entry");
      before = hashFramedEntry(this.#sha256, out, at, length);
      hashes.set(before, 32 * index);
      if (!isHashAt(expected, 32 * index, before)) {
        throw unverified(place, seq, "it does not have the leaf hash that the file holds for it");
      }
      if (options.scanEvents) this.#scan(out, at + 2, entryEnd, end - start, place, seq);
      at = entryEnd;
    });
    return { bundle: out.subarray(0, at), leafHashes: hashes, firstTimeMs, lastTimeMs };
  }

  /** Time of the entry, once its head is known to be canonical. */
  #checkHead(
    stripped: Uint8Array,
    start: number,
    end: number,
    seq: number,
    prev: Hash,
    place: FramePlace,
  ): number {
    const eventAt = findStrippedEvent(stripped, start, end);
    const timeMs = eventAt < 0 ? undefined : strippedTimeMs(stripped, start);
    if (timeMs !== undefined) {
      this.#eventOffset = eventAt - start;
      return timeMs;
    }
    throw explain(
      () => {
        const whole = new Uint8Array(end - start + restoredMore);
        parseEntry(whole.subarray(0, restoreEntry(whole, 0, seq, prev, stripped, start, end)));
      },
      { path: place.path, byte: place.byte },
      seq,
    );
  }

  #scan(
    out: Uint8Array,
    start: number,
    end: number,
    strippedLength: number,
    place: FramePlace,
    seq: number,
  ): void {
    const eventAt = end - strippedLength + this.#eventOffset;
    try {
      this.#scanner.scan(out, eventAt, end - 1, start);
    } catch (error) {
      throw explain(
        () => {
          throw error;
        },
        { path: place.path, byte: place.byte },
        seq,
      );
    }
    if (this.#scanner.whiteSpace > 0) {
      throw explain(
        () => parseEntry(out.slice(start, end)),
        { path: place.path, byte: place.byte },
        seq,
      );
    }
  }

  #room(byteLength: number): Uint8Array {
    if (this.#out.length < byteLength) this.#out = new Uint8Array(Math.ceil(byteLength * 1.25));
    return this.#out;
  }
}

/** What the core's strict reader has to say about an entry that it refuses. */
export function explain(refuse: () => void, place: ErrorPlace, seq: number): Error {
  try {
    refuse();
  } catch (cause) {
    if (!isCairnError(cause)) throw cause;
    const what = `the entry does not parse (${cause.message})`;
    return segmentError("malformed", what, { ...place, seq }, cause);
  }
  assert(false, `entry ${seq} is refused here and accepted by the strict reader`);
}

function isHashAt(run: Uint8Array, at: number, hash: Hash): boolean {
  for (let i = 0; i < 32; i++) if (run[at + i] !== hash[i]) return false;
  return true;
}

function unverified(place: FramePlace, seq: number, what: string): Error {
  return segmentError("unverified", what, { path: place.path, byte: place.byte, seq });
}

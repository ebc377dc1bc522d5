/**
 * The entry, byte for byte: writing it, hashing it where it lies, reading it strictly, and the shorter form in
 * which it rests. `docs/spec/entry.md` says the same in words.
 *
 *     {"seq":42,"prev":"…","salt":"…","time":"…","source":"api","event":{…}}
 *
 * `prev` chains each entry to the leaf hash of the one before. Whether that hash is the right one, whether `seq`
 * counts up and `time` never goes back is for those who see more than one entry.
 */
import { assert, CairnError } from "./errors.ts";
import {
  headByteLengthMax,
  parseHead,
  prevEndOffset,
  seqEnd,
  seqLabel,
  writeHead,
  writeSeqAndPrev,
  type EntryHead,
  type ParsedHead,
} from "./entry-head.ts";
import { hashByteLength, hashInto, type Hash, type Sha256 } from "./hash.ts";
import { eventByteLengthMax, EventScanner } from "./json.ts";
import { refusal } from "./json-refusal.ts";

export const entryByteLengthMax = headByteLengthMax + eventByteLengthMax + 1;

export interface Entry extends ParsedHead {
  /** The event's bytes, a view into the entry that was parsed. */
  readonly event: Uint8Array;
}

const closeBrace = 0x7d;

/**
 * Writes the entry into `out` at `at`; returns its end. The event is `event` from `eventStart` to `eventEnd`,
 * scanned before and without white space between tokens. `out` has room for `entryByteLengthMax` bytes.
 */
export function writeEntry(
  out: Uint8Array,
  at: number,
  head: EntryHead,
  event: Uint8Array,
  eventStart: number,
  eventEnd: number,
): number {
  const length = eventEnd - eventStart;
  assert(length >= 2 && length <= eventByteLengthMax, `an event of ${length} bytes`);
  const eventAt = writeHead(head, out, at);
  out.set(event.subarray(eventStart, eventEnd), eventAt);
  out[eventAt + length] = closeBrace;
  return eventAt + length + 1;
}

/** RFC 6962 leaf hash: SHA-256(0x00 || entry). */
export function leafHash(sha256: Sha256, entry: Uint8Array): Hash {
  const leaf = new Uint8Array(1 + entry.length);
  leaf.set(entry, 1);
  return sha256(leaf);
}

/**
 * The leaf hash of the entry at `at + 2`, without a copy, and its frame: the two bytes at `at` become the entry's
 * length, big-endian. The leaf's 0x00 stands for a moment where the length's low byte goes.
 */
export function hashFramedEntry(
  sha256: Sha256,
  buffer: Uint8Array,
  at: number,
  entryLength: number,
): Hash {
  const hash = new Uint8Array(hashByteLength);
  hashFramedEntryInto(sha256, buffer, at, entryLength, hash);
  return hash;
}

/** The same, for those who have a place for the hash: the first 32 bytes of `out`. */
export function hashFramedEntryInto(
  sha256: Sha256,
  buffer: Uint8Array,
  at: number,
  entryLength: number,
  out: Uint8Array,
): void {
  assert(entryLength > 0 && entryLength <= 0xffff, `a frame of ${entryLength} bytes`);
  buffer[at + 1] = 0x00;
  hashInto(sha256, buffer.subarray(at + 1, at + 2 + entryLength), out, 0);
  buffer[at] = entryLength >> 8;
  buffer[at + 1] = entryLength & 0xff;
}

/**
 * Reads an entry, all of it: the head in its one spelling, the event as strict I-JSON without white space between
 * tokens. Throws "malformed" or "too_large". `scanner` is for callers who want the event's members too; positions
 * in it are of `bytes`.
 */
export function parseEntry(bytes: Uint8Array, scanner: EventScanner = new EventScanner()): Entry {
  const entry = parseEntryHead(bytes);
  scanner.scan(bytes, entry.eventOffset, bytes.length - 1, 0);
  if (scanner.whiteSpace > 0) {
    throw refusal(
      scanner.whiteSpaceAt,
      "white space between tokens, which no entry has",
      "The entry was changed, or is none: get it from the log again",
    );
  }
  return entry;
}

/** Reads an entry without looking into its event. For many entries at once whose hashes are known to be right. */
export function parseEntryHead(bytes: Uint8Array): Entry {
  const head = parseHead(bytes, 0, bytes.length);
  const eventEnd = bytes.length - 1;
  if (bytes[eventEnd] !== closeBrace || eventEnd - head.eventOffset < 2) {
    throw refusal(
      Math.max(eventEnd, head.eventOffset),
      "the entry does not end in an event and '}'",
      "It was cut or changed: get it from the log again",
    );
  }
  return { ...head, event: bytes.subarray(head.eventOffset, eventEnd) };
}

/**
 * Writes the entry between `start` and `end` without its `seq` and `prev`, which are rebuilt on reading, into
 * `out` at `at`; returns the end. The entry is one that this module wrote or parsed.
 */
export function stripEntry(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const rest = seqEnd(bytes, start + seqLabel.length, end) + prevEndOffset;
  assert(rest < end && bytes[rest - 1] === 0x2c && bytes[rest] === 0x22, "not an entry to strip");
  out[at] = 0x7b;
  out.set(bytes.subarray(rest, end), at + 1);
  return at + 1 + end - rest;
}

/**
 * The inverse of `stripEntry`: writes the whole entry into `out` at `at`; returns the end. Stripped bytes come
 * from storage, so they may be damaged: the result proves itself by its leaf hash only.
 */
export function restoreEntry(
  out: Uint8Array,
  at: number,
  seq: number,
  prev: Hash,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  assert(Number.isSafeInteger(seq) && seq >= 0 && prev.length === 32, `not a place: ${seq}`);
  if (end - start < 2 || bytes[start] !== 0x7b) {
    throw new CairnError(
      "malformed",
      `entry ${seq}: the stored bytes do not begin as an entry does. Run \`cairn verify\` to find the damage.`,
      { place: { seq, byte: 0 } },
    );
  }
  const end1 = writeSeqAndPrev(seq, prev, out, at);
  out[end1] = 0x2c;
  out.set(bytes.subarray(start + 1, end), end1 + 1);
  return end1 + end - start;
}

/**
 * The file of a sealed segment's streams, `index/streams/<first>`: derived, and part of no proof. What it says that an
 * event is a repetition is believed only after the entry that it names was read and compared.
 *
 *     magic     16 bytes   "cairn-streams-v1"
 *     first      8 bytes   seq of the segment's first entry, u64be
 *     length     4 bytes   of the records' JSON, u32be
 *     records              {"sources":[…],"streams":[…],"due":[…]}, see `docs/spec/files.md`
 *     places     2 bytes   for each number, u16be, record after record
 *     count      4 bytes   keys in the directory, u32be
 *     directory 20 bytes   each: SHA-256 of the key, cut to 16 bytes; index of the segment, u32be; ascending
 *     digest    32 bytes   SHA-256 of all before it
 *
 * The directory makes a stream findable that has been quiet for years. That of segment i (counted from 1) covers as
 * many segments, up to and with i, as the largest power of two that divides i: the ranges of i, of what is left when
 * that power is subtracted, and so on, cover all of the log, as in a Fenwick tree.
 */
import { assert, isSameBytes, parseUtf8, utf8, type Sha256 } from "@cairnlog/core";
import { segmentEntries } from "@cairnlog/store";
import { streamKey, type SourceRecord, type StreamRecord } from "./segment-streams.ts";
import { directoryEntryLength, StreamDirectory } from "./stream-directory.ts";
import type { StreamSnapshot } from "./stream-state.ts";

const magic = "cairn-streams-v1";
const digestLength = 32;

export interface StreamFile {
  readonly first: number;
  readonly sources: readonly SourceRecord[];
  readonly records: ReadonlyMap<string, StreamRecord>;
  readonly due: readonly string[];
  readonly directory: StreamDirectory;
  readonly byteLength: number;
}

export function streamFilePath(first: number): string {
  return `index/streams/${String(first).padStart(16, "0")}`;
}

interface JsonRecord {
  readonly source: string;
  readonly stream: string;
  readonly before: number;
  readonly state: StreamSnapshot;
  /** Runs of consecutive numbers: the first of each, and how many. */
  readonly runs: readonly number[];
}

export function formatStreamFile(
  sha256: Sha256,
  file: Omit<StreamFile, "records" | "byteLength"> & { readonly records: readonly StreamRecord[] },
): Uint8Array {
  const { first, sources, records, due, directory } = file;
  const streams = records.map(({ numbers, places: _, ...record }): JsonRecord => {
    return { ...record, runs: runsOf(numbers) };
  });
  const json = utf8(JSON.stringify({ sources, streams, due }));
  const numbers = records.reduce((sum, { places }) => sum + places.length, 0);
  const length = 28 + json.length + 2 * numbers + 4 + directoryEntryLength * directory.size;
  const bytes = new Uint8Array(length + digestLength);
  const view = new DataView(bytes.buffer);
  bytes.set(utf8(magic));
  view.setUint32(16, Math.floor(first / 2 ** 32));
  view.setUint32(20, first % 2 ** 32);
  view.setUint32(24, json.length);
  bytes.set(json, 28);
  let at = 28 + json.length;
  for (const { places } of records) {
    for (const place of places) {
      view.setUint16(at, place);
      at += 2;
    }
  }
  view.setUint32(at, directory.size);
  at += 4;
  bytes.set(directory.bytes, at);
  at += directory.bytes.length;
  assert(at === length, "the file is as long as its parts");
  bytes.set(sha256(bytes.subarray(0, length)), length);
  return bytes;
}

/** What is in the file, or undefined if the bytes are not a whole file of that segment. */
export function readStreamFile(
  sha256: Sha256,
  first: number,
  bytes: Uint8Array,
): StreamFile | undefined {
  const end = bytes.length - digestLength;
  if (end < 32 || !isSameBytes(bytes.subarray(end), sha256(bytes.subarray(0, end)))) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isSameBytes(bytes.subarray(0, 16), utf8(magic))) return undefined;
  if (view.getUint32(16) * 2 ** 32 + view.getUint32(20) !== first) return undefined;
  // The digest is right: from here on all is as we wrote it, or somebody wanted it so. Then it may fail, no more.
  try {
    return readParts(first, bytes, view, end);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}

function readParts(first: number, bytes: Uint8Array, view: DataView, end: number): StreamFile {
  const jsonLength = view.getUint32(24);
  const json = JSON.parse(parseUtf8(bytes.subarray(28, 28 + jsonLength))) as {
    readonly sources: readonly SourceRecord[];
    readonly streams: readonly JsonRecord[];
    readonly due: readonly string[];
  };
  let at = 28 + jsonLength;
  const records = new Map<string, StreamRecord>();
  for (const { runs, ...record } of json.streams) {
    const numbers = numbersOf(runs);
    const places = new Uint16Array(numbers.length);
    for (let i = 0; i < places.length; i++, at += 2) places[i] = view.getUint16(at);
    records.set(streamKey(record.source, record.stream), { ...record, numbers, places });
  }
  const directoryLength = directoryEntryLength * view.getUint32(at);
  at += 4;
  const directory = new StreamDirectory(bytes.slice(at, at + directoryLength));
  at += directoryLength;
  if (at !== end) throw new RangeError("the file is not as long as its parts");
  const { sources, due } = json;
  return { first, sources, records, due, directory, byteLength: bytes.length };
}

function runsOf(numbers: Float64Array): number[] {
  const runs: number[] = [];
  for (let i = 0; i < numbers.length;) {
    let count = 1;
    while (numbers[i + count] === numbers[i]! + count) count++;
    runs.push(numbers[i]!, count);
    i += count;
  }
  return runs;
}

function numbersOf(runs: readonly number[]): Float64Array {
  let length = 0;
  for (let i = 1; i < runs.length; i += 2) length += runs[i]!;
  if (!(length <= segmentEntries)) throw new RangeError("more numbers than entries");
  const numbers = new Float64Array(length);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    for (let j = 0; j < runs[i + 1]!; j++) numbers[at++] = runs[i]! + j;
  }
  return numbers;
}

/**
 * Finds what is known of streams in the files of sealed segments: their states, and where a number was recorded. Files
 * are made when a segment is sealed; one that is missing or damaged is made again from the entries.
 *
 * A state is found in as many files as the number of segments has binary digits (`stream-file.ts` says why). The entry
 * of a number is looked for backwards, from segment to segment in which its stream spoke, up to the one at whose end
 * the mark was below the number: that is the rare case of an event that is sent again after long, and may be slow.
 */
import {
  EventScanner,
  isSameBytes,
  parseEntryBundle,
  parseEntryHead,
  type Sha256,
} from "@cairnlog/core";
import { frameCount, segmentEntries, type LogStore } from "@cairnlog/store";
import { RecentlyUsed } from "../recently-used.ts";
import { openSegmentReader } from "../segment-files.ts";
import { StreamReader } from "./read-streams.ts";
import {
  findPlace,
  sourceKey,
  streamKey,
  type SegmentStreams,
  type SourceRecord,
  type StreamRecord,
} from "./segment-streams.ts";
import { directoryHash, StreamDirectory } from "./stream-directory.ts";
import {
  formatStreamFile,
  readStreamFile,
  streamFilePath,
  type StreamFile,
} from "./stream-file.ts";
import { StreamState } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";

const cacheBytesMax = 16 * 1024 * 1024;

export interface StreamIndexParts {
  readonly store: LogStore;
  readonly sha256: Sha256;
  /** How many segments are sealed, and have their files. */
  sealedSegments(): number;
}

export class StreamIndex {
  readonly #parts: StreamIndexParts;
  readonly #files = new RecentlyUsed<number, StreamFile>(cacheBytesMax, (file) => file.byteLength);
  /** Made again beside a damaged file, which stays as it is: objects are written once. */
  readonly #remade = new Map<number, StreamFile>();
  /** The last one in which a number was found, by stream: who sends one event again sends its neighbours as well. */
  readonly #hints = new RecentlyUsed<string, number>(1000);

  constructor(parts: StreamIndexParts) {
    this.#parts = parts;
  }

  /** The state of a stream at the end of the first `segments` segments; a new one where it has never spoken. */
  async state(
    source: string,
    stream: string,
    segments: number = this.#parts.sealedSegments(),
  ): Promise<StreamState> {
    const key = streamKey(source, stream);
    const index = await this.#lastIn(key, segments);
    const record = index < 0 ? undefined : (await this.file(index)).records.get(key);
    if (record === undefined) return new StreamState(source, stream);
    const state = StreamState.restore(source, stream, record.state);
    state.changedIn = index * segmentEntries;
    state.changedBefore = record.before;
    return state;
  }

  /** What the last segment says in which the source spoke, or in which something was told of it. */
  async source(source: string): Promise<SourceRecord | undefined> {
    const index = await this.#lastIn(sourceKey(source), this.#parts.sealedSegments());
    if (index < 0) return undefined;
    return (await this.file(index)).sources.find((record) => record.source === source);
  }

  /** Seq of the entry of that number, or -1. Not yet compared with anything. */
  async find(source: string, stream: string, number: number): Promise<number> {
    const key = streamKey(source, stream);
    const hint = this.#hints.get(key);
    for (let index = hint ?? -1; index >= 0 && index <= hint! + 1; index++) {
      if (index >= this.#parts.sealedSegments()) break;
      const seq = await this.#findIn(index, key, number);
      if (seq >= 0) return seq;
    }
    let index = await this.#lastIn(key, this.#parts.sealedSegments());
    while (index >= 0) {
      const record: StreamRecord | undefined = (await this.file(index)).records.get(key);
      // Marks only rise: a number above this one was not recorded in this segment, nor in any before it.
      if (record === undefined || record.state.mark < number) return -1;
      const seq = await this.#findIn(index, key, number);
      if (seq >= 0) return seq;
      index = record.before < 0 ? -1 : record.before / segmentEntries;
    }
    return -1;
  }

  async #findIn(index: number, key: string, number: number): Promise<number> {
    const record = (await this.file(index)).records.get(key);
    const place = record === undefined ? -1 : findPlace(record, number);
    if (place < 0) return -1;
    this.#hints.set(key, index);
    return index * segmentEntries + place;
  }

  /** Index of the last of the first `segments` segments in which the stream changed, or -1. */
  async #lastIn(key: string, segments: number): Promise<number> {
    const hash = directoryHash(this.#parts.sha256, key);
    for (let count = segments; count > 0; count -= coveredBy(count)) {
      const index = (await this.file(count - 1)).directory.find(hash);
      if (index >= 0) return index;
    }
    return -1;
  }

  /** Makes the file of a segment that is full, durably. */
  async put(segment: SegmentStreams): Promise<void> {
    const { store } = this.#parts;
    const bytes = await this.#format(segment);
    const path = streamFilePath(segment.first);
    // An attempt that was repeated, or an opening that ended too early, may have left it.
    const there = await store.get(path);
    if (there === undefined) await store.put(path, bytes);
    const index = segment.first / segmentEntries;
    const file = readStreamFile(this.#parts.sha256, segment.first, bytes)!;
    if (there === undefined || isSameBytes(there, bytes)) this.#files.set(index, file);
    else this.#remade.set(index, file);
  }

  /** The file of a sealed segment, made again where it is missing or damaged. */
  async file(index: number): Promise<StreamFile> {
    const known = this.#remade.get(index) ?? this.#files.get(index);
    if (known !== undefined) return known;
    const { store, sha256 } = this.#parts;
    const first = index * segmentEntries;
    const bytes = await store.get(streamFilePath(first));
    const file = bytes && readStreamFile(sha256, first, bytes);
    if (file !== undefined) {
      this.#files.set(index, file);
      return file;
    }
    await this.#remake(index);
    return this.file(index);
  }

  /** Makes the file of a segment again. It continues those before it: a missing one of these is made first. */
  async #remake(index: number): Promise<void> {
    const { store } = this.#parts;
    for (let before = 0; before < index; before++) {
      const isThere = this.#remade.has(before) || this.#files.get(before) !== undefined;
      const path = streamFilePath(before * segmentEntries);
      if (!isThere && (await store.byteLength(path)) === undefined) await this.file(before);
    }
    const reader = await this.#readSegment(index * segmentEntries);
    const table = new StreamTable(index * segmentEntries, Infinity);
    for (const [source, stream] of reader.streams()) {
      table.add(await this.state(source, stream, index));
    }
    for (const key of index === 0 ? [] : (await this.file(index - 1)).due) {
      const [source, stream] = splitKey(key);
      if (table.get(source, stream) === undefined) {
        table.add(await this.state(source, stream, index));
      }
    }
    reader.takeInto(table);
    await this.put(table.full(index * segmentEntries));
  }

  async #readSegment(first: number): Promise<StreamReader> {
    const { store, sha256 } = this.#parts;
    const segment = await openSegmentReader(store, first, sha256);
    const reader = new StreamReader();
    const scanner = new EventScanner();
    for (let frame = 0; frame < frameCount; frame++) {
      const bundle = await segment.entryBundle(frame);
      for (const { begin, end } of parseEntryBundle(bundle)) {
        const bytes = bundle.subarray(begin, end);
        const entry = parseEntryHead(bytes);
        scanner.scan(bytes, entry.eventOffset, bytes.length - 1);
        reader.read(entry, scanner, bytes, entry.eventOffset, bytes.length - 1);
      }
    }
    return reader;
  }

  async #format(segment: SegmentStreams): Promise<Uint8Array> {
    const { sha256 } = this.#parts;
    const { first, due } = segment;
    const index = first / segmentEntries;
    const records = segment.records();
    const sources = segment.sources();
    const keys = [
      ...records.map(({ source, stream }) => streamKey(source, stream)),
      ...sources.map(({ source }) => sourceKey(source)),
    ];
    const hashes = keys.map((key) => directoryHash(sha256, key));
    let directory = StreamDirectory.of(hashes, index);
    const from = index + 1 - coveredBy(index + 1);
    for (let count = index; count > from; count -= coveredBy(count)) {
      directory = directory.over((await this.file(count - 1)).directory);
    }
    return formatStreamFile(sha256, { first, sources, records, due, directory });
  }
}

/** How many segments the directory of the `count`th one covers: the largest power of two that divides it. */
function coveredBy(count: number): number {
  let span = 1;
  while (count % (2 * span) === 0) span *= 2;
  return span;
}

export function splitKey(key: string): [source: string, stream: string] {
  const space = key.indexOf(" ");
  return [key.slice(0, space), key.slice(space + 1)];
}

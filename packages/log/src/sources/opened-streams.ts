/**
 * What a log knows of streams when it opens: from the file of the last sealed segment, and from the entries after it,
 * which recovery has read. And the two steps by which a segment leaves memory when it is sealed.
 */
import { assert, type Sha256 } from "@cairnlog/core";
import { segmentEntries, type LogStore } from "@cairnlog/store";
import type { StreamReader } from "./read-streams.ts";
import { streamFilePath } from "./stream-file.ts";
import { splitKey, StreamIndex } from "./stream-index.ts";
import { StreamTable } from "./stream-table.ts";

export class OpenedStreams {
  readonly table: StreamTable;
  readonly index: StreamIndex;

  /** `segments`: how many are sealed. */
  constructor(store: LogStore, sha256: Sha256, segments: number, liveMax?: number) {
    const table = new StreamTable(segments * segmentEntries, liveMax);
    this.table = table;
    this.index = new StreamIndex({
      store,
      sha256,
      sealedSegments: () => table.openFrom / segmentEntries,
    });
  }

  /** Takes what was read of the entries that are not sealed. Nothing is changed on the medium but derived files. */
  async take(store: LogStore, reader: StreamReader): Promise<void> {
    const { table, index } = this;
    const segments = table.openFrom / segmentEntries;
    for (const [source, stream] of reader.streams()) table.add(await index.state(source, stream));
    for (const key of await this.#dueAt(store, segments)) {
      const [source, stream] = splitKey(key);
      if (table.get(source, stream) === undefined) table.add(await index.state(source, stream));
    }
    reader.takeInto(table);
  }

  /** Streams of which there was something to tell at the end of the last sealed segment. */
  async #dueAt(store: LogStore, segments: number): Promise<readonly string[]> {
    if (segments === 0) return [];
    const last = streamFilePath((segments - 1) * segmentEntries);
    const before = streamFilePath((segments - 2) * segmentEntries);
    const isThere = async (path: string): Promise<boolean> =>
      (await store.byteLength(path)) !== undefined;
    // An older release has sealed them: it kept no account of numbers, and making all files again would take long.
    if (segments > 1 && !(await isThere(last)) && !(await isThere(before))) return [];
    return (await this.index.file(segments - 1)).due;
  }

  /** A segment is about to leave memory: its file is durable when this resolves. */
  async sealing(first: number): Promise<void> {
    assert(first === this.table.openFrom, "segments are sealed in order");
    await this.index.put(this.table.full(first));
  }

  sealed(first: number): void {
    this.table.dropSealed(first);
  }
}

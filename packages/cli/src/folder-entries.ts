/**
 * Where entries lie in a log's folder: in a sealed file, or in the tail until it is sealed. The
 * tail has no index, so that its lengths are walked through once and remembered.
 */
import { CairnError, parseEntryBundle, type Sha256 } from "@cairnlog/core";
import {
  bundleEntries,
  sealedPath,
  segmentEntries,
  SegmentReader,
  tailPath,
  type LogReader,
} from "@cairnlog/store";

const framingByteLength = 2;
const chunkByteLength = 1024 * 1024;

/**
 * A tail file as far as it was walked through: entry `i` is from `ends[i]` + 2 to `ends[i + 1]`.
 */
interface KnownTail {
  readonly ends: number[];
}

export class FolderEntries {
  readonly #reader: LogReader;
  readonly #sha256: Sha256;
  readonly #tails = new Map<number, KnownTail>();
  #segment: { readonly first: number; readonly reader: SegmentReader } | undefined;
  #bundle:
    { readonly begin: number; readonly end: number; readonly entries: Uint8Array[] } | undefined;

  constructor(reader: LogReader, sha256: Sha256) {
    this.#reader = reader;
    this.#sha256 = sha256;
  }

  get logName(): string {
    return this.#reader.name;
  }

  /** The bytes of entry `seq` of a log of `size` entries. */
  async read(seq: number, size: number): Promise<Uint8Array> {
    if (this.#bundle === undefined || seq < this.#bundle.begin || seq >= this.#bundle.end) {
      const begin = seq - (seq % bundleEntries);
      const end = Math.min(begin + bundleEntries, size);
      this.#bundle = { begin, end, entries: await this.#readBundle(begin, end) };
    }
    return this.#bundle.entries[seq - this.#bundle.begin]!;
  }

  /** The sealed file that begins at entry `first`; undefined while there is none. */
  async sealed(first: number): Promise<SegmentReader | undefined> {
    if (this.#segment?.first === first) return this.#segment.reader;
    const path = sealedPath(first);
    const byteLength = await this.#reader.byteLength(path);
    if (byteLength === undefined) return undefined;
    const reader = await SegmentReader.open({
      reader: this.#reader,
      path,
      byteLength,
      sha256: this.#sha256,
    });
    this.#segment = { first, reader };
    return reader;
  }

  async #readBundle(begin: number, end: number): Promise<Uint8Array[]> {
    const first = begin - (begin % segmentEntries);
    // A full tail is sealed and removed at any moment: then the second look finds the sealed file.
    for (let attempt = 0; attempt < 2; attempt++) {
      const segment = await this.sealed(first);
      if (segment !== undefined) {
        return entriesOf(await segment.entryBundle((begin - first) / bundleEntries));
      }
      const bundle = await this.#readTail(first, begin, end);
      if (bundle !== undefined) return entriesOf(bundle);
    }
    const path = tailPath(first);
    throw new CairnError(
      "tampered",
      `entry ${begin} of the log ${this.logName} is not there: neither ${sealedPath(first)} nor ${path} has it`,
      { place: { log: this.logName, seq: begin, path } },
    );
  }

  /**
   * Entries [begin, end), framed, from the tail file of `first`; undefined where it does not have
   * them.
   */
  async #readTail(first: number, begin: number, end: number): Promise<Uint8Array | undefined> {
    const { ends } = await this.#walk(first, end - first);
    const from = ends[begin - first];
    const to = ends[end - first];
    if (from === undefined || to === undefined) return undefined;
    const bytes = await this.#reader.read(tailPath(first), from, to - from);
    return bytes?.length === to - from ? bytes : undefined;
  }

  /** Walks on through a tail file until `count` entries are known, or it ends. */
  async #walk(first: number, count: number): Promise<KnownTail> {
    const known = this.#tails.get(first) ?? { ends: [0] };
    this.#tails.set(first, known);
    const { ends } = known;
    while (ends.length <= count) {
      const from = ends.at(-1)!;
      const chunk = await this.#reader.read(tailPath(first), from, chunkByteLength);
      if (chunk === undefined) return known;
      let at = 0;
      while (ends.length <= count && at + framingByteLength <= chunk.length) {
        const length = chunk[at]! * 256 + chunk[at + 1]!;
        if (length === 0 || at + framingByteLength + length > chunk.length) break;
        at += framingByteLength + length;
        ends.push(from + at);
      }
      if (at === 0) return known;
    }
    return known;
  }
}

function entriesOf(bundle: Uint8Array): Uint8Array[] {
  return parseEntryBundle(bundle).map(({ begin, end }) => bundle.subarray(begin, end));
}

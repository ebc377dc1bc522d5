/**
 * Where the right bytes may come from: another copy of the log's folder, or its tiles under an address. Nothing that
 * comes from there is believed: whoever asks verifies it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  CairnError,
  isCairnError,
  noteBytesMax,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  tilePath,
  tileWidthMax,
  type Sha256,
} from "@cairnlog/core";
import {
  bundleEntries,
  sealedPath,
  segmentEntries,
  SegmentReader,
  tailPath,
} from "@cairnlog/store";
import { Fetcher, type Fetch } from "@cairnlog/verify";
import { FileBytes } from "./file-bytes.ts";

export interface RepairSource {
  /** For messages. */
  readonly where: string;
  /** A file of the log as a whole, where this place keeps files. */
  file(path: string): string | undefined;
  checkpoint(): Promise<Uint8Array | undefined>;
  /**
   * The framed entries from `from` on (a multiple of 256), one array for each entry, up to `to` or as many as there
   * are.
   */
  entries(from: number, to: number): AsyncGenerator<Uint8Array>;
}

/** A folder or an http(s) address. `fetch` and an API key are for an address. */
export function repairSource(
  from: string,
  sha256: Sha256,
  options: { readonly fetch?: Fetch; readonly key?: string } = {},
): RepairSource {
  if (/^https?:\/\//i.test(from)) return new TilesSource(from, options);
  if (!existsSync(from)) throw new CairnError("not_found", `there is no folder ${from}`);
  const isLog = existsSync(join(from, "sealed")) || existsSync(join(from, "tail"));
  if (isLog) return new FolderSource(from, sha256);
  throw new CairnError(
    "usage",
    `${from} is no log's folder: give a copy of the folder, or an address with the log's tiles`,
  );
}

class FolderSource implements RepairSource {
  readonly where: string;
  readonly #sha256: Sha256;

  constructor(where: string, sha256: Sha256) {
    this.where = where;
    this.#sha256 = sha256;
  }

  file(path: string): string | undefined {
    const full = join(this.where, path);
    return existsSync(full) ? full : undefined;
  }

  checkpoint(): Promise<Uint8Array | undefined> {
    const file = FileBytes.open(this.where, "checkpoint", "live");
    const bytes = file?.at(0, noteBytesMax + 1);
    file?.close();
    return Promise.resolve(bytes);
  }

  async *entries(from: number, to: number): AsyncGenerator<Uint8Array> {
    let seq = from;
    while (seq < to) {
      const first = seq - (seq % segmentEntries);
      const before = seq;
      for await (const framed of this.#segment(first, seq, Math.min(to, first + segmentEntries))) {
        yield framed;
        seq++;
      }
      if (seq === before || seq % segmentEntries !== 0) return;
    }
  }

  async *#segment(first: number, from: number, to: number): AsyncGenerator<Uint8Array> {
    const sealed = FileBytes.open(this.where, sealedPath(first), "live");
    if (sealed !== undefined) {
      try {
        yield* this.#sealedEntries(sealed, first, from, to);
      } finally {
        sealed.close();
      }
      return;
    }
    const tail = FileBytes.open(this.where, tailPath(first), "live");
    if (tail === undefined) return;
    try {
      let seq = first;
      for (const framed of framesOf(tail)) {
        if (seq === to) return;
        if (seq >= from) yield framed;
        seq++;
      }
    } finally {
      tail.close();
    }
  }

  async *#sealedEntries(
    file: FileBytes,
    first: number,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array> {
    const { path, byteLength } = file;
    const options = { reader: file, path, byteLength, sha256: this.#sha256 };
    const segment = await SegmentReader.open(options);
    const begin = Math.floor((from - first) / bundleEntries);
    for (let frame = begin; first + frame * bundleEntries < to; frame++) {
      const bundle = await segment.entryBundle(frame);
      for (const [i, range] of parseEntryBundle(bundle).entries()) {
        const seq = first + frame * bundleEntries + i;
        if (seq >= from && seq < to) yield bundle.slice(range.begin - 2, range.end);
      }
    }
  }
}

/** The frames of a tail file from its beginning, up to a length of zero or the file's end. */
export function* framesOf(file: FileBytes): Generator<Uint8Array> {
  const chunkByteLength = 1024 * 1024;
  let chunk: Uint8Array = new Uint8Array(0);
  let chunkAt = 0;
  for (let begin = 0; ;) {
    let at = begin - chunkAt;
    let length = at + 2 <= chunk.length ? chunk[at]! * 256 + chunk[at + 1]! : -1;
    if (length < 0 || at + 2 + length > chunk.length) {
      chunk = file.at(begin, chunkByteLength);
      chunkAt = begin;
      at = 0;
      length = chunk.length >= 2 ? chunk[0]! * 256 + chunk[1]! : 0;
      if (2 + length > chunk.length) return;
    }
    if (length === 0) return;
    yield chunk.slice(at, at + 2 + length);
    begin += 2 + length;
  }
}

class TilesSource implements RepairSource {
  readonly where: string;
  readonly #fetcher: Fetcher;
  #size: number | undefined;

  constructor(url: string, options: { readonly fetch?: Fetch; readonly key?: string }) {
    this.where = `${url.replace(/\/checkpoint$/, "").replace(/\/+$/, "")}/`;
    this.#fetcher = new Fetcher(this.where, options);
  }

  file(): undefined {
    return undefined;
  }

  async checkpoint(): Promise<Uint8Array | undefined> {
    try {
      return await this.#fetcher.get("checkpoint", noteBytesMax);
    } catch (error) {
      if (isCairnError(error, "not_found")) return undefined;
      throw error;
    }
  }

  async *entries(from: number, to: number): AsyncGenerator<Uint8Array> {
    const end = Math.min(to, (this.#size ??= await this.#sizeOf()));
    for (let seq = from; seq < end;) {
      const index = Math.floor(seq / tileWidthMax);
      const width = Math.min(tileWidthMax, this.#size - index * tileWidthMax);
      const path = tilePath({ level: "entries", index, width });
      const bundle = await this.#fetcher.get(path, tileWidthMax * (2 + 0xffff));
      for (const range of parseEntryBundle(bundle, width)) {
        if (seq === end) return;
        yield bundle.slice(range.begin - 2, range.end);
        seq++;
      }
    }
  }

  async #sizeOf(): Promise<number> {
    const bytes = await this.checkpoint();
    return bytes === undefined ? 0 : parseCheckpoint(parseNote(bytes).text).size;
  }
}

/**
 * In which sealed segment a stream changed last: a sorted array of 20 bytes for each stream, the first 16 of the
 * SHA-256 of its key and the segment's index, u32be. Kept as bytes, because a log may have had a million streams.
 */
import { utf8, type Sha256 } from "@cairnlog/core";

const hashLength = 16;
export const directoryEntryLength = hashLength + 4;

export class StreamDirectory {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** `bytes`: ascending. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Of streams that all changed in the segment `index`. `hashes` in any order, each once. */
  static of(hashes: readonly Uint8Array[], index: number): StreamDirectory {
    const sorted = [...hashes].sort((a, b) => Buffer.compare(a, b));
    const directory = new StreamDirectory(new Uint8Array(directoryEntryLength * sorted.length));
    for (const [i, hash] of sorted.entries()) {
      directory.bytes.set(hash, directoryEntryLength * i);
      directory.#view.setUint32(directoryEntryLength * i + hashLength, index);
    }
    return directory;
  }

  get size(): number {
    return this.bytes.length / directoryEntryLength;
  }

  /** The index of the segment, or -1 for a stream that is not in the directory. */
  find(hash: Uint8Array): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const order = Buffer.compare(this.#hash(middle), hash);
      if (order === 0) return this.#view.getUint32(directoryEntryLength * middle + hashLength);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /** The streams of both. Where a stream is in both, `this` counts. */
  over(older: StreamDirectory): StreamDirectory {
    const merged = new Uint8Array(this.bytes.length + older.bytes.length);
    let length = 0;
    let i = 0;
    let j = 0;
    while (i < this.size || j < older.size) {
      const order =
        i === this.size ? 1 : j === older.size ? -1 : Buffer.compare(this.#hash(i), older.#hash(j));
      merged.set(order <= 0 ? this.#entry(i) : older.#entry(j), length);
      length += directoryEntryLength;
      if (order <= 0) i++;
      if (order >= 0) j++;
    }
    return new StreamDirectory(merged.slice(0, length));
  }

  #entry(i: number): Uint8Array {
    return this.bytes.subarray(directoryEntryLength * i, directoryEntryLength * (i + 1));
  }

  #hash(i: number): Uint8Array {
    return this.bytes.subarray(directoryEntryLength * i, directoryEntryLength * i + hashLength);
  }
}

/** What a stream is called in a directory. Two streams of one hash are not to be found, by anybody. */
export function directoryHash(sha256: Sha256, key: string): Uint8Array {
  return sha256(utf8(key)).subarray(0, hashLength);
}

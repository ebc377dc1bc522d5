/**
 * The locked versions of a log's objects as a disk, so that a verifier of folders reads them like files. Of each key
 * the oldest version counts: it was put first, under a lock, and nobody could change it since. What lies over it is
 * for `bucket-inventory.ts` to report, and is never read.
 *
 * Read-only. Pieces of the last few files are kept, so that a verifier's many small reads become few requests.
 */
import type { Disk, DiskEntry, DiskFile } from "@cairnlog/store";
import type { Bucket, Lock } from "./bucket.ts";
import type { Version } from "./versions.ts";

/** Sealed files of ordinary entries fit one piece. */
const pieceByteLength = 16 * 1024 * 1024;
const piecesMax = 4;

export class LockedFiles implements Disk {
  readonly #location: string;
  readonly #bucket: Bucket;
  readonly #versions: ReadonlyMap<string, Version>;
  readonly #onLock: (key: string, lock: Lock) => void;
  /** By key and number of the piece; in order of use. */
  readonly #pieces = new Map<string, Promise<Uint8Array>>();
  readonly #seen = new Set<string>();

  /** `onLock` hears of the lock of each file that is read, once. */
  constructor(
    location: string,
    bucket: Bucket,
    versions: ReadonlyMap<string, Version>,
    onLock: (key: string, lock: Lock) => void,
  ) {
    this.#location = location;
    this.#bucket = bucket;
    this.#versions = versions;
    this.#onLock = onLock;
  }

  /** Begins to fetch the file, for a reader who comes soon. What goes wrong is the reader's to hear. */
  prefetch(key: string): void {
    const version = this.#versions.get(key);
    if (version !== undefined) this.#piece(key, version, 0).catch(() => undefined);
  }

  async open(path: string): Promise<DiskFile> {
    const key = path.slice(this.#location.length + 1);
    const version = this.#versions.get(key);
    if (version === undefined) {
      throw Object.assign(new Error(`there is no ${key}`), { code: "ENOENT" });
    }
    return {
      ...readOnlyFile,
      read: (into, at) => this.#read(key, version, into, at),
      byteLength: async () => version.byteLength,
    };
  }

  async entries(): Promise<DiskEntry[]> {
    throw new Error("a bucket is listed by its inventory");
  }

  makeFolder = refuse;
  rename = refuse;
  link = refuse;
  unlink = refuse;
  syncFolder = refuse;
  freeBytes = refuse;

  async #read(key: string, version: Version, into: Uint8Array, at: number): Promise<number> {
    let filled = 0;
    while (filled < into.length && at + filled < version.byteLength) {
      const offset = at + filled;
      const index = Math.floor(offset / pieceByteLength);
      const piece = await this.#piece(key, version, index);
      const from = offset - index * pieceByteLength;
      const part = piece.subarray(from, from + into.length - filled);
      if (part.length === 0) break;
      into.set(part, filled);
      filled += part.length;
    }
    return filled;
  }

  #piece(key: string, version: Version, index: number): Promise<Uint8Array> {
    const name = `${index} ${key}`;
    let piece = this.#pieces.get(name);
    this.#pieces.delete(name);
    piece ??= this.#fetch(key, version, index);
    this.#pieces.set(name, piece);
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= piecesMax) break;
      this.#pieces.delete(oldest);
    }
    return piece;
  }

  async #fetch(key: string, version: Version, index: number): Promise<Uint8Array> {
    const offset = index * pieceByteLength;
    const length = Math.min(pieceByteLength, version.byteLength - offset);
    if (length <= 0) return new Uint8Array(0);
    const found = await this.#bucket.read(key, version.versionId, offset, length);
    if (found === undefined) {
      throw Object.assign(new Error(`${key} was listed and is gone`), { code: "ENOENT" });
    }
    if (!this.#seen.has(key)) this.#onLock(key, found.lock);
    this.#seen.add(key);
    return found.bytes;
  }
}

async function refuse(): Promise<never> {
  throw new Error("locked versions are only read");
}

const readOnlyFile = {
  write: refuse,
  writeDurably: refuse,
  datasync: refuse,
  close: async () => undefined,
};

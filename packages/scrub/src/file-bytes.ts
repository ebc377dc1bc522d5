/**
 * The bytes of one file, as a check reads them. Opening it has what is dirty written back first: a page that somebody
 * has mapped is clean then, and the next write to it moves the file's change time.
 *
 * *Direct* reads (O_DIRECT) bypass the page cache, so that what is read is what the medium holds and the cache of the
 * log's readers is left alone. The system wants memory at a multiple of the medium's block for it. JavaScript cannot
 * ask for such memory, but it can find some: one of the places in a buffer that is a page too long lies right.
 *
 * Never of `LOCK`: closing a descriptor of it would drop the lock of this very process.
 */
import { createHash, hash } from "node:crypto";
import fs from "node:fs";
import { assert, CairnError } from "@cairnlog/core";
import type { SegmentSource } from "@cairnlog/store";
import { lockPath } from "./file-kinds.ts";

const pageByteLength = 4096;
const chunkByteLength = 1024 * 1024;
/**
 * Files up to this length are read once and held, which most sealed ones are; of longer ones, as tails are, each piece
 * is read as it is asked for.
 */
const heldByteLengthMax = 16 * 1024 * 1024;

/** A buffer for direct reads: memory that the system takes for them. */
class AlignedBuffer {
  readonly #memory = new Uint8Array(chunkByteLength + pageByteLength);
  #at: number | undefined;

  /**
   * Up to `length` bytes, at most a chunk, from `offset`, both multiples of a page; undefined where direct reads do not
   * work.
   */
  read(descriptor: number, offset: number, length: number): Uint8Array | undefined {
    if (this.#at !== undefined) return this.#readAt(this.#at, descriptor, offset, length);
    // Typed arrays begin at multiples of 8 or 16 bytes.
    for (let at = 0; at < pageByteLength; at += 8) {
      const bytes = this.#readAt(at, descriptor, offset, length);
      if (bytes === undefined) continue;
      this.#at = at;
      return bytes;
    }
    return undefined;
  }

  #readAt(at: number, descriptor: number, offset: number, length: number): Uint8Array | undefined {
    try {
      const count = fs.readSync(descriptor, this.#memory, at, length, offset);
      return this.#memory.subarray(at, at + count);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EINVAL") return undefined;
      throw error;
    }
  }
}

const aligned = new AlignedBuffer();
/** What was glanced at last. */
const glanced = new Uint8Array(chunkByteLength);
/** Whether direct reads have worked so far: undefined until one was tried. */
let isDirectKnown: boolean | undefined;

/** How the medium is read: past the page cache, or through it. Undefined before the first read. */
export function directReads(): boolean | undefined {
  return isDirectKnown;
}

/**
 * `direct`: what the medium holds. `cached`: what the kernel shows, written back first. `live`: the same for a file
 * that the log is writing to, which does not have to wait for us.
 */
export type ReadMode = "direct" | "cached" | "live";

export class FileBytes implements SegmentSource {
  readonly path: string;
  readonly byteLength: number;
  readonly #descriptor: number;
  readonly #held: Uint8Array | undefined;
  /** The whole path of a file that is read past the page cache piece by piece. */
  readonly #direct: string | undefined;

  private constructor(
    path: string,
    descriptor: number,
    length: number,
    how: { readonly held?: Uint8Array; readonly direct?: string } = {},
  ) {
    this.path = path;
    this.byteLength = length;
    this.#descriptor = descriptor;
    this.#held = how.held;
    this.#direct = how.direct;
  }

  /** Undefined where there is no such file. "unavailable" where the system will not read it. */
  static open(location: string, path: string, mode: ReadMode): FileBytes | undefined {
    assert(path !== lockPath, "LOCK is never opened here");
    return reporting(path, () => {
      const descriptor = fs.openSync(`${location}/${path}`, "r");
      try {
        const stats = fs.fstatSync(descriptor);
        if (!stats.isFile()) throw new CairnError("unverified", `${path} is no regular file`);
        if (mode !== "live") fs.fdatasyncSync(descriptor);
        const { size } = stats;
        const direct = mode === "direct" ? `${location}/${path}` : undefined;
        if (size > heldByteLengthMax || mode === "live") {
          return new FileBytes(path, descriptor, size, direct === undefined ? {} : { direct });
        }
        const held =
          direct === undefined ? readRange(descriptor, 0, size) : readDirect(direct, 0, size);
        return new FileBytes(path, descriptor, held.length, { held });
      } catch (error) {
        fs.closeSync(descriptor);
        throw error;
      }
    });
  }

  read(_path: string, offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.at(offset, length));
  }

  /** Up to `length` bytes from `offset`. A view where the file is held. */
  at(offset: number, length: number): Uint8Array {
    if (this.#held !== undefined) return this.#held.subarray(offset, offset + length);
    const rest = Math.max(0, Math.min(length, this.byteLength - offset));
    const direct = this.#direct;
    return reporting(this.path, () =>
      direct === undefined
        ? readRange(this.#descriptor, offset, rest)
        : readDirect(direct, offset, rest),
    )!;
  }

  /**
   * The same, at most a chunk of it, for a caller who is done with the bytes before anybody asks for others: where the
   * file is not held they lie in memory that is used again. New memory each time costs as much as hashing it.
   */
  glance(offset: number, length: number): Uint8Array {
    if (this.#held !== undefined || this.#direct !== undefined) return this.at(offset, length);
    const rest = Math.max(0, Math.min(length, this.byteLength - offset, chunkByteLength));
    return reporting(this.path, () => fill(this.#descriptor, offset, glanced.subarray(0, rest)))!;
  }

  /** SHA-256 of the whole file, hexadecimal. */
  sha256(): string {
    if (this.#held !== undefined) return hash("sha256", this.#held, "hex");
    const digest = createHash("sha256");
    for (let at = 0; at < this.byteLength; at += chunkByteLength) {
      digest.update(this.glance(at, chunkByteLength));
    }
    return digest.digest("hex");
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}

/** `work` on the file, which is closed afterwards; undefined where there is none. */
export async function withFileBytes<T>(
  location: string,
  path: string,
  mode: ReadMode,
  work: (file: FileBytes) => T | Promise<T>,
): Promise<T | undefined> {
  const file = FileBytes.open(location, path, mode);
  if (file === undefined) return undefined;
  try {
    return await work(file);
  } finally {
    file.close();
  }
}

/** Reads `length` bytes from `offset` past the page cache; through it where the system does not let us. */
function readDirect(full: string, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length);
  let filled = 0;
  let descriptor: number | undefined;
  try {
    if (isDirectKnown !== false) {
      descriptor = fs.openSync(full, fs.constants.O_DIRECT ?? fs.constants.O_RDONLY);
      while (filled < length) {
        // Whole pages: what lies before `offset` in the first of them is not asked for.
        const before = (offset + filled) % pageByteLength;
        const pages = Math.ceil((before + length - filled) / pageByteLength) * pageByteLength;
        const wanted = Math.min(pages, chunkByteLength);
        const bytes = aligned.read(descriptor, offset + filled - before, wanted);
        if (bytes === undefined || bytes.length <= before) break;
        into.set(bytes.subarray(before, before + length - filled), filled);
        filled += Math.min(bytes.length - before, length - filled);
        if (bytes.length < wanted) break;
      }
      isDirectKnown ??=
        length === 0 ? undefined : filled > 0 && fs.constants.O_DIRECT !== undefined;
    }
  } catch (error) {
    // A file system without direct reads (some network and memory ones) refuses the flag.
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    isDirectKnown = false;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
  if (filled >= length) return into;
  const plain = fs.openSync(full, "r");
  try {
    const rest = readRange(plain, offset + filled, length - filled);
    into.set(rest, filled);
    return into.subarray(0, filled + rest.length);
  } finally {
    fs.closeSync(plain);
  }
}

function readRange(descriptor: number, offset: number, length: number): Uint8Array {
  return fill(descriptor, offset, new Uint8Array(length));
}

/** Reads as much as there is and `bytes` has room for. */
function fill(descriptor: number, offset: number, bytes: Uint8Array): Uint8Array {
  let filled = 0;
  while (filled < bytes.length) {
    const rest = bytes.length - filled;
    const count = fs.readSync(descriptor, bytes, filled, rest, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function reporting<T>(path: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (typeof code !== "string" || cause instanceof CairnError) throw cause;
    throw new CairnError("unavailable", `the system does not read ${path} (${code})`, {
      cause,
      place: { path },
    });
  }
}

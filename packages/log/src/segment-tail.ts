/**
 * The tail file of a full segment, read for sealing: 256 entries at a time, at the places that the log remembers. And
 * the slow question, asked only once sealing has failed, whether that file is what was committed.
 */
import { CairnError, hashFramedEntry, isSameBytes, type Sha256 } from "@cairnlog/core";
import { bundleEntries, frameCount, tailPath, type LogReader } from "@cairnlog/store";

/** Frames are read together up to this length: a read of its own for each costs more than the bytes do. */
const readByteLength = 512 * 1024;

export interface SegmentTailPlace {
  /** Seq of the segment's first entry. */
  readonly first: number;
  /** By frame: offset in the tail file where it ends. */
  readonly frameEnds: Float64Array;
}

export class SegmentTail {
  readonly #reader: Pick<LogReader, "name" | "read">;
  readonly #place: SegmentTailPlace;
  readonly #path: string;
  /** The frames that were read last: from, up to not including, and their bytes. */
  #from = 0;
  #until = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(reader: Pick<LogReader, "name" | "read">, place: SegmentTailPlace) {
    this.#reader = reader;
    this.#place = place;
    this.#path = tailPath(place.first);
  }

  /** The 256 entries of a frame, each u16be length || entry. The bytes are the caller's own. "tampered". */
  async readFrame(frame: number): Promise<Uint8Array> {
    if (frame < this.#from || frame >= this.#until) await this.#load(frame);
    const runAt = this.#startOf(this.#from);
    return this.#bytes.subarray(this.#startOf(frame) - runAt, this.#endOf(frame) - runAt);
  }

  /**
   * Hashes the tail's entries where they lie and compares. The first one that is not the one with its leaf hash is an
   * error; undefined where all are what was committed.
   */
  async findDamage(sha256: Sha256, leafHashes: Uint8Array): Promise<CairnError | undefined> {
    for (let frame = 0; frame < frameCount; frame++) {
      const bytes = await this.readFrame(frame);
      let at = 0;
      for (let i = bundleEntries * frame; i < bundleEntries * (frame + 1); i++) {
        const length = at + 2 <= bytes.length ? bytes[at]! * 256 + bytes[at + 1]! : 0;
        const isThere = length > 0 && at + 2 + length <= bytes.length;
        const expected = leafHashes.subarray(32 * i, 32 * i + 32);
        if (!isThere || !isSameBytes(hashFramedEntry(sha256, bytes, at, length), expected)) {
          const byte = this.#startOf(frame) + at;
          return this.#tampered(this.#place.first + i, byte, "is not the one that was committed");
        }
        at += 2 + length;
      }
    }
    return undefined;
  }

  async #load(frame: number): Promise<void> {
    const runAt = this.#startOf(frame);
    let until = frame + 1;
    while (until < frameCount && this.#endOf(until) - runAt <= readByteLength) until++;
    const length = this.#endOf(until - 1) - runAt;
    const bytes = await this.#reader.read(this.#path, runAt, length);
    if (bytes?.length !== length) {
      const seq = this.#place.first + bundleEntries * frame;
      throw this.#tampered(seq, runAt + (bytes?.length ?? 0), "or a later one has been lost");
    }
    this.#bytes = bytes;
    this.#from = frame;
    this.#until = until;
  }

  #startOf(frame: number): number {
    return frame === 0 ? 0 : this.#endOf(frame - 1);
  }

  #endOf(frame: number): number {
    return this.#place.frameEnds[frame]!;
  }

  #tampered(seq: number, byte: number, what: string): CairnError {
    const { name } = this.#reader;
    return new CairnError(
      "tampered",
      `the tail of the log ${name} is damaged: entry ${seq} in ${this.#path} at byte ${byte} ${what}. It cannot be ` +
        "sealed. Keep the file as evidence; go on from a mirror or copy that verifies",
      { place: { log: name, seq, path: this.#path, byte } },
    );
  }
}

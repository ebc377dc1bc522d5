/**
 * Reads the frames (u16be length || entry) of a tail file in order, with a bounded buffer, and remembers where it is.
 */
import type { LogFolder } from "./folder.ts";

const chunkByteLength = 1024 * 1024;
const framingByteLength = 2;

export interface Frame {
  /** Valid until the next call. */
  readonly entry: Uint8Array;
  /** Offset of its length field in the file. */
  readonly offset: number;
  readonly end: number;
}

export class TailFrames {
  readonly #folder: LogFolder;
  readonly path: string;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Offset in the file of the first byte in `#bytes`. */
  #base = 0;
  #isLast = false;
  /** Where the next frame begins. */
  offset = 0;

  constructor(folder: LogFolder, path: string) {
    this.#folder = folder;
    this.path = path;
  }

  /** Reads the file's beginning; false where there is no such file. */
  async open(): Promise<boolean> {
    const bytes = await this.#folder.read(this.path, 0, chunkByteLength);
    if (bytes === undefined) return false;
    this.#take(bytes, 0);
    return true;
  }

  /** The next frame; undefined at a length of zero, or where the file ends before the frame does. */
  async next(): Promise<Frame | undefined> {
    const frame = await this.peek();
    if (frame !== undefined) this.offset = frame.end;
    return frame;
  }

  /** The same without going on. */
  async peek(): Promise<Frame | undefined> {
    return this.#find(this.offset) ?? (await this.#refill()) ?? undefined;
  }

  async #refill(): Promise<Frame | undefined> {
    if (this.#isLast || this.#base === this.offset || this.#isAtZeros()) return undefined;
    const bytes = await this.#folder.read(this.path, this.offset, chunkByteLength);
    this.#take(bytes ?? new Uint8Array(0), this.offset);
    return this.#find(this.offset);
  }

  #isAtZeros(): boolean {
    const at = this.offset - this.#base;
    return this.#bytes[at] === 0 && this.#bytes[at + 1] === 0;
  }

  #take(bytes: Uint8Array, base: number): void {
    this.#bytes = bytes;
    this.#base = base;
    this.#isLast = bytes.length < chunkByteLength;
  }

  #find(offset: number): Frame | undefined {
    const at = offset - this.#base;
    const bytes = this.#bytes;
    if (at + framingByteLength > bytes.length) return undefined;
    const begin = at + framingByteLength;
    const end = begin + bytes[at]! * 256 + bytes[at + 1]!;
    if (end === begin || end > bytes.length) return undefined;
    return { entry: bytes.subarray(begin, end), offset, end: this.#base + end };
  }
}

/**
 * Where syslog messages begin and end on a stream: RFC 6587's two ways, told apart by how the stream begins. Octet
 * counting is "MSG-LEN SP MSG", and a message begins with "<"; anything else is one message a line.
 *
 * Invariants: every byte of the stream is in a message or is framing; memory is bounded by `messageBytesMax` and one
 * chunk. A longer message comes in pieces of that size. Who announces a count and then sends something else is read
 * line by line until the next count.
 */
import { ByteQueue } from "./byte-queue.ts";

export interface Frame {
  /** A view, good until the next `push`. */
  readonly bytes: Uint8Array;
  readonly piece?: { readonly number: number; readonly isLast: boolean };
  /** The stream ended in the middle of it. */
  readonly isTorn?: boolean;
}

const lf = 0x0a;
const space = 0x20;
const lessThan = 0x3c;
const countDigitsMax = 9;

export class StreamFrames {
  readonly #queue = new ByteQueue();
  readonly #messageBytesMax: number;
  #mode: "unknown" | "counted" | "lines" = "unknown";
  /** Bytes of the counted message that were not yet given out; 0 between messages. */
  #left = 0;
  /** Pieces of the current message that were given out. */
  #pieces = 0;
  /** So many of the waiting bytes are known to hold no LF. */
  #searched = 0;
  /** Within a stream of counts, a line that is none. */
  #isStray = false;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  get framing(): "unknown" | "counted" | "lines" {
    return this.#mode;
  }

  /** The messages that are complete with `chunk`. They must be read before the next call. */
  push(chunk: Uint8Array): Frame[] {
    this.#queue.append(chunk);
    const frames: Frame[] = [];
    for (;;) {
      const frame = this.#next();
      if (frame === undefined) return frames;
      if (frame.bytes.length > 0) frames.push(frame);
    }
  }

  /** What is left when the stream ends. A last line without LF is whole where the sender ended the stream itself. */
  end(isClean: boolean): Frame | undefined {
    const { bytes } = this.#queue;
    if (bytes.length === 0 && this.#pieces === 0) return undefined;
    const isCut = this.#left > 0 || this.#pieces > 0;
    const isTorn = isCut || !isClean;
    const frame = this.#frame(bytes, true);
    return isTorn ? { ...frame, isTorn } : frame;
  }

  #next(): Frame | undefined {
    if (this.#left === 0 && this.#pieces === 0 && !this.#isStray) {
      const start = this.#readStart();
      if (start === "wait") return undefined;
    }
    return this.#left > 0 ? this.#nextCounted() : this.#nextLine();
  }

  /** Reads a count if there is one. "wait" while what came does not tell. */
  #readStart(): "wait" | "read" {
    if (this.#mode === "lines") return "read";
    const { bytes } = this.#queue;
    let digits = 0;
    let count = 0;
    while (digits < bytes.length && digits <= countDigitsMax) {
      const digit = bytes[digits]! - 0x30;
      if (!(digit >= 0 && digit <= 9) || (digits === 0 && digit === 0)) break;
      count = count * 10 + digit;
      digits++;
    }
    const isMaybe = digits > 0 || bytes.length === 0;
    if (isMaybe && digits <= countDigitsMax) {
      if (digits === bytes.length) return "wait";
      const isCount = bytes[digits] === space;
      const isFirst = this.#mode === "unknown";
      if (isCount && isFirst && digits + 1 === bytes.length) return "wait";
      if (isCount && (!isFirst || bytes[digits + 1] === lessThan)) {
        this.#mode = "counted";
        this.#queue.take(digits + 1);
        this.#left = count;
        return "read";
      }
    }
    if (this.#mode === "counted") this.#isStray = true;
    else this.#mode = "lines";
    return "read";
  }

  #nextCounted(): Frame | undefined {
    const size = Math.min(this.#left, this.#messageBytesMax);
    const { bytes } = this.#queue;
    if (bytes.length < size) return undefined;
    this.#left -= size;
    return this.#give(bytes.subarray(0, size), size, this.#left === 0);
  }

  #nextLine(): Frame | undefined {
    const { bytes } = this.#queue;
    if (bytes.length === 0) return undefined;
    const end = bytes.indexOf(lf, this.#searched);
    if (end >= 0 && end <= this.#messageBytesMax) {
      this.#isStray = false;
      return this.#give(bytes.subarray(0, end), end + 1, true);
    }
    if (bytes.length > this.#messageBytesMax) {
      return this.#give(bytes.subarray(0, this.#messageBytesMax), this.#messageBytesMax, false);
    }
    this.#searched = bytes.length;
    return undefined;
  }

  #give(bytes: Uint8Array, taken: number, isLast: boolean): Frame {
    this.#queue.take(taken);
    this.#searched = 0;
    return this.#frame(bytes, isLast);
  }

  #frame(bytes: Uint8Array, isLast: boolean): Frame {
    const number = this.#pieces + 1;
    this.#pieces = isLast ? 0 : number;
    return isLast && number === 1 ? { bytes } : { bytes, piece: { number, isLast } };
  }
}

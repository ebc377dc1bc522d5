/**
 * Writes the entries of one commit. They share time and source, so the head is laid out once, and per entry only what
 * differs is written into it: seq, prev and salt. The bytes are those of `writeEntry`, which is the plain way; a test
 * holds the two against each other. Measured: 0.13 µs instead of 0.25 µs for a 300-byte event.
 */
import { writeBase64Range } from "./encoding.ts";
import {
  headByteLengthMax,
  prevOffset,
  saltByteLength,
  saltOffset,
  seqLabel,
  writeHead,
  writeSeq,
  type EntryHead,
} from "./entry-head.ts";
import { assert } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import { eventByteLengthMax } from "./json.ts";

const closeBrace = 0x7d;
const seqAt = seqLabel.length;

export class EntryRenderer {
  #time = "";
  #source = "";
  /** The head of an entry 0, from the comma after `seq` on. */
  #rest = new Uint8Array(0);

  /** Sets what the next entries have in common. */
  begin(time: string, source: string): void {
    if (time === this.#time && source === this.#source) return;
    const zeros = { prev: new Uint8Array(hashByteLength), salt: new Uint8Array(saltByteLength) };
    const head: EntryHead = { seq: 0, ...zeros, time, source };
    const bytes = new Uint8Array(headByteLengthMax);
    this.#rest = bytes.slice(seqAt + 1, writeHead(head, bytes, 0));
    this.#time = time;
    this.#source = source;
  }

  /**
   * Writes the entry of `seq` around the event at [start, end) of `event` into `out` at `at`; returns its end. The
   * salt is the 18 bytes at `saltFrom` of `salts`. `out` has room for it.
   */
  write(
    out: Uint8Array,
    at: number,
    seq: number,
    prev: Hash,
    salts: Uint8Array,
    saltFrom: number,
    event: Uint8Array,
    start: number,
    end: number,
  ): number {
    const length = end - start;
    assert(length >= 2 && length <= eventByteLengthMax, `an event of ${length} bytes`);
    assert(prev.length === hashByteLength && this.#rest.length > 0, "begin comes first");
    for (let i = 0; i < seqAt; i++) out[at + i] = seqLabel[i]!;
    const base = writeSeq(seq, out, at + seqAt);
    out.set(this.#rest, base);
    writeBase64Range(prev, 0, hashByteLength, out, base + prevOffset);
    writeBase64Range(salts, saltFrom, saltFrom + saltByteLength, out, base + saltOffset);
    const eventAt = base + this.#rest.length;
    out.set(event.subarray(start, end), eventAt);
    out[eventAt + length] = closeBrace;
    return eventAt + length + 1;
  }
}

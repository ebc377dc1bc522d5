/**
 * Renders the entries of one commit: chains them, hashes them into the tree, and lays them out as they will lie in
 * the tail, u16be length || entry. The hot path of the log: one entry costs one copy of its event, one leaf hash and
 * on average one node hash.
 *
 * It changes the tree in memory before anything is durable. That is safe because readers are bound to the durable
 * size, and because a log whose commit fails never goes on with this memory.
 */
import {
  EntryRenderer,
  hashByteLength,
  hashFramedEntryInto,
  headByteLengthMax,
  saltByteLength,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import type { TailPart } from "@cairnlog/store";
import type { LogTree } from "./log-tree.ts";
import type { OpenSegment } from "./open-segment.ts";

const bufferLengthAtStart = 65_536;
/** A buffer that one huge commit needed is not kept for ever. */
const bufferLengthKept = 16 * 1024 * 1024;
const saltsAtOnce = 1024;
const framingByteLength = 2;

interface Part {
  readonly segment: OpenSegment;
  /** Where the part begins in its tail file, and in the buffer. */
  readonly tailOffset: number;
  readonly begin: number;
}

export type RandomFill = (bytes: Uint8Array) => void;

export class CommitBuilder {
  readonly #sha256: Sha256;
  readonly #tree: LogTree;
  readonly #randomFill: RandomFill;
  readonly #salts = new Uint8Array(saltsAtOnce * saltByteLength);
  #saltAt = this.#salts.length;
  #buffer = new Uint8Array(bufferLengthAtStart);
  #used = 0;
  #parts: Part[] = [];
  #entries = 0;
  readonly #renderer = new EntryRenderer();
  #time = "";
  /** Leaf hash of the entry before. Each entry's is written over it. */
  readonly #prev = new Uint8Array(hashByteLength);

  constructor(sha256: Sha256, tree: LogTree, prev: Hash, randomFill: RandomFill) {
    this.#sha256 = sha256;
    this.#tree = tree;
    this.#randomFill = randomFill;
    this.#prev.set(prev);
  }

  get entries(): number {
    return this.#entries;
  }

  get byteLength(): number {
    return this.#used;
  }

  /** Begins a commit. `time` is the one of all its entries, 24 characters. */
  begin(time: string): void {
    this.#time = time;
    this.#used = 0;
    this.#entries = 0;
    this.#parts = [];
    if (this.#buffer.length > bufferLengthKept) this.#buffer = new Uint8Array(bufferLengthAtStart);
  }

  /**
   * Appends an entry around the event at [start, end) of `bytes`. Returns its leaf hash, in an array that the next
   * entry's is written over.
   */
  append(
    source: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    idHigh: number,
    idLow: number,
  ): Hash {
    const at = this.#used;
    this.#makeRoom(at + framingByteLength + headByteLengthMax + 1 + end - start);
    const buffer = this.#buffer;
    const salt = this.#nextSalt();
    this.#renderer.begin(this.#time, source);
    const entryEnd = this.#renderer.write(
      buffer,
      at + framingByteLength,
      this.#tree.size,
      this.#prev,
      this.#salts,
      salt,
      bytes,
      start,
      end,
    );
    const entryLength = entryEnd - at - framingByteLength;
    const leafHash = this.#prev;
    hashFramedEntryInto(this.#sha256, buffer, at, entryLength, leafHash);
    const segment = this.#tree.current();
    if (this.#parts.at(-1)?.segment !== segment) {
      this.#parts.push({ segment, tailOffset: segment.tailLength, begin: at });
    }
    this.#tree.append(segment, leafHash, framingByteLength + entryLength, idHigh, idLow);
    this.#used = entryEnd;
    this.#entries++;
    return leafHash;
  }

  /** What to write where. Views of the buffer: valid until `begin`. */
  tailParts(): TailPart[] {
    return this.#parts.map((part, i) => ({
      first: part.segment.first,
      offset: part.tailOffset,
      bytes: this.#buffer.subarray(part.begin, this.#parts[i + 1]?.begin ?? this.#used),
    }));
  }

  #makeRoom(length: number): void {
    if (length <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }

  /** Where the next salt lies. */
  #nextSalt(): number {
    if (this.#saltAt >= this.#salts.length) {
      this.#randomFill(this.#salts);
      this.#saltAt = 0;
    }
    const salt = this.#saltAt;
    this.#saltAt += saltByteLength;
    return salt;
  }
}

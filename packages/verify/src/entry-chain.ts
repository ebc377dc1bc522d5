/**
 * Entries one after another, as a log must have them: each is entry `size`, continues the one before it, is not
 * earlier, and is in its one spelling. Says the leaf hash of each.
 *
 * Any tlog-tiles log can be walked over: where entry 0 is no entry of ours, nothing but the hashes is looked at.
 */
import {
  CairnError,
  EventScanner,
  genesisPrev,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseEntry,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import { recordedBlobs, type OnBlob } from "@cairnlog/store";

/** Where a chain stands: all that the next entry is held against. */
export interface ChainPosition {
  /** Entries so far. */
  readonly size: number;
  /** Leaf hash of the last one; 32 zero bytes before the first. */
  readonly prev: Hash;
  /** Milliseconds since 1970 of the last one; -Infinity before the first, and in a log of others. */
  readonly lastTimeMs: number;
  /** Whether the entries are Cairn's; known from entry 0 on. */
  readonly isOurs: boolean;
}

export const chainBegin: ChainPosition = {
  size: 0,
  prev: genesisPrev(),
  lastTimeMs: -Infinity,
  isOurs: true,
};

export class EntryChain {
  readonly #sha256: Sha256;
  readonly #scanner = new EventScanner();
  #size: number;
  #prev: Hash;
  #lastTimeMs: number;
  #isOurs: boolean;
  /** As the entries spell them; of those that were taken here. */
  firstTime: string | undefined;
  lastTime: string | undefined;

  readonly #onBlob: OnBlob | undefined;

  /** `onBlob` is called for each blob that an entry names, once that was taken. */
  constructor(sha256: Sha256, from: ChainPosition = chainBegin, onBlob?: OnBlob) {
    this.#onBlob = onBlob;
    this.#sha256 = sha256;
    this.#size = from.size;
    this.#prev = from.prev;
    this.#lastTimeMs = from.lastTimeMs;
    this.#isOurs = from.isOurs;
  }

  get size(): number {
    return this.#size;
  }

  get isOurs(): boolean {
    return this.#isOurs;
  }

  position(): ChainPosition {
    const [size, prev] = [this.#size, this.#prev];
    return { size, prev, lastTimeMs: this.#lastTimeMs, isOurs: this.#isOurs };
  }

  /**
   * The leaf hash of the next entry. "malformed" if it is not in its one spelling (with the byte), "unverified" if it
   * does not follow the one before; then it was not taken.
   */
  take(bytes: Uint8Array): Hash {
    const seq = this.#size;
    const leafHash = hashLeaf(this.#sha256, bytes);
    if (this.#isOurs) this.#follow(bytes, seq);
    this.#prev = leafHash;
    this.#size++;
    return leafHash;
  }

  #follow(bytes: Uint8Array, seq: number): void {
    let entry: ReturnType<typeof parseEntry>;
    try {
      entry = parseEntry(bytes, this.#scanner);
    } catch (error) {
      if (!isCairnError(error) || seq > 0) throw error;
      this.#isOurs = false;
      return;
    }
    const fault = this.#fault(entry.seq, entry.prev, entry.timeMs);
    if (fault !== undefined) {
      throw new CairnError("unverified", `entry ${seq} ${fault}`, { place: { seq } });
    }
    this.#lastTimeMs = entry.timeMs;
    this.firstTime ??= entry.time;
    this.lastTime = entry.time;
    if (this.#onBlob === undefined) return;
    for (const blob of recordedBlobs(this.#scanner, bytes)) this.#onBlob(seq, blob);
  }

  #fault(seq: number, prev: Hash, timeMs: number): string | undefined {
    if (seq !== this.#size) return `says that it is entry ${seq}`;
    if (!isSameBytes(prev, this.#prev)) {
      return "does not continue the entry before it: one of the two was changed";
    }
    return timeMs < this.#lastTimeMs ? "is earlier than the entry before it" : undefined;
  }
}

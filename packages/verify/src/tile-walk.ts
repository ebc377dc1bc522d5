/**
 * Walks over a log's entry bundles from the first to the last, a few requests ahead, and compares every tile of the
 * tree with what the entries hash to. Holds the right edge of each level and the answers that are on their way, no
 * more.
 */
import {
  hashOfTile,
  isCairnError,
  isSameBytes,
  parseEntryBundle,
  RightEdge,
  tilePath,
  tileWidth,
  tileWidthMax,
  type Crypto,
  type Hash,
} from "@cairnlog/core";
import type { OnBlob } from "@cairnlog/store";
import { chainBegin, EntryChain } from "./entry-chain.ts";
import type { Fetcher } from "./fetching.ts";
import { codeOf, type Findings } from "./report.ts";
import type { RootClaims } from "./root-claims.ts";

export interface TileWalkOptions {
  readonly fetcher: Fetcher;
  readonly crypto: Crypto;
  readonly findings: Findings;
  readonly claims: RootClaims;
  readonly size: number;
  readonly parallel: number;
  readonly signal: AbortSignal | undefined;
  readonly onEntries: (entriesDone: number) => void;
  readonly onBlob: OnBlob;
}

interface Bundle {
  readonly index: number;
  readonly width: number;
  readonly entries: Promise<Uint8Array>;
  readonly tile: Promise<Uint8Array>;
}

const hashByteLength = 32;

/** The tile of one level that is being filled. */
interface Level {
  index: number;
  count: number;
  readonly hashes: Uint8Array;
}

export class TileWalk {
  static readonly bundleByteLengthMax = tileWidthMax * (2 + 0xffff);
  files = 1;
  readonly #options: TileWalkOptions;
  readonly #edge: RightEdge;
  readonly #levels: Level[] = [];
  readonly #chain: EntryChain;

  constructor(options: TileWalkOptions) {
    this.#options = options;
    this.#edge = new RightEdge(options.crypto.sha256);
    this.#chain = new EntryChain(options.crypto.sha256, chainBegin, options.onBlob);
  }

  get entries(): number {
    return this.#chain.size;
  }

  get firstTime(): string | undefined {
    return this.#chain.firstTime;
  }

  get lastTime(): string | undefined {
    return this.#chain.lastTime;
  }

  /** Goes on to the first damage: behind it a hostile server could make it go on for ever. */
  async run(): Promise<void> {
    const { size, parallel, signal, claims, onEntries } = this.#options;
    if (claims.isWaiting(0)) claims.settle(0, this.#edge.root());
    const ahead: Bundle[] = [];
    const count = Math.ceil(size / tileWidthMax);
    let next = 0;
    try {
      for (let index = 0; index < count; index++) {
        while (next < count && ahead.length < Math.max(1, Math.floor(parallel / 2))) {
          ahead.push(this.#request(next++));
        }
        signal?.throwIfAborted();
        if (!(await this.#take(ahead.shift()!))) return;
        onEntries(this.entries);
      }
      await this.#finishLevels();
    } finally {
      claims.finish();
    }
  }

  #request(index: number): Bundle {
    const { size, fetcher } = this.#options;
    const width = tileWidth("entries", index, size);
    const entries = fetcher.get(
      tilePath({ level: "entries", index, width }),
      TileWalk.bundleByteLengthMax,
    );
    const tile = fetcher.get(tilePath({ level: 0, index, width }), width * hashByteLength);
    // Whoever takes the bundle hears of a failure; that nobody does, after damage, is no reason to end the process.
    entries.catch(() => undefined);
    tile.catch(() => undefined);
    return { index, width, entries, tile };
  }

  /** Checks a bundle and its tile. False at damage. */
  async #take({ index, width, entries, tile }: Bundle): Promise<boolean> {
    const { findings } = this.#options;
    const path = tilePath({ level: "entries", index, width });
    try {
      const bundle = await entries;
      const ranges = parseEntryBundle(bundle, width);
      this.files++;
      for (const { begin, end } of ranges) {
        if (!this.#takeEntry(bundle.subarray(begin, end), path, begin)) return false;
      }
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const code = error.code === "not_found" ? "missing" : codeOf(error, "entry");
      findings.caught(error, code, { seq: this.entries, path });
      return false;
    }
    const hashes = this.#levels[0]!.hashes.subarray(0, width * hashByteLength);
    if (!(await this.#compare(0, index, hashes, tile))) return false;
    return width < tileWidthMax || this.#completeLevel(0);
  }

  #takeEntry(bytes: Uint8Array, path: string, byte: number): boolean {
    const { findings, claims } = this.#options;
    const chain = this.#chain;
    const place = { seq: chain.size, path, byte };
    let leafHash: Hash;
    try {
      leafHash = chain.take(bytes);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const at = { ...place, byte: byte + (error.place.byte ?? 0) };
      const code = error.code === "unverified" ? "chain" : "entry";
      findings.problem(codeOf(error, code), error.message, at);
      return false;
    }
    if (place.seq === 0 && !chain.isOurs) {
      const what =
        "the entries are not Cairn's: their chain and order are not looked at, only the tree";
      findings.note("entry", what, place);
    }
    this.#edge.append(leafHash);
    this.#push(0, leafHash);
    if (claims.isWaiting(chain.size)) claims.settle(chain.size, this.#edge.root());
    return true;
  }

  #push(level: number, hash: Hash): void {
    const at = (this.#levels[level] ??= {
      index: 0,
      count: 0,
      hashes: new Uint8Array(tileWidthMax * hashByteLength),
    });
    at.hashes.set(hash, at.count * hashByteLength);
    at.count++;
  }

  /** A full tile was compared: its root goes to the level above, whose tile may be full then. */
  async #completeLevel(level: number): Promise<boolean> {
    const at = this.#levels[level]!;
    const root = hashOfTile(this.#options.crypto.sha256, at.hashes);
    at.index++;
    at.count = 0;
    this.#push(level + 1, root);
    const above = this.#levels[level + 1]!;
    if (above.count < tileWidthMax) return true;
    const tile = this.#fetch(level + 1, above.index, tileWidthMax);
    if (!(await this.#compare(level + 1, above.index, above.hashes, tile))) return false;
    return this.#completeLevel(level + 1);
  }

  /** The partial tiles above level 0, at the right edge. */
  async #finishLevels(): Promise<void> {
    for (const [level, { index, count, hashes }] of this.#levels.entries()) {
      if (level === 0 || count === 0) continue;
      const tile = this.#fetch(level, index, count);
      await this.#compare(level, index, hashes.subarray(0, count * hashByteLength), tile);
    }
  }

  #fetch(level: number, index: number, width: number): Promise<Uint8Array> {
    return this.#options.fetcher.get(tilePath({ level, index, width }), width * hashByteLength);
  }

  async #compare(
    level: number,
    index: number,
    expected: Uint8Array,
    tile: Promise<Uint8Array>,
  ): Promise<boolean> {
    const { findings } = this.#options;
    const path = tilePath({ level, index, width: expected.length / hashByteLength });
    const seq = index * tileWidthMax ** (level + 1);
    try {
      const found = await tile;
      this.files++;
      if (isSameBytes(found, expected)) return true;
      const at = expected.findIndex((byte, i) => byte !== found[i]);
      const byte = at < 0 ? expected.length : at;
      findings.problem("tile", "the tile is not what the entries hash to", { seq, path, byte });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const code = error.code === "not_found" ? "missing" : codeOf(error, "tile");
      findings.caught(error, code, { seq, path });
    }
    return false;
  }
}

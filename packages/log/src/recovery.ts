/**
 * Opens what a log left on its medium: finds the newest commit, checks that the tail still hashes to its root, and
 * decides about what lies beyond.
 *
 * Two kinds of bytes, two ways to treat them. Up to the commit the bytes were acknowledged: if one of them is wrong,
 * the log does not start, whatever it costs, and says which entry is the first that is wrong. Beyond the commit
 * nobody was promised anything: entries that are whole and chained are kept (their checkpoint may have been signed,
 * so no other root may ever be signed for their size), the rest is moved to `lost/`, never deleted.
 *
 * There is no way around a refusal here, by design. The ways on are a mirror or copy that verifies, or a successor.
 */
import {
  CairnError,
  completeNodes,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseEntry,
  parseEntryHead,
  RightEdge,
  type Entry,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import {
  type Commit,
  type IdHasher,
  type LogStore,
  segmentEntries,
  tailPath,
} from "@cairnlog/store";
import type { IdTable } from "./id-table.ts";
import { findIdRange } from "./event-batch.ts";
import type { LogTree } from "./log-tree.ts";
import type { OpenSegment } from "./open-segment.ts";
import type { StreamReader } from "./sources/read-streams.ts";
import { readTwice, unsteady } from "./steady-read.ts";
import type { RecoveredRest } from "./system-events.ts";
import { endOfBytes, tailFirsts, tailFrames, type TailFrame } from "./tail-scan.ts";

const framingByteLength = 2;
const entryByteLengthMax = 65_535;
const lostPieceLength = 1024 * 1024;
const lostFolder = "lost";

export interface Recovered {
  /** Leaf hash and time of the last entry, kept ones included. */
  readonly prev: Hash;
  readonly lastTimeMs: number;
  /** What was found beyond the commit; undefined after a clean end. */
  readonly rest: RecoveredRest | undefined;
}

export interface RecoveryParts {
  readonly store: LogStore;
  readonly sha256: Sha256;
  /** Holds the sealed segments already; gets the entries of the tail. */
  readonly tree: LogTree;
  readonly ids: IdTable;
  readonly idHasher: IdHasher;
  /** Reads every entry of the tail. */
  readonly streams: StreamReader;
  readonly commit: Commit;
  /** Throws if the committed size can't be right. Called before anything is changed. */
  readonly check: (committedSize: number) => Promise<void>;
  /** Of the last sealed entry. */
  readonly prev: Hash;
  readonly lastTimeMs: number;
}

type Lost = RecoveredRest["lost"][number];

export async function recoverTail(parts: RecoveryParts): Promise<Recovered> {
  return new Recovery(parts).run();
}

class Recovery {
  readonly #parts: RecoveryParts;
  #prev: Hash;
  #lastTimeMs: number;
  /** Where the first frame that was not taken begins, in the file that is being read. */
  #end = 0;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.#prev = parts.prev;
    this.#lastTimeMs = parts.lastTimeMs;
  }

  async run(): Promise<Recovered> {
    const { store, tree, commit, check } = this.#parts;
    const from = tree.size;
    const tails = await tailFirsts(store);
    const ends: { readonly first: number; readonly end: number }[] = [];
    let first = from;
    while (tails.includes(first)) {
      await this.#takeTail(first);
      ends.push({ first, end: this.#end });
      if (tree.size < first + segmentEntries) break;
      first += segmentEntries;
    }
    this.#checkCommit();
    await check(commit.size);
    // Only now is anything changed: of a log that is refused, every byte stays where it is.
    if (tree.size < first + segmentEntries) await this.#lookAgain(first, this.#end);
    for (const taken of ends) await this.#setAside(taken.first, taken.end);
    for (const later of tails.filter((tail) => tail > first)) await this.#setAside(later, 0);
    const lost = await this.#untold();
    const kept = { from: commit.size, to: tree.size };
    if (kept.to > kept.from) await this.#rewrite(kept.from, from);
    const hasRest = kept.to > kept.from || lost.length > 0;
    const rest = hasRest ? { kept, lost } : undefined;
    return { prev: this.#prev, lastTimeMs: this.#lastTimeMs, rest };
  }

  /** Reads one tail file: what was committed must be right, what follows is taken as long as it is. */
  async #takeTail(first: number): Promise<void> {
    const { store, tree, commit } = this.#parts;
    this.#end = 0;
    for await (const frames of tailFrames(store, tailPath(first))) {
      for (const [i, frame] of frames.entries()) {
        if (tree.size === first + segmentEntries) return;
        const isCommitted = tree.size < commit.size;
        try {
          this.#take(frame, isCommitted);
        } catch (error) {
          if (!isCairnError(error)) throw error;
          if (isCommitted) throw this.#damaged(first, frame, frames[i + 1], error);
          return;
        }
        this.#end = frame.offset + framingByteLength + (frame.end - frame.start);
      }
    }
  }

  /** Takes one entry into the tree if it is the next one. Beyond the commit, the event is read strictly as well. */
  #take(frame: TailFrame, isCommitted: boolean): void {
    const { sha256, tree, ids, idHasher, streams } = this.#parts;
    const bytes = frame.bytes.subarray(frame.start, frame.end);
    const entry = this.#next(bytes, isCommitted);
    const leafHash = hashLeaf(sha256, bytes);
    const [from, to] = [entry.eventOffset, bytes.length - 1];
    const id = findIdRange(bytes, from, to, (scanner) =>
      streams.read(entry, scanner, bytes, from, to),
    );
    let high = 0;
    let low = 0;
    if (id !== undefined) {
      idHasher.hash(idHasher.sourceSeed(entry.source), bytes, id.start, id.end);
      high = idHasher.high;
      low = idHasher.low;
      ids.insert(high, low, entry.seq);
    }
    tree.append(tree.current(), leafHash, framingByteLength + bytes.length, high, low);
    this.#prev = leafHash;
    this.#lastTimeMs = entry.timeMs;
  }

  /** Reads the entry that is to be the next one. */
  #next(bytes: Uint8Array, isCommitted: boolean): Entry {
    const { tree } = this.#parts;
    const entry = isCommitted ? parseEntryHead(bytes) : parseEntry(bytes);
    if (entry.seq !== tree.size) {
      throw new CairnError("unverified", `it says it is entry ${entry.seq}`);
    }
    if (!isSameBytes(entry.prev, this.#prev)) {
      throw new CairnError("unverified", "it does not continue the hash chain");
    }
    if (entry.timeMs < this.#lastTimeMs) {
      throw new CairnError("unverified", "its time is before the one of the entry before it");
    }
    return entry;
  }

  /** The tree of the committed size must have the root that was committed. */
  #checkCommit(): void {
    const { store, tree, commit } = this.#parts;
    if (tree.size < commit.size) {
      throw new CairnError(
        "tampered",
        `acknowledged entries are gone: the log ${store.name} had ${commit.size} entries, and entry ` +
          `${tree.size} is the first that is missing from ${tailPath(segmentOf(tree.size))}; ${waysOn}`,
        {
          place: {
            log: store.name,
            seq: tree.size,
            path: tailPath(segmentOf(tree.size)),
            byte: this.#end,
          },
        },
      );
    }
    if (commit.size === 0 || isSameBytes(tree.at(commit.size).root(), commit.root)) return;
    const seq = commit.size - 1;
    const segment = tree.openSegmentOf(seq);
    throw new CairnError(
      "tampered",
      `acknowledged data was changed: the log ${store.name} does not hash to the root of its last commit. The ` +
        `chain holds up to entry ${seq}, so that entry, or a hash in a sealed segment, is what was changed; ${waysOn}`,
      {
        place: {
          log: store.name,
          seq,
          path: tailPath(segmentOf(seq)),
          ...(segment === undefined ? {} : { byte: segment.offsetOf(seq - segment.first) }),
        },
      },
    );
  }

  /** An acknowledged entry is wrong: says which. */
  #damaged(
    first: number,
    frame: TailFrame,
    next: TailFrame | undefined,
    why: CairnError,
  ): CairnError {
    const { store, tree } = this.#parts;
    // A changed entry shows in the chain only at its successor. If this frame is followed by one that continues
    // it, then this one is sound, and the one before it was changed.
    const isChain = tree.size > first && why.message.includes("hash chain");
    const isSound = isChain && this.#isSound(frame, next);
    const seq = isSound ? tree.size - 1 : tree.size;
    const path = tailPath(first);
    const segment = tree.openSegmentOf(seq);
    const byte = seq < tree.size && segment ? segment.offsetOf(seq - first) : frame.offset;
    return new CairnError(
      "tampered",
      `acknowledged data was changed: entry ${seq} of the log ${store.name}, at byte ${byte} of ${path}, ` +
        `is not what was committed (${why.message}); ${waysOn}`,
      { place: { log: store.name, seq, path, byte }, cause: why },
    );
  }

  /**
   * True if the next entry continues this one; or, where it is the last one that was committed, if the committed root
   * is had from the leaf hash that it holds for the entry before it.
   */
  #isSound(frame: TailFrame, next: TailFrame | undefined): boolean {
    const { sha256, tree, commit } = this.#parts;
    const leaf = hashLeaf(sha256, frame.bytes.subarray(frame.start, frame.end));
    try {
      if (tree.size + 1 < commit.size) {
        if (next === undefined) return false;
        const head = parseEntryHead(next.bytes.subarray(next.start, next.end));
        return isSameBytes(head.prev, leaf);
      }
      const { prev } = parseEntryHead(frame.bytes.subarray(frame.start, frame.end));
      const before = tree.size - 1;
      const peaks = completeNodes(0, before).map(({ level, index }) => tree.node(level, index)!);
      const edge = new RightEdge(sha256, before, peaks);
      edge.append(prev);
      edge.append(leaf);
      return isSameBytes(edge.root(), commit.root);
    } catch (error) {
      if (isCairnError(error)) return false;
      throw error;
    }
  }

  /**
   * A medium may give now this, now that. If a second look at the place where the entries end finds the next one after
   * all, nothing is moved: what was read wrongly once must not be cleared.
   */
  async #lookAgain(first: number, from: number): Promise<void> {
    const { store } = this.#parts;
    const path = tailPath(first);
    const bytes = await store.read(path, from, framingByteLength + entryByteLengthMax);
    if (bytes === undefined || bytes.length < framingByteLength) return;
    const end = framingByteLength + bytes[0]! * 256 + bytes[1]!;
    if (end === framingByteLength || end > bytes.length) return;
    try {
      this.#next(bytes.subarray(framingByteLength, end), false);
    } catch (error) {
      if (isCairnError(error)) return;
      throw error;
    }
    throw unsteady(store, path, from);
  }

  /** Copies what lies in a tail file from `from` on to `lost/`, and only then fills its place with zeros. */
  async #setAside(first: number, from: number): Promise<void> {
    const { store } = this.#parts;
    const path = tailPath(first);
    const end = await endOfBytes(store, path, from);
    if (end !== (await endOfBytes(store, path, from))) throw unsteady(store, path, from);
    if (end === from) return;
    const object = await store.begin(await this.#freeLostPath(first, from));
    try {
      for (let at = from; at < end; at += lostPieceLength) {
        await object.write(await readTwice(store, path, at, Math.min(lostPieceLength, end - at)));
      }
      await object.finish();
    } finally {
      await object.abandon();
    }
    await store.clearTail(first, from);
  }

  /**
   * `lost/<commit>-<first seq of the tail>-<offset in it>`, and a number where an opening that did not come to its end
   * has left something there: it may have seen other bytes.
   */
  async #freeLostPath(first: number, from: number): Promise<string> {
    const { store, commit } = this.#parts;
    const name = [commit.number, first, from].map((n) => String(n).padStart(16, "0")).join("-");
    let path = `${lostFolder}/${name}`;
    for (let n = 1; (await store.byteLength(path)) !== undefined; n++) {
      path = `${lostFolder}/${name}-${n}`;
    }
    return path;
  }

  /**
   * What was put aside and no entry tells of yet: now, or by openings that ended before their `system.recovered` was
   * committed. Its names begin with the number of the newest commit then, which such an opening leaves as it is.
   */
  async #untold(): Promise<Lost[]> {
    const { store, sha256, commit } = this.#parts;
    const since = `${lostFolder}/${String(commit.number).padStart(16, "0")}`;
    const lost: Lost[] = [];
    for (const { path, byteLength } of await store.list(lostFolder)) {
      if (path < since) continue;
      const pieces: Hash[] = [];
      for (let at = 0; at < byteLength; at += lostPieceLength) {
        const length = Math.min(lostPieceLength, byteLength - at);
        // What is told of it is told for ever.
        pieces.push(sha256(await readTwice(store, path, at, length)));
      }
      const digest = pieces.length === 1 ? pieces[0]! : sha256(concatenated(pieces));
      lost.push({ path, byteLength, sha256: digest });
    }
    return lost;
  }

  /**
   * Writes the kept entries once more, in place and synced. They may have been read from a cache that the medium never
   * got (after a failed sync the kernel calls such pages clean), and the next commit builds on them.
   */
  async #rewrite(keptFrom: number, tailFrom: number): Promise<void> {
    const { tree } = this.#parts;
    for (let first = tailFrom; first < tree.size; first += segmentEntries) {
      const segment = tree.openSegmentOf(first);
      if (segment === undefined) continue;
      let from = Math.max(0, keptFrom - first);
      while (from < segment.count) {
        const end = segment.offsetOf(from) + lostPieceLength;
        let to = from + 1;
        while (to < segment.count && segment.offsetOf(to + 1) <= end) to++;
        await this.#rewritePiece(segment, from, to);
        from = to;
      }
    }
  }

  async #rewritePiece(segment: OpenSegment, from: number, to: number): Promise<void> {
    const { store, sha256 } = this.#parts;
    const { first } = segment;
    const offset = segment.offsetOf(from);
    const bytes = await store.read(tailPath(first), offset, segment.offsetOf(to) - offset);
    for (let i = from; i < to; i++) {
      // Read a second time, so that it is checked a second time before it is written over what was right: the entry
      // by its hash, and the length before it, which no hash covers.
      const start = segment.offsetOf(i) - offset + framingByteLength;
      const end = segment.offsetOf(i + 1) - offset;
      const isSame =
        bytes?.length === segment.offsetOf(to) - offset &&
        end - start === bytes[start - 2]! * 256 + bytes[start - 1]! &&
        isSameBytes(hashLeaf(sha256, bytes.subarray(start, end)), segment.tree.node(0, i));
      if (!isSame) throw unsteady(store, tailPath(first), segment.offsetOf(i));
    }
    if (bytes !== undefined) await store.appendTail([{ first, offset, bytes }]);
  }
}

const waysOn =
  "it does not start. Keep its files as evidence; go on from a mirror or copy that verifies, or begin a successor " +
  "with `cairn init --succeeds <checkpoint>`";

function segmentOf(seq: number): number {
  return seq - (seq % segmentEntries);
}

function concatenated(hashes: readonly Hash[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => bytes.set(hash, i * 32));
  return bytes;
}

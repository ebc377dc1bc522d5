/**
 * Checks the entries that are not sealed: every one strictly, in a chain, in order, up to the newest commit; then what
 * lies beyond it, which a crash may leave and nobody was promised; then that nothing follows but zeros.
 *
 * Of what is beyond, entries that are whole and chained are counted. Other bytes are taken for a torn append only where
 * they can be one: an append is contiguous, so inside a sector of 512 bytes nothing stands behind zeros. All else
 * there is damage.
 */
import {
  EventScanner,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseEntry,
  parseEntryHead,
  utf8,
  type Crypto,
  type Entry,
  type Hash,
  type RightEdge,
} from "@cairnlog/core";
import { recordedBlobs, segmentEntries, tailPath, type Commit, type OnBlob } from "@cairnlog/store";
import type { LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";
import type { RootClaims } from "./root-claims.ts";
import { TailFrames, type Frame } from "./tail-frames.ts";
import { findNonZero } from "./zeros.ts";

const sectorByteLength = 512;
const restChunkByteLength = 1024 * 1024;
/** How many sizes beyond the commit are kept as those that the next record may have. */
const nextSizesMax = 4096;

/** Where the log has been hashed to. */
export interface Position {
  /** The tree so far; its size is the next seq. */
  readonly edge: RightEdge;
  /** Leaf hash of the last entry; undefined where it is in a damaged file. */
  prev: Hash | undefined;
  /** Time of the last entry. */
  lastTime: string | undefined;
  lastTimeMs: number;
  /** False once an entry or a sealed file was bad: from then on nothing is known of the tree. */
  isSound: boolean;
}

export interface TailContext {
  readonly folder: LogFolder;
  readonly crypto: Crypto;
  readonly findings: Findings;
  readonly claims: RootClaims;
  /** What is verified ends here. */
  readonly commit: Commit;
  readonly signal: AbortSignal | undefined;
  readonly onEntries: (count: number) => void;
  /** Called for each blob that an entry up to the commit names. */
  readonly onBlob: OnBlob;
  /** Called for the first entry of all. */
  readonly onFirst: (time: string) => void;
}

/** The entries that were found beyond the newest commit. */
export interface Rest {
  /** Records that the next commit may have had. */
  readonly next: Commit[];
  entries: number;
}

const progressEvery = 4096;

/** Checks the tail file of the segment that `position` stands at. */
export async function checkTail(
  context: TailContext,
  position: Position,
  rest: Rest,
): Promise<TailResult> {
  return new TailCheck(context, position, rest, position.edge.size).run();
}

/** Checks a tail file that no entry has reached yet: it holds zeros, or a torn append. */
export async function checkUnusedTail(
  context: TailContext,
  position: Position,
  first: number,
): Promise<void> {
  await new TailCheck(context, position, { next: [], entries: 0 }, first).checkEnd();
}

/** "bad" once an entry of it was: what follows was not looked at. */
export type TailResult = "good" | "bad" | "missing";

class TailCheck {
  readonly #context: TailContext;
  readonly #position: Position;
  readonly #rest: Rest;
  readonly #first: number;
  readonly #frames: TailFrames;
  readonly #scanner = new EventScanner();
  /** Where the entry before the next one begins, in this file. */
  #before: number | undefined;
  /** The tree without the last two entries of the commit. */
  #twoShort: RightEdge | undefined;

  constructor(context: TailContext, position: Position, rest: Rest, first: number) {
    this.#context = context;
    this.#position = position;
    this.#rest = rest;
    this.#first = first;
    this.#frames = new TailFrames(context.folder, tailPath(first));
  }

  async run(): Promise<TailResult> {
    const { commit, signal, onEntries } = this.#context;
    if (!(await this.#frames.open())) return "missing";
    const end = Math.min(commit.size, this.#first + segmentEntries);
    const { edge } = this.#position;
    let reported = edge.size;
    while (edge.size < end) {
      if (!(await this.#takeCommitted())) return "bad";
      if (edge.size - reported === progressEvery || edge.size === end) {
        onEntries(edge.size - reported);
        reported = edge.size;
        signal?.throwIfAborted();
      }
    }
    if (commit.size === end && commit.tailFirst === this.#first) this.#checkOffset();
    await this.#takeRest();
    await this.checkEnd();
    return "good";
  }

  /** Takes the next entry, which was acknowledged. False if it is bad. */
  async #takeCommitted(): Promise<boolean> {
    const seq = this.#position.edge.size;
    const frame = await this.#frames.next();
    if (frame === undefined) {
      this.#report("entry", seq, this.#frames.offset, "is missing, or its length is damaged");
      return false;
    }
    let entry: Entry;
    try {
      entry = parseEntry(frame.entry, this.#scanner);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const byte = frame.offset + 2 + (error.place.byte ?? 0);
      this.#report("entry", seq, byte, `does not parse: ${error.message}`);
      return false;
    }
    const leafHash = hashLeaf(this.#context.crypto.sha256, frame.entry);
    const why = this.#fault(entry);
    if (why === undefined) {
      this.#append(entry, leafHash, frame);
      return true;
    }
    if (why === "chain" && this.#before !== undefined && (await this.#isSound(entry, leafHash))) {
      // So it is the one before it that is not what it was.
      this.#report("chain", seq - 1, this.#before, "is not the one that the next entry continues");
    } else if (why === "chain") {
      this.#report("chain", seq, frame.offset, "does not continue the entry before it");
    } else this.#report("order", seq, frame.offset, why);
    return false;
  }

  #append(entry: Entry, leafHash: Hash, frame: Frame): void {
    const position = this.#position;
    const { claims, onFirst, onBlob } = this.#context;
    if (entry.seq === 0) onFirst(entry.time);
    if (entry.seq === this.#context.commit.size - 2) this.#twoShort = position.edge.clone();
    position.edge.append(leafHash);
    position.prev = leafHash;
    position.lastTime = entry.time;
    position.lastTimeMs = entry.timeMs;
    this.#before = frame.offset;
    for (const blob of recordedBlobs(this.#scanner, frame.entry)) onBlob(entry.seq, blob);
    const { size } = position.edge;
    if (position.isSound && claims.isWaiting(size)) claims.settle(size, position.edge.root());
  }

  /** Why the entry is not the next one of the log; "chain", or words. */
  #fault(entry: Entry): string | undefined {
    const { edge, prev, lastTimeMs } = this.#position;
    if (entry.seq !== edge.size) return `says that it is entry ${entry.seq}`;
    if (prev !== undefined && !isSameBytes(entry.prev, prev)) return "chain";
    return entry.timeMs < lastTimeMs ? "is earlier than the entry before it" : undefined;
  }

  /** Whether the entry is as it was written, as the one after it shows, or for the last one the committed root. */
  async #isSound(entry: Entry, leafHash: Hash): Promise<boolean> {
    const { commit } = this.#context;
    if (entry.seq === commit.size - 1) {
      const edge = this.#twoShort?.clone();
      edge?.append(entry.prev);
      edge?.append(leafHash);
      return edge !== undefined && isSameBytes(edge.root(), commit.root);
    }
    const next = await this.#frames.peek();
    if (next === undefined) return false;
    try {
      return isSameBytes(parseEntryHead(next.entry).prev, leafHash);
    } catch {
      return false;
    }
  }

  #report(code: "entry" | "chain" | "order", seq: number, byte: number, what: string): void {
    const place = { seq, path: this.#frames.path, byte };
    this.#position.isSound = false;
    this.#context.findings.problem(code, `entry ${seq} ${what}`, place);
  }

  #checkOffset(): void {
    const { commit, findings } = this.#context;
    if (commit.tailOffset === this.#frames.offset) return;
    const what = `the newest commit covers ${commit.tailOffset} bytes, its entries end at ${this.#frames.offset}`;
    findings.problem("tail", what, { path: this.#frames.path, byte: this.#frames.offset });
  }

  /** Entries beyond the commit, as far as they are good. */
  async #takeRest(): Promise<void> {
    const position = this.#position;
    const { commit, crypto } = this.#context;
    const next = { number: commit.number + 1, tailFirst: this.#first };
    while (position.edge.size < this.#first + segmentEntries) {
      const frame = await this.#frames.peek();
      if (frame === undefined) return;
      try {
        const entry = parseEntry(frame.entry, this.#scanner);
        if (this.#fault(entry) !== undefined) return;
        position.lastTimeMs = entry.timeMs;
      } catch (error) {
        if (!isCairnError(error)) throw error;
        return;
      }
      const leafHash = hashLeaf(crypto.sha256, frame.entry);
      position.edge.append(leafHash);
      position.prev = leafHash;
      this.#frames.offset = frame.end;
      this.#rest.entries++;
      if (this.#rest.next.length >= nextSizesMax) continue;
      const { size } = position.edge;
      this.#rest.next.push({ ...next, size, root: position.edge.root(), tailOffset: frame.end });
    }
  }

  /** What follows the last whole entry. */
  async checkEnd(): Promise<void> {
    const { folder, findings } = this.#context;
    const { path, offset } = this.#frames;
    const isFull = this.#position.edge.size === this.#first + segmentEntries;
    let torn: number | undefined;
    let from = offset;
    for (;;) {
      const chunk = await folder.read(path, from, restChunkByteLength);
      if (chunk === undefined || chunk.length === 0) break;
      for (let at = findNonZero(chunk, 0); at < chunk.length; at = findNonZero(chunk, at)) {
        const sectorEnd = Math.min(
          chunk.length,
          at + sectorByteLength - ((from + at) % sectorByteLength),
        );
        const sectorAt = Math.max(0, sectorEnd - sectorByteLength);
        const sector = chunk.subarray(sectorAt, sectorEnd);
        const isAtEntry = from + sectorAt === offset;
        if (isFull || !isTornSector(sector) || (isAtEntry && !beginsEntry(sector))) {
          const what = "bytes that are neither entries nor what a torn append leaves";
          findings.problem("tail", what, { path, byte: from + at });
          return;
        }
        torn ??= from + at;
        at = sectorEnd;
      }
      from += chunk.length;
      // Chunks end where sectors do, however the first one began.
      from -=
        from % sectorByteLength === 0 || chunk.length < restChunkByteLength
          ? 0
          : from % sectorByteLength;
    }
    if (torn === undefined) return;
    const what = "an append was not written to its end: nothing in it was acknowledged";
    findings.note("rest", what, { path, byte: torn });
  }
}

/** Whether text begins at the sector's first byte and no two zeros stand before its end. */
function isTornSector(sector: Uint8Array): boolean {
  let end = sector.length;
  while (end > 0 && sector[end - 1] === 0) end--;
  for (let i = 0; i + 1 < end; i++) if (sector[i] === 0 && sector[i + 1] === 0) return false;
  // The high byte of a length may be the zero that a sector begins with; its low byte follows.
  return sector[0] !== 0 || end > 1;
}

const entryBegin = utf8('{"seq":');

/** Whether a sector's part begins with a length and an entry, as far as it goes. */
function beginsEntry(bytes: Uint8Array): boolean {
  const begin = bytes.subarray(2, 2 + entryBegin.length);
  return isSameBytes(begin, entryBegin.subarray(0, begin.length));
}

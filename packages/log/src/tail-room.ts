/**
 * Keeps allocated room ahead of the tail, because syncing a file that grows costs twice as much as syncing one that
 * does not, and because a disk that fills up is then noticed before an entry is half-written.
 *
 * When there is no more room, new events are refused ("storage_full"), and what is allocated already is left to the
 * log's own entries. Small logs stay small: the room grows with the tail.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { segmentEntries, type LogStore } from "@cairnlog/store";
import type { Clock } from "./clock.ts";
import type { LogTree } from "./log-tree.ts";
import type { OpenSegment } from "./open-segment.ts";

const roomMin = 256 * 1024;
const roomMax = 8 * 1024 * 1024;
/** Larger pieces would make the sync of a commit wait for them. */
const pieceMax = 2 * 1024 * 1024;
/** Left to the log's own entries when the disk is full. */
const systemRoom = 32 * 1024;
/** How long a full disk is believed to be full. */
const retryMs = 1000;
/** The next tail file is allocated when its segment is about to begin. */
const nextSegmentAt = segmentEntries - 4096;
/** A log is busy while its tail grows by this much with each commit. Then room is made from here on. */
const busyCommitBytes = 64 * 1024;
const busyAheadAt = segmentEntries / 4;
const aheadMax = 48 * 1024 * 1024;

export class TailRoom {
  readonly #store: LogStore;
  readonly #tree: LogTree;
  readonly #clock: Clock;
  readonly #logName: string;
  readonly #reserved = new Map<number, number>();
  #working: Promise<void> | undefined;
  #shortage: CairnError | undefined;
  #shortSince = 0;
  /** Length of the current tail after the last commit, and whether that was a large one. */
  #lastLength = 0;
  #isBusy = false;

  constructor(store: LogStore, tree: LogTree, clock: Clock, logName: string) {
    this.#store = store;
    this.#tree = tree;
    this.#clock = clock;
    this.#logName = logName;
  }

  /** Why no event can be taken now; undefined while there is room. */
  shortage(): CairnError | undefined {
    if (this.#shortage !== undefined && this.#clock.monotonic() - this.#shortSince > retryMs) {
      this.ensure();
    }
    return this.#shortage;
  }

  /** Whether `byteLength` more bytes of somebody's entries fit into what is allocated. */
  hasRoomFor(byteLength: number): boolean {
    const segment = this.#tree.open.at(-1);
    const isOpen = segment !== undefined && !segment.isFull;
    const first = isOpen ? segment.first : this.#tree.size;
    const used = isOpen ? segment.tailLength : 0;
    return (this.#reserved.get(first) ?? 0) - used >= byteLength + systemRoom;
  }

  /** To be called after each commit. */
  committed(): void {
    const length = this.#tree.open.at(-1)?.tailLength ?? 0;
    this.#isBusy = length - this.#lastLength >= busyCommitBytes;
    this.#lastLength = length;
    this.ensure();
  }

  /** Sees, in the background, that there is room ahead of the tail. */
  ensure(): void {
    if (this.#working !== undefined || this.#wanted() === undefined) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when the background work is done. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /** Waits for room for at least one more entry; returns why there is none. */
  async grown(): Promise<CairnError | undefined> {
    this.ensure();
    await this.settled();
    return this.#shortage;
  }

  async #work(): Promise<void> {
    for (let piece = this.#wanted(); piece !== undefined; piece = this.#wanted()) {
      try {
        await this.#store.reserveTail(piece.first, piece.byteLength);
      } catch (error) {
        if (!isCairnError(error)) throw error;
        this.#shortSince = this.#clock.monotonic();
        this.#shortage = new CairnError(
          error.code === "storage_full" ? "storage_full" : "unavailable",
          `there is no room for further events of the log ${this.#logName}: ${error.message}`,
          { cause: error, place: { log: this.#logName }, retryAfterMs: 10 * retryMs },
        );
        return;
      }
      this.#reserved.set(piece.first, piece.byteLength);
      this.#shortage = undefined;
    }
  }

  /** The next piece to allocate, if the room ahead is less than it should be. */
  #wanted(): { first: number; byteLength: number } | undefined {
    const segment = this.#tree.open.at(-1);
    if (segment === undefined) return this.#piece(this.#tree.size, 0);
    if (!segment.isFull) {
      const piece = this.#piece(segment.first, segment.tailLength);
      if (piece !== undefined) return piece;
    }
    return this.#pieceAhead(segment);
  }

  /**
   * Room in the next tail file. A busy log gets all that its next segment will need, from early on: zeros that are
   * written into the file that is being appended to would make the syncs of its commits wait for them.
   */
  #pieceAhead(segment: OpenSegment): { first: number; byteLength: number } | undefined {
    const first = segment.first + segmentEntries;
    if (!this.#isBusy || segment.count < busyAheadAt) {
      return segment.count >= nextSegmentAt ? this.#piece(first, 0) : undefined;
    }
    const expected = (segment.tailLength / segment.count) * segmentEntries;
    const wanted = Math.min(aheadMax, expected);
    const reserved = this.#reserved.get(first) ?? 0;
    return reserved < wanted ? { first, byteLength: reserved + pieceMax } : undefined;
  }

  #piece(first: number, used: number): { first: number; byteLength: number } | undefined {
    const reserved = this.#reserved.get(first) ?? 0;
    const room = Math.min(roomMax, Math.max(roomMin, used));
    if (reserved - used >= room / 2 && reserved > 0) return undefined;
    const from = Math.max(reserved, used);
    const byteLength = Math.min(from + pieceMax, used + room);
    return byteLength > reserved ? { first, byteLength } : undefined;
  }

  /** Forgets tail files that are gone. */
  forget(first: number): void {
    this.#reserved.delete(first);
  }
}

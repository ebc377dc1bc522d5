/** Which check a file gets, and what the checks remember between two looks. */
import { parseVkey, type Crypto } from "@cairnlog/core";
import { sealedPath, segmentEntries } from "@cairnlog/store";
import { checkCheckpoint, checkFixed, checkIds } from "./check-notes.ts";
import { RingMemory } from "./check-ring.ts";
import { checkSealed, checkTile } from "./check-sealed.ts";
import { TailMemory, type TailCheck } from "./check-tail.ts";
import { damaged, sound } from "./damage.ts";
import type { CheckContext, Verdict } from "./damage.ts";
import type { ReadMode } from "./file-bytes.ts";
import { fileKind, lockPath } from "./file-kinds.ts";
import type { FileTable, Stamp } from "./file-table.ts";
import type { RestingLog } from "./resting-log.ts";

export interface CheckOptions {
  readonly mode: ReadMode;
  readonly tail: TailCheck;
  /** SHA-256 of the file when it was last found sound, of files that never change. */
  readonly known: string | undefined;
  /** What costs more than it finds at every look is compared as well. */
  readonly isThorough: boolean;
}

export class FileChecks {
  readonly #context: Omit<CheckContext, "mode">;
  readonly #table: FileTable;
  readonly #ring = new RingMemory();
  readonly #tails = new Map<number, TailMemory>();
  /** Which file it was when it was first seen, of those that must stay the same one. */
  readonly #inodes = new Map<string, string>();

  constructor(location: string, resting: RestingLog, crypto: Crypto, table: FileTable) {
    const vkeys = resting.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    this.#context = { location, resting, crypto, vkeys };
    this.#table = table;
  }

  async check(path: string, options: CheckOptions): Promise<Verdict> {
    const { known, isThorough } = options;
    const context: CheckContext = { ...this.#context, mode: options.mode };
    const file = fileKind(path);
    switch (file.kind) {
      case "sealed":
        return this.#sealed(context, file.first, known);
      case "ids":
        return this.#ids(context, file.first, path, known);
      case "streams":
        // Whoever reads it compares what it says with the entries: what is asked here is that nobody changes it.
        return checkFixed(context, path, known, false);
      case "tile":
        return checkTile(context, file.level, file.index, path, known);
      case "tail":
        return this.#otherFile(path) ?? this.#tail(file.first).check(context, options.tail);
      case "ring":
        return this.#otherFile(path) ?? this.#checkRing(context, isThorough);
      case "checkpoint":
        return checkCheckpoint(context);
      case "settings":
      case "kept":
        return checkFixed(context, path, known, false);
      case "key":
        return checkFixed(context, path, known, true);
      case "blob":
        // Its name is the hash that it must have, whether or not it was seen before.
        return checkFixed(context, path, file.sha256, false);
      case "lock":
        return this.#lock();
      case "other":
        return sound(0);
    }
  }

  /** Forgets the tail files that are sealed and gone; says which. */
  forgetTails(openFrom: number): readonly TailMemory[] {
    const gone = [...this.#tails.values()].filter(
      ({ first, path }) => first < openFrom && this.#table.stampOf(path) === undefined,
    );
    for (const { first, path } of gone) {
      this.#tails.delete(first);
      this.#inodes.delete(path);
    }
    return gone;
  }

  async #sealed(context: CheckContext, first: number, known: string | undefined): Promise<Verdict> {
    const { openFrom, open } = await context.resting.atRest();
    if (first < openFrom) return checkSealed(context, first, known);
    const path = sealedPath(first);
    const isThere = this.#table.stampOf(path) !== undefined;
    const isBeingSealed = open[0]?.first === first && open[0].count === segmentEntries;
    if (!isThere || isBeingSealed) return sound(0);
    return damaged(path, "the log has sealed no entries there", { seq: first });
  }

  async #ids(
    context: CheckContext,
    first: number,
    path: string,
    known: string | undefined,
  ): Promise<Verdict> {
    const { openFrom } = await context.resting.atRest();
    // Above it: of a segment that is being sealed.
    return first < openFrom ? checkIds(context, first, path, known) : sound(0);
  }

  /** A file that the log is writing to is not written back for us. */
  async #checkRing(context: CheckContext, isThorough: boolean): Promise<Verdict> {
    const { isIdle } = await context.resting.atRest();
    return this.#ring.check({ ...context, mode: isIdle ? "cached" : "live" }, isThorough);
  }

  /** The log keeps this file open: whatever another one in its place holds, what the log writes does not go there. */
  #otherFile(path: string): Verdict | undefined {
    if (this.#isSameFile(path) !== false) return undefined;
    const what = "another file has taken its place, and what the log writes goes to the one before";
    return damaged(path, what, { isVital: true });
  }

  /** Its content says nothing, and opening it would drop the lock: only that it is the same file. */
  #lock(): Verdict {
    const isSame = this.#isSameFile(lockPath);
    if (isSame === true) return sound(0);
    const what = isSame === undefined ? "the file is gone" : "another file has taken its place";
    return damaged(lockPath, `${what}: the log can be taken twice`);
  }

  /** Undefined where there is no file. */
  #isSameFile(path: string): boolean | undefined {
    const inode = inodeOf(this.#table.stampOf(path));
    if (inode === undefined) return undefined;
    const before = this.#inodes.get(path);
    if (before === undefined) this.#inodes.set(path, inode);
    return before === undefined || before === inode;
  }

  #tail(first: number): TailMemory {
    let tail = this.#tails.get(first);
    if (tail === undefined) {
      tail = new TailMemory(first);
      this.#tails.set(first, tail);
    }
    return tail;
  }
}

/** Device and inode. A doubted stamp says neither. */
function inodeOf(stamp: Stamp | undefined): string | undefined {
  return stamp === undefined || stamp === "" ? undefined : stamp.split(" ", 2).join(" ");
}

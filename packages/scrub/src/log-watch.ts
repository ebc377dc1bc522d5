/**
 * Watches over the files of one log: looks which have changed (`look`), re-reads all of them by turns (`step`), holds
 * each against what the log says (`check-*.ts`), and reports damage once, and its end once.
 *
 * How own writes are told from foreign ones. Files that are written once (sealed, id hashes, tiles, settings, keys,
 * what was kept) change by nobody's leave: a change is checked at once. New ones are expected where the log has just
 * sealed; the sealer has read them back, so they are checked with the next pass. Files that the log writes to (tail,
 * commit records, checkpoint) are held against its memory, which knows how far they are durable.
 *
 * This is the whole of the work, without a thread, a timer or an own clock: who calls decides when.
 */
import type { Crypto } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";
import { sealedPath, segmentEntries } from "@cairnlog/store";
import type { TailCheck } from "./check-tail.ts";
import { damaged } from "./damage.ts";
import type { Damage, Verdict } from "./damage.ts";
import type { ReadMode } from "./file-bytes.ts";
import { FileChecks } from "./file-checks.ts";
import { checkpointPath, fileKind, keyPaths, ringPath, settingsPath } from "./file-kinds.ts";
import { FileTable, type FileChange } from "./file-table.ts";
import type { RestingLog } from "./resting-log.ts";

/** Damage that was found, and when. Times are milliseconds since 1970. */
export interface Found {
  readonly damage: Damage;
  /** When the place was last known to be good; undefined if never in this process. */
  readonly lastGoodMs: number | undefined;
  readonly foundMs: number;
  /** By a change that was seen, or by reading everything again. */
  readonly by: "watch" | "pass";
}

export interface WatchListener {
  damaged(found: Found): void;
  /** A file that was reported is sound again. */
  mended(path: string, atMs: number): void;
  /** All files were read once more. */
  passed(pass: PassReport): void;
}

export interface PassReport {
  readonly files: number;
  readonly byteLength: number;
  readonly durationMs: number;
}

export interface LogWatchParts {
  /** The log's folder. */
  readonly location: string;
  readonly resting: RestingLog;
  readonly crypto: Crypto;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly listener: WatchListener;
  /** SHA-256 of `log.json`, hexadecimal, as entry 0 names it; undefined where entry 0 could not be read. */
  readonly settingsSha256: string | undefined;
}

interface Known {
  /** SHA-256 when it was last found sound, of files that never change. */
  sha256?: string;
  lastGoodMs?: number;
  /** The damage that was reported, in one string. */
  reported?: string;
  unsettledSinceMs?: number;
}

/** All of a tail that is being written is looked at so often. */
const wholeTailEveryMs = 1500;
/** A file that does not agree with what the log says has so long to come right. */
const settleMs = 30_000;

export class LogWatch {
  readonly #parts: LogWatchParts;
  readonly #table: FileTable;
  readonly #checks: FileChecks;
  readonly #known = new Map<string, Known>();
  readonly #wholeTailAt = new Map<number, number>();
  readonly #unsettled = new Set<string>();
  /** Entries that were sealed at the last look. */
  #openFrom = 0;
  #lastLookMs = 0;
  #pass: { paths: string[]; at: number; byteLength: number; begunAt: number } | undefined;

  constructor(parts: LogWatchParts) {
    const { location, resting, crypto } = parts;
    this.#parts = parts;
    this.#table = new FileTable(location);
    this.#checks = new FileChecks(location, resting, crypto, this.#table);
  }

  /** Folders that hold files, relative to the log's. */
  get folders(): readonly string[] {
    return [...this.#table.folders];
  }

  /** Right after the log was opened: what is there now is what opening has found good. */
  async open(): Promise<void> {
    const { settingsSha256, clock } = this.#parts;
    this.#openFrom = (await this.#parts.resting.atRest()).openFrom;
    this.#table.look();
    this.#lastLookMs = clock.now();
    if (settingsSha256 !== undefined) this.#of(settingsPath).sha256 = settingsSha256;
    for (const path of [settingsPath, ringPath, checkpointPath, ...keyPaths]) {
      await this.#check(path, "cached", "watch");
    }
    await this.#checkNames("watch");
  }

  /** Looks which files have changed and checks those. `hints`: paths that a notification named. */
  async look(hints: Iterable<string> = []): Promise<void> {
    const now = this.#parts.clock.now();
    const changes = this.#looked(hints);
    const again = [...this.#unsettled].filter(
      (path) => !changes.some((change) => change.path === path),
    );
    if (changes.length > 0 || again.length > 0) {
      const { openFrom } = await this.#parts.resting.atRest();
      for (const change of changes) await this.#changed(change);
      for (const path of again) await this.#check(path, "cached", "watch");
      this.#openFrom = Math.max(this.#openFrom, openFrom);
      this.#forgetTails(openFrom);
    }
    this.#lastLookMs = now;
  }

  /** A folder that the system does not let us see is as bad as one that is gone. */
  #looked(hints: Iterable<string>): readonly FileChange[] {
    const known = this.#of(".");
    const nowMs = this.#parts.clock.now();
    try {
      const changes = this.#table.look(hints);
      if (known.reported !== undefined) this.#parts.listener.mended(".", nowMs);
      delete known.reported;
      known.lastGoodMs = nowMs;
      return changes;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (typeof code !== "string") throw error;
      this.#report(
        damaged(".", `the system does not let us look at it (${code})`),
        known,
        nowMs,
        "watch",
      );
      return [];
    }
  }

  #forgetTails(openFrom: number): void {
    for (const { first, path } of this.#checks.forgetTails(openFrom)) {
      this.#wholeTailAt.delete(first);
      this.#known.delete(path);
      this.#unsettled.delete(path);
    }
  }

  /** Checks the next file of the pass; returns how many bytes were read. */
  async step(): Promise<number> {
    const { clock, listener } = this.#parts;
    this.#pass ??= {
      paths: [...this.#table.files].sort(),
      at: 0,
      byteLength: 0,
      begunAt: clock.monotonic(),
    };
    const pass = this.#pass;
    const path = pass.paths[pass.at];
    if (path === undefined) {
      await this.#checkNames("pass");
      const durationMs = clock.monotonic() - pass.begunAt;
      this.#pass = undefined;
      listener.passed({ files: pass.paths.length, byteLength: pass.byteLength, durationMs });
      return 0;
    }
    pass.at++;
    const byteLength = await this.#check(path, "direct", "pass");
    pass.byteLength += byteLength;
    return byteLength;
  }

  /** True between the first and the last file of a pass. */
  get isPassing(): boolean {
    return this.#pass !== undefined;
  }

  async #changed({ path, what }: FileChange): Promise<void> {
    const { kind } = fileKind(path);
    if (kind === "tail") {
      await this.#tailChanged(path);
      return;
    }
    if (what === "added" && !this.#known.has(path) && (await this.#isOurs(path))) return;
    await this.#check(path, "cached", "watch");
  }

  /** A new file where the log has just made one: it was read back before it got its name. */
  async #isOurs(path: string): Promise<boolean> {
    const file = fileKind(path);
    if (file.kind === "other" || file.kind === "kept") return true;
    if (file.kind === "sealed" || file.kind === "ids") {
      if (file.first < this.#openFrom) return false;
      const { openFrom, open } = await this.#parts.resting.atRest();
      const isBeingSealed = open.some(
        ({ first, count }) => first === file.first && count === segmentEntries,
      );
      return file.first < openFrom || (isBeingSealed && file.first === openFrom);
    }
    return file.kind === "tile" || file.kind === "blob" || file.kind === "streams";
  }

  /** The tail grows all the time: what is new is compared at every look, all of it once in a while. */
  async #tailChanged(path: string): Promise<void> {
    const file = fileKind(path);
    if (file.kind !== "tail") return;
    const { clock, resting } = this.#parts;
    const { isIdle } = await resting.atRest();
    const now = clock.monotonic();
    const isDue = now - (this.#wholeTailAt.get(file.first) ?? -Infinity) >= wholeTailEveryMs;
    if (isDue || isIdle) this.#wholeTailAt.set(file.first, now);
    const tail = isIdle ? "whole" : isDue ? "again" : "new";
    // What was not looked at now is due soon, whether or not the file changes once more.
    if (tail !== "whole") this.#table.doubt(path);
    await this.#check(path, isIdle ? "cached" : "live", "watch", tail);
  }

  /** Checks one file and reports what is new; returns how many bytes it has. */
  async #check(
    path: string,
    mode: ReadMode,
    by: Found["by"],
    tail: TailCheck = "whole",
  ): Promise<number> {
    const known = this.#of(path);
    const { clock } = this.#parts;
    const verdict = await this.#checks.check(path, {
      mode,
      tail,
      known: known.sha256,
      isThorough: by === "pass",
    });
    const nowMs = clock.now();
    if (verdict.kind === "unsettled") {
      known.unsettledSinceMs ??= clock.monotonic();
      this.#unsettled.add(path);
      if (clock.monotonic() - known.unsettledSinceMs < settleMs) return 0;
      const what = "it is not what the log says, and does not become it";
      this.#report(damaged(path, what), known, nowMs, by);
      return 0;
    }
    delete known.unsettledSinceMs;
    this.#unsettled.delete(path);
    if (verdict.kind === "damaged") {
      this.#report(verdict, known, nowMs, by);
      return verdict.byteLength;
    }
    if (verdict.sha256 !== undefined) known.sha256 = verdict.sha256;
    known.lastGoodMs = nowMs;
    if (known.reported !== undefined && tail === "whole") {
      delete known.reported;
      this.#parts.listener.mended(path, nowMs);
    }
    return verdict.byteLength;
  }

  #report(verdict: Verdict, known: Known, foundMs: number, by: Found["by"]): void {
    if (verdict.kind !== "damaged") return;
    const { damage } = verdict;
    const identity = `${damage.seq ?? ""} ${damage.byte ?? ""} ${damage.what}`;
    if (known.reported === identity) return;
    known.reported = identity;
    // A change that was seen happened after the last look; one that was not is as old as the last check.
    const wasLookedAt = by === "watch" && this.#table.looksAtAll;
    const lastGoodMs =
      wasLookedAt && known.lastGoodMs !== undefined
        ? Math.max(known.lastGoodMs, Math.min(this.#lastLookMs, foundMs))
        : known.lastGoodMs;
    this.#parts.listener.damaged({ damage, lastGoodMs, foundMs, by });
  }

  /** Files that must be there and may never have been seen. */
  async #checkNames(by: Found["by"]): Promise<void> {
    const { openFrom } = await this.#parts.resting.atRest();
    for (let first = 0; first < openFrom; first += segmentEntries) {
      const path = sealedPath(first);
      if (this.#table.stampOf(path) === undefined) await this.#check(path, "cached", by);
    }
  }

  #of(path: string): Known {
    let known = this.#known.get(path);
    if (known === undefined) {
      known = {};
      this.#known.set(path, known);
    }
    return known;
  }
}

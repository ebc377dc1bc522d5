/** What the parts of a repair share. */
import type { Crypto, Vkey } from "@cairnlog/core";
import type { LogSettings } from "@cairnlog/log";
import type { Commit, LogReader } from "@cairnlog/store";
import type { RepairFiles } from "./repair-files.ts";
import type { RepairSource } from "./repair-source.ts";

/** A file that is about to be restored, or was. */
export interface RestoredFile {
  readonly path: string;
  /** What was wrong with it. */
  readonly damage: string;
  /**
   * `copy`: the file itself from elsewhere; `entries`: made again from entries; `resealed`: the same, and sealed anew
   * by the log's keys, because its seal was lost; `derived`: made again from what is sound here.
   */
  readonly how: "copy" | "entries" | "resealed" | "derived";
}

/** What is known when a repair begins. */
export interface RepairContext {
  readonly location: string;
  readonly reader: LogReader;
  readonly settings: LogSettings;
  readonly vkeys: readonly Vkey[];
  readonly crypto: Crypto;
  readonly commit: Commit;
  readonly source: RepairSource;
  readonly files: RepairFiles;
  readonly isRunning: boolean;
}

/** A file that was written aside and verified there. */
export interface Staged extends RestoredFile {
  readonly staged: string;
}

/** A damaged file that is only taken away: the log makes it again. */
export interface TakenAway extends RestoredFile {
  readonly staged: undefined;
}

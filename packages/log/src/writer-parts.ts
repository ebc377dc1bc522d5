/** What a writer stands on, and its limits. `assemble.ts` puts it together. */
import type { CairnError, Hash } from "@cairnlog/core";
import type { IdHasher, LogStore } from "@cairnlog/store";
import type { Clock } from "./clock.ts";
import type { CommitBuilder } from "./commit-builder.ts";
import type { Duplicates } from "./duplicates.ts";
import type { IdTable } from "./id-table.ts";
import type { LogTree } from "./log-tree.ts";
import type { Sources } from "./sources/sources.ts";
import type { TailRoom } from "./tail-room.ts";

export interface WriterLimits {
  /** A commit takes no further entry once it has this many bytes. */
  readonly commitBytesMax: number;
  /** What may wait for a commit. One batch alone may be larger. */
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
}

export const defaultWriterLimits: WriterLimits = {
  commitBytesMax: 4 * 1024 * 1024,
  queueEventsMax: 200_000,
  queueBytesMax: 64 * 1024 * 1024,
};

/** Everything is the writer's alone, but for reading. */
export interface WriterParts {
  readonly logName: string;
  readonly store: LogStore;
  readonly tree: LogTree;
  readonly builder: CommitBuilder;
  readonly ids: IdTable;
  readonly idHasher: IdHasher;
  readonly duplicates: Duplicates;
  /** Who writes here, and what is missing from it. */
  readonly sources: Sources;
  readonly tailRoom: TailRoom;
  readonly clock: Clock;
  readonly limits: WriterLimits;
  readonly sign: (size: number, root: Hash) => Promise<string>;
  /** Called after each durable commit. */
  readonly committed: () => void;
  /** Called once, when the writer has failed for good. */
  readonly failed: (error: CairnError) => void;
}

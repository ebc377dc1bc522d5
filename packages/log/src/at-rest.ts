/**
 * What should be on the medium right now, as the log's memory has it: for whoever compares the two (the scrubber). And
 * what such a watcher may say in return. Nothing here is read from a file.
 */
import type { CairnError } from "@cairnlog/core";
import type { Commit } from "@cairnlog/store";
import type { SignedCheckpoint } from "./log.ts";
import type { LogTree } from "./log-tree.ts";

export interface AtRest {
  /** The last durable commit: its record is the newest one, apart from one that is being written. */
  readonly commit: Commit;
  /** What the file `checkpoint` holds, or is about to; with size 0 there may be no such file. */
  readonly published: SignedCheckpoint;
  /** Entries below this are in sealed files. */
  readonly openFrom: number;
  /** Segments whose entries lie in tail files. */
  readonly open: readonly RestingTail[];
  /** True if no commit is under way: then nothing lies beyond the durable entries. */
  readonly isIdle: boolean;
}

/**
 * What is durable of a segment that is not sealed: its first `count` entries, in `byteLength` bytes of its tail file.
 */
export interface RestingTail {
  readonly first: number;
  readonly count: number;
  readonly byteLength: number;
}

/** How far the re-reading of a log's files has come. */
export interface Scrubbing {
  /** At most so many bytes are re-read in a second, of all logs of the process together. */
  readonly bytesPerSecond: number;
  /** Whether the medium is read past the page cache; undefined before the first read. */
  readonly isDirect: boolean | undefined;
  readonly passes: number;
  /** Of the last whole pass; undefined before there was one. */
  readonly lastPass:
    | { readonly files: number; readonly byteLength: number; readonly durationMs: number }
    | undefined;
}

/** Somebody who watches over a log's files. */
export interface LogWatcher {
  /** Damage that was found and is still there. */
  alarms(): readonly CairnError[];
  scrubbing(): Scrubbing;
}

/** One of the log's own events, from a part of Cairn that watches over it. */
export interface OwnEvent {
  /** `system.tamper` */
  readonly type: string;
  readonly action: string;
  readonly details: object;
}

export function atRestOf(
  commit: Commit,
  published: SignedCheckpoint,
  tree: LogTree,
  isIdle: boolean,
): AtRest {
  const open = tree.open
    .filter(({ first }) => first <= commit.size)
    .map((segment) => {
      const { first } = segment;
      const count = Math.min(segment.count, commit.size - first);
      return { first, count, byteLength: segment.offsetOf(count) };
    });
  return { commit, published, openFrom: Math.min(tree.openFrom, commit.size), open, isIdle };
}

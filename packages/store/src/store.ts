/**
 * Where logs rest. A log neither knows nor cares which implementation it has: `files`, `memory`, later S3 with
 * Object Lock (write-once puts, one compare-and-swap head). Every implementation passes `describeStore`.
 *
 * Words: an *object* is written once and never changed; a *note* file is replaced whole; the *tail* holds the
 * entries since the last sealed segment, each as u16be length || entry; a *commit* is the small record that makes
 * a length of the tail count. The order "tail durable, then commit durable, then anything leaves" is the log's.
 *
 * Paths inside a log use `/` and `[a-z0-9._-]`: `tail/0000000000065536`, `sealed/0000000000000000`,
 * `index/ids/0000000000000000`, `tree/2/0000000000000000`, `checkpoint`, `log.json`, `lost/…`.
 */
import type { Hash } from "@cairnlog/core";

/** One durable step of a log. What lies in the tail beyond it was never acknowledged. */
export interface Commit {
  /** 1 for the first commit of a log, then one more each time. */
  readonly number: number;
  /** Entries in the log. */
  readonly size: number;
  /** RFC 6962 root of the tree of that size. */
  readonly root: Hash;
  /** First seq of the tail file that the commit ends in. */
  readonly tailFirst: number;
  /** Length in bytes of that tail file which the commit covers. */
  readonly tailOffset: number;
}

export interface StoredObject {
  readonly path: string;
  readonly byteLength: number;
}

/** A piece of a tail file: `bytes` belong at `offset` of the tail that begins with entry `first`. */
export interface TailPart {
  readonly first: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Read access to one log. Needs no lock; what it returns is not yet trusted. */
export interface LogReader {
  readonly name: string;
  /** For messages: the folder, or "memory". */
  readonly location: string;
  /** The bytes at `path`, or undefined where there is nothing. */
  get(path: string): Promise<Uint8Array | undefined>;
  /**
   * `length` bytes of the file at `path` from `offset`; fewer where it ends before; undefined where there is
   * nothing. The result is the caller's own.
   */
  read(path: string, offset: number, length: number): Promise<Uint8Array | undefined>;
  /** Length in bytes of the file at `path`, or undefined where there is nothing. */
  byteLength(path: string): Promise<number | undefined>;
  /**
   * What lies directly under `folder` ("" for the log's own), in order of path. Unfinished objects, commit
   * records and the lock are not among it.
   */
  list(folder: string): Promise<StoredObject[]>;
  /** Every valid commit record that is still held, newest first. */
  commits(): Promise<Commit[]>;
  close(): Promise<void>;
}

/** An object that is being written. It exists for readers only after `finish`. */
export interface ObjectWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** What was written so far, as it comes back from the medium where the system allows it. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Makes it durable under its path; "conflict" if something else is there. */
  finish(): Promise<void>;
  /** Drops it. Harmless after `finish`. */
  abandon(): Promise<void>;
}

/**
 * Write access to one log, held exclusively. When `appendTail` or `commit` rejects, nobody knows what is on the
 * medium: every later call of these two rejects as well, and only opening the log anew (recovery) goes on.
 */
export interface LogStore extends LogReader {
  /** How a worker thread opens the same files for sealing; undefined where that is not possible. */
  readonly workerFolder: string | undefined;
  /** Writes an object once, durably. The same bytes again succeed; other bytes at a taken path: "conflict". */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Starts an object that is too large to hold in memory. */
  begin(path: string): Promise<ObjectWriter>;
  /** Replaces a note file as a whole, durably: after a crash it has its old or its new content. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Removes a file durably; none there is fine. Used for tail files whose entries are sealed, never for anything
   * else.
   */
  remove(path: string): Promise<void>;
  /**
   * Sees that the tail file of `first` is allocated, as zeros, up to at least `byteLength`, so that a later append
   * need not grow it. "storage_full" where there is no room; the log goes on with what it has.
   */
  reserveTail(first: number, byteLength: number): Promise<void>;
  /** Writes the parts and makes them durable. `isBusy`: the caller's thread has other work meanwhile. */
  appendTail(parts: readonly TailPart[], isBusy?: boolean): Promise<void>;
  /**
   * Cuts the tail file of `first` to `byteLength` and fills it with zeros to its old length, durably. Recovery
   * alone does this, after what lay beyond was kept under `lost/`.
   */
  clearTail(first: number, byteLength: number): Promise<void>;
  /**
   * Makes `commit` the newest one, durably. Its number must be the last one's plus 1, else "conflict". `isBusy` as in
   * `appendTail`.
   */
  commit(commit: Commit, isBusy?: boolean): Promise<void>;
  /** Bytes that are still free on the medium; undefined where nobody knows. */
  freeBytes(): Promise<number | undefined>;
}

/** A place for many logs. A name is `[a-z0-9][a-z0-9._-]{0,63}`. */
export interface Store {
  readonly location: string;
  /** Names of the logs here, in order. */
  logs(): Promise<string[]>;
  /** Makes an empty place for a log and holds it. "conflict" where the name is taken. */
  create(name: string): Promise<LogStore>;
  /**
   * Takes the log for writing: "not_found", "tampered" where its commit records are gone, or "locked" with the
   * holder's pid in the message. What is read from it may not be durable yet: an earlier process may have been
   * killed before a sync, or seen one fail. Recovery therefore appends once more what it verified in the tail,
   * and commits, before anything leaves.
   */
  open(name: string): Promise<LogStore>;
  /** Opens the log for reading, also while somebody writes. "not_found". */
  openReader(name: string): Promise<LogReader>;
}

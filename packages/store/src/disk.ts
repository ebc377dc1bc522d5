/**
 * The file system as the files store sees it: the few calls it makes and no more, so that a simulated disk can
 * stand in for the real one and fail at any of them.
 *
 * Failures reject with an `Error` that has a POSIX `code` ("ENOENT", "EEXIST", "ENOSPC", "EIO" …), as Node's own
 * do. Nothing here is durable by itself: content becomes so by `datasync`, names by `syncFolder`. Paths are
 * absolute. Nothing here retries.
 */

/** How a file is opened: an existing one, or a new one that must not exist yet. */
export type OpenMode = "read" | "write" | "create";

export interface DiskFile {
  /** Fills `into` from offset `at`; returns how many bytes there were, fewer only at the file's end. */
  read(into: Uint8Array, at: number): Promise<number>;
  /** Writes all of `bytes` at offset `at`, growing the file where needed. The bytes must not change meanwhile. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  /**
   * `write`, then `datasync`, with nothing of the caller's in between: for the two writes of a commit, which somebody
   * waits for. Fails as either of the two does. `isBusy`: the caller's thread has other work meanwhile.
   */
  writeDurably(bytes: Uint8Array, at: number, isBusy?: boolean): Promise<void>;
  /** Makes content and length durable. After a failure nobody knows what is: it must not be tried again. */
  datasync(): Promise<void>;
  /** Length in bytes. */
  byteLength(): Promise<number>;
  close(): Promise<void>;
}

export interface DiskName {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface DiskEntry extends DiskName {
  /** 0 for folders. */
  readonly byteLength: number;
}

export interface Disk {
  /**
   * Opens a file. "write" also reads. With "create" the file has `permissions`; the descriptor that creates it
   * may write even where they would not allow it later.
   */
  open(path: string, mode: OpenMode, permissions?: number): Promise<DiskFile>;
  /** Makes one folder, for its owner alone. Its parent must exist. */
  makeFolder(path: string): Promise<void>;
  /** What is directly under `path`, in any order. An entry that vanishes meanwhile may be left out. */
  entries(path: string): Promise<DiskEntry[]>;
  /** The same without lengths, where that costs less: there may be a million blobs. */
  names?(path: string): Promise<DiskName[]>;
  /** Atomic; replaces what is at `to`. Both are in the same folder. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file; "EEXIST" where `to` is taken. Both are in the same folder. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that this process may still write to the medium under `path`. */
  freeBytes(path: string): Promise<number>;
}

/**
 * One log's files, for reading. Takes no lock, writes nothing, keeps no file open: it may look on while another
 * process writes, seals and removes.
 */
import { CairnError } from "@cairnlog/core";
import { noteBuffers } from "./buffer-garbage.ts";
import { readCommitRing } from "./commit-slot.ts";
import type { Disk, DiskEntry, DiskFile, DiskName } from "./disk.ts";
import { checkFolder, checkPath, comparePaths, isTemporary, lockPath, ringPath } from "./paths.ts";
import { failureCode, reporting } from "./store-error.ts";
import type { Commit, LogReader, StoredObject } from "./store.ts";

/** Up to here a buffer costs less than asking how long the file is. */
const smallByteLength = 1024 * 1024;

function closedLog(log: string): CairnError {
  return new CairnError("unavailable", `the log ${JSON.stringify(log)} was closed: open it anew`, {
    place: { log },
  });
}

/** `work` on the file at `path`, which is closed afterwards; undefined where there is none. */
export async function withFile<T>(
  disk: Disk,
  path: string,
  work: (file: DiskFile) => Promise<T>,
): Promise<T | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, "read");
  } catch (error) {
    if (failureCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Up to `length` bytes from `offset`, in an array of exactly as many as there were. */
export async function readSome(
  file: DiskFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  noteBuffers(length);
  const bytes = new Uint8Array(length);
  const count = await file.read(bytes, offset);
  return count === length ? bytes : bytes.slice(0, count);
}

/** The entries of a folder; none where there is no such folder. */
export async function entriesOf(disk: Disk, path: string): Promise<DiskEntry[]> {
  return orNone(() => disk.entries(path));
}

/** The same without lengths. */
export async function namesOf(disk: Disk, path: string): Promise<DiskName[]> {
  return orNone(() => disk.names?.(path) ?? disk.entries(path));
}

async function orNone<T>(list: () => Promise<T[]>): Promise<T[]> {
  try {
    return await list();
  } catch (error) {
    if (failureCode(error) === "ENOENT") return [];
    throw error;
  }
}

export class FilesReader implements LogReader {
  readonly name: string;
  readonly location: string;
  readonly #disk: Disk;
  #isClosed = false;

  constructor(disk: Disk, location: string, name: string) {
    this.#disk = disk;
    this.location = location;
    this.name = name;
  }

  get(path: string): Promise<Uint8Array | undefined> {
    checkPath(path);
    return this.#withFile(path, async (file) => readSome(file, 0, await file.byteLength()));
  }

  read(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    checkPath(path);
    return this.#withFile(path, async (file) => {
      if (length <= smallByteLength) return readSome(file, offset, length);
      // Not more than there is: a length from a damaged index must not become an allocation.
      const rest = Math.max(0, (await file.byteLength()) - offset);
      return readSome(file, offset, Math.min(length, rest));
    });
  }

  byteLength(path: string): Promise<number | undefined> {
    checkPath(path);
    return this.#withFile(path, (file) => file.byteLength());
  }

  async list(folder: string): Promise<StoredObject[]> {
    checkFolder(folder);
    this.checkOpen();
    const shown = folder === "" ? this.location : `${this.location}/${folder}`;
    const entries = await reporting("list", this.name, folder === "" ? "." : folder, () =>
      entriesOf(this.#disk, shown),
    );
    const isOwn = (name: string): boolean =>
      folder === "" && (name === ringPath || name === lockPath);
    return entries
      .filter((entry) => !entry.isFolder && !isTemporary(entry.name) && !isOwn(entry.name))
      .map(({ name, byteLength }) => ({
        path: folder === "" ? name : `${folder}/${name}`,
        byteLength,
      }))
      .sort((a, b) => comparePaths(a.path, b.path));
  }

  async commits(): Promise<Commit[]> {
    const ring = await this.#withFile(ringPath, async (file) =>
      readSome(file, 0, await file.byteLength()),
    );
    return ring === undefined ? [] : readCommitRing(ring);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  /** Throws once the log was closed. */
  checkOpen(): void {
    if (this.#isClosed) throw closedLog(this.name);
  }

  async #withFile<T>(path: string, work: (file: DiskFile) => Promise<T>): Promise<T | undefined> {
    this.checkOpen();
    return reporting("read", this.name, path, () =>
      withFile(this.#disk, `${this.location}/${path}`, work),
    );
  }
}

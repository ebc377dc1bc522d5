/**
 * A log's folder, only looked at: which files there are, and bytes of them. It opens a file for each read and no more,
 * never `LOCK` (closing a descriptor of it would drop the lock of a log that this very process holds), and nothing
 * that is not a regular file (a pipe would never end).
 */
import fs from "node:fs";
import { CairnError } from "@cairnlog/core";
import { nodeDisk, type Disk, type DiskFile, type SegmentSource } from "@cairnlog/store";

/** How deep a log's own folders go: `index/ids/<first>`. */
const depthMax = 3;

export interface FolderListing {
  /** Path relative to the folder → length in bytes. */
  readonly files: ReadonlyMap<string, number>;
  /** Folders, and what is neither file nor folder. */
  readonly folders: readonly string[];
  readonly strange: readonly string[];
}

interface Entry {
  readonly name: string;
  readonly kind: "file" | "folder" | "strange";
  readonly byteLength: number;
}

export class LogFolder implements SegmentSource {
  readonly location: string;
  readonly #disk: Disk;
  /** Paths that are neither file nor folder, from the last listing: opening a pipe would wait for ever. */
  #strange: readonly string[] = [];

  constructor(location: string, disk: Disk = nodeDisk) {
    this.location = location;
    this.#disk = disk;
  }

  /** True if a worker thread sees the same files under `location`. */
  get isReal(): boolean {
    return this.#disk === nodeDisk;
  }

  /** Everything under the folder but `LOCK`. "not_found" where there is no such folder. */
  async list(): Promise<FolderListing> {
    const files = new Map<string, number>();
    const folders: string[] = [];
    const strange: string[] = [];
    const walk = async (folder: string, depth: number): Promise<void> => {
      const shown = folder === "" ? this.location : `${this.location}/${folder}`;
      const entries = await this.#entries(shown, folder === "");
      for (const { name, kind, byteLength } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const path = folder === "" ? name : `${folder}/${name}`;
        if (path === "LOCK") continue;
        if (kind === "file") files.set(path, byteLength);
        else if (kind === "strange") strange.push(path);
        else {
          folders.push(path);
          if (depth < depthMax) await walk(path, depth + 1);
        }
      }
    };
    await walk("", 1);
    this.#strange = strange;
    return { files, folders, strange };
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.#withFile(path, async (file) => {
      // A length from a damaged file must not become an allocation.
      const rest = Math.max(0, (await file.byteLength()) - offset);
      const bytes = new Uint8Array(Math.min(length, rest));
      const count = await file.read(bytes, offset);
      return count === bytes.length ? bytes : bytes.slice(0, count);
    });
  }

  /** A whole small file. What is longer than `byteLengthMax` is cut one byte after it, which no format survives. */
  get(path: string, byteLengthMax: number): Promise<Uint8Array | undefined> {
    return this.read(path, 0, byteLengthMax + 1);
  }

  byteLength(path: string): Promise<number | undefined> {
    return this.#withFile(path, (file) => file.byteLength());
  }

  async #entries(shown: string, isTop: boolean): Promise<Entry[]> {
    try {
      if (this.isReal) return await realEntries(shown);
      const entries = await this.#disk.entries(shown);
      return entries.map(({ name, isFolder, byteLength }) => ({
        name,
        kind: isFolder ? "folder" : "file",
        byteLength,
      }));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A folder may vanish while it is looked at; the one that was asked for may not.
      if (code === "ENOENT" && !isTop) return [];
      if (code === "ENOENT" || code === "ENOTDIR") {
        throw new CairnError("not_found", `there is no folder ${shown}`, { cause: error });
      }
      throw unreadable(error, shown);
    }
  }

  async #withFile<T>(path: string, work: (file: DiskFile) => Promise<T>): Promise<T | undefined> {
    if (this.#strange.includes(path)) return undefined;
    try {
      const file = await this.#disk.open(`${this.location}/${path}`, "read");
      try {
        return await work(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw unreadable(error, path);
    }
  }
}

async function realEntries(shown: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const name of await fs.promises.readdir(shown)) {
    try {
      const stats = await fs.promises.stat(`${shown}/${name}`);
      const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "strange";
      entries.push({ name, kind, byteLength: kind === "file" ? stats.size : 0 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return entries;
}

function unreadable(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  // A disk that is none, as a bucket, says itself what is wrong.
  if (typeof code !== "string" || error instanceof CairnError) return error;
  return new CairnError("unavailable", `cannot read ${path} (${code}): run as who may read it`, {
    cause: error,
    place: { path },
  });
}

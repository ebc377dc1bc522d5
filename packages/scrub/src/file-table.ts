/**
 * Which files a log's folder has, and which of them have changed since the last look: by size, change time in
 * nanoseconds, and inode. No content is read here.
 *
 * The change time is the kernel's own: no call sets it, so that a file whose content was changed through this kernel
 * and whose times were set back still shows. A mapped write moves it when it first touches a clean page, and not again
 * before that page was written back: whoever finds a file changed therefore has it written back before reading it
 * (`file-bytes.ts`), so that the next touch shows again.
 *
 * Cost: one `stat` a file (some 4 µs), at most `statsMax` a look; beyond that the files that never change are looked
 * at by turns. A folder is listed only when its own change time has moved.
 */
import fs from "node:fs";
import { fileKind } from "./file-kinds.ts";

/** As the kernel says it, in one string: compared, never read. */
export type Stamp = string;

export interface FileChange {
  readonly path: string;
  readonly what: "added" | "changed" | "gone";
}

const statsPerLook = 2048;
const depthMax = 3;

interface Folder {
  stamp: Stamp;
  readonly files: Set<string>;
  readonly folders: Set<string>;
}

export class FileTable {
  readonly location: string;
  readonly #statsMax: number;
  readonly #folders = new Map<string, Folder>();
  readonly #stamps = new Map<string, Stamp>();
  /** Files that are looked at by turns, and whose turn is next. */
  #turns: string[] = [];
  #next = 0;

  constructor(location: string, statsMax: number = statsPerLook) {
    this.location = location;
    this.#statsMax = statsMax;
  }

  get files(): IterableIterator<string> {
    return this.#stamps.keys();
  }

  /** Folders relative to the log's, "" for its own. */
  get folders(): IterableIterator<string> {
    return this.#folders.keys();
  }

  /** True if there are so few files that every look is at all of them. */
  get looksAtAll(): boolean {
    return this.#stamps.size <= this.#statsMax;
  }

  stampOf(path: string): Stamp | undefined {
    return this.#stamps.get(path);
  }

  /** What has changed. `hints`: paths that somebody says have changed; they are looked at first. */
  look(hints: Iterable<string> = []): FileChange[] {
    const changes: FileChange[] = [];
    const seen = new Set<string>();
    const compare = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      const change = this.#compare(path);
      if (change !== undefined) changes.push(change);
    };
    const before = this.#stamps.size;
    this.#lookAtFolder("", 0, compare);
    for (const path of hints) if (this.#stamps.has(path)) compare(path);
    if (changes.length > 0 || before !== this.#stamps.size || this.#turns.length === 0) {
      this.#turns = [...this.#stamps.keys()].filter((path) => !isLive(path));
    }
    for (const path of this.#stamps.keys()) if (isLive(path)) compare(path);
    const count = Math.min(this.#turns.length, Math.max(1, this.#statsMax - seen.size));
    for (let i = 0; i < count; i++) {
      this.#next = this.#next + 1 >= this.#turns.length ? 0 : this.#next + 1;
      compare(this.#turns[this.#next]!);
    }
    return changes;
  }

  /** Forgets what a file looked like, so that the next look finds it changed. */
  doubt(path: string): void {
    if (this.#stamps.has(path)) this.#stamps.set(path, "");
  }

  #lookAtFolder(folder: string, depth: number, compare: (path: string) => void): void {
    const full = folder === "" ? this.location : `${this.location}/${folder}`;
    // Before the listing: what comes into the folder while it is listed moves the stamp once more.
    const stamp = stampOf(full)?.stamp;
    let known = this.#folders.get(folder);
    if (stamp === undefined) {
      if (known === undefined) return;
      this.#folders.delete(folder);
      for (const path of known.files) compare(path);
      return;
    }
    if (known === undefined) {
      known = { stamp: "", files: new Set(), folders: new Set() };
      this.#folders.set(folder, known);
    }
    if (known.stamp !== stamp) {
      known.stamp = stamp;
      const names = listed(full);
      const here = new Set(names.map((name) => (folder === "" ? name : `${folder}/${name}`)));
      for (const path of known.files) if (!here.has(path)) compare(path);
      for (const path of here) {
        if (this.#stamps.has(path) || this.#folders.has(path)) continue;
        const found = stampOf(`${this.location}/${path}`);
        if (found?.isFolder === true) {
          if (depth >= depthMax) continue;
          this.#folders.set(path, { stamp: "", files: new Set(), folders: new Set() });
          known.folders.add(path);
        } else if (found !== undefined) {
          known.files.add(path);
          compare(path);
        }
      }
    }
    for (const inner of known.folders) {
      if (this.#folders.has(inner)) this.#lookAtFolder(inner, depth + 1, compare);
      else known.folders.delete(inner);
    }
  }

  #compare(path: string): FileChange | undefined {
    const before = this.#stamps.get(path);
    const now = stampOf(`${this.location}/${path}`)?.stamp;
    if (now === before) return undefined;
    if (now === undefined) {
      this.#stamps.delete(path);
      for (const { files } of this.#folders.values()) files.delete(path);
      return { path, what: "gone" };
    }
    this.#stamps.set(path, now);
    return { path, what: before === undefined ? "added" : "changed" };
  }
}

/** Files that the log writes to all the time, few of them. */
function isLive(path: string): boolean {
  const { kind } = fileKind(path);
  return !["sealed", "ids", "streams", "tile", "kept", "blob"].includes(kind);
}

function stampOf(path: string): { readonly stamp: Stamp; readonly isFolder: boolean } | undefined {
  const stats = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { size, ctimeNs, ino, dev } = stats;
  return { stamp: `${dev} ${ino} ${size} ${ctimeNs}`, isFolder: stats.isDirectory() };
}

function listed(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/**
 * What a watcher remembers on disk, in a folder of its own: how everything was when it last looked, the events that the
 * log does not have yet, and the contents that a diff of tomorrow needs. It is written before anything is sent:
 * whatever ends the process, what was seen is sent once, with the same id.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isObject } from "@cairnlog/capture";
import { CairnError, parseDecimal, utf8, type NamedBlob } from "@cairnlog/core";
import { isAlive } from "../run/kept-runs.ts";
import type { FileState } from "./file-state.ts";
import type { Snapshot } from "./scan.ts";

interface Saved {
  readonly version: 1;
  readonly id: string;
  readonly count: number;
  readonly files: readonly (readonly [string, FileState])[];
  readonly pending: readonly object[];
}

export class WatchState {
  readonly folder: string;
  /** Ids of events begin with it. */
  readonly id: string;
  /** So many events were made of what was seen. */
  #count: number;
  files: Snapshot;
  /** What the log does not have yet, oldest first. */
  pending: readonly object[];
  /** Nothing was remembered. */
  readonly isNew: boolean;

  private constructor(folder: string, saved: Saved, isNew: boolean) {
    this.folder = folder;
    this.id = saved.id;
    this.#count = saved.count;
    this.files = new Map(saved.files);
    this.pending = saved.pending;
    this.isNew = isNew;
  }

  /** "locked" where another process watches with this state: two would give the same ids to different events. */
  static open(folder: string, newId: string): WatchState {
    mkdirSync(join(folder, "content"), { recursive: true, mode: 0o700 });
    lock(join(folder, "lock"));
    const saved = readSaved(join(folder, "state.json"));
    const fresh: Saved = { version: 1, id: newId, count: 0, files: [], pending: [] };
    return new WatchState(folder, saved ?? fresh, saved === undefined);
  }

  close(): void {
    rmSync(join(this.folder, "lock"), { force: true });
  }

  nextEventId(): string {
    this.#count++;
    return `${this.id}.${this.#count}`;
  }

  save(): void {
    const { id, files, pending } = this;
    const saved: Saved = { version: 1, id, count: this.#count, files: [...files], pending };
    writeDurably(join(this.folder, "state.json"), utf8(JSON.stringify(saved)));
  }

  /** Keeps bytes by their hash. */
  put(bytes: Uint8Array): { sha256: string; byteLength: number } {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (this.get(sha256) === undefined) writeDurably(this.contentPath(sha256), bytes);
    return { sha256, byteLength: bytes.length };
  }

  /** Undefined where it was never kept, or is not what it was. */
  get(sha256: string): Uint8Array | undefined {
    try {
      const bytes = readFileSync(this.contentPath(sha256));
      const found = createHash("sha256").update(bytes).digest("hex");
      return found === sha256 ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  contentPath(sha256: string): string {
    return join(this.folder, "content", sha256);
  }

  /** Forgets contents that neither a file has now nor an event that waits names. */
  tidy(): void {
    const needed = new Set<string | undefined>([...this.files.values()].map((each) => each.sha256));
    for (const event of this.pending) {
      for (const { sha256 } of blobsOfEvent(event)) needed.add(sha256);
    }
    for (const name of readdirSync(join(this.folder, "content"))) {
      if (!needed.has(name)) rmSync(this.contentPath(name), { force: true });
    }
  }
}

export function blobsOfEvent(event: object): readonly NamedBlob[] {
  return (event as { readonly blobs?: readonly NamedBlob[] }).blobs ?? [];
}

/** Undefined where there is none. What cannot be read must not be taken for a first start: that would hide changes. */
function readSaved(path: string): Saved | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && value["version"] === 1 && Array.isArray(value["files"])) {
      return value as unknown as Saved;
    }
  } catch {
    // Said below.
  }
  throw new CairnError(
    "usage",
    `${path} is no state of \`cairn watch\`: remove it to begin anew, and what changed since is not recorded`,
    { place: { path } },
  );
}

/** The file holds the number of the process. A dead one's is taken over. */
function lock(path: string): void {
  const owner = ownerOf(path);
  if (owner !== undefined && owner !== process.pid && isAlive(owner)) {
    const message = `the process ${owner} watches with this state already`;
    throw new CairnError("locked", message, { place: { path } });
  }
  writeFileSync(path, String(process.pid), { mode: 0o600 });
}

function ownerOf(path: string): number | undefined {
  try {
    return parseDecimal(readFileSync(path, "utf8"), "process number");
  } catch {
    return undefined;
  }
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const partial = `${path}.partial`;
  const file = openSync(partial, "w", 0o600);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

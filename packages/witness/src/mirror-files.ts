/**
 * The copy that a mirror keeps: the static layout of C2SP tlog-tiles, with full entry bundles compressed.
 *
 *     <folder>/follow.json            what was found true (`follow-state.ts`); the rest counts up to its size only
 *              tile/entries/x001/234.zst
 *              tile/0/x001/234        made here from the entries, never fetched
 *              tile/0/x001/234.p/17   at the right edge of the newest tree
 *
 * Invariant: a file appears whole and durable before `follow.json` counts on it. What lies beyond that size was left
 * by a walk that did not come to its end, and is written over.
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
  assert,
  CairnError,
  hashOfTile,
  parseEntryBundle,
  tileHeight,
  tilePath,
  tileWidth,
  tileWidthMax,
  type Sha256,
  type TileName,
} from "@cairnlog/core";
import { nodeDisk, type Disk } from "@cairnlog/store";
import {
  checkpointOf,
  formatFollowState,
  parseFollowState,
  stateByteLengthMax,
} from "./follow-state.ts";
import type { FollowState } from "./follow-state.ts";
import type { FollowMemory, FollowSink } from "./follower.ts";

const hashByteLength = 32;
const bundleByteLengthMax = tileWidthMax * (2 + 0xffff);
const statePath = "follow.json";

/** The memory alone: for a monitor, which keeps no entries. */
export class FollowFile implements FollowMemory {
  readonly folder: string;
  protected readonly disk: Disk;
  readonly #madeFolders = new Set<string>();
  #temporaries = 0;

  constructor(folder: string, disk: Disk = nodeDisk) {
    assert(folder.startsWith("/"), "the folder is an absolute path");
    this.folder = folder;
    this.disk = disk;
  }

  async load(): Promise<FollowState | undefined> {
    const bytes = await this.readFile(statePath, stateByteLengthMax);
    return bytes === undefined ? undefined : parseFollowState(bytes, `${this.folder}/${statePath}`);
  }

  async save(state: FollowState): Promise<void> {
    await this.writeFile(statePath, formatFollowState(state));
    await this.disk.syncFolder(this.folder);
  }

  /** The bytes of a file, undefined where there is none. */
  protected async readFile(path: string, byteLengthMax: number): Promise<Uint8Array | undefined> {
    try {
      const file = await this.disk.open(`${this.folder}/${path}`, "read");
      try {
        const bytes = new Uint8Array(Math.min(await file.byteLength(), byteLengthMax));
        return bytes.subarray(0, await file.read(bytes, 0));
      } finally {
        await file.close();
      }
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw failed("read", this.folder, path, error);
    }
  }

  /** Writes a whole file, durably but for its name. */
  protected async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const name = `${this.folder}/${path}`;
    const temporary = `${name}.tmp-${this.#temporaries++}`;
    try {
      await this.makeFolder(name.slice(0, name.lastIndexOf("/")));
      await this.disk.unlink(temporary).catch(unlessMissing);
      const file = await this.disk.open(temporary, "create", 0o644);
      try {
        await file.writeDurably(bytes, 0);
      } finally {
        await file.close();
      }
      await this.disk.rename(temporary, name);
    } catch (error) {
      throw failed("write", this.folder, path, error);
    }
  }

  protected async makeFolder(folder: string): Promise<void> {
    if (this.#madeFolders.has(folder)) return;
    const parent = folder.slice(0, folder.lastIndexOf("/"));
    try {
      await this.disk.makeFolder(folder);
    } catch (error) {
      if (codeOf(error) === "ENOENT") {
        await this.makeFolder(parent);
        await this.disk.makeFolder(folder);
      } else if (codeOf(error) !== "EEXIST") throw error;
    }
    if (folder.startsWith(this.folder)) await this.disk.syncFolder(parent || "/");
    this.#madeFolders.add(folder);
  }
}

/** The whole copy. */
export class MirrorFiles extends FollowFile implements FollowSink {
  readonly #sha256: Sha256;
  /** By level from 0: the hashes of the tile that is being filled. Filled from disk when the first bundle comes. */
  readonly #levels: LevelTile[] = [];
  #next: number | undefined;
  /** Folders whose names are not durable yet. */
  readonly #unsynced = new Set<string>();
  /** Partial tiles that were written here. Nobody needs those of a tree that a larger one has replaced. */
  readonly #partials = new Set<string>();
  /** The size that readers may see. */
  #size = 0;

  constructor(folder: string, sha256: Sha256, disk: Disk = nodeDisk) {
    super(folder, disk);
    this.#sha256 = sha256;
  }

  override async load(): Promise<FollowState | undefined> {
    const state = await super.load();
    if (state !== undefined) this.#count(state);
    return state;
  }

  override async save(state: FollowState): Promise<void> {
    const before = partialsOf(this.#size);
    await super.save(state);
    this.#count(state);
    const needed = new Set(partialsOf(this.#size));
    for (const path of new Set([...before, ...this.#partials])) {
      if (needed.has(path)) continue;
      await this.disk.unlink(`${this.folder}/${path}`).catch(unlessMissing);
      this.#partials.delete(path);
    }
  }

  /** Bundles come in order, from a multiple of 256 on. */
  async take(
    index: number,
    width: number,
    bundle: Uint8Array,
    leafHashes: Uint8Array,
  ): Promise<void> {
    if (this.#next !== index) await this.#startAt(index);
    this.#next = width === tileWidthMax ? index + 1 : undefined;
    const path = tilePath({ level: "entries", index, width });
    const isFull = width === tileWidthMax;
    await this.#write(isFull ? `${path}.zst` : path, isFull ? zstdCompressSync(bundle) : bundle);
    this.#levels[0] = new LevelTile(index, leafHashes);
    for (let level = 0; this.#levels[level]!.count === tileWidthMax; level++) {
      const tile = this.#levels[level]!;
      await this.#write(tilePath(tile.name(level)), tile.hashes());
      this.#levels[level] = new LevelTile(tile.index + 1);
      const above = (this.#levels[level + 1] ??= new LevelTile(0));
      above.push(hashOfTile(this.#sha256, tile.hashes()));
    }
  }

  async flush(): Promise<void> {
    for (const [level, tile] of this.#levels.entries()) {
      if (tile.count > 0) await this.#write(tilePath(tile.name(level)), tile.hashes());
    }
    for (const folder of this.#unsynced) await this.disk.syncFolder(folder);
    this.#unsynced.clear();
  }

  async rewind(): Promise<void> {
    this.#next = undefined;
  }

  /** Of the tree that counts: a tile or bundle of at most its width there; undefined where it has none. */
  async tile(name: TileName): Promise<Uint8Array | undefined> {
    const { level, index, width } = name;
    const size = this.#size;
    const full = tileWidth(level, index, size);
    if (width > full) return undefined;
    const whole = await this.#whole({ level, index, width: full });
    // A larger tree began to count meanwhile, and the partial tile of the one before is gone.
    if (whole === undefined && size !== this.#size) return this.tile(name);
    if (whole === undefined || width === full) return whole;
    if (level !== "entries") return whole.subarray(0, width * hashByteLength);
    return whole.subarray(0, parseEntryBundle(whole, full)[width - 1]!.end);
  }

  async #whole(name: TileName): Promise<Uint8Array | undefined> {
    const path = tilePath(name);
    if (name.level !== "entries" || name.width < tileWidthMax) {
      return this.readFile(path, bundleByteLengthMax);
    }
    const compressed = await this.readFile(`${path}.zst`, bundleByteLengthMax);
    if (compressed === undefined) return undefined;
    const bytes = zstdDecompressSync(compressed, { maxOutputLength: bundleByteLengthMax });
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #count(state: FollowState): void {
    this.#size = checkpointOf(state)?.size ?? 0;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await this.writeFile(path, bytes);
    if (path.includes(".p/")) this.#partials.add(path);
    this.#unsynced.add(`${this.folder}/${path.slice(0, path.lastIndexOf("/"))}`);
  }

  /** Rebuilds what is being filled above level 0 from the full tiles below. */
  async #startAt(bundles: number): Promise<void> {
    this.#levels.length = 0;
    let nodes = bundles;
    for (let level = 1; nodes > 0; level++) {
      const index = Math.floor(nodes / tileWidthMax);
      const tile = new LevelTile(index);
      for (let below = index * tileWidthMax; below < nodes; below++) {
        const path = tilePath({ level: level - 1, index: below, width: tileWidthMax });
        const hashes = await this.readFile(path, tileWidthMax * hashByteLength);
        if (hashes === undefined) throw lost(this.folder, path);
        tile.push(hashOfTile(this.#sha256, hashes));
      }
      this.#levels[level] = tile;
      nodes = index;
    }
  }
}

/** A tile on its way to 256 hashes. */
class LevelTile {
  readonly index: number;
  count: number;
  readonly #hashes = new Uint8Array(tileWidthMax * hashByteLength);

  constructor(index: number, hashes: Uint8Array = new Uint8Array(0)) {
    this.index = index;
    this.count = hashes.length / hashByteLength;
    this.#hashes.set(hashes);
  }

  push(hash: Uint8Array): void {
    this.#hashes.set(hash, this.count * hashByteLength);
    this.count++;
  }

  hashes(): Uint8Array {
    return this.#hashes.subarray(0, this.count * hashByteLength);
  }

  name(level: number): TileName {
    return { level, index: this.index, width: this.count };
  }
}

/** The partial tiles that a tree of `size` has at its right edge. */
function partialsOf(size: number): string[] {
  const paths: string[] = [];
  const add = (level: number | "entries", nodes: number): void => {
    const width = nodes % tileWidthMax;
    if (width > 0) paths.push(tilePath({ level, index: Math.floor(nodes / tileWidthMax), width }));
  };
  add("entries", size);
  for (let level = 0, nodes = size; nodes > 0; level++) {
    add(level, nodes);
    nodes = Math.floor(nodes / 2 ** tileHeight);
  }
  return paths;
}

function lost(folder: string, path: string): CairnError {
  const what = `the copy in ${folder} has lost ${path}: mirror the log anew into another folder`;
  return new CairnError("tampered", what, { place: { path } });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}

function failed(what: string, folder: string, path: string, cause: unknown): unknown {
  const code = codeOf(cause);
  if (cause instanceof CairnError || typeof code !== "string") return cause;
  const kind = code === "ENOSPC" ? "storage_full" : "unavailable";
  return new CairnError(kind, `cannot ${what} ${path} in ${folder} (${code})`, {
    cause,
    place: { path },
  });
}

/**
 * Tiles, as in C2SP tlog-tiles: their paths, their widths, where a node of the tree lies in them,
 * and entry bundles.
 *
 * A tile of level L and index N is the run of up to 256 hashes of the nodes of tree level 8 * L
 * that begins with node 256 * N. Its *width* is how many: 256 in a full tile; in a partial one, at
 * the right edge of a tree, 1 to 255. The nodes of the seven tree levels between two tile levels
 * are not stored; they are computed from the tile below.
 */
import { parseDecimal } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash, type Sha256 } from "./hash.ts";
import { countHashes, rangeRoot } from "./merkle.ts";
import { checkSizePair } from "./tree-shape.ts";

/** Hashes in a full tile, and entries in a full bundle. */
export const tileWidthMax = 256;
/** Tree levels from one tile level to the next. */
export const tileHeight = 8;

const tileLevelMax = 63;

/** Names a tile, or with level "entries" the bundle of entries under a level-0 tile. */
export interface TileName {
  readonly level: number | "entries";
  readonly index: number;
  /** 1 to 256. */
  readonly width: number;
}

/** A tile of hashes, as a tree has it. */
export interface Tile extends TileName {
  readonly level: number;
}

/** The hashes in a tile from which a node is computed; with `count` 1 the hash itself is there. */
export interface TileSlice {
  readonly level: number;
  readonly index: number;
  /** Place of the first hash in the tile: 0 to 255. */
  readonly first: number;
  readonly count: number;
}

/** One entry in a bundle: its bytes are `begin` up to, not including, `end`. */
export interface EntryRange {
  readonly begin: number;
  readonly end: number;
}

/** The path of a tile under a log's prefix: `tile/0/x001/x234/067` or `tile/entries/000.p/17`. */
export function tilePath(tile: TileName): string {
  const { level, index, width } = tile;
  const knownLevel =
    level === "entries" || (Number.isInteger(level) && level >= 0 && level <= tileLevelMax);
  if (!knownLevel || !Number.isSafeInteger(index) || index < 0) {
    throw new CairnError("malformed", `there is no tile of level ${level} with index ${index}`);
  }
  if (!Number.isInteger(width) || width < 1 || width > tileWidthMax) {
    throw new CairnError("malformed", `a tile is 1 to 256 wide, not ${width}`);
  }
  let digits = String(index % 1000).padStart(3, "0");
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    digits = `x${String(rest % 1000).padStart(3, "0")}/${digits}`;
  }
  return `tile/${level}/${digits}${width === tileWidthMax ? "" : `.p/${width}`}`;
}

const tilePathPattern =
  /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/;

/** Reads the path of a tile in its only spelling, without anything before it. */
export function parseTilePath(path: string): TileName {
  const parts = tilePathPattern.exec(path);
  const [, level, digits, partial] = parts ?? [];
  const refusal = `not the path of a tile: ${JSON.stringify(path.slice(0, 80))}`;
  if (level === undefined || digits === undefined) throw new CairnError("malformed", refusal);
  const index = parseDecimal(
    digits.replaceAll(/[x/]/g, "").replace(/^0+(?=[0-9])/, ""),
    "tile index",
  );
  const tile: TileName = {
    level: level === "entries" ? level : parseDecimal(level, "tile level"),
    index,
    width: partial === undefined ? tileWidthMax : parseDecimal(partial, "tile width"),
  };
  // Printing it again refuses leading "x000/", and a full tile that is spelt as a partial one.
  if (tilePath(tile) !== path) throw new CairnError("malformed", refusal);
  return tile;
}

/**
 * How wide a tile is in a tree of `size`: 256 where it is full, 0 where the tree does not reach it.
 */
export function tileWidth(level: number | "entries", index: number, size: number): number {
  const nodes = Math.floor(size / tileWidthMax ** (level === "entries" ? 0 : level));
  return Math.max(0, Math.min(tileWidthMax, nodes - index * tileWidthMax));
}

/**
 * The tiles of a tree of `size`, level by level upwards, each level from the left; with `oldSize`
 * only those that a tree of that size did not have, or had at another width. Their number is some
 * size / 255, hence one by one.
 */
export function* tilesForSize(size: number, oldSize = 0): Generator<Tile, void, undefined> {
  checkSizePair(oldSize, size);
  let nodes = size;
  let oldNodes = oldSize;
  for (let level = 0; nodes > 0; level++) {
    if (nodes > oldNodes) {
      const end = Math.ceil(nodes / tileWidthMax);
      for (let index = Math.floor(oldNodes / tileWidthMax); index < end; index++) {
        yield { level, index, width: Math.min(tileWidthMax, nodes - index * tileWidthMax) };
      }
    }
    nodes = Math.floor(nodes / tileWidthMax);
    oldNodes = Math.floor(oldNodes / tileWidthMax);
  }
}

/**
 * Where a complete node is found: the lowest tile that has it, and the hashes there which it is the
 * root of. The tile's width follows from the tree's size, see `tileWidth`.
 */
export function tileOfNode(level: number, index: number): TileSlice {
  const tileLevel = Math.floor(level / tileHeight);
  const count = 2 ** (level % tileHeight);
  const nodesPerTile = tileWidthMax / count;
  return {
    level: tileLevel,
    index: Math.floor(index / nodesPerTile),
    first: (index % nodesPerTile) * count,
    count,
  };
}

/**
 * The hash of a node, from the bytes of its tile. "malformed" if the tile is too narrow to have it.
 */
export function nodeFromTile(sha256: Sha256, tile: Uint8Array, slice: TileSlice): Hash {
  const width = countHashes(tile);
  const end = slice.first + slice.count;
  if (end > width) {
    throw new CairnError(
      "malformed",
      `the tile of level ${slice.level} and index ${slice.index} has ${width} hashes: ` +
        `hash ${end - 1} is needed`,
    );
  }
  const run = tile.subarray(slice.first * hashByteLength, end * hashByteLength);
  return slice.count === 1 ? new Uint8Array(run) : rangeRoot(sha256, run);
}

/**
 * The root over a full tile: what the tile above it holds in its place. "malformed" if it is not
 * full.
 */
export function hashOfTile(sha256: Sha256, tile: Uint8Array): Hash {
  if (tile.length !== tileWidthMax * hashByteLength) {
    throw new CairnError("malformed", `a full tile has 8192 bytes, not ${tile.length}`);
  }
  return rangeRoot(sha256, tile);
}

/**
 * Finds the entries in a bundle: u16be length || entry, one after another, up to the exact end; 1
 * to 256 of them, or exactly `width` where that is known. Their bytes are not looked at.
 */
export function parseEntryBundle(bytes: Uint8Array, width?: number): EntryRange[] {
  const ranges: EntryRange[] = [];
  let at = 0;
  while (at < bytes.length) {
    const begin = at + 2;
    if (begin > bytes.length) throw bundleError("ends within a length", at);
    const end = begin + bytes[at]! * 256 + bytes[at + 1]!;
    if (end > bytes.length) {
      throw bundleError(`ends ${end - bytes.length} bytes before the end of an entry`, at);
    }
    if (ranges.length === tileWidthMax) throw bundleError("goes on after 256 entries", at);
    ranges.push({ begin, end });
    at = end;
  }
  if (ranges.length === 0) throw bundleError("has no entries", 0);
  if (width !== undefined && ranges.length !== width) {
    throw bundleError(`has ${ranges.length} entries, not ${width}`, at);
  }
  return ranges;
}

function bundleError(what: string, byte: number): CairnError {
  const message = `the entry bundle ${what} (byte ${byte}): fetch it again, or from another copy`;
  return new CairnError("malformed", message, { place: { byte } });
}

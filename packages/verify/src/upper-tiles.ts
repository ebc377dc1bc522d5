/**
 * The tiles above sealed files, `tree/<level>/<index>`: made again from the roots of the sealed files as they go by,
 * and compared. They are derived, so that one that is missing is no loss.
 */
import { hashOfTile, isCairnError, isSameBytes, type Hash, type Sha256 } from "@cairnlog/core";
import { bundleEntries, treeTilePath } from "@cairnlog/store";
import type { LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";

const lowestLevel = 2;
const hashByteLength = 32;
const tileByteLength = bundleEntries * hashByteLength;

interface Level {
  index: number;
  count: number;
  readonly tile: Uint8Array;
  /** False where a hash in the tile is unknown. */
  isKnown: boolean;
}

export class UpperTiles {
  readonly #folder: LogFolder;
  readonly #sha256: Sha256;
  readonly #findings: Findings;
  /** Paths of tiles that are there and were not met yet. */
  readonly #left: Set<string>;
  readonly #levels: Level[] = [];

  constructor(folder: LogFolder, sha256: Sha256, found: readonly string[], findings: Findings) {
    this.#folder = folder;
    this.#sha256 = sha256;
    this.#findings = findings;
    this.#left = new Set(found);
  }

  /** The root of the next sealed file; undefined where it is damaged. */
  async append(root: Hash | undefined, level = lowestLevel): Promise<void> {
    const at = (this.#levels[level - lowestLevel] ??= newLevel());
    if (root === undefined) at.isKnown = false;
    else at.tile.set(root, at.count * hashByteLength);
    at.count++;
    if (at.count < bundleEntries) return;
    await this.#compare(level, at);
    const above = at.isKnown ? hashOfTile(this.#sha256, at.tile) : undefined;
    at.index++;
    at.count = 0;
    at.isKnown = true;
    await this.append(above, level + 1);
  }

  /** Tiles that remain have no entries below them. */
  finish(): void {
    for (const path of this.#left) {
      this.#findings.problem("derived", "there are no sealed entries that this tile is of", {
        path,
      });
    }
  }

  async #compare(level: number, { index, tile, isKnown }: Level): Promise<void> {
    const path = treeTilePath(level, index);
    this.#left.delete(path);
    try {
      const found = await this.#folder.get(path, tileByteLength);
      if (found === undefined) {
        this.#findings.note("missing", "the tile is not there; it can be made again", { path });
      } else if (isKnown && !isSameBytes(found, tile)) {
        const byte = found.findIndex((each, i) => each !== tile[i]);
        this.#findings.problem("derived", "the tile is not what the sealed files hash to", {
          path,
          byte: byte < 0 ? found.length : byte,
        });
      }
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.#findings.caught(error, "derived", { path });
    }
  }
}

function newLevel(): Level {
  return { index: 0, count: 0, tile: new Uint8Array(tileByteLength), isKnown: true };
}

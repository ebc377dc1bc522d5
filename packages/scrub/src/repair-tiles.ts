/** A repair's source that has a log's tiles: its entries and a checkpoint, by the paths of C2SP tlog-tiles. */
import {
  CairnError,
  isCairnError,
  noteBytesMax,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  tilePath,
  tileWidthMax,
} from "@cairnlog/core";
import type { LogFolder } from "@cairnlog/verify";
import type { RepairSource } from "./repair-source.ts";

const bundleByteLengthMax = tileWidthMax * (2 + 0xffff);

/** The bytes at a path of the tile API; rejects with "not_found" where there are none. */
export interface TileReader {
  get(path: string, byteLengthMax: number): Promise<Uint8Array>;
}

/** A folder in the static layout of tlog-tiles, as a web server would show it. */
export function tileFolder(folder: LogFolder): TileReader {
  return {
    async get(path, byteLengthMax) {
      const bytes = await folder.get(path, byteLengthMax);
      if (bytes !== undefined) return bytes;
      const what = `there is no ${path} in ${folder.location}`;
      throw new CairnError("not_found", what, { place: { path } });
    },
  };
}

export function tilesSource(where: string, tiles: TileReader): RepairSource {
  const checkpoint = (): Promise<Uint8Array | undefined> =>
    unlessMissing(tiles.get("checkpoint", noteBytesMax));
  let size: Promise<number> | undefined;
  return {
    where,
    files: undefined,
    checkpoint,
    async *entries(from, to) {
      size ??= checkpoint().then((bytes) =>
        bytes === undefined ? 0 : parseCheckpoint(parseNote(bytes).text).size,
      );
      yield* tileEntries(tiles, await size, from, to);
    },
  };
}

async function* tileEntries(
  tiles: TileReader,
  size: number,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const end = Math.min(to, size);
  for (let seq = from; seq < end;) {
    const index = Math.floor(seq / tileWidthMax);
    const width = Math.min(tileWidthMax, size - index * tileWidthMax);
    const path = tilePath({ level: "entries", index, width });
    const bundle = await unlessMissing(tiles.get(path, bundleByteLengthMax));
    if (bundle === undefined) return;
    for (const range of parseEntryBundle(bundle, width)) {
      if (seq === end) return;
      yield bundle.slice(range.begin - 2, range.end);
      seq++;
    }
  }
}

async function unlessMissing(bytes: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await bytes;
  } catch (error) {
    if (isCairnError(error, "not_found")) return undefined;
    throw error;
  }
}

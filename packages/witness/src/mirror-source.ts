/** A mirror's folder as a source of tiles, for who takes a log back from it. Read-only: the mirror may be running. */
import { CairnError, parseTilePath, utf8, type Sha256 } from "@cairnlog/core";
import type { TileSource } from "./follower.ts";
import { MirrorFiles } from "./mirror-files.ts";

/** Undefined where `folder` is no mirror's. "malformed" where its memory is not as it was written. */
export async function openMirrorTiles(
  folder: string,
  sha256: Sha256,
): Promise<TileSource | undefined> {
  const files = new MirrorFiles(folder, sha256);
  const state = await files.load();
  if (state === undefined) return undefined;
  const note = state.note === undefined ? undefined : utf8(state.note);
  return {
    async get(path) {
      const isTile = path !== "checkpoint";
      const bytes = isTile ? await readTile(files, path) : note;
      if (bytes !== undefined) return bytes;
      throw new CairnError("not_found", `the copy in ${folder} has no ${path}`, {
        place: { path },
      });
    },
  };
}

async function readTile(files: MirrorFiles, path: string): Promise<Uint8Array | undefined> {
  try {
    return await files.tile(parseTilePath(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // A damaged frame, or one that decompresses to more than a bundle can be.
    if (cause instanceof CairnError || typeof code !== "string") throw cause;
    const what = `${path} of the mirror's copy cannot be decompressed (${code})`;
    throw new CairnError("unverified", what, { cause, place: { path } });
  }
}

/**
 * Where the right bytes may come from. Nothing that comes from there is believed: whoever asks verifies it.
 *
 * A place that keeps a log's files as they are (a copy of its folder, a bucket's locked versions) can give back any of
 * them; one that has its tiles (a mirror, a server) has its entries, and no seals.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CairnError, type Sha256 } from "@cairnlog/core";
import { Fetcher, LogFolder, type Fetch } from "@cairnlog/verify";
import { folderSource } from "./repair-folder.ts";
import { tileFolder, tilesSource } from "./repair-tiles.ts";

export interface RepairSource {
  /** For messages. */
  readonly where: string;
  /** The log's files, where this place keeps them as they are. */
  readonly files: LogFolder | undefined;
  /** A checkpoint, the newest that is here or the newest of at most `sizeMax` entries. */
  checkpoint(sizeMax: number): Promise<Uint8Array | undefined>;
  /**
   * The framed entries from `from` on (a multiple of 256), one array for each entry, up to `to` or as many as there
   * are.
   */
  entries(from: number, to: number): AsyncGenerator<Uint8Array>;
}

/** A folder or an http(s) address. `fetch` and an API key are for an address. */
export async function repairSource(
  from: string,
  sha256: Sha256,
  options: { readonly fetch?: Fetch; readonly key?: string } = {},
): Promise<RepairSource> {
  if (/^https?:\/\//i.test(from)) {
    const base = `${from.replace(/\/checkpoint$/, "").replace(/\/+$/, "")}/`;
    return tilesSource(base, new Fetcher(base, options));
  }
  if (!existsSync(from)) throw new CairnError("not_found", `there is no folder ${from}`);
  const has = (name: string): boolean => existsSync(join(from, name));
  if (has("sealed") || has("tail")) {
    const folder = new LogFolder(from);
    // A pipe in it would keep whoever opens it waiting: the listing tells what is none of a log's.
    await folder.list();
    return folderSource(folder, sha256);
  }
  if (has("tile")) return tilesSource(from, tileFolder(new LogFolder(from)));
  throw new CairnError(
    "usage",
    `${from} is no log's folder: give a copy of the folder, a folder or an address with the log's tiles, or ` +
      "the bucket with its write-once copies",
  );
}

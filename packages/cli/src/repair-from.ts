/**
 * `cairn repair --from`: the places that right bytes may come from. Which one is meant shows: an address, a bucket, the
 * folder of a mirror; any other folder is looked at by the repair itself.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { nodeCrypto } from "@cairnlog/crypto";
import type { RepairSource } from "@cairnlog/scrub";
import type { CommandContext } from "./command.ts";
import { isBucket, tilesAddress } from "./key-arguments.ts";
import { bucketOptions } from "./worm-copies.ts";

const { sha256 } = nodeCrypto;

export interface RepairFrom {
  readonly from: string | RepairSource;
  close(): void;
}

/** `log` is the name of the log that is repaired. */
export async function openRepairFrom(
  { io, config }: CommandContext,
  place: string,
  log: string,
): Promise<RepairFrom> {
  const { values } = config;
  const close = (): void => undefined;
  if (/^https?:\/\//i.test(place)) return { from: tilesAddress(place, values.log), close };
  if (isBucket(place)) return openBucket(place, log, bucketOptions(values));
  const folder = resolve(io.cwd, place);
  // What a mirror remembers by; it would say so too, but only after it was loaded.
  if (!existsSync(join(folder, "follow.json"))) return { from: folder, close };
  const { openMirrorTiles } = await import("@cairnlog/witness");
  const { tilesSource } = await import("@cairnlog/scrub");
  const tiles = await openMirrorTiles(folder, sha256);
  return { from: tiles === undefined ? folder : tilesSource(folder, tiles), close };
}

async function openBucket(
  place: string,
  log: string,
  options: ReturnType<typeof bucketOptions>,
): Promise<RepairFrom> {
  const { openLockedCopy } = await import("@cairnlog/worm");
  const { folderSource } = await import("@cairnlog/scrub");
  const copy = await openLockedCopy(place, options, log);
  const from = folderSource(copy.folder, sha256, (sizeMax) => copy.checkpoint(sizeMax));
  return { from, close: () => copy.close() };
}

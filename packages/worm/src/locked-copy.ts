/**
 * A log's copies as a folder to read from: for a repair, which takes from it what verifies. What is read is what lies
 * in the locked versions; that it verifies, and that the locks hold, is not looked at here.
 */
import { CairnError, noteBytesMax } from "@cairnlog/core";
import { Findings, LogFolder } from "@cairnlog/verify";
import { Bucket, openClient, type BucketOptions } from "./bucket.ts";
import { takeInventory } from "./bucket-inventory.ts";
import { LockFindings } from "./lock-findings.ts";
import { LockedFiles } from "./locked-files.ts";
import {
  checkpointsFolder,
  findNumber,
  formatBucketPlace,
  numberedKey,
  parseBucketPlace,
  placeInside,
} from "./place.ts";
import { isLog } from "./verify-bucket.ts";

export interface LockedCopy {
  /** `log.json`, `vkeys` and `sealed/…`. It can be read, not listed. */
  readonly folder: LogFolder;
  /** First seqs of the sealed files that are there, ascending. */
  readonly sealed: readonly number[];
  /** The checkpoint of the largest size up to `sizeMax` that was copied. */
  checkpoint(sizeMax: number): Promise<Uint8Array | undefined>;
  close(): void;
}

/**
 * `target` is the place of one log, `s3://bucket/prefix/main`; or that of a server, `s3://bucket/prefix`, where `log`
 * names the log. "not_found" where there is no copy.
 */
export async function openLockedCopy(
  target: string,
  s3: BucketOptions = {},
  log?: string,
): Promise<LockedCopy> {
  const client = openClient(s3);
  const server = new Bucket(client, parseBucketPlace(target));
  try {
    const bucket = await findLog(server, log);
    const findings = new Findings();
    const unseen = new LockFindings(findings, 0);
    const { sealed, versions } = await takeInventory(bucket, unseen, findings);
    const location = formatBucketPlace(bucket.place);
    const files = new LockedFiles(location, bucket, versions, () => undefined);
    return {
      folder: new LogFolder(location, files),
      sealed,
      checkpoint: (sizeMax) => newestCheckpoint(bucket, sizeMax),
      close: () => server.close(),
    };
  } catch (error) {
    server.close();
    throw error;
  }
}

async function findLog(server: Bucket, log: string | undefined): Promise<Bucket> {
  if (await isLog(server)) return server;
  const inside = log === undefined ? undefined : server.inside(placeInside(server.place, log));
  if (inside !== undefined && (await isLog(inside))) return inside;
  const { place } = inside ?? server;
  throw new CairnError("not_found", `there is no copy of a log at ${formatBucketPlace(place)}`);
}

/**
 * A listing goes forward only, and there may be millions: the range that has a checkpoint in it is halved until one is
 * left, a request for each step.
 */
async function newestCheckpoint(bucket: Bucket, sizeMax: number): Promise<Uint8Array | undefined> {
  let found: { readonly key: string; readonly versionId: string | undefined } | undefined;
  let [low, high] = [-1, sizeMax];
  while (low < high) {
    // The first one behind `middle`, if any: all sizes in between have none.
    const middle = low + Math.floor((high - low) / 2);
    const next = await firstBehind(bucket, middle);
    if (next === undefined || next.size > high) {
      high = middle;
      continue;
    }
    low = next.size;
    found = next;
  }
  if (found === undefined) return undefined;
  return (await bucket.read(found.key, found.versionId, 0, noteBytesMax))?.bytes;
}

async function firstBehind(bucket: Bucket, size: number) {
  const after = size < 0 ? checkpointsFolder : numberedKey(checkpointsFolder, size);
  for await (const { key, oldest } of bucket.versions(checkpointsFolder, { after, pageKeys: 1 })) {
    const at = findNumber(checkpointsFolder, key);
    // What is none of the log's, or was only ever deleted, is passed over.
    if (at !== undefined && at > size && oldest !== undefined) {
      return { key, size: at, versionId: oldest.versionId };
    }
  }
  return undefined;
}

/**
 * A log's copies as a folder to read from: for a repair, which takes from it what verifies. What is read is what lies
 * in the locked versions; that it verifies, and that the locks hold, is not looked at here.
 */
import { Findings, LogFolder } from "@cairnlog/verify";
import { Bucket, openClient, type BucketOptions } from "./bucket.ts";
import { takeInventory } from "./bucket-inventory.ts";
import { LockFindings } from "./lock-findings.ts";
import { LockedFiles } from "./locked-files.ts";
import { formatBucketPlace, parseBucketPlace } from "./place.ts";

export interface LockedCopy {
  /** `log.json`, `vkeys` and `sealed/…`. It can be read, not listed. */
  readonly folder: LogFolder;
  /** First seqs of the sealed files that are there, ascending. */
  readonly sealed: readonly number[];
  close(): void;
}

/** `target` is the place of one log: `s3://bucket/prefix/main`. */
export async function openLockedCopy(target: string, s3: BucketOptions = {}): Promise<LockedCopy> {
  const place = parseBucketPlace(target);
  const bucket = new Bucket(openClient(s3), place);
  try {
    const findings = new Findings();
    const unseen = new LockFindings(findings, 0);
    const { sealed, versions } = await takeInventory(bucket, unseen, findings);
    const location = formatBucketPlace(place);
    const files = new LockedFiles(location, bucket, versions, () => undefined);
    return { folder: new LogFolder(location, files), sealed, close: () => bucket.close() };
  } catch (error) {
    bucket.close();
    throw error;
  }
}

/**
 * What a bucket holds of a log, by the listing of its versions: all but the checkpoints, which may be millions and are
 * listed as they are verified.
 */
import { findBlobHash, segmentEntries } from "@cairnlog/store";
import type { Findings } from "@cairnlog/verify";
import type { Bucket } from "./bucket.ts";
import type { LockFindings } from "./lock-findings.ts";
import { checkpointsFolder, findNumber, sealedFolder, settingsKey, vkeysKey } from "./place.ts";
import type { Version } from "./versions.ts";

export interface Inventory {
  /** The oldest version of each key. */
  readonly versions: ReadonlyMap<string, Version>;
  /** First seqs of the sealed files, ascending. */
  readonly sealed: readonly number[];
}

const strangersMax = 20;
/** Behind every key that begins with `checkpoints/`: "0" is the character after the slash. */
const checkpointsEnd = checkpointsFolder.replace("/", "0");

export async function takeInventory(
  bucket: Bucket,
  locks: LockFindings,
  findings: Findings,
): Promise<Inventory> {
  const versions = new Map<string, Version>();
  const sealed: number[] = [];
  let strangers = 0;
  const take = async (prefix: string, after?: string): Promise<void> => {
    const options = after === undefined ? {} : { after };
    for await (const found of bucket.versions(prefix, options)) {
      const { key, oldest } = found;
      if (key.startsWith(checkpointsFolder)) return take("", checkpointsEnd);
      const first = findNumber(sealedFolder, key);
      const isSealed = first !== undefined && first % segmentEntries === 0;
      const isBlob = findBlobHash(key) !== undefined;
      if (!isSealed && !isBlob && key !== settingsKey && key !== vkeysKey) {
        strangers++;
        const what = "the object is none of the log's";
        if (strangers <= strangersMax) findings.note("unknown", what, { path: key });
        continue;
      }
      locks.seeVersions(found);
      if (oldest === undefined) continue;
      versions.set(key, oldest);
      if (isSealed) sealed.push(first);
    }
  };
  await take("");
  if (strangers > strangersMax) {
    findings.note("unknown", `${strangers - strangersMax} more objects are none of the log's`);
  }
  return { versions, sealed };
}

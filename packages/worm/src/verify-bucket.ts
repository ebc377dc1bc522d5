/** Verifies what lies in a bucket: a log's copies, or those of several logs. */
import { CairnError, type Crypto } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { summaryOfLogs, trustedKeys, type DirectoryOptions, type Report } from "@cairnlog/verify";
import { BucketCheck } from "./bucket-check.ts";
import { Bucket, openClient, type BucketOptions } from "./bucket.ts";
import {
  checkpointsFolder,
  formatBucketPlace,
  parseBucketPlace,
  placeInside,
  sealedFolder,
  settingsKey,
  vkeysKey,
} from "./place.ts";

export interface VerifyBucketOptions extends Pick<
  DirectoryOptions,
  "vkeys" | "policy" | "now" | "checkpoint" | "log" | "onProgress" | "signal"
> {
  readonly s3?: BucketOptions;
  /** Milliseconds since 1970, which locks must hold beyond. Default: the system's clock. */
  readonly nowMs?: number;
  readonly crypto?: Crypto;
}

/**
 * Verifies `s3://bucket/prefix`. Rejects where it never began: "usage", "not_found", "forbidden", "unavailable"; what
 * is wrong with the copies is in the report.
 */
export async function verifyBucket(
  target: string,
  options: VerifyBucketOptions = {},
): Promise<Report> {
  const { crypto = nodeCrypto, log, nowMs = Date.now() } = options;
  const pinned = trustedKeys(crypto, options);
  const place = parseBucketPlace(target);
  const bucket = new Bucket(openClient(options.s3), place);
  const check = (at: Bucket): Promise<Report> =>
    new BucketCheck(at, { ...options, crypto, pinned, nowMs }).run();
  try {
    if (log === undefined && (await isLog(bucket))) return await check(bucket);
    const inside = (name: string): Bucket => bucket.inside(placeInside(place, name));
    if (log !== undefined) {
      const at = inside(log);
      if (await isLog(at)) return await check(at);
      throw new CairnError(
        "not_found",
        `there is no copy of a log at ${formatBucketPlace(at.place)}`,
      );
    }
    const reports: Report[] = [];
    for await (const name of namesIn(bucket)) {
      const at = inside(name);
      if (await isLog(at)) reports.push(await check(at));
    }
    if (reports.length === 0) {
      throw new CairnError("not_found", `there is no copy of a log at ${formatBucketPlace(place)}`);
    }
    return { ...summaryOfLogs(formatBucketPlace(place), reports), kind: "bucket" };
  } finally {
    bucket.close();
  }
}

/** One that has lost a part is still a log; what was deleted is listed as well. */
export async function isLog(bucket: Bucket): Promise<boolean> {
  for (const prefix of [settingsKey, vkeysKey, sealedFolder, checkpointsFolder]) {
    for await (const _ of bucket.versions(prefix, { pageKeys: 1 })) return true;
  }
  return false;
}

/** The first parts of the keys, each once: each is found by asking for what comes behind the one before. */
async function* namesIn(bucket: Bucket): AsyncGenerator<string> {
  let after: string | undefined;
  for (;;) {
    const listing = bucket.versions("", { pageKeys: 1, ...(after === undefined ? {} : { after }) });
    const next = await listing.next();
    if (next.done === true) return;
    const [name = "", rest] = next.value.key.split("/");
    if (rest !== undefined && name !== "") yield name;
    // "0" comes right after the slash.
    after = rest === undefined ? next.value.key : `${name}0`;
  }
}

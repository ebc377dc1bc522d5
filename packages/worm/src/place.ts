/**
 * Names: where a log's copies lie in a bucket. `s3://bucket/prefix` is the place of a server; each of its logs has
 * `<prefix>/<log>/` in it, and there
 *
 *     log.json                 the log's settings, byte for byte
 *     vkeys                    its verifier keys, one a line
 *     sealed/<first seq>       the sealed file, byte for byte
 *     blobs/<2 digits>/<hash>  a blob that an entry in a sealed file names
 *     checkpoints/<size>       a published note
 *
 * Numbers have 16 digits, so that a listing, which is in order of the bytes, is in order of the entries.
 */
import { CairnError, parseDecimal } from "@cairnlog/core";

export interface BucketPlace {
  readonly bucket: string;
  /** "" or without a slash at either end. */
  readonly prefix: string;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const prefixPart = /^[A-Za-z0-9!_.*'()-]{1,255}$/;
const scheme = "s3://";

export const settingsKey = "log.json";
export const vkeysKey = "vkeys";
export const sealedFolder = "sealed/";
export const checkpointsFolder = "checkpoints/";
const digitCount = 16;

/** True for what can only be meant as the place of a bucket. */
export function isBucketPlace(text: string): boolean {
  return text.toLowerCase().startsWith(scheme);
}

/** Reads `s3://bucket` or `s3://bucket/prefix`. "usage" for anything else. */
export function parseBucketPlace(text: string): BucketPlace {
  const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)(?:\/(.*?))?\/?$/.exec(text) ?? [];
  const parts = prefix === "" ? [] : prefix.split("/");
  const isPart = (part: string): boolean => prefixPart.test(part) && part !== "." && part !== "..";
  if (bucketName.test(bucket) && parts.every(isPart)) return { bucket, prefix };
  throw new CairnError(
    "usage",
    `expected a place in a bucket as s3://bucket/prefix, not ${JSON.stringify(text.slice(0, 200))}`,
  );
}

export function formatBucketPlace({ bucket, prefix }: BucketPlace): string {
  return prefix === "" ? `${scheme}${bucket}` : `${scheme}${bucket}/${prefix}`;
}

/** The place of something inside `place`. */
export function placeInside(place: BucketPlace, name: string): BucketPlace {
  const { bucket, prefix } = place;
  return { bucket, prefix: prefix === "" ? name : `${prefix}/${name}` };
}

/** `sealed/<first>` or `checkpoints/<size>`. */
export function numberedKey(folder: string, number: number): string {
  return folder + String(number).padStart(digitCount, "0");
}

/** The number in such a key, or undefined for another one. */
export function findNumber(folder: string, key: string): number | undefined {
  if (!key.startsWith(folder)) return undefined;
  const digits = key.slice(folder.length);
  if (!/^[0-9]{16}$/.test(digits)) return undefined;
  try {
    return parseDecimal(digits.replace(/^0+(?=[0-9])/, ""), "number in a key");
  } catch {
    // Beyond 2^53.
    return undefined;
  }
}

/**
 * What a bucket holds of a log, found out by listing it: no file of ours remembers, so none can lie. It costs one
 * request for each 1,000 sealed files and some twenty for the checkpoints, however many there are.
 */
import type { Bucket } from "./bucket.ts";
import { checkpointsFolder, findNumber, numberedKey, sealedFolder } from "./place.ts";
import type { KeyVersions } from "./versions.ts";

export interface Survey {
  /** First seqs of the sealed files that are there, with what lies there. */
  readonly sealed: ReadonlyMap<number, KeyVersions>;
  /** A key under `checkpoints/` for more entries than asked; undefined for none. */
  readonly ahead: KeyVersions | undefined;
  /** The newest checkpoint of at most as many entries. */
  readonly newest: { readonly size: number; readonly found: KeyVersions } | undefined;
}

export async function surveyBucket(bucket: Bucket, size: number): Promise<Survey> {
  const sealed = new Map<number, KeyVersions>();
  for await (const found of bucket.versions(sealedFolder)) {
    const first = findNumber(sealedFolder, found.key);
    if (first !== undefined) sealed.set(first, found);
  }
  const ahead = await firstCheckpoint(bucket, size + 1);
  return { sealed, ahead, newest: await newestCheckpoint(bucket, size) };
}

/** The first key for `from` entries or more. */
async function firstCheckpoint(bucket: Bucket, from: number): Promise<KeyVersions | undefined> {
  // The listing begins behind its marker; a trailing byte makes that "behind everything of the size before".
  const after = from === 0 ? undefined : `${numberedKey(checkpointsFolder, from - 1)}~`;
  const listing = bucket.versions(checkpointsFolder, {
    pageKeys: 2,
    ...(after === undefined ? {} : { after }),
  });
  for await (const found of listing) {
    // Keys of another shape are nobody's checkpoint.
    if (findNumber(checkpointsFolder, found.key) !== undefined) return found;
  }
  return undefined;
}

/** A listing goes forward only, so the last key at or below `size` is found by halving. */
async function newestCheckpoint(bucket: Bucket, size: number): Promise<Survey["newest"]> {
  let newest: Survey["newest"];
  let low = 0;
  let high = size;
  while (low <= high) {
    const middle = low + Math.ceil((high - low) / 2);
    const found = await firstCheckpoint(bucket, middle);
    const at = found === undefined ? undefined : findNumber(checkpointsFolder, found.key);
    if (found === undefined || at === undefined || at > size) high = middle - 1;
    else {
      newest = { size: at, found };
      low = at + 1;
    }
  }
  return newest;
}

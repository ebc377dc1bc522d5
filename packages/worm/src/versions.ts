/**
 * A listing of versions, put together key by key. S3 lists keys in order and the versions of a key newest first, in
 * pages that may end in the middle of a key, versions and delete markers apart.
 */
import type { ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import { CairnError } from "@cairnlog/core";

export interface Version {
  /** Undefined where the server names none. */
  readonly versionId: string | undefined;
  readonly byteLength: number;
  /** When the server stored it, as it says; 0 where it does not. */
  readonly storedMs: number;
}

export interface KeyVersions {
  readonly key: string;
  /** The one that was put first: what is write-once. Undefined where there are only delete markers. */
  readonly oldest: Version | undefined;
  /** How many versions are newer. */
  readonly newer: number;
  readonly deleteMarkers: number;
}

export interface ListMarker {
  readonly key: string;
  readonly versionId: string | undefined;
}

interface Growing {
  oldest: Version | undefined;
  versions: number;
  deleteMarkers: number;
}

/** A server that pages for ever is not followed for ever: this many keys are 19 years of one a second. */
const pagesMax = 600_000;

/** `begin` is how many characters of each key are the place's own. */
export async function* groupVersions(
  begin: number,
  fetchPage: (marker: ListMarker | undefined) => Promise<ListObjectVersionsCommandOutput>,
): AsyncGenerator<KeyVersions> {
  const pending = new Map<string, Growing>();
  let marker: ListMarker | undefined;
  for (let pages = 0; pages < pagesMax; pages++) {
    const page = await fetchPage(marker);
    takePage(pending, page);
    const isLast = page.IsTruncated !== true;
    const keys = [...pending.keys()].sort(compareKeys);
    // The last key of a page may go on in the next one.
    for (const key of isLast ? keys : keys.slice(0, -1)) {
      const { oldest, versions, deleteMarkers } = pending.get(key)!;
      pending.delete(key);
      yield { key: key.slice(begin), oldest, newer: Math.max(0, versions - 1), deleteMarkers };
    }
    if (isLast) return;
    const next = { key: page.NextKeyMarker ?? "", versionId: page.NextVersionIdMarker };
    const isStuck = next.key === marker?.key && next.versionId === marker.versionId;
    if (next.key === "" || isStuck) break;
    marker = next;
  }
  throw new CairnError("unavailable", "the server's listing of versions does not come to an end");
}

function takePage(pending: Map<string, Growing>, page: ListObjectVersionsCommandOutput): void {
  const at = (key: string): Growing => {
    let growing = pending.get(key);
    if (growing === undefined) {
      growing = { oldest: undefined, versions: 0, deleteMarkers: 0 };
      pending.set(key, growing);
    }
    return growing;
  };
  for (const { Key = "", VersionId, Size, LastModified } of page.Versions ?? []) {
    const growing = at(Key);
    growing.versions++;
    // The last one that is listed is the oldest.
    growing.oldest = {
      versionId: VersionId,
      byteLength: Size ?? 0,
      storedMs: LastModified?.getTime() ?? 0,
    };
  }
  for (const { Key = "" } of page.DeleteMarkers ?? []) at(Key).deleteMarkers++;
}

/** By code unit: our own keys are ASCII, where that is by byte, as S3 lists. */
function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

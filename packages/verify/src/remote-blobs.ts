/**
 * The blobs of a log that is verified over HTTP. Its tiles hold entries and hashes, not blobs: those are behind the
 * API, for who may read the log. Without a key for it the report says that they were not checked.
 */
import { isCairnError } from "@cairnlog/core";
import { Fetcher, type FetcherOptions } from "./fetching.ts";
import type { FirstNaming } from "./named-blobs.ts";
import { codeOf, type Findings } from "./report.ts";

/** Where the tiles are, as Cairn serves them. */
const tileAddress = /^(https?:\/\/.+)\/logs\/([a-z0-9][a-z0-9._-]{0,63})\/$/;

/** Checks each of them, or notes that it could not. `base`: the address that the tiles lie under. */
export async function checkRemoteBlobs(
  named: readonly FirstNaming[],
  base: string,
  options: FetcherOptions,
  findings: Findings,
): Promise<void> {
  if (named.length === 0) return;
  const [, server, log] = tileAddress.exec(base) ?? [];
  if (server === undefined || options.key === undefined) {
    noteUnchecked(named.length, findings);
    return;
  }
  const fetcher = new Fetcher(`${server}/v1/logs/${log}/`, options);
  const ordered = named.toSorted((a, b) => a.seq - b.seq);
  for (const [i, { sha256, byteLength, seq }] of ordered.entries()) {
    const path = `blobs/${sha256}`;
    const place = { path, seq };
    try {
      const found = await fetcher.digest(path, byteLength);
      if (found.sha256 === sha256 && found.byteLength === byteLength) continue;
      const what = `the blob that entry ${seq} names comes with ${found.byteLength} bytes and the SHA-256 ${found.sha256}`;
      findings.problem("blob", what, place);
    } catch (error) {
      if (isCairnError(error, "forbidden") || isCairnError(error, "unauthenticated")) {
        noteUnchecked(named.length - i, findings);
        return;
      }
      if (!isCairnError(error)) throw error;
      findings.caught(error, codeOf(error, "blob"), place);
    }
  }
}

function noteUnchecked(count: number, findings: Findings): void {
  const what =
    `${count} blobs that entries name were not checked: tiles do not hold them. Give an API key that may read the ` +
    "log, or verify its folder";
  findings.note("blob", what);
}

/** What may lie in a log's folder (docs/spec/files.md), and what else does. */
import {
  blobsFolder,
  findBlobHash,
  idSidecarPath,
  sealedPath,
  segmentEntries,
  tailPath,
} from "@cairnlog/store";
import type { FolderListing } from "./folder.ts";
import { keyPaths } from "./keys.ts";
import type { Findings } from "./report.ts";
import { settingsPath } from "./settings.ts";
import { streamFilePath } from "./stream-files.ts";

export const checkpointPath = "checkpoint";
const topFiles: readonly string[] = ["commits", checkpointPath, settingsPath, ...keyPaths];
const topFolders = new Set([
  "keys",
  "tail",
  "sealed",
  "tree",
  "index",
  "index/ids",
  "index/streams",
  "lost",
  "evidence",
  "damaged",
  blobsFolder,
]);
const numbered = /^(tail|sealed|index\/ids|index\/streams|tree\/[1-9]?[0-9])\/([0-9]{16})$/;
/** What `witness-conflict.ts` of the log keeps. */
const conflict = /^evidence\/witness-conflict-[1-9][0-9]?\.json$/;
const temporary = /\.tmp-[0-9]+$/;

export interface Layout {
  /** First seq of each sealed file, tail file and file of id hashes, ascending. */
  readonly sealed: readonly number[];
  readonly tails: readonly number[];
  readonly ids: readonly number[];
  /** The same of each file of streams. */
  readonly streams: readonly number[];
  /** Paths of upper tiles. */
  readonly tiles: readonly string[];
}

/** Sorts a folder's files by what they are. What has no place in a log is reported. */
export function layoutOf(listing: FolderListing, findings: Findings): Layout {
  const sealed: number[] = [];
  const tails: number[] = [];
  const ids: number[] = [];
  const streams: number[] = [];
  const tiles: string[] = [];
  let kept = 0;
  let replaced = 0;
  for (const path of listing.files.keys()) {
    if (topFiles.includes(path)) continue;
    if (path.startsWith("lost/")) {
      kept++;
      continue;
    }
    if (path.startsWith("damaged/")) {
      replaced++;
      continue;
    }
    if (findBlobHash(path) !== undefined) continue;
    if (conflict.test(path)) {
      const what = "a witness said that it holds another history of this log: look at the file";
      findings.note("rest", what, { path });
      continue;
    }
    const [, kind, digits] = numbered.exec(path) ?? [];
    const first = Number.parseInt(digits ?? "", 10);
    const isPlace = Number.isSafeInteger(first) && first % segmentEntries === 0;
    if (kind === "tail" && isPlace && tailPath(first) === path) tails.push(first);
    else if (kind === "sealed" && isPlace && sealedPath(first) === path) sealed.push(first);
    else if (kind === "index/ids" && isPlace && idSidecarPath(first) === path) ids.push(first);
    else if (kind === "index/streams" && isPlace && streamFilePath(first) === path)
      streams.push(first);
    else if (kind?.startsWith("tree/") === true) tiles.push(path);
    else if (temporary.test(path)) findings.note("unknown", "an unfinished file", { path });
    else if (kind !== undefined)
      findings.problem("unknown", "no log has a file of this name", { path });
    else findings.note("unknown", "the file is none of the log's", { path });
  }
  for (const path of listing.folders) {
    const isKnown =
      topFolders.has(path) ||
      /^(?:tree\/[0-9]+|blobs\/[0-9a-f]{2})$/.test(path) ||
      /^(?:lost|damaged)\//.test(path);
    if (!isKnown) findings.note("unknown", "the folder is none of the log's", { path });
  }
  for (const path of listing.strange) {
    const isBlob = findBlobHash(path) !== undefined;
    const isOwn = topFiles.includes(path) || numbered.test(path) || isBlob;
    if (isOwn) findings.problem("unreadable", "it is no regular file", { path });
    else findings.note("unknown", "it is no regular file, and none of the log's", { path });
  }
  if (kept > 0) {
    const what = `${kept} files hold what recovery once set aside; they are not part of the log`;
    findings.note("rest", what, { path: "lost" });
  }
  if (replaced > 0) {
    const what = `${replaced} files hold damage that a repair replaced; they are not part of the log`;
    findings.note("rest", what, { path: "damaged" });
  }
  const ascending = (a: number, b: number): number => a - b;
  sealed.sort(ascending);
  return {
    sealed,
    tails: tails.sort(ascending),
    ids: ids.sort(ascending),
    streams: streams.sort(ascending),
    tiles,
  };
}

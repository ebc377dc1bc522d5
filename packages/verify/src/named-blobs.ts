/**
 * The blobs of a log, held against the entries that name them: each is there, with the length that was recorded, and
 * every file among them has the hash that is its name. What no entry names is counted, and is no fault: a blob is put
 * before its event, which may never have come.
 *
 * Memory: a name and two numbers for each different blob.
 */
import { createHash } from "node:crypto";
import type { NamedBlob } from "@cairnlog/core";
import { blobPath, findBlobHash } from "@cairnlog/store";
import type { FolderListing, LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";

/** A blob and the first entry that names it. */
export interface FirstNaming {
  readonly seq: number;
  readonly sha256: string;
  readonly byteLength: number;
}

/** Of a reading. */
const pieceByteLength = 1024 * 1024;

export class NamedBlobs {
  /** By hash and length, so that an entry which names another length is found as well. */
  readonly #first = new Map<string, FirstNaming>();

  readonly take = (seq: number, { sha256, byteLength }: NamedBlob): void => {
    this.add({ seq, sha256, byteLength });
  };

  add(naming: FirstNaming): void {
    const key = `${naming.sha256} ${naming.byteLength}`;
    const known = this.#first.get(key);
    if (known === undefined || naming.seq < known.seq) this.#first.set(key, naming);
  }

  all(): FirstNaming[] {
    return [...this.#first.values()];
  }
}

export interface BlobCheckOptions {
  readonly folder: LogFolder;
  /** Its files, as they were listed. */
  readonly listing: FolderListing;
  readonly findings: Findings;
  readonly signal: AbortSignal | undefined;
}

/** Checks all of them. To be called when the entries were: with problems among those, nobody knows what is unnamed. */
export async function checkBlobs(named: NamedBlobs, options: BlobCheckOptions): Promise<void> {
  const { findings, listing } = options;
  const listed = blobsAmong(listing.files);
  const isComplete = !findings.hasProblems;
  const seqOf = new Map<string, number>();
  for (const { sha256, byteLength, seq } of named.all()) {
    const known = seqOf.get(sha256);
    seqOf.set(sha256, known === undefined ? seq : Math.min(known, seq));
    const path = blobPath(sha256);
    // It may have been put after the folder was listed.
    const found = listed.get(sha256) ?? (await lengthOf(path, seq, options));
    if (found === byteLength) continue;
    const what =
      found === undefined
        ? `the blob ${sha256}, which entry ${seq} names, is gone`
        : `the blob has ${found} bytes, and entry ${seq} says ${byteLength}`;
    findings.problem("blob", what, { path, seq });
  }
  let unnamed = 0;
  let unnamedBytes = 0;
  for (const [sha256, byteLength] of listed) {
    const seq = seqOf.get(sha256);
    if (seq === undefined) {
      unnamed++;
      unnamedBytes += byteLength;
    }
    await checkContent(sha256, seq, options);
  }
  if (unnamed > 0 && isComplete) {
    const what = `${unnamed} blobs (${unnamedBytes} bytes) are named by no entry: their events never came`;
    findings.note("rest", what, { path: "blobs" });
  }
}

async function lengthOf(
  path: string,
  seq: number,
  { folder, findings }: BlobCheckOptions,
): Promise<number | undefined> {
  try {
    return await folder.byteLength(path);
  } catch (error) {
    findings.caught(error, "unreadable", { path, seq });
    return undefined;
  }
}

async function checkContent(
  sha256: string,
  seq: number | undefined,
  { folder, findings, signal }: BlobCheckOptions,
): Promise<void> {
  const path = blobPath(sha256);
  const place = { path, ...(seq === undefined ? {} : { seq }) };
  const hash = createHash("sha256");
  try {
    for (let offset = 0; ; offset += pieceByteLength) {
      signal?.throwIfAborted();
      const piece = await folder.read(path, offset, pieceByteLength);
      if (piece === undefined) {
        findings.problem("blob", "the blob went away while it was read", place);
        return;
      }
      hash.update(piece);
      if (piece.length < pieceByteLength) break;
    }
  } catch (error) {
    if (signal?.aborted === true) throw error;
    findings.caught(error, "unreadable", place);
    return;
  }
  const found = hash.digest("hex");
  if (found === sha256) return;
  const who = seq === undefined ? "which no entry names" : `which entry ${seq} names`;
  findings.problem("blob", `the blob, ${who}, was changed: its SHA-256 is ${found}`, place);
}

/** The blobs among a folder's files: their lengths, by hash. */
function blobsAmong(files: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const blobs = new Map<string, number>();
  for (const [path, byteLength] of files) {
    const sha256 = path.startsWith("blobs/") ? findBlobHash(path) : undefined;
    if (sha256 !== undefined) blobs.set(sha256, byteLength);
  }
  return blobs;
}

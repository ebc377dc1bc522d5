/**
 * The checkpoints of a bucket in order of size, each read and its signatures verified. Several are fetched at a time;
 * they are handed out in order, so that the tree is compared with them as it grows.
 */
import {
  CairnError,
  isCairnError,
  noteBytesMax,
  parseUtf8,
  verifyCheckpoint,
} from "@cairnlog/core";
import type { Crypto, Hash, Vkey } from "@cairnlog/core";
import { checkAllSigned, type Findings } from "@cairnlog/verify";
import type { Bucket, Lock } from "./bucket.ts";
import type { LockFindings } from "./lock-findings.ts";
import { checkpointsFolder, findNumber } from "./place.ts";
import type { KeyVersions } from "./versions.ts";

export interface CopiedCheckpoint {
  readonly path: string;
  readonly size: number;
  readonly root: Hash;
  readonly note: string;
  /** When the server stored it. */
  readonly storedMs: number;
}

export interface CheckpointWalkOptions {
  readonly bucket: Bucket;
  readonly crypto: Crypto;
  readonly origin: string | undefined;
  readonly vkeys: readonly Vkey[];
  readonly findings: Findings;
  readonly locks: LockFindings;
  readonly signal: AbortSignal | undefined;
}

const inFlightMax = 16;

type Read = { readonly checkpoint: CopiedCheckpoint | undefined; readonly lock: Lock | undefined };

/** Those that are damaged or not the log's are findings, and left out. */
export async function* walkCheckpoints(
  options: CheckpointWalkOptions,
): AsyncGenerator<CopiedCheckpoint> {
  const { bucket, findings, locks, signal } = options;
  const window: { readonly key: string; readonly read: Promise<Read> }[] = [];
  const listing = bucket.versions(checkpointsFolder);
  let isListed = false;
  while (!isListed || window.length > 0) {
    signal?.throwIfAborted();
    while (!isListed && window.length < inFlightMax) {
      const next = await listing.next();
      if (next.done === true) isListed = true;
      else {
        const found = next.value;
        locks.seeVersions(found);
        const read = readCheckpoint(options, found);
        // It is awaited below, perhaps after another one has failed.
        read.catch(() => undefined);
        window.push({ key: found.key, read });
      }
    }
    const first = window.shift();
    if (first === undefined) continue;
    try {
      const { checkpoint, lock } = await first.read;
      if (lock !== undefined) locks.seeLock(first.key, lock);
      if (checkpoint !== undefined) yield checkpoint;
    } catch (error) {
      findings.caught(error, "checkpoint", { path: first.key });
    }
  }
}

async function readCheckpoint(options: CheckpointWalkOptions, found: KeyVersions): Promise<Read> {
  const { bucket, crypto, origin = "", vkeys, findings } = options;
  const { key, oldest } = found;
  const size = findNumber(checkpointsFolder, key);
  if (size === undefined) {
    findings.note("unknown", "the object is none of the log's", { path: key });
    return { checkpoint: undefined, lock: undefined };
  }
  if (oldest === undefined) return { checkpoint: undefined, lock: undefined };
  const read = await bucket.read(key, oldest.versionId, 0, noteBytesMax + 1);
  if (read === undefined) throw new CairnError("not_found", "it was listed and is gone");
  const { bytes, lock } = read;
  try {
    const { checkpoint, verified } = await verifyCheckpoint(crypto, bytes, vkeys, origin);
    checkAllSigned(vkeys, verified, "the checkpoint");
    if (checkpoint.size !== size) {
      const what = `the checkpoint is of ${checkpoint.size} entries, and lies where one of ${size} belongs`;
      throw new CairnError("unverified", what);
    }
    const note = parseUtf8(bytes);
    const { storedMs } = oldest;
    const { root } = checkpoint;
    return { checkpoint: { path: key, size, root, note, storedMs }, lock };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.caught(error, "checkpoint", { path: key });
    return { checkpoint: undefined, lock };
  }
}

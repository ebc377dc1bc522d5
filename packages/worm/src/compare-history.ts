/** Holds what a bucket remembers of a log against the log itself, before anything is added to it. */
import {
  noteBytesMax,
  parseVkey,
  verifyCheckpoint,
  isCairnError,
  type Crypto,
} from "@cairnlog/core";
import { sealedPath, type LogReader } from "@cairnlog/store";
import type { Bucket } from "./bucket.ts";
import type { CopiedLog } from "./copier.ts";
import type { WormAlarmCode } from "./copier-status.ts";
import { coverAlarms, findNoteFault } from "./keep.ts";
import { surveyBucket, type Survey } from "./survey.ts";
import type { KeyVersions } from "./versions.ts";

export interface HistoryOptions {
  readonly log: CopiedLog;
  readonly reader: Pick<LogReader, "byteLength">;
  readonly bucket: Bucket;
  readonly crypto: Crypto;
}

export interface ComparedHistory {
  readonly copied: readonly number[];
  readonly disputed: readonly number[];
  readonly checkpointSize: number;
  /**
   * Why nothing may be added: a second history in the same place would leave neither of them provable. Undefined
   * where all is well.
   */
  readonly refusal: string | undefined;
  readonly alarms: readonly Found[];
}

interface Found {
  readonly code: WormAlarmCode;
  readonly path: string;
  readonly message: string;
  /** True where the log's own key vouches for another history. */
  readonly isOther?: boolean;
}

/**
 * Of sealed files the length is compared, which costs no more than the listing: `cairn verify` of the bucket reads
 * them all. Of the newest checkpoint the root is compared with the log's own, so that a log that was rewritten below
 * it is noticed at its next start.
 */
export async function compareHistory(options: HistoryOptions): Promise<ComparedHistory> {
  const { log, reader, bucket } = options;
  const { size, sealedSize } = log.status();
  const survey = await surveyBucket(bucket, size);
  const alarms: Found[] = [];
  const copied: number[] = [];
  const disputed: number[] = [];
  for (const [first, found] of survey.sealed) {
    alarms.push(...coversOf(found));
    if (found.oldest === undefined || first >= sealedSize) continue;
    const path = sealedPath(first);
    const byteLength = await reader.byteLength(path);
    if (byteLength === found.oldest.byteLength) copied.push(first);
    else {
      disputed.push(first);
      const message = `the bucket holds ${found.oldest.byteLength} bytes at ${path}, and the log ${byteLength ?? 0}: another history`;
      alarms.push({ code: "another_history", path, message });
    }
  }
  alarms.push(...(await checkpointAlarms(options, survey, size)));
  const refusal = alarms.find(({ isOther }) => isOther === true)?.message;
  return { copied, disputed, checkpointSize: survey.newest?.size ?? 0, refusal, alarms };
}

async function checkpointAlarms(
  options: HistoryOptions,
  { ahead, newest }: Survey,
  size: number,
): Promise<Found[]> {
  const { log, bucket } = options;
  const alarms: Found[] = [];
  if (ahead !== undefined) {
    alarms.push(...coversOf(ahead), await aheadAlarm(options, ahead, size));
  }
  if (newest === undefined) return alarms;
  const { found } = newest;
  alarms.push(...coversOf(found));
  const read = await bucket.read(found.key, found.oldest?.versionId, 0, noteBytesMax);
  const bytes = read?.bytes ?? new Uint8Array(0);
  const fault = await findNoteFault(options, bytes, await log.root(newest.size));
  if (fault !== undefined) {
    const message = `the bucket holds another checkpoint at ${found.key}: ${fault.message}`;
    const isOther = fault.isSigned;
    alarms.push({ code: "another_history", path: found.key, message, isOther });
  }
  return alarms;
}

/** A key for more entries than the log has: signed by the log it is a rollback, else somebody's litter. */
async function aheadAlarm(
  { log, bucket, crypto }: HistoryOptions,
  found: KeyVersions,
  size: number,
): Promise<Found> {
  const { key, oldest } = found;
  const read = await bucket.read(key, oldest?.versionId, 0, noteBytesMax);
  try {
    const vkeys = log.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    const bytes = read?.bytes ?? new Uint8Array(0);
    const { checkpoint } = await verifyCheckpoint(crypto, bytes, vkeys, log.origin);
    const message =
      `the bucket holds a checkpoint of ${checkpoint.size} entries that this log signed, and the log has ${size}: ` +
      "entries were cut off, or an older copy was put back";
    return { code: "rolled_back", path: key, message, isOther: true };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const message = `the bucket holds ${key}, which this log never signed: ${error.message}`;
    return { code: "another_history", path: key, message };
  }
}

function coversOf(found: KeyVersions): Found[] {
  return coverAlarms(found).map((alarm) => ({ ...alarm, path: found.key }));
}

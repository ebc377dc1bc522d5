/**
 * Sees to it that an object is in the bucket, under its lock: puts it if it is not there, and asks the server what it
 * holds now in either case. Another thing that is there is reported, and stays.
 */
import { createHash } from "node:crypto";
import {
  base64,
  CairnError,
  isCairnError,
  isSameBytes,
  noteBytesMax,
  parseVkey,
  utf8,
  verifyCheckpoint,
} from "@cairnlog/core";
import type { Crypto, Hash } from "@cairnlog/core";
import type { Bucket, VersionHead } from "./bucket.ts";
import { contentOf, type Content } from "./content.ts";
import type { WormAlarmCode } from "./copier-status.ts";
import type { KeyVersions } from "./versions.ts";

export interface KeepParts {
  readonly bucket: Bucket;
  readonly log: { readonly origin: string; readonly vkeys: readonly string[] };
  readonly crypto: Crypto;
  /** How long a new object is locked. */
  readonly untilMs: number;
  /** How long one that is there must be locked at the least: now. */
  readonly minimumMs: number;
}

export interface Kept {
  /** True where this call put it. */
  readonly isNew: boolean;
  /** False where something else has its place. */
  readonly isSame: boolean;
  readonly alarms: readonly { readonly code: WormAlarmCode; readonly message: string }[];
}

const readByteLength = 8 * 1024 * 1024;

/** For what has exactly one content. */
export async function keepObject(parts: KeepParts, key: string, content: Content): Promise<Kept> {
  return keep(parts, key, content, async (head) => {
    const isSame =
      head.byteLength === content.byteLength &&
      (await sha256Of(parts.bucket, key, head)) === base64(content.sha256);
    return isSame
      ? undefined
      : "its bytes are not those of this log: another history, or another log's";
  });
}

/**
 * For a published note: of one size there may be several, with other cosignatures. Whichever is there will do, if it
 * says the same of the log under the log's own signatures.
 */
export async function keepNote(
  parts: KeepParts,
  key: string,
  published: { readonly root: Hash; readonly note: string },
): Promise<Kept> {
  const { bucket } = parts;
  return keep(parts, key, contentOf(utf8(published.note)), async ({ versionId }) => {
    const found = await bucket.read(key, versionId, 0, noteBytesMax);
    const bytes = found?.bytes ?? new Uint8Array(0);
    return (await findNoteFault(parts, bytes, published.root))?.message;
  });
}

/**
 * The oldest version is what counts, here as in a verification: so it is looked for first, and somebody who lays
 * something over it can't make it seem another.
 */
async function keep(
  { bucket, untilMs, minimumMs }: KeepParts,
  key: string,
  content: Content,
  findFault: (head: VersionHead) => Promise<string | undefined>,
): Promise<Kept> {
  let there = await findKey(bucket, key);
  let versionId = there?.oldest?.versionId;
  let isNew = false;
  if (there?.oldest === undefined) {
    const put = await bucket.put(key, content, untilMs);
    ({ isNew } = put);
    if (put.isNew) ({ versionId } = put);
    else {
      // Another process was faster.
      there = await findKey(bucket, key);
      versionId = there?.oldest?.versionId;
    }
  }
  const head = await bucket.head(key, versionId);
  if (head === undefined) {
    throw new CairnError("unavailable", `the server does not show ${key}, which is there`);
  }
  const covers = there === undefined ? [] : coverAlarms(there);
  const fault = await findFault(head);
  if (fault === undefined) {
    const alarms = [...covers, ...lockAlarms(head, isNew ? untilMs : minimumMs)];
    return { isNew, isSame: true, alarms };
  }
  const message = `the bucket holds something else at ${key}: ${fault}`;
  return { isNew, isSame: false, alarms: [...covers, { code: "another_history", message }] };
}

async function findKey(bucket: Bucket, key: string): Promise<KeyVersions | undefined> {
  for await (const found of bucket.versions(key)) {
    // A prefix may be that of other keys as well; the key itself comes first.
    return found.key === key ? found : undefined;
  }
  return undefined;
}

/** What somebody laid over a locked copy. */
export function coverAlarms({ key, newer, deleteMarkers }: KeyVersions): Kept["alarms"] {
  const alarms: { code: WormAlarmCode; message: string }[] = [];
  const code = "covered";
  if (deleteMarkers > 0) {
    const message = `somebody deleted ${key}: a delete marker lies over the locked copy`;
    alarms.push({ code, message });
  }
  if (newer > 0) {
    const message = `somebody wrote ${key} again: a newer version lies over the locked copy`;
    alarms.push({ code, message });
  }
  return alarms;
}

export interface NoteFault {
  readonly message: string;
  /** True where this log's own key signed it: then it is no litter, but another history. */
  readonly isSigned: boolean;
}

/** Why `bytes` are not a checkpoint of this log with this root; undefined where they are. */
export async function findNoteFault(
  { log, crypto }: Pick<KeepParts, "log" | "crypto">,
  bytes: Uint8Array,
  root: Hash,
): Promise<NoteFault | undefined> {
  try {
    const vkeys = log.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    const { checkpoint } = await verifyCheckpoint(crypto, bytes, vkeys, log.origin);
    if (isSameBytes(checkpoint.root, root)) return undefined;
    const message =
      `it says the root ${base64(checkpoint.root)} under this log's own key, and the log has ` +
      `${base64(root)}: one of the two histories was rewritten`;
    return { message, isSigned: true };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return { message: error.message, isSigned: false };
  }
}

/** SHA-256 of a version, base64: as the server keeps it, else of what it sends. */
async function sha256Of(bucket: Bucket, key: string, head: VersionHead): Promise<string> {
  if (head.sha256 !== undefined) return head.sha256;
  const hash = createHash("sha256");
  for (let offset = 0; offset < head.byteLength; offset += readByteLength) {
    const found = await bucket.read(key, head.versionId, offset, readByteLength);
    hash.update(found?.bytes ?? new Uint8Array(0));
  }
  return hash.digest("base64");
}

/** Servers keep whole seconds, rounded either way. */
const roundingMs = 1000;

function lockAlarms({ lock }: VersionHead, untilMs: number): Kept["alarms"] {
  if (lock.mode === "COMPLIANCE" && (lock.untilMs ?? 0) >= untilMs - roundingMs) return [];
  const until = lock.untilMs === undefined ? "" : ` until ${new Date(lock.untilMs).toISOString()}`;
  const seen =
    lock.mode === undefined ? "no lock that may be seen" : `the lock ${lock.mode}${until}`;
  const message = `the copy has ${seen}, and COMPLIANCE was asked for until ${new Date(untilMs).toISOString()}`;
  return [{ code: "unlocked", message }];
}

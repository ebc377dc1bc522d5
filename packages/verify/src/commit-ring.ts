/**
 * The ring of commit records, read strictly. With N the newest record, every slot must hold what the writer left
 * there: the slots of the last 64 numbers their records, those of numbers below 1 zeros.
 *
 * One exception: a crash may leave the record N + 1 half-written in its slot. Such a slot is taken for a torn write
 * only if each of its sectors of 512 bytes is the old one or that of a record which the entries beyond N really have;
 * everything else there is damage, as anywhere.
 */
import { isCairnError, isSameBytes } from "@cairnlog/core";
import {
  commitSlotByteLength,
  commitSlotCount,
  decodeCommitSlot,
  encodeCommitSlot,
  segmentEntries,
  type Commit,
} from "@cairnlog/store";
import type { LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";
import { isZero } from "./zeros.ts";

export const ringPath = "commits";
const ringByteLength = commitSlotByteLength * commitSlotCount;
const sectorByteLength = 512;
/** A record whose digest is damaged differs from the right digest in fewer bytes than an older record's would. */
const otherDigestBytesMin = 16;
const readingsMax = 3;

export interface CommitRing {
  /** The newest record; undefined where none is valid. */
  readonly newest: Commit | undefined;
  /** All valid records that are in their place, oldest first. */
  readonly commits: readonly Commit[];
  /** The slot of the next record, where it holds something that is neither zeros nor the old record. */
  readonly suspect: { readonly index: number; readonly bytes: Uint8Array } | undefined;
}

/** Reads and judges the ring. */
export async function readRing(folder: LogFolder, findings: Findings): Promise<CommitRing> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readSteadily(folder);
  } catch (error) {
    findings.caught(error, "commits", { path: ringPath });
    return { newest: undefined, commits: [], suspect: undefined };
  }
  if (bytes === undefined) {
    const what =
      "the file `commits` is missing: without its records nobody knows where the log ends";
    findings.problem("missing", what, { path: ringPath });
    return { newest: undefined, commits: [], suspect: undefined };
  }
  if (bytes.length !== ringByteLength) {
    const what = `the ring of commit records has ${ringByteLength} bytes, not ${bytes.length}`;
    findings.problem("commits", what, {
      path: ringPath,
      byte: Math.min(bytes.length, ringByteLength),
    });
  }
  return judge(slotsOf(bytes, findings), findings);
}

async function readSteadily(folder: LogFolder): Promise<Uint8Array | undefined> {
  let bytes = await folder.get(ringPath, ringByteLength);
  // A writer may be at work: a slot that is being written reads well a moment later.
  for (let reading = 1; bytes !== undefined && reading < readingsMax; reading++) {
    const again = await folder.get(ringPath, ringByteLength);
    if (again === undefined || Buffer.compare(bytes, again) === 0) break;
    bytes = again;
  }
  return bytes;
}

interface Slot {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly commit: Commit | undefined;
}

function slotsOf(ring: Uint8Array, findings: Findings): Slot[] {
  const slots: Slot[] = [];
  for (let index = 0; index < commitSlotCount; index++) {
    const from = index * commitSlotByteLength;
    const bytes = ring.subarray(from, from + commitSlotByteLength);
    let commit: Commit | undefined;
    try {
      if (!isZero(bytes)) commit = decodeCommitSlot(bytes, index);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      findings.caught(error, "version");
    }
    slots.push({ index, bytes, commit });
  }
  return slots;
}

function judge(slots: readonly Slot[], findings: Findings): CommitRing {
  let newest: Commit | undefined;
  for (const { commit } of slots) {
    if (commit !== undefined && commit.number > (newest?.number ?? 0)) newest = commit;
  }
  if (newest === undefined) {
    const what = "there is no valid commit record: nobody knows where the log ends";
    findings.problem("commits", what, { path: ringPath, byte: 0 });
    return { newest, commits: [], suspect: undefined };
  }
  const next = (newest.number + 1) % commitSlotCount;
  const commits: Commit[] = [];
  let suspect: CommitRing["suspect"];
  for (const { index, bytes, commit } of slots) {
    // The largest number up to the newest one whose slot this is; not positive where there was none yet.
    const back = (newest.number - index + commitSlotCount) % commitSlotCount;
    const number = newest.number - back;
    if (commit?.number === number) commits.push(commit);
    else if (number < 1 && isZero(bytes)) continue;
    else if (index === next && commit === undefined) suspect = { index, bytes };
    else reportSlot(index, number, commit, findings);
  }
  commits.sort((a, b) => a.number - b.number);
  checkSequence(commits, findings);
  return { newest, commits, suspect };
}

function reportSlot(
  index: number,
  number: number,
  commit: Commit | undefined,
  findings: Findings,
): void {
  const expected = number < 1 ? "zeros" : `commit record ${number}`;
  const found = commit === undefined ? "no valid record" : `record ${commit.number}`;
  findings.problem("commits", `slot ${index} should hold ${expected} and holds ${found}`, {
    path: ringPath,
    byte: index * commitSlotByteLength,
  });
}

/** Sizes never shrink, and a record ends in the tail file that its last entry is in. */
function checkSequence(commits: readonly Commit[], findings: Findings): void {
  let before: Commit | undefined;
  for (const commit of commits) {
    const { number, size, tailFirst, tailOffset } = commit;
    const first = size === 0 ? 0 : Math.floor((size - 1) / segmentEntries) * segmentEntries;
    const isShrunk =
      before !== undefined &&
      (size < before.size || (tailFirst === before.tailFirst && tailOffset < before.tailOffset));
    if (isShrunk || tailFirst !== first) {
      findings.problem("commits", `commit record ${number} contradicts itself or the one before`, {
        path: ringPath,
        byte: byteOfSlot(number),
      });
    }
    before = commit;
  }
}

/** Where the slot of a record begins in the ring. */
export function byteOfSlot(number: number): number {
  return (number % commitSlotCount) * commitSlotByteLength;
}

/**
 * Decides about the slot of the next record, once it is known which records could be meant: `next` are those that
 * the entries beyond the newest commit allow.
 */
export function judgeSuspect(ring: CommitRing, next: readonly Commit[], findings: Findings): void {
  if (ring.suspect === undefined || ring.newest === undefined) return;
  const { index, bytes } = ring.suspect;
  const place = { path: ringPath, byte: index * commitSlotByteLength };
  const wasUsed = ring.newest.number >= commitSlotCount;
  if (next.some((commit) => isTorn(bytes, encodeCommitSlot(commit), wasUsed))) {
    const what = `commit record ${ring.newest.number + 1} was not written to its end: nothing in it was acknowledged`;
    findings.note("rest", what, place);
    return;
  }
  findings.problem("commits", `slot ${index} holds no valid record`, place);
}

/** Whether `bytes` are some sectors of `slot` over what was there before: zeros, or an older record. */
function isTorn(bytes: Uint8Array, slot: Uint8Array, wasUsed: boolean): boolean {
  if (bytes.length !== slot.length) return false;
  let isBegun = false;
  for (let at = 0; at < slot.length; at += sectorByteLength) {
    const found = bytes.subarray(at, at + sectorByteLength);
    const written = slot.subarray(at, at + sectorByteLength);
    if (isSameBytes(found, written)) {
      isBegun ||= !isZero(written);
      continue;
    }
    if (!wasUsed && isZero(found)) continue;
    // Of an older record only its last sector may still be there: the first one would name its number.
    const digestAt = sectorByteLength - 32;
    const isLast = at + sectorByteLength === slot.length;
    if (!wasUsed || !isLast || !isZero(found.subarray(0, digestAt))) return false;
    let different = 0;
    for (let i = digestAt; i < sectorByteLength; i++) if (found[i] !== written[i]) different++;
    if (different < otherDigestBytesMin) return false;
  }
  return isBegun;
}

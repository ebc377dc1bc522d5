/**
 * One commit record as bytes: a slot of 4 KiB in the ring `commits` (docs/spec/files.md).
 *
 *     0      "cairn commit"             12 bytes, ASCII
 *     12     format version             u32be, 1
 *     16     number                     u64be
 *     24     size                       u64be
 *     32     root                       32 bytes
 *     64     tail first                 u64be
 *     72     tail offset                u64be
 *     80     zeros
 *     4064   SHA-256 of bytes 0 … 4063
 *
 * The digest lies at the slot's end in every version, so that a newer record is told from a damaged one. It
 * finds torn writes; it does not authenticate, because whoever can write the file can compute it.
 */
import { hash as digestOf } from "node:crypto";
import { assert, CairnError, hashByteLength, isSameBytes, utf8 } from "@cairnlog/core";
import type { Commit } from "./store.ts";

/** Bytes of one slot: the unit in which common media and file systems write. */
export const commitSlotByteLength = 4096;
/** Slots of the ring. Commit n lies in slot n mod this. */
export const commitSlotCount = 64;

const magic = utf8("cairn commit");
const version = 1;
const digestAt = commitSlotByteLength - hashByteLength;

function digest(slot: Uint8Array): Uint8Array {
  return digestOf("sha256", slot.subarray(0, digestAt), "buffer");
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** The slot of `commit`: 4,096 bytes. */
export function encodeCommitSlot(commit: Commit): Uint8Array {
  const { number, size, root, tailFirst, tailOffset } = commit;
  assert(
    isCount(number) && number > 0 && isCount(size) && isCount(tailFirst) && isCount(tailOffset),
    "a commit's fields are counts, its number is 1 or more",
  );
  assert(root.length === hashByteLength, "a commit's root is a hash");
  const slot = new Uint8Array(commitSlotByteLength);
  const view = new DataView(slot.buffer);
  slot.set(magic, 0);
  view.setUint32(12, version);
  view.setBigUint64(16, BigInt(number));
  view.setBigUint64(24, BigInt(size));
  slot.set(root, 32);
  view.setBigUint64(64, BigInt(tailFirst));
  view.setBigUint64(72, BigInt(tailOffset));
  slot.set(digest(slot), digestAt);
  return slot;
}

/**
 * Reads a slot. Undefined where it holds no valid record: never written, torn, damaged, or in the place of
 * another one (`index` is the slot's place in the ring). "unsupported_version" where a newer release wrote it.
 */
export function decodeCommitSlot(slot: Uint8Array, index: number): Commit | undefined {
  if (slot.length !== commitSlotByteLength) return undefined;
  if (!isSameBytes(slot.subarray(0, magic.length), magic)) return undefined;
  if (!isSameBytes(slot.subarray(digestAt), digest(slot))) return undefined;
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length);
  const found = view.getUint32(12);
  if (found > version) {
    throw new CairnError(
      "unsupported_version",
      `the commit record in slot ${index} has format version ${found}; this release knows ` +
        `${version}: upgrade Cairn`,
      { place: { path: "commits", byte: index * commitSlotByteLength } },
    );
  }
  const commit: Commit = {
    number: Number(view.getBigUint64(16)),
    size: Number(view.getBigUint64(24)),
    root: slot.slice(32, 64),
    tailFirst: Number(view.getBigUint64(64)),
    tailOffset: Number(view.getBigUint64(72)),
  };
  const { number, size, tailFirst, tailOffset } = commit;
  if (number < 1 || ![number, size, tailFirst, tailOffset].every(isCount)) return undefined;
  if (number % commitSlotCount !== index) return undefined;
  // One spelling: the rest of the slot is zeros, and the version is exactly ours.
  return isSameBytes(encodeCommitSlot(commit), slot) ? commit : undefined;
}

/** Every valid record in the ring's bytes, newest first. A ring that was cut short is read as far as it goes. */
export function readCommitRing(ring: Uint8Array): Commit[] {
  const commits: Commit[] = [];
  for (let index = 0; index < commitSlotCount; index++) {
    const start = index * commitSlotByteLength;
    const commit = decodeCommitSlot(ring.subarray(start, start + commitSlotByteLength), index);
    if (commit !== undefined) commits.push(commit);
  }
  return commits.sort((a, b) => b.number - a.number);
}

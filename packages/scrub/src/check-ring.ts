/**
 * The ring of commit records. The newest durable record must be the log's, byte for byte. The older ones, which nothing
 * depends on any more, must be records of their numbers, and stay what they were when they were first seen.
 *
 * The log may write at any moment: of a record with a number beyond the durable one nothing is said, nor of the slot
 * that it goes to.
 */
import { hash } from "node:crypto";
import { isCairnError, isSameBytes } from "@cairnlog/core";
import {
  commitSlotByteLength,
  commitSlotCount,
  decodeCommitSlot,
  encodeCommitSlot,
} from "@cairnlog/store";
import { damaged, firstDifference, refused, sound } from "./damage.ts";
import type { CheckContext, Verdict } from "./damage.ts";
import { withFileBytes } from "./file-bytes.ts";
import { ringPath } from "./file-kinds.ts";

const ringByteLength = commitSlotByteLength * commitSlotCount;

export class RingMemory {
  /** By slot: number of the record, and SHA-256 of the slot. */
  readonly #seen = new Map<number, { readonly number: number; readonly sha256: string }>();

  /** `isThorough`: the roots of records that were not seen before are compared with the log's tree as well. */
  async check(context: CheckContext, isThorough: boolean): Promise<Verdict> {
    const before = (await context.resting.atRest()).commit;
    try {
      const ring = await withFileBytes(context.location, ringPath, context.mode, (file) =>
        file.at(0, ringByteLength + 1).slice(),
      );
      if (ring === undefined) return damaged(ringPath, "the file is gone", { isVital: true });
      const after = (await context.resting.atRest()).commit;
      return await this.#judge(context, ring, before, after.number, isThorough);
    } catch (error) {
      return refused(ringPath, error, { isVital: true });
    }
  }

  async #judge(
    context: CheckContext,
    ring: Uint8Array,
    commit: Parameters<typeof encodeCommitSlot>[0],
    afterNumber: number,
    isThorough: boolean,
  ): Promise<Verdict> {
    const newestAt = (commit.number % commitSlotCount) * commitSlotByteLength;
    // More commits than slots went by while the ring was read: nothing in it is as old as what is known.
    const isOverrun = afterNumber + 1 - commitSlotCount >= commit.number;
    const expected = encodeCommitSlot(commit);
    const newest = ring.subarray(newestAt, newestAt + commitSlotByteLength);
    const byteLength = ring.length;
    if (!isOverrun && !isSameBytes(newest, expected)) {
      const byte = newestAt + firstDifference(newest, expected);
      const what = `the newest commit record, ${commit.number}, is not the one that was committed`;
      return damaged(ringPath, what, { byte, isVital: true, byteLength });
    }
    if (ring.length !== ringByteLength) {
      const byte = Math.min(ring.length, ringByteLength);
      const what = `it has ${ring.length} bytes, not ${ringByteLength}`;
      return damaged(ringPath, what, { byte, byteLength });
    }
    for (let number = commit.number - 1; number > afterNumber + 1 - commitSlotCount; number--) {
      const index = ((number % commitSlotCount) + commitSlotCount) % commitSlotCount;
      const at = index * commitSlotByteLength;
      const slot = ring.subarray(at, at + commitSlotByteLength);
      const what = await this.#judgeOlder(context, slot, index, number, isThorough);
      if (what !== undefined) return damaged(ringPath, what, { byte: at, byteLength });
    }
    return sound(byteLength);
  }

  async #judgeOlder(
    context: CheckContext,
    slot: Uint8Array,
    index: number,
    number: number,
    isThorough: boolean,
  ): Promise<string | undefined> {
    if (number < 1) {
      return slot.every((byte) => byte === 0) ? undefined : `slot ${index} was never written to`;
    }
    const sha256 = hash("sha256", slot, "hex");
    const seen = this.#seen.get(index);
    if (seen?.number === number) {
      return seen.sha256 === sha256 ? undefined : `commit record ${number} is not what it was`;
    }
    try {
      const commit = decodeCommitSlot(slot, index);
      if (commit?.number !== number) return `slot ${index} does not hold commit record ${number}`;
      if (isThorough && !isSameBytes(await context.resting.root(commit.size), commit.root)) {
        return `commit record ${number} has another root than the log`;
      }
    } catch (error) {
      if (!isCairnError(error)) throw error;
      return `slot ${index}: ${error.message}`;
    }
    this.#seen.set(index, { number, sha256 });
    return undefined;
  }
}

/**
 * What lies in a segment: blocks, one after the other, each what was written at one time.
 *
 *     u32 payload bytes | u32 events | u48 number of the first | u16 zero | 16 bytes of SHA-256 | payload
 *
 * Numbers are big-endian; the digest is of the 16 bytes before it and of the payload, cut to half. The
 * payload is NDJSON, each event with a line end. A block that was cut off, by a crash or a full disk,
 * is not whole, and counts as not written.
 */
import { createHash } from "node:crypto";
import type { SpooledEvent } from "@cairnlog/client";

export const blockHeadByteLength = 32;
/** An event has at most 64,000 bytes and a block is written from 1 MiB on: anything longer is damage. */
export const blockByteLengthMax = 2 * 1024 * 1024;

export interface BlockHead {
  readonly payloadByteLength: number;
  readonly count: number;
  readonly first: number;
}

const digestFrom = 16;

/** The block of `lines`, events numbered from `first` on. */
export function formatBlock(lines: readonly string[], first: number): Buffer {
  const payload = Buffer.from(`${lines.join("\n")}\n`, "utf8");
  const block = Buffer.allocUnsafe(blockHeadByteLength + payload.length);
  block.writeUInt32BE(payload.length, 0);
  block.writeUInt32BE(lines.length, 4);
  block.writeUIntBE(first, 8, 6);
  block.writeUInt16BE(0, 14);
  payload.copy(block, blockHeadByteLength);
  digestOf(block).copy(block, digestFrom);
  return block;
}

/** Undefined where no block can begin like this. Nothing is believed before `isWhole`. */
export function findHead(head: Buffer): BlockHead | undefined {
  if (head.length < blockHeadByteLength) return undefined;
  const payloadByteLength = head.readUInt32BE(0);
  const count = head.readUInt32BE(4);
  const first = head.readUIntBE(8, 6);
  const isPossible = count > 0 && first > 0 && head.readUInt16BE(14) === 0;
  return isPossible && payloadByteLength <= blockByteLengthMax
    ? { payloadByteLength, count, first }
    : undefined;
}

export function isWhole(block: Buffer): boolean {
  return digestOf(block).equals(block.subarray(digestFrom, blockHeadByteLength));
}

/** The events of a whole block. */
export function eventsOf(block: Buffer, { first }: BlockHead): SpooledEvent[] {
  const payload = block.toString("utf8", blockHeadByteLength);
  const isAscii = payload.length === block.length - blockHeadByteLength;
  const lines = payload.split("\n");
  lines.pop();
  return lines.map((text, i) => ({
    number: first + i,
    text,
    byteLength: isAscii ? text.length : Buffer.byteLength(text),
  }));
}

function digestOf(block: Buffer): Buffer {
  return createHash("sha256")
    .update(block.subarray(0, digestFrom))
    .update(block.subarray(blockHeadByteLength))
    .digest()
    .subarray(0, blockHeadByteLength - digestFrom);
}

/**
 * The segment files of one stream, in order: `<number of the first event>.seg`, 16 digits, and in each
 * its blocks. A segment begins where the one before ends; what does not fit into that is damage, and
 * what follows the last whole block of a segment without leaving a gap is the rest of a crash.
 */
import { closeSync, openSync, read, readdirSync, readSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseDecimal } from "@cairnlog/core";
import type { SpooledEvent } from "@cairnlog/client";
import { blockHeadByteLength, eventsOf, findHead, isWhole } from "./block.ts";

export interface Segment {
  readonly first: number;
  readonly path: string;
  byteLength: number;
}

const segmentName = /^([0-9]{16})\.seg$/;

export function segmentPath(folder: string, first: number): string {
  return join(folder, `${String(first).padStart(16, "0")}.seg`);
}

export function findSegments(folder: string): Segment[] {
  const firsts = readdirSync(folder).flatMap((name) => {
    const digits = segmentName.exec(name)?.[1]?.replace(/^0+(?=.)/, "");
    return digits === undefined ? [] : [parseDecimal(digits, "a segment's first number")];
  });
  return firsts
    .sort((a, b) => a - b)
    .map((first) => {
      const path = segmentPath(folder, first);
      return { first, path, byteLength: statSync(path).size };
    });
}

export function removeSegment({ path }: Segment): void {
  unlinkSync(path);
}

/** The number after the last whole block of a segment that nobody writes to. */
export function endOf({ path, first, byteLength }: Segment): number {
  const fd = openSync(path, "r");
  try {
    let next = first;
    for (let at = 0; ;) {
      const head = Buffer.alloc(blockHeadByteLength);
      const read = readSync(fd, head, 0, head.length, at);
      const found = findHead(head.subarray(0, read));
      if (found?.first !== next || at + found.payloadByteLength > byteLength) return next;
      const block = Buffer.alloc(blockHeadByteLength + found.payloadByteLength);
      readSync(fd, block, 0, block.length, at);
      if (!isWhole(block)) return next;
      next += found.count;
      at += block.length;
    }
  } finally {
    closeSync(fd);
  }
}

/** Most that is read ahead. A block that is longer is read whole. */
const aheadByteLength = 256 * 1024;
const readAt = promisify(read);

/** Reads a stream block by block. Goes on from where it was, and from anywhere else by a search. */
export class SegmentReader {
  #path = "";
  #fd: number | undefined;
  #offset = 0;
  /** The number that the block at the offset begins with. */
  #next = 0;
  #last: readonly SpooledEvent[] = [];
  /** What was read ahead, and where in the file it lies. */
  #ahead: Buffer = Buffer.alloc(0);
  #aheadAt = 0;

  /**
   * The events of the block that holds `number`, from there on; undefined where the segment has no
   * whole block with it.
   */
  async find(segment: Segment, number: number): Promise<readonly SpooledEvent[] | undefined> {
    const first = this.#last[0]?.number;
    const isHere = this.#path === segment.path;
    if (isHere && first !== undefined && number >= first && number < this.#next) {
      return this.#last.slice(number - first);
    }
    if (!isHere || number < this.#next) {
      this.close();
      this.#fd = openSync(segment.path, "r");
      this.#path = segment.path;
      this.#next = segment.first;
    }
    for (;;) {
      const events = await this.#readBlock();
      if (events === undefined) return undefined;
      if (number < this.#next) return events.slice(number - events[0]!.number);
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#path = "";
    this.#offset = 0;
    this.#last = [];
    this.#ahead = Buffer.alloc(0);
  }

  async #readBlock(): Promise<SpooledEvent[] | undefined> {
    const found = findHead(await this.#bytes(blockHeadByteLength));
    if (found?.first !== this.#next) return undefined;
    const byteLength = blockHeadByteLength + found.payloadByteLength;
    const block = await this.#bytes(byteLength);
    if (block.length < byteLength || !isWhole(block)) return undefined;
    const events = eventsOf(block, found);
    if (events.length !== found.count) return undefined;
    this.#offset += byteLength;
    this.#next += found.count;
    this.#last = events;
    return events;
  }

  /** So many bytes at the offset; fewer only at the end of the file. */
  async #bytes(byteLength: number): Promise<Buffer> {
    const from = this.#offset - this.#aheadAt;
    if (from < 0 || from + byteLength > this.#ahead.length) {
      const room = Buffer.allocUnsafe(Math.max(byteLength, aheadByteLength));
      const { bytesRead } = await readAt(this.#fd!, room, 0, room.length, this.#offset);
      this.#ahead = room.subarray(0, bytesRead);
      this.#aheadAt = this.#offset;
      return this.#ahead.subarray(0, byteLength);
    }
    return this.#ahead.subarray(from, from + byteLength);
  }
}

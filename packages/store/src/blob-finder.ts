/**
 * Finds the blobs that the entries of a frame name, without reading the entries that name none: the log records the
 * member `blobs` in one spelling only, so its bytes are looked for, and an entry is scanned only where they are.
 *
 * It decides nothing about the entries. Where one is damaged it may find too little or too much, and whoever checks
 * the frame says so.
 */
import { blobsOf, EventScanner, isCairnError, type NamedBlob } from "@cairnlog/core";
import { bundleEntries, frameCount } from "./segment-format.ts";
import { decompressFrame, releaseFrame } from "./segment-frame.ts";
import type { SegmentReader } from "./segment-reader.ts";
import { findStrippedEvent } from "./segment-stripped.ts";

/**
 * Without the quote before it, as searching goes from one first byte to the next, and quotes are everywhere in JSON:
 * 17 µs for a frame of 120 KB instead of 63.
 */
const label = Buffer.from('blobs":');

export type OnBlob = (seq: number, blob: NamedBlob) => void;

export class BlobFinder {
  readonly #scanner = new EventScanner();

  /** Calls `take` for each blob that an entry of the frame names. `first` is the seq of the frame's first entry. */
  find(stripped: Uint8Array, first: number, take: OnBlob): void {
    const bytes = Buffer.from(stripped.buffer, stripped.byteOffset, stripped.length);
    let hit = bytes.indexOf(label);
    let at = 0;
    for (let i = 0; i < bundleEntries && hit >= 0; i++) {
      const start = at + 2;
      const end = start + bytes[at]! * 256 + bytes[at + 1]!;
      // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
      if (!(end <= bytes.length)) return;
      if (hit < end) {
        this.#entry(bytes, start, end, first + i, take);
        hit = bytes.indexOf(label, end);
      }
      at = end;
    }
  }

  #entry(bytes: Uint8Array, start: number, end: number, seq: number, take: OnBlob): void {
    const eventAt = findStrippedEvent(bytes, start, end);
    if (eventAt < 0) return;
    try {
      this.#scanner.scan(bytes, eventAt, end - 1);
    } catch (error) {
      if (isCairnError(error)) return;
      throw error;
    }
    for (const blob of recordedBlobs(this.#scanner, bytes)) take(seq, blob);
  }
}

/** The blobs that the entries of a sealed file name. Nothing in the file is proven by this. */
export async function findSegmentBlobs(segment: SegmentReader, take: OnBlob): Promise<void> {
  const finder = new BlobFinder();
  for (let frame = 0; frame < frameCount; frame++) {
    const place = segment.framePlace(frame);
    const stripped = decompressFrame(await segment.readFrame(frame), place);
    finder.find(stripped, place.first, take);
    releaseFrame(stripped);
  }
}

/**
 * The blobs that a recorded event names, which was just scanned in `bytes`. Where the member has another form it names
 * none: releases that knew no blobs have recorded such events.
 */
export function recordedBlobs(scanner: EventScanner, bytes: Uint8Array): readonly NamedBlob[] {
  try {
    return blobsOf(scanner, bytes);
  } catch (error) {
    if (isCairnError(error)) return [];
    throw error;
  }
}

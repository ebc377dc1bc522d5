/**
 * Events on their way into a log: checked once at the edge, then only carried.
 *
 * A batch is one byte buffer with the places of the events in it. Each event was read by the strict scanner, has
 * the right shape and no white space between its tokens; what was refused stands beside it with the reason, so
 * that one bad event does not cost the others.
 */
import {
  EventScanner,
  blobsOf,
  checkEvent,
  compactEvent,
  eventFields,
  isCairnError,
  jsonKinds,
  sequenceOf,
  type CairnError,
  type NamedBlob,
  type Sequence,
} from "@cairnlog/core";
import { NumberedEvents, type NumberedEventsParts } from "./sources/numbered-events.ts";

/** A batch as plain data, to hand it from thread to thread. */
export interface EventBatchParts {
  readonly count: number;
  readonly byteLength: number;
  readonly bytes: Uint8Array;
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly idStart: Int32Array;
  readonly idEnd: Int32Array;
  readonly withBlobs: readonly number[];
  readonly numbered: NumberedEventsParts | undefined;
  readonly refusals: Map<number, CairnError>;
}

export class EventBatch {
  /** Accepted and refused events together. */
  count = 0;
  /** Bytes of the accepted events. */
  byteLength = 0;
  refusals = new Map<number, CairnError>();
  /** Holds the events; `start[i]` to `end[i]` is event `i`. Not changed by anybody after the batch was built. */
  bytes: Uint8Array;
  start: Int32Array;
  end: Int32Array;
  /** The value of `id` without its quotes; both 0 where the event has none. */
  idStart: Int32Array;
  idEnd: Int32Array;
  /** The accepted events that name blobs: those must be there before the batch is queued. Mostly none. */
  withBlobs: number[] = [];
  /** The events that carry a number of their source's (`sequence`); undefined where none does. */
  numbered: NumberedEvents | undefined;
  #isOwnCopy = false;

  constructor(bytes: Uint8Array, expected: number) {
    this.bytes = bytes;
    this.start = new Int32Array(expected);
    this.end = new Int32Array(expected);
    this.idStart = new Int32Array(expected);
    this.idEnd = new Int32Array(expected);
  }

  /** A batch that was read elsewhere. */
  static of(parts: EventBatchParts): EventBatch {
    return Object.assign(new EventBatch(parts.bytes, 0), {
      count: parts.count,
      byteLength: parts.byteLength,
      refusals: parts.refusals,
      start: parts.start,
      end: parts.end,
      idStart: parts.idStart,
      idEnd: parts.idEnd,
      withBlobs: [...parts.withBlobs],
      numbered: parts.numbered && NumberedEvents.of(parts.numbered),
    });
  }

  get accepted(): number {
    return this.count - this.refusals.size;
  }

  /** Reads the event at [start, end) of the buffer. A bad event becomes a refusal. */
  add(start: number, end: number): void {
    const i = this.#place();
    try {
      scanner.scan(this.bytes, start, end);
      checkEvent(scanner, this.bytes);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.refusals.set(i, error);
      return;
    }
    if (scanner.whiteSpace > 0) this.#compact(i, start, end);
    else this.#take(i, start, end);
    this.byteLength += this.end[i]! - this.start[i]!;
  }

  /** Notes an event that could not even be cut out of the input. */
  refuse(error: CairnError): void {
    this.refusals.set(this.#place(), error);
  }

  /** The blobs that event `i` names. Read anew: a large batch would hold many. */
  blobsOf(i: number): readonly NamedBlob[] {
    scanner.scan(this.bytes, this.start[i]!, this.end[i]!);
    return blobsOf(scanner, this.bytes);
  }

  /** Refuses an event that was accepted. Only for a batch that is not queued yet. */
  refuseAccepted(i: number, error: CairnError): void {
    if (this.refusals.has(i)) return;
    this.refusals.set(i, error);
    this.byteLength -= this.end[i]! - this.start[i]!;
  }

  /** The caller's buffer is never written to: the first event that must be compacted makes it our own copy. */
  #compact(i: number, start: number, end: number): void {
    const compact = compactEvent(this.bytes, start, end);
    if (!this.#isOwnCopy) {
      // Not `slice`: on Node's Buffer that is a view.
      this.bytes = new Uint8Array(this.bytes);
      this.#isOwnCopy = true;
    }
    this.bytes.set(compact, start);
    scanner.scan(this.bytes, start, start + compact.length);
    this.#take(i, start, start + compact.length);
  }

  #take(i: number, start: number, end: number): void {
    this.start[i] = start;
    this.end[i] = end;
    if (scanner.kinds[eventFields.blobs] !== jsonKinds.absent) this.withBlobs.push(i);
    if (scanner.kinds[eventFields.sequence] !== jsonKinds.absent) {
      this.numbered ??= new NumberedEvents(this.start.length);
      this.numbered.note(i, scanner, this.bytes);
    }
    if (scanner.kinds[eventFields.id] !== jsonKinds.string) return;
    this.idStart[i] = scanner.from[eventFields.id]! + 1;
    this.idEnd[i] = scanner.to[eventFields.id]! - 1;
  }

  #place(): number {
    const i = this.count++;
    if (i >= this.start.length) {
      this.start = grown(this.start);
      this.end = grown(this.end);
      this.idStart = grown(this.idStart);
      this.idEnd = grown(this.idEnd);
    }
    return i;
  }
}

const scanner = new EventScanner();

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(16, array.length * 2));
  larger.set(array);
  return larger;
}

/** A batch of one event. Unlike in a larger batch, a bad event is thrown. */
export function readEvent(bytes: Uint8Array): EventBatch {
  const batch = new EventBatch(bytes, 1);
  batch.add(0, bytes.length);
  const refusal = batch.refusals.get(0);
  if (refusal !== undefined) throw refusal;
  return batch;
}

/** One event a line (LF or CRLF; the last line may lack it); empty lines are passed over. */
export function readNdjson(bytes: Uint8Array): EventBatch {
  const batch = new EventBatch(bytes, Math.max(16, Math.ceil(bytes.length / 256)));
  let start = 0;
  while (start < bytes.length) {
    let end = bytes.indexOf(0x0a, start);
    if (end < 0) end = bytes.length;
    const next = end + 1;
    if (end > start && bytes[end - 1] === 0x0d) end--;
    if (!isBlank(bytes, start, end)) batch.add(start, end);
    start = next;
  }
  return batch;
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (bytes[i] !== 0x20 && bytes[i] !== 0x09) return false;
  }
  return true;
}

/**
 * Where the `id` of the event at [start, end) lies, without its quotes; undefined where it has none. For events that
 * are in the log already. `seen` may look at the rest of what the scan has found.
 */
export function findIdRange(
  bytes: Uint8Array,
  start: number,
  end: number,
  seen?: (scanner: EventScanner) => void,
): { readonly start: number; readonly end: number } | undefined {
  scanner.scan(bytes, start, end);
  seen?.(scanner);
  if (scanner.kinds[eventFields.id] !== jsonKinds.string) return undefined;
  return { start: scanner.from[eventFields.id]! + 1, end: scanner.to[eventFields.id]! - 1 };
}

/** The place of a recorded event in its source's count, if it has one. */
export function findSequence(event: Uint8Array): Sequence | undefined {
  scanner.scan(event, 0, event.length);
  try {
    return sequenceOf(scanner, event);
  } catch (error) {
    // Recorded before `sequence` meant anything.
    if (isCairnError(error, "invalid")) return undefined;
    throw error;
  }
}

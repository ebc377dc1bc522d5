/**
 * Where events wait on a medium until the log has them: what the client asks of a spool.
 * `@cairnlog/spool` is one, on files. An event is appended with its number in it, is read back in
 * order, and is let go of when its fate is known; a process that comes later goes on where this one
 * ended.
 *
 * A stream is one count without a gap (`sequence` of an event), of which one process at a time is
 * the owner. A spool has one of its own, and those that dead processes have left behind.
 */
import type { CairnError } from "@cairnlog/core";

export interface SpooledEvent {
  readonly number: number;
  /** The event's JSON text, as it was appended. */
  readonly text: string;
  /** Of the text in UTF-8. */
  readonly byteLength: number;
}

export interface SpoolStream {
  /** What stands in `sequence.stream`. */
  readonly id: string;
  /** The number that the next event must carry. */
  readonly nextNumber: number;
  /** The number up to which events were let go of. */
  readonly releasedNumber: number;
  /** Bytes that the events which wait take. */
  readonly byteLength: number;
  /**
   * Hears that the events from `fromNumber` on could not be written, and are not in the spool. Their
   * numbers are given to the next ones.
   */
  onLost: (fromNumber: number, error: CairnError) => void;
  /** Hears of events that were in the spool and are damaged. What follows them is read all the same. */
  onDamage: (error: CairnError) => void;
  /** Throws why an event of so many bytes cannot be taken: "overloaded" where the spool is full. */
  checkRoom(byteLength: number): void;
  /** Takes the event with the number `nextNumber`, whose text is `text`. Never waits. */
  append(text: string, byteLength: number): void;
  /** Resolves when `number` is as safe as the spool promises; rejects where it could not be written. */
  spooled(number: number): Promise<void>;
  /**
   * The next events after `after`, at least one where there are any. They are durable by then: a
   * number that was sent is never given to another event.
   */
  read(after: number, eventsMax: number, bytesMax: number): Promise<readonly SpooledEvent[]>;
  /** The fate of all events up to `number` is known. */
  release(number: number): void;
  /** Writes what is only in memory, and lets others have the stream. */
  close(): Promise<void>;
}

export interface Spool {
  /** The one that this process appends to. */
  readonly own: SpoolStream;
  /** Takes over a stream with events that a dead process has left; undefined where there is none. */
  adopt(): Promise<SpoolStream | undefined>;
  close(): Promise<void>;
}

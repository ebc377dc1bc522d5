/**
 * The events that were handed over and whose fate is not known yet: those that wait, and those
 * under way. Bounded, in order, in memory only. An event leaves when its promise is settled, once,
 * and never otherwise.
 */
import { assert, type CairnError, type Sequence } from "@cairnlog/core";
import type { EventLine } from "./event-line.ts";
import type { LoggedReceipt } from "./receipt.ts";

export interface PendingEvent {
  readonly line: EventLine;
  /** When it was handed over, in milliseconds since 1970. */
  readonly sinceMs: number;
  readonly resolve: (receipt: LoggedReceipt) => void;
  readonly reject: (error: CairnError) => void;
  /** Where the caller is content with the event being in the spool: called instead of `resolve`. */
  readonly onSpooled?: (place: Sequence) => void;
  /** The queue's own: true once the promise is settled. */
  isSettled?: boolean;
}

export interface QueueLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
  /**
   * `wait` takes events beyond the bounds: for callers that await each one and so are their own
   * bound.
   */
  readonly whenFull: "reject" | "wait";
}

export class EventQueue {
  readonly #limits: QueueLimits;
  /** What was taken last, in order. All that was taken before is settled. */
  #taken: readonly PendingEvent[] = [];
  #count = 0;
  #waiting: PendingEvent[] = [];
  /** Index of the first of `#waiting` that was not taken. */
  #next = 0;
  #waitingBytes = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Events that are not settled, and their bytes. */
  get count(): number {
    return this.#count;
  }
  get byteLength(): number {
    return this.#bytes;
  }
  /** Events that nobody has taken yet, and their bytes. */
  get waitingCount(): number {
    return this.#waiting.length - this.#next;
  }
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** True if `byteLength` more bytes are within the bounds, or the bounds do not refuse. */
  hasRoom(byteLength: number): boolean {
    const { eventsMax, bytesMax, whenFull } = this.#limits;
    if (whenFull === "wait") return true;
    return this.count < eventsMax && this.#bytes + byteLength <= bytesMax;
  }

  push(event: PendingEvent): void {
    this.#count++;
    this.#waiting.push(event);
    this.#bytes += event.line.byteLength;
    this.#waitingBytes += event.line.byteLength;
  }

  /** The first that waits. */
  peek(): PendingEvent | undefined {
    return this.#waiting[this.#next];
  }

  /**
   * Takes from the front: at least one, at most `eventsMax`, more than one only up to `bytesMax`.
   * Everything that was taken before must be settled.
   */
  take(eventsMax: number, bytesMax: number): PendingEvent[] {
    const first = this.#next;
    let bytes = 0;
    while (this.#next < this.#waiting.length && this.#next - first < eventsMax) {
      // One more for the line end.
      const more = this.#waiting[this.#next]!.line.byteLength + 1;
      if (this.#next > first && bytes + more > bytesMax) break;
      bytes += more;
      this.#next++;
    }
    const taken = this.#waiting.slice(first, this.#next);
    this.#taken = taken;
    this.#waitingBytes -= bytes - taken.length;
    // Moving the rest to the front costs as much as was taken since the last time, never more.
    if (this.#next * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return taken;
  }

  /** Takes `event` off the books; true the first time. */
  settle(event: PendingEvent): boolean {
    if (event.isSettled === true) return false;
    event.isSettled = true;
    this.#count--;
    this.#bytes -= event.line.byteLength;
    assert(this.#bytes >= 0, "the queue's bytes are counted once");
    return true;
  }

  /** All that are not settled, in order. Those that wait are no longer waiting. */
  takeAll(): PendingEvent[] {
    const waiting = this.#waiting.slice(this.#next);
    this.#waiting = [];
    this.#next = 0;
    this.#waitingBytes = 0;
    return [...this.#taken, ...waiting].filter((event) => event.isSettled !== true);
  }
}

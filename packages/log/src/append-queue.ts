/** What waits for a commit: batches in order, and how much they hold together. */
import type { CairnError } from "@cairnlog/core";
import type { AppendResult } from "./appended.ts";
import type { EventBatch } from "./event-batch.ts";
import type { Appended } from "./log.ts";

/** A batch that waits. */
export interface Pending {
  readonly batch: EventBatch;
  readonly source: string;
  readonly sourceSeed: number;
  readonly result: AppendResult;
  /** The next event to render. */
  next: number;
  /**
   * Events whose id or number may have been seen before, with the seq to compare with, or -1 where it is still to be
   * found by the number. Settled after the commit.
   */
  candidates: { readonly i: number; readonly seq: number }[];
  /** Events that were compared and are new all the same. */
  known: Set<number> | undefined;
  resolve(appended: Appended): void;
  reject(error: CairnError): void;
}

/** Counts events and bytes of exactly those that are still to be rendered. */
export class AppendQueue {
  readonly #waiting: Pending[] = [];
  #events = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(pending: Pending): void {
    if (pending.known === undefined) {
      this.#events += pending.batch.accepted;
      this.#bytes += pending.batch.byteLength;
    } else {
      for (const i of pending.known) {
        this.#events++;
        this.#bytes += pending.batch.end[i]! - pending.batch.start[i]!;
      }
    }
    this.#waiting.push(pending);
  }

  /** Event `i` is no longer waiting. */
  took(pending: Pending, i: number): void {
    this.#events--;
    this.#bytes -= pending.batch.end[i]! - pending.batch.start[i]!;
  }

  /** Whether event `i` is one that still has to be recorded. */
  isDue({ batch, known }: Pending, i: number): boolean {
    // A batch comes a second time only for the events that were compared in the meantime.
    return !batch.refusals.has(i) && (known === undefined || known.has(i));
  }

  /** Hands batches to `render`, in order, for as long as it says that it is done with them; returns those. */
  takeWhile(render: (pending: Pending) => boolean): Pending[] {
    const undone = this.#waiting.findIndex((pending) => !render(pending));
    return this.#waiting.splice(0, undone < 0 ? this.#waiting.length : undone);
  }

  /** Takes everything out. */
  drain(): Pending[] {
    this.#events = 0;
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }
}

/** Where `log()` puts an event: the queue in memory (`Sender`), or a spool (`SpoolSender`). */
import type { CairnError, Sequence } from "@cairnlog/core";
import type { PendingEvent } from "./event-queue.ts";

export interface Outlet {
  readonly counts: OutletCounts;
  /** The number that the next event must carry; undefined where events are not numbered. */
  readonly nextSequence: Sequence | undefined;
  /** The last number that was given, while nothing waits; undefined otherwise. */
  readonly idleAt: Sequence | undefined;
  /** Takes an event, or rejects it. Never throws, never waits. */
  push(event: PendingEvent): void;
  /** Settles an event that will not be recorded, and reports it. */
  reject(event: Pick<PendingEvent, "reject"> & Partial<PendingEvent>, error: CairnError): void;
  flush(): Promise<void>;
  /** Takes no more. Rejects where events are lost by it. */
  close(timeoutMs: number): Promise<void>;
}

export interface OutletCounts {
  /** Events whose fate is not known yet, those under way among them, and their bytes. */
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  /** Events that have a receipt. */
  readonly recordedEvents: number;
  /** Events that got an error instead. Each was reported. */
  readonly rejectedEvents: number;
  /**
   * Since when no attempt has succeeded, in milliseconds since 1970. Undefined while all is well.
   */
  readonly failingSinceMs: number | undefined;
  /** Of the last attempt, while failing. */
  readonly lastError: CairnError | undefined;
}

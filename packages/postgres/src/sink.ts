/** Where captured events go. */
import type { CapturedEvent } from "@cairnlog/capture";

export interface CaptureSink {
  /**
   * Resolves when all of them are durable in the log; an event whose id is in the log already counts as that. Rejects
   * where this cannot be said of one of them: then all of them may be sent again.
   */
  record(events: readonly CapturedEvent[]): Promise<void>;
}

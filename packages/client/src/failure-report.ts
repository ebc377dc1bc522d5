/**
 * Who hears of trouble when nobody awaits the promise. An event that is not recorded is never
 * passed over in silence: without an `onError`, a line is written to the console, at most one in
 * five seconds.
 */
import type { CairnError } from "@cairnlog/core";

export interface FailureReport {
  /** True once at the start of an outage: nothing is lost yet, the events wait. */
  readonly willRetry: boolean;
  /** The event that was not recorded, where it got as far as having an id. */
  readonly eventId?: string;
  /** Its JSON text, where it came from a spool: nobody else has it any more. */
  readonly event?: string;
}

export type OnError = (error: CairnError, report: FailureReport) => void;

const quietMs = 5_000;

/** The `onError` of those who gave none. */
export function consoleReporter(now: () => number, write: (line: string) => void): OnError {
  let lastMs = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (error, { willRetry, eventId }) => {
    if (now() - lastMs < quietMs) {
      unsaid++;
      return;
    }
    const what = willRetry ? "events wait" : `event ${eventId ?? "without id"} was not recorded`;
    const more = unsaid === 0 ? "" : ` (and ${unsaid} reports before this one)`;
    write(`cairn: ${what}: ${error.code}: ${error.message}${more}`);
    lastMs = now();
    unsaid = 0;
  };
}

/**
 * What was refused at the door, told to the log that it was meant for: there it is summed for each identity and minute
 * and becomes an entry. A request that names no log that is there is a figure in the metrics, and no more.
 */
import type { CairnError, CairnErrorCode } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import type { LogRegistry } from "./registry.ts";

/**
 * Refusals that say something about who sends. Not: conflicts, which have entries of their own; what a reader asked for
 * in vain; what was our fault.
 */
const noted: ReadonlySet<CairnErrorCode> = new Set<CairnErrorCode>([
  "unauthenticated",
  "forbidden",
  "malformed",
  "invalid",
  "private_unsupported",
  "too_large",
  "unsupported_media",
  "overloaded",
  "timeout",
  "blob_missing",
  "blob_mismatch",
]);

/** Who was refused; undefined where nobody has proven who it is. */
export type Refused =
  { readonly id: string; readonly source: string } | { readonly source: string } | undefined;

export class RefusalNotes {
  readonly #logs: LogRegistry;
  /** An event that was refused may be why its request is. */
  readonly #noted = new WeakSet<CairnError>();

  constructor(logs: LogRegistry) {
    this.#logs = logs;
  }

  /** A request, or an event of one, was refused. `log` may be anything that a request named. */
  note(log: Log | string | undefined, who: Refused, error: CairnError): void {
    const { code } = error;
    if (log === undefined || !noted.has(code) || this.#noted.has(error)) return;
    this.#noted.add(error);
    const known = typeof log === "string" ? this.#logs.get(log) : log;
    if (known === undefined) return;
    if (who === undefined) known.sources.refused({ identity: "anonymous", code });
    else {
      const identity = "id" in who ? who.id : who.source;
      known.sources.refused({ identity, source: who.source, code });
    }
  }

  /** What this says was noted, event by event. */
  isKnown(error: CairnError): void {
    this.#noted.add(error);
  }
}

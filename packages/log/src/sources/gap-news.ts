/**
 * When what is known of gaps is told. A new gap is told with the next commit, and so is the end of the last one; what
 * comes of a gap that stays open waits, so that a thousand late events are one range and not a thousand entries. One
 * source gets `entriesPerMinute` entries, and what is beyond waits for the next minute and is told together.
 */
import { gapEntryOf, gapEvent, type OwnEntry } from "./source-events.ts";
import type { StreamState } from "./stream-state.ts";

export const entriesPerMinute = 6;
const minuteMs = 60_000;
/** Budgets that are remembered; those of sources that were told of longest ago go first. */
const budgetsMax = 10_000;

interface Budget {
  readonly since: number;
  entries: number;
}

export interface News {
  readonly event: Uint8Array;
  readonly entry: OwnEntry;
}

export class GapNews {
  readonly #due: ReadonlySet<StreamState>;
  readonly #budgets = new Map<string, Budget>();
  /** When the first of what waits now began to wait, by source. */
  readonly #waiting = new Map<string, number>();
  /** Not to be asked again before this time. */
  nextMs = Infinity;

  /** `due`: of which there is something to tell. */
  constructor(due: ReadonlySet<StreamState>) {
    this.#due = due;
  }

  /** Something about gaps has changed. */
  changed(): void {
    this.nextMs = -Infinity;
  }

  /** One entry to be written now, or undefined. Ask until there is none. `nowMs` never steps. */
  next(nowMs: number): News | undefined {
    if (nowMs < this.nextMs) return undefined;
    const bySource = new Map<string, StreamState[]>();
    for (const state of this.#due) {
      const states = bySource.get(state.source);
      if (states === undefined) bySource.set(state.source, [state]);
      else states.push(state);
    }
    this.nextMs = Infinity;
    for (const source of this.#waiting.keys()) {
      if (!bySource.has(source)) this.#waiting.delete(source);
    }
    for (const [source, states] of bySource) {
      const at = this.#timeFor(source, states, nowMs);
      if (at > nowMs) {
        this.nextMs = Math.min(this.nextMs, at);
        continue;
      }
      const entry = gapEntryOf(source, states);
      if (entry === undefined) continue;
      this.#spend(source, nowMs);
      // There may be more, of this source or another.
      this.nextMs = -Infinity;
      const toldOf = states.slice(0, entry.details.streams.length);
      return { entry, event: gapEvent(entry, toldOf.map(missingOnceTold)) };
    }
    return undefined;
  }

  /** When this source is to be told of. */
  #timeFor(source: string, states: readonly StreamState[], nowMs: number): number {
    const since = this.#waiting.get(source) ?? nowMs;
    this.#waiting.set(source, since);
    const isUrgent = states.some((state) => state.isUrgent);
    const wanted = isUrgent ? nowMs : since + minuteMs;
    const budget = this.#budgets.get(source);
    if (budget === undefined || nowMs >= budget.since + minuteMs) return wanted;
    return budget.entries < entriesPerMinute ? wanted : Math.max(wanted, budget.since + minuteMs);
  }

  #spend(source: string, nowMs: number): void {
    this.#waiting.delete(source);
    const budget = this.#budgets.get(source);
    if (budget !== undefined && nowMs < budget.since + minuteMs) {
      budget.entries++;
      return;
    }
    this.#budgets.delete(source);
    this.#budgets.set(source, { since: nowMs, entries: 1 });
    if (this.#budgets.size <= budgetsMax) return;
    this.#budgets.delete(this.#budgets.keys().next().value!);
  }
}

/** What a heartbeat named and nobody has told yet counts as missing from this entry on. */
function missingOnceTold(state: StreamState): number {
  const beyond = Math.max(state.mark, state.toldTo);
  return state.missing + Math.max(0, state.expected - beyond);
}

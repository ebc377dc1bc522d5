/**
 * Clocks of sources that run backwards: the `time` of an event is more than a tolerance before the one of the event
 * that its stream counted before it. At most one entry a minute for each source; what comes meanwhile is summed.
 */
import { clockEvent, type ClockSteps as Steps } from "./source-events.ts";
import type { StreamState } from "./stream-state.ts";

/** Threads of one process that stamp and then count may overtake each other by this much. */
export const clockToleranceMs = 5000;
const minuteMs = 60_000;
/** Sources of which steps are summed at a time. */
const sourcesMax = 1000;

interface Told {
  since: number;
  steps: Steps | undefined;
}

export class ClockSteps {
  readonly #sources = new Map<string, Told>();

  /** The event at `seq`, of the time `eventMs`, moved the mark of `state`, whose event before was of a later time. */
  note(state: StreamState, eventMs: number, seq: number): void {
    const { source, stream } = state;
    let told = this.#sources.get(source);
    if (told === undefined) {
      if (this.#sources.size >= sourcesMax) return;
      told = { since: -Infinity, steps: undefined };
      this.#sources.set(source, told);
    }
    const backwardsMs = state.eventMs - eventMs;
    const step = { source, stream, backwardsMs, from: state.eventMs, to: eventMs };
    const { steps } = told;
    if (steps === undefined) told.steps = { ...step, count: 1, firstSeq: seq, lastSeq: seq };
    else {
      const largest = backwardsMs > steps.backwardsMs ? step : {};
      told.steps = { ...steps, ...largest, count: steps.count + 1, lastSeq: seq };
    }
  }

  /** One entry to be written now, or undefined. `nowMs` never steps. */
  next(nowMs: number): Uint8Array | undefined {
    for (const [source, told] of this.#sources) {
      if (nowMs < told.since + minuteMs) continue;
      if (told.steps === undefined) {
        this.#sources.delete(source);
        continue;
      }
      const event = clockEvent(told.steps);
      told.steps = undefined;
      told.since = nowMs;
      return event;
    }
    return undefined;
  }

  /** When there will be something to write, or to forget; Infinity where there is nothing. */
  get nextMs(): number {
    let next = Infinity;
    for (const { since } of this.#sources.values()) next = Math.min(next, since + minuteMs);
    return next;
  }
}

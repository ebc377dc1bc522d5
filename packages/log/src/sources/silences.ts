/**
 * Sources that have agreed to say something at least every so often, and do not. One entry when a source falls silent,
 * one when it is heard again. Whether silence was told, and since when, follows from the log's entries, so that a
 * restart neither forgets a silence nor tells of it twice.
 */
import type { Clock, Timer } from "../clock.ts";
import { heardEvent, heardType, silentEvent, silentType } from "./source-events.ts";
import type { Sources } from "./sources.ts";

interface Agreed {
  silentAfterMs: number;
  /** When it was heard last, in the log's time. */
  lastMs: number;
  isSilent: boolean;
  /** What was found in the log has been looked at. */
  isKnown: boolean;
}

export class Silences {
  readonly #sources: Sources;
  readonly #clock: Clock;
  readonly #agreed = new Map<string, Agreed>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(sources: Sources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    sources.onSpoke = (source, timeMs) => this.heard(source, timeMs);
  }

  async agree(agreed: ReadonlyMap<string, number>): Promise<void> {
    for (const source of this.#agreed.keys()) {
      if (!agreed.has(source)) this.#agreed.delete(source);
    }
    const nowMs = Math.floor(this.#clock.now());
    const fresh: string[] = [];
    for (const [source, silentAfterMs] of agreed) {
      const known = this.#agreed.get(source);
      if (known === undefined) {
        fresh.push(source);
        const begun = { silentAfterMs, lastMs: nowMs, isSilent: false, isKnown: false };
        this.#agreed.set(source, begun);
      } else known.silentAfterMs = silentAfterMs;
    }
    for (const source of fresh) await this.#recall(source, nowMs);
    this.#wait();
  }

  /** What the log's entries say about the source. */
  async #recall(source: string, nowMs: number): Promise<void> {
    const record = await this.#sources.sourceRecord(source);
    const state = this.#agreed.get(source);
    if (state === undefined) return;
    state.isKnown = true;
    // It spoke while its record was read, or never before: counted from then.
    if (state.lastMs > nowMs || record === undefined) return;
    state.lastMs = record.lastMs;
    state.isSilent = record.isSilent ?? false;
  }

  /** The source has said something. */
  heard(source: string, timeMs: number): void {
    const state = this.#agreed.get(source);
    if (state === undefined) return;
    const { lastMs, isSilent } = state;
    state.lastMs = Math.max(lastMs, timeMs);
    if (!isSilent) return;
    state.isSilent = false;
    const event = heardEvent(source, lastMs, state.lastMs);
    this.#sources.tell(event, { type: heardType, details: { source, atMs: state.lastMs } });
    this.#wait();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    let dueMs = Infinity;
    for (const { lastMs, silentAfterMs, isSilent } of this.#agreed.values()) {
      if (!isSilent) dueMs = Math.min(dueMs, lastMs + silentAfterMs);
    }
    if (dueMs === Infinity || this.#isClosed) return;
    // A timer of Node holds 24 days at most, and the system's clock may step: it looks once an hour at least.
    const delayMs = Math.min(3_600_000, Math.max(1, dueMs - this.#clock.now() + 1));
    this.#timer = this.#clock.setTimer(() => this.#look(), delayMs);
  }

  #look(): void {
    const nowMs = this.#clock.now();
    for (const [source, state] of this.#agreed) {
      const { lastMs, silentAfterMs } = state;
      if (!state.isKnown || state.isSilent || nowMs <= lastMs + silentAfterMs) continue;
      state.isSilent = true;
      const event = silentEvent(source, lastMs, silentAfterMs);
      this.#sources.tell(event, { type: silentType, details: { source, sinceMs: lastMs } });
    }
    this.#wait();
  }
}

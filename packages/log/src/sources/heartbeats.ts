/**
 * What sources say of how far they have counted. An event that is under way when the heartbeat comes is not lost: only
 * what has not come when the grace has passed is told.
 */
import { CairnError } from "@cairnlog/core";
import type { Clock, Timer } from "../clock.ts";
import { streamKey } from "./segment-streams.ts";
import type { Heartbeat } from "./log-sources.ts";
import type { Sources } from "./sources.ts";

/** What was counted may take this long to arrive. */
export const heartbeatGraceMs = 30_000;
const waitingMax = 10_000;

interface Waiting {
  readonly source: string;
  readonly stream: string;
  number: number;
  readonly dueMs: number;
}

export class Heartbeats {
  readonly #sources: Sources;
  readonly #clock: Clock;
  /** By stream, in the order in which they are due. */
  readonly #waiting = new Map<string, Waiting>();
  #timer: Timer | undefined;
  #judging: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(sources: Sources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
  }

  async beat(source: string, streams: readonly Heartbeat[]): Promise<void> {
    for (const { stream, number } of streams) {
      const state = await this.#sources.stateOf(source, stream);
      if (number <= Math.max(state.mark, state.expected)) continue;
      const key = streamKey(source, stream);
      const waiting = this.#waiting.get(key);
      // The grace runs from the first heartbeat on, else a source that beats often would never be late.
      if (waiting !== undefined) {
        waiting.number = Math.max(waiting.number, number);
        continue;
      }
      if (this.#waiting.size >= waitingMax) {
        throw new CairnError("overloaded", "too many streams wait for what a heartbeat named", {
          retryAfterMs: heartbeatGraceMs,
        });
      }
      const dueMs = this.#clock.monotonic() + heartbeatGraceMs;
      this.#waiting.set(key, { source, stream, number, dueMs });
    }
    this.#wait();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#judging;
  }

  #wait(): void {
    const [first] = this.#waiting.values();
    if (this.#timer !== undefined || first === undefined || this.#isClosed) return;
    const delayMs = Math.max(1, first.dueMs - this.#clock.monotonic());
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#judging = this.#judgeDue().finally(() => this.#wait());
    }, delayMs);
  }

  async #judgeDue(): Promise<void> {
    for (const [key, { source, stream, number, dueMs }] of this.#waiting) {
      if (dueMs > this.#clock.monotonic() || this.#isClosed) return;
      this.#waiting.delete(key);
      await this.#sources.expect(source, stream, number);
    }
  }
}

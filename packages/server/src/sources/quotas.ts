/**
 * How much each source may send. A bucket for each bound fills at its rate and holds one window's worth; a delivery is
 * taken while there is anything in it, and takes out all that it brings. So a large batch is never refused for ever: it
 * is paid off before the next one. Buckets are full again after a restart.
 */
import { CairnError } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";
import { quotaNames, type Quota } from "./source-file.ts";

/** Who sends, and how much that may be. */
export interface Sender {
  /** Unique among those that are held here. */
  readonly name: string;
  readonly quota?: Quota | undefined;
}

const windows: Readonly<Record<keyof Quota, { readonly ms: number; readonly text: string }>> = {
  eventsPerSecond: { ms: 1000, text: "events a second" },
  eventsPerMinute: { ms: 60_000, text: "events a minute" },
  bytesPerDay: { ms: 86_400_000, text: "bytes a day" },
};

export class Quotas {
  readonly #clock: Pick<Clock, "monotonic">;
  /** By the source's name; made anew where its quota is another one. */
  readonly #held = new Map<string, { readonly quota: string; readonly buckets: Bucket[] }>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Throws "overloaded" where the source has sent its share: nothing of this delivery may be recorded. */
  check(source: Sender): void {
    for (const bucket of this.#bucketsOf(source)) {
      const waitMs = bucket.waitMs(this.#clock.monotonic());
      if (waitMs === 0) continue;
      const { limit, name } = bucket;
      throw new CairnError(
        "overloaded",
        `the source ${source.name} may send ${limit} ${windows[name].text}, and has: again later`,
        { retryAfterMs: waitMs },
      );
    }
  }

  /** Counts what a delivery brings. Call what it returns if none of it was recorded. */
  charge(source: Sender, events: number, byteLength: number): () => void {
    const buckets = this.#bucketsOf(source);
    const spend = (sign: 1 | -1): void => {
      for (const bucket of buckets) {
        bucket.left -= sign * (bucket.name === "bytesPerDay" ? byteLength : events);
      }
    };
    spend(1);
    return () => spend(-1);
  }

  #bucketsOf({ name, quota = {} }: Sender): readonly Bucket[] {
    const text = JSON.stringify(quota);
    const held = this.#held.get(name);
    if (held?.quota === text) return held.buckets;
    const nowMs = this.#clock.monotonic();
    const buckets = quotaNames.flatMap((each) => {
      const limit = quota[each];
      return limit === undefined ? [] : [new Bucket(each, limit, nowMs)];
    });
    this.#held.set(name, { quota: text, buckets });
    return buckets;
  }
}

class Bucket {
  readonly name: keyof Quota;
  readonly limit: number;
  left: number;
  #filledMs: number;

  constructor(name: keyof Quota, limit: number, nowMs: number) {
    this.name = name;
    this.limit = limit;
    this.left = limit;
    this.#filledMs = nowMs;
  }

  /** Milliseconds until something is in it; 0 where there is. */
  waitMs(nowMs: number): number {
    const perMs = this.limit / windows[this.name].ms;
    this.left = Math.min(this.limit, this.left + (nowMs - this.#filledMs) * perMs);
    this.#filledMs = nowMs;
    // Less than one event, or one byte, is nothing yet.
    return this.left >= 1 ? 0 : Math.ceil((1 - this.left) / perMs);
  }
}

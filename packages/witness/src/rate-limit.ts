/**
 * Token buckets: so many requests a second, with some more at once. One bucket for each log and client address: a
 * stranger who replays a log's public checkpoints drains a bucket of his own, not the log's.
 *
 * Memory is bounded: the buckets that were used longest ago are dropped when there are too many. A dropped bucket is a
 * full one when it comes back, so that a flood of addresses cannot lock anybody out.
 */

export interface RateLimit {
  /** Requests that a bucket gains in a second. */
  readonly perSecond: number;
  /** Requests that a full bucket holds. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** On the monotonic clock. */
  filledAtMs: number;
}

const bucketsMax = 16_384;

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #monotonic: () => number;
  /** In order of use, which is the order in which a Map keeps what is deleted and set again. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: RateLimit, monotonic: () => number) {
    this.#limit = limit;
    this.#monotonic = monotonic;
  }

  /** Takes a token: undefined if there was one, else the milliseconds until there is one again. */
  take(log: string, client: string): number | undefined {
    const { perSecond, burst } = this.#limit;
    const key = `${client}\n${log}`;
    const nowMs = this.#monotonic();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAtMs: nowMs };
    const gained = ((nowMs - bucket.filledAtMs) / 1000) * perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + gained);
    bucket.filledAtMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > bucketsMax) this.#dropOldest();
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= 1;
    return undefined;
  }

  #dropOldest(): void {
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}

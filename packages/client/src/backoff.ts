/**
 * How long to wait before trying again: exponential, with jitter, and never less than the server
 * asked for.
 */
import { CairnError } from "@cairnlog/core";

export interface BackoffLimits {
  /** The first delay, in milliseconds. Doubles with every failure. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A server that asks for more than this is not believed: ten minutes. */
const retryAfterMsMax = 600_000;

/**
 * The delay after the `failures`-th failure in a row (from 1). `chance` is in [0, 1): half of the
 * delay is left to it, so that many clients which lost the same server do not come back in step.
 */
export function backoffMs(
  failures: number,
  chance: number,
  limits: BackoffLimits,
  retryAfterMs?: number,
): number {
  const whole = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(failures - 1, 30));
  const jittered = whole / 2 + (chance * whole) / 2;
  if (retryAfterMs === undefined) return jittered;
  const asked = Math.min(retryAfterMs, retryAfterMsMax);
  return Math.max(jittered, asked + chance * limits.firstMs);
}

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date in the form that senders must
 * use. Undefined for anything else: a header that nobody understands must not stop the retries.
 */
export function findRetryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^[0-9]{1,9}$/.test(value)) return Number.parseInt(value, 10) * 1000;
  const date = findHttpDateMs(value);
  return date === undefined ? undefined : Math.max(0, date - nowMs);
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const httpDate = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/;

function findHttpDateMs(value: string): number | undefined {
  const parts = httpDate.exec(value);
  if (parts === null) return undefined;
  const [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map((i) =>
    Number.parseInt(parts[i]!, 10),
  );
  const date = new Date(Date.UTC(year!, months.indexOf(parts[2]!), day, hour, minute, second));
  // Printed again it must be the same: this refuses 31 February and a wrong day of the week.
  return date.toUTCString() === value ? date.getTime() : undefined;
}

/**
 * Statuses after which the same events are sent again: the server is busy, stopping, or cut off.
 */
const passingStatuses = new Set([408, 429, 500, 502, 503, 504, 507]);

export function isPassingStatus(status: number): boolean {
  return passingStatuses.has(status);
}

/** What a request that got no answer at all becomes. */
export function noAnswer(cause: unknown, what: string): CairnError {
  const why = cause instanceof Error ? innermost(cause) : String(cause);
  return new CairnError("unavailable", `${what}: ${why}`, { cause });
}

/** `fetch failed` says nothing; its cause does. */
function innermost(error: Error): string {
  let inner = error;
  for (let depth = 0; depth < 8 && inner.cause instanceof Error; depth++) inner = inner.cause;
  return inner.message === "" ? inner.name : inner.message;
}

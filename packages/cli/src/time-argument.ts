/**
 * Times and durations as people type them: `2h` (ago, or from now), `2026-11-23`,
 * `2026-11-23T05:00:00Z`, with an offset too. Inside, a time is milliseconds since 1970; towards a
 * server it is spelled in UTC with milliseconds.
 */
import { CairnError, formatLogTime, parseDecimal, parseLogTime } from "@cairnlog/core";

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const durationPattern = /^([0-9]{1,9})(ms|s|m|h|d|w)$/;
const timePattern =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.([0-9]{1,9}))?([Zz]|([+-])([0-9]{2}):([0-9]{2})))?$/;

/** `90s`, `15m`, `2h`, `3d`, `1w`, `250ms`: milliseconds. */
export function parseDuration(text: string, name: string): number {
  const ms = findDuration(text);
  if (ms !== undefined) return ms;
  throw new CairnError(
    "usage",
    `${name}: not a duration: ${JSON.stringify(text.slice(0, 40))}. Write 250ms, 90s, 15m, 2h, 3d or 1w`,
  );
}

/**
 * A time: RFC 3339, a date (its beginning in UTC), or a duration, counted back from now; or on from
 * now.
 */
export function parseTimeArgument(
  text: string,
  name: string,
  nowMs: number,
  direction: "ago" | "ahead" = "ago",
): number {
  const durationMs = findDuration(text);
  if (durationMs !== undefined) return nowMs + (direction === "ago" ? -durationMs : durationMs);
  const ms = findTime(text);
  if (ms !== undefined) return ms;
  throw new CairnError(
    "usage",
    `${name}: not a time: ${JSON.stringify(text.slice(0, 40))}. Write 2h, 15m or 3d, 2026-11-23, or ` +
      "2026-11-23T05:00:00Z (RFC 3339, with a zone)",
  );
}

function findDuration(text: string): number | undefined {
  const parts = durationPattern.exec(text);
  if (parts === null) return undefined;
  const count = parseDecimal(parts[1]!.replace(/^0+(?=[0-9])/, ""), "count");
  return count * unitMs[parts[2] as keyof typeof unitMs];
}

function findTime(text: string): number | undefined {
  const parts = timePattern.exec(text);
  if (parts === null) return undefined;
  const [, date, minutes = "00:00", seconds = ":00", fraction = "", , sign, hour, minute] = parts;
  // The strict reader decides whether there is such a day and hour; the offset is added to what it
  // says.
  const utc = `${date}T${minutes}${seconds}.${fraction.padEnd(3, "0").slice(0, 3)}Z`;
  try {
    const ms = parseLogTime(utc);
    if (sign === undefined) return ms;
    const [hours, rest] = [twoDigits(hour!), twoDigits(minute!)];
    if (hours > 23 || rest > 59) return undefined;
    const offsetMs = (hours * 60 + rest) * 60_000;
    const shifted = sign === "+" ? ms - offsetMs : ms + offsetMs;
    formatLogTime(shifted);
    return shifted;
  } catch {
    return undefined;
  }
}

function twoDigits(text: string): number {
  return parseDecimal(text.replace(/^0(?=[0-9])/, ""), "number");
}

/**
 * The times of RFC 3164, which have no year and no zone: both come from the receiver. The year is the one that brings
 * the time nearest to when the message was received, so that around new year it is right on both sides.
 */
import { CairnError } from "@cairnlog/core";

/** Minutes east of UTC at a moment. */
export type Zone = (ms: number) => number;

export const utc: Zone = () => 0;

const minuteMs = 60_000;
const dayMs = 86_400_000;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `UTC`, an offset as `+02:00`, or a name of the IANA database as `Europe/Berlin`. "usage" if it is none. */
export function parseZone(name: string): Zone {
  if (name === "UTC" || name === "Z") return utc;
  const offset = /^([+-])([01][0-9]|2[0-3]):([0-5][0-9])$/.exec(name);
  if (offset !== null) {
    const minutes =
      (twoDigits(offset[2]!, 0) * 60 + twoDigits(offset[3]!, 0)) * (offset[1] === "-" ? -1 : 1);
    return () => minutes;
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch (cause) {
    const what = `not a time zone: ${JSON.stringify(name.slice(0, 64))}`;
    throw new CairnError("usage", `${what}; expected UTC, +02:00 or a name as Europe/Berlin`, {
      cause,
    });
  }
  return cachedByQuarterHour((ms) => {
    const parts = format.formatToParts(ms);
    const text = parts.find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
    const [, sign, hours = "00", minutes = "00"] =
      /^GMT([+-])([0-9]{2}):([0-9]{2})/.exec(text) ?? [];
    return (twoDigits(hours, 0) * 60 + twoDigits(minutes, 0)) * (sign === "-" ? -1 : 1);
  });
}

/** Zones change their offset at full quarters of an hour only, and asking for one is dear. */
function cachedByQuarterHour(zone: Zone): Zone {
  const known = new Map<number, number>();
  return (ms) => {
    const quarter = Math.floor(ms / (15 * minuteMs));
    let offset = known.get(quarter);
    if (offset === undefined) {
      if (known.size >= 64) known.clear();
      offset = zone(ms);
      known.set(quarter, offset);
    }
    return offset;
  };
}

export interface BsdTime {
  /** `Jan` */
  readonly month: string;
  /** One or two digits. */
  readonly day: string;
  /** `hh:mm:ss` */
  readonly clock: string;
  readonly year?: string | undefined;
}

/**
 * Milliseconds since 1970. Undefined where there is no year and nothing to take it from, or none near in which the day
 * exists; "impossible" for what is no date and time in any year.
 */
export function findBsdTime(
  { month, day, clock, year }: BsdTime,
  receivedMs: number | undefined,
  zone: Zone,
): number | "impossible" | undefined {
  const monthIndex = months.indexOf(month);
  const dayOfMonth = day.length === 1 ? day.charCodeAt(0) - 0x30 : twoDigits(day, 0);
  const hour = twoDigits(clock, 0);
  const minute = twoDigits(clock, 3);
  const second = twoDigits(clock, 6);
  const isClock = hour < 24 && minute < 60 && second <= 60;
  if (monthIndex < 0 || dayOfMonth < 1 || dayOfMonth > daysMax[monthIndex]! || !isClock) {
    return "impossible";
  }
  const years = yearsOf(year, receivedMs);
  let best: number | undefined;
  for (const one of years) {
    const day0 = Date.UTC(one, monthIndex, dayOfMonth);
    // 29 February, of a year that has none.
    if (new Date(day0).getUTCDate() !== dayOfMonth) continue;
    const local = day0 + ((hour * 60 + minute) * 60 + Math.min(second, 59)) * 1000;
    for (const ms of momentsOf(local, zone)) {
      const near = receivedMs ?? ms;
      if (best === undefined || Math.abs(ms - near) < Math.abs(best - near)) best = ms;
    }
  }
  return best;
}

const daysMax = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function yearsOf(year: string | undefined, receivedMs: number | undefined): number[] {
  if (year !== undefined) return [twoDigits(year, 0) * 100 + twoDigits(year, 2)];
  if (receivedMs === undefined) return [];
  const now = new Date(receivedMs).getUTCFullYear();
  return [now - 1, now, now + 1];
}

/** When clocks of that zone show `local`: once, twice in the hour that comes again, or never; then the next best. */
function momentsOf(local: number, zone: Zone): number[] {
  const offsets = [zone(local - dayMs), zone(local + dayMs)];
  const moments = offsets.map((offset) => local - offset * minuteMs);
  const shown = moments.filter((ms) => ms + zone(ms) * minuteMs === local);
  return shown.length > 0 ? shown : moments;
}

function twoDigits(text: string, at: number): number {
  return (text.charCodeAt(at) - 0x30) * 10 + text.charCodeAt(at + 1) - 0x30;
}

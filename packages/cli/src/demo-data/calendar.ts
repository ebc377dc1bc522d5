/** When how much happens: office hours in each zone, evenings, weekends, and machines that never sleep. */
import { offices, type Office } from "./people.ts";

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Monday is 0. 1970 began on a Thursday. */
export function weekday(timeMs: number, office: Office): number {
  return (Math.floor((timeMs + office.offsetMinutes * minuteMs) / dayMs) + 3) % 7;
}

/** Hours since midnight, with their fraction, on the office's clocks. */
export function hourOfDay(timeMs: number, office: Office): number {
  const localMs = timeMs + office.offsetMinutes * minuteMs;
  return (localMs - Math.floor(localMs / dayMs) * dayMs) / hourMs;
}

/** Hour and how busy people are from then on, up to the next line. */
const working: readonly (readonly [number, number])[] = [
  [0, 0.01],
  [6.5, 0.1],
  [8, 0.6],
  [9, 1],
  [12, 0.55],
  [13, 0.95],
  [16.5, 0.6],
  [18, 0.2],
  [20, 0.07],
  [23, 0.02],
];
const shopping: readonly (readonly [number, number])[] = [
  [0, 0.15],
  [6, 0.4],
  [8, 0.8],
  [11, 1],
  [14, 0.85],
  [18, 0.95],
  [21, 0.6],
  [23, 0.3],
];

/** How many work at an office, from 0 to 1. */
export function atWork(timeMs: number, office: Office): number {
  const share = levelAt(working, hourOfDay(timeMs, office));
  return weekday(timeMs, office) >= 5 ? share * 0.07 : share;
}

/** How many of everybody work, all offices together. */
export function staffActivity(timeMs: number): number {
  return offices.reduce((sum, office) => sum + office.share * atWork(timeMs, office), 0);
}

/** How much the company's customers ask of it; most of them live near the first office. */
export function customerActivity(timeMs: number): number {
  const [home] = offices;
  const share = levelAt(shopping, hourOfDay(timeMs, home!));
  return weekday(timeMs, home!) === 6 ? share * 0.55 : share;
}

function levelAt(levels: readonly (readonly [number, number])[], hour: number): number {
  let level = 0;
  for (const [from, value] of levels) if (hour >= from) level = value;
  return level;
}

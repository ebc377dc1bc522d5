/** Who breaks in, with what, and when: the few things that tie the events of the attack together. */
import { minuteMs } from "./calendar.ts";
import type { Actor, Happening } from "./happening.ts";
import type { Person } from "./people.ts";
import type { Random } from "./random.ts";

/** An event of the attack, and what it means. */
export interface Step {
  readonly happening: Happening;
  readonly meaning: string;
}

export interface Intruder {
  readonly random: Random;
  readonly victim: Person;
  /** Midnight on the victim's clocks: the attack begins eight hours before and ends three after. */
  readonly midnightMs: number;
  /** The page that looked like the company's own, and the machine that everything later came from. */
  readonly phishingIp: string;
  readonly ip: string;
  readonly session: string;
  readonly token: string;
}

/** The browser of the machine that everything came from. */
export const userAgent =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36";

/** The account as it is used from elsewhere. */
export function asVictim({ victim, ip, session }: Intruder): Actor {
  return { id: victim.id, type: "user", name: victim.name, ip, session, userAgent };
}

/** So many minutes from midnight, with some seconds that nobody chose. */
export function at({ random, midnightMs }: Intruder, minutes: number): number {
  return midnightMs + Math.round(minutes * minuteMs) + random.between(0, 19_999);
}

/** The events of the tour: three hours at a company, with one thing among them that somebody would rather undo. */
import { utf8, type CairnEvent } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";

/** Who did it. */
export const thief = "mallory@example.com";
/** Who is to be blamed for it; as long as the thief, so that it can be written over in place. */
export const scapegoat = "alice.b@example.com";

const people = [scapegoat, "bob@example.com", "carol@example.com", "dave@example.com"];
const tables = ["orders", "customers", "invoices", "stock"];

/** What the attacker wants to be rid of. */
export const theft: CairnEvent = {
  type: "database.export",
  actor: { id: thief, type: "user" },
  action: "COPY",
  targets: [{ type: "postgres", id: "payroll/salaries" }],
  outcome: "success",
};

export function everydayEvent(i: number): CairnEvent {
  return {
    type: "database.query",
    actor: { id: people[i % people.length]!, type: "user" },
    action: "SELECT",
    targets: [{ type: "postgres", id: `shop/${tables[Math.floor(i / 4) % tables.length]!}` }],
    outcome: "success",
  };
}

/** Events `from` to `to`, with the theft in its place, one a line. */
export function eventLines(from: number, to: number, theftAt: number): Uint8Array {
  let text = "";
  for (let i = from; i < to; i++) {
    text += `${JSON.stringify(i === theftAt ? theft : everydayEvent(i))}\n`;
  }
  return utf8(text);
}

/** A clock that a history is made under: it goes as it is told, up to now. */
export class PastClock implements Clock {
  readonly #beganMs: number;
  #passedMs = 0;

  constructor(beganMs: number) {
    this.#beganMs = beganMs;
  }

  pass(ms: number): void {
    this.#passedMs += ms;
  }

  now(): number {
    return this.#beganMs + this.#passedMs;
  }

  monotonic(): number {
    return this.#passedMs;
  }

  setTimer(run: () => void, delayMs: number): { cancel(): void } {
    const timeout = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  }
}

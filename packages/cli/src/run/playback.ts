/**
 * Shows a recorded terminal on one of today. What a recording says is a stranger's: some sequences make a terminal
 * answer as if somebody had typed, write to its clipboard, or change its title. Only what draws is let through: text,
 * the control characters that move, and control sequences (ECMA-48, section 5.4) that do not ask.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { CastEvent } from "@cairnlog/capture";

export interface PlaybackOptions {
  /** 2 for twice as fast. */
  readonly speed: number;
  /** Longer pauses are cut to so much. */
  readonly pauseMsMax: number;
  readonly signal: AbortSignal;
}

/** Undoes what a recording may leave behind: colours, a hidden cursor, the other screen, a scrolling region. */
export const terminalReset =
  "\u001b[0m\u001b[?25h\u001b[?1049l\u001b[r\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?2004l";

/** Writes the output with its timing, until the signal aborts. */
export async function play(
  events: readonly CastEvent[],
  write: (text: string) => Promise<void>,
  { speed, pauseMsMax, signal }: PlaybackOptions,
): Promise<void> {
  const filter = new DrawingFilter();
  let beforeMs = 0;
  for (const { timeMs, code, text } of events) {
    if (code !== "o") continue;
    const pauseMs = Math.min(Math.max(0, timeMs - beforeMs), pauseMsMax) / speed;
    beforeMs = timeMs;
    if (pauseMs >= 1) await sleep(pauseMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await write(filter.take(text));
  }
}

/** A sequence may come in several pieces; one that never ends must not take the rest with it. */
const sequenceLengthMax = 4096;

/** Lets through what draws. */
export class DrawingFilter {
  #open = "";

  take(text: string): string {
    const whole = this.#open + text;
    this.#open = "";
    let shown = "";
    let at = 0;
    while (at < whole.length) {
      const introducer = introducerAt(whole, at);
      if (introducer === undefined) {
        const character = whole[at]!;
        if (isShown(character)) shown += character;
        at++;
        continue;
      }
      const end = endOfSequence(whole, at, introducer);
      if (end === undefined) {
        if (whole.length - at < sequenceLengthMax) {
          this.#open = whole.slice(at);
          break;
        }
        at++;
        continue;
      }
      const sequence = whole.slice(at, end);
      if (draws(sequence)) shown += sequence;
      at = end;
    }
    return shown;
  }
}

const escape = "\u001b";
/** The same as ESC [, in one character. */
const csi8 = "\u009b";

type Introducer = "csi" | "string" | "escape";

/** ESC and what follows it, or one of the C1 characters that stand for both. */
function introducerAt(text: string, at: number): Introducer | undefined {
  const character = text[at];
  if (character === csi8) return "csi";
  if (/[\u0090\u0098\u009d\u009e\u009f]/.test(character!)) return "string";
  if (character !== escape) return undefined;
  const next = text[at + 1] ?? "";
  if (next === "[") return "csi";
  return /[PX\]^_]/.test(next) ? "string" : "escape";
}

const stringEnds = ["\u0007", `${escape}\\`, "\u009c"];

/** The index behind the sequence; undefined where it has not ended yet. */
function endOfSequence(text: string, at: number, introducer: Introducer): number | undefined {
  const from = text[at] === escape ? at + 2 : at + 1;
  if (introducer === "string") {
    const ends = stringEnds
      .map((end) => ({ start: text.indexOf(end, from), length: end.length }))
      .filter(({ start }) => start >= 0);
    if (ends.length === 0) return undefined;
    const [first] = ends.toSorted((a, b) => a.start - b.start);
    return first!.start + first!.length;
  }
  const pattern = introducer === "csi" ? /[^ -?]/g : /[^ -/]/g;
  pattern.lastIndex = introducer === "csi" ? from : at + 1;
  const found = pattern.exec(text);
  return found === null ? undefined : found.index + 1;
}

/**
 * Of control sequences those whose last byte moves, erases, scrolls, colours, or sets a mode that is about drawing. Of
 * escapes those that save and restore the cursor, move it, and choose a character set.
 */
function draws(sequence: string): boolean {
  const [, isCsi, parameters = "", last = ""] =
    /^(\[)?([ -?]*)(.)$/su.exec(sequence.replace(csi8, `${escape}[`).slice(1)) ?? [];
  if (isCsi === undefined) return /^(?:[78DEHM=>]|[()][0-9A-Z])$/.test(sequence.slice(1));
  if (last === "h" || last === "l") return /^\??(?:4|[1-7]|12|25|47|104[79])$/.test(parameters);
  return /[@A-HJ-MPSTXZ`abdefgmrsu]/.test(last) && /^[0-9;:]*$/.test(parameters);
}

function isShown(character: string): boolean {
  return !/\p{Cc}/u.test(character) || "\b\t\n\v\f\r".includes(character);
}

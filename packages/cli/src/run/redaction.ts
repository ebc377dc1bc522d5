/**
 * Takes out of a text what patterns match. Output comes in pieces, and a secret may be cut by them: so a line is looked
 * at whole, when it has ended, and what is put in its place stands where the match began. Only the recording waits for
 * that; the terminal does not.
 */
import { CairnError } from "@cairnlog/core";

export const redactedMark = "[redacted]";

/** Longer lines are cut there, with room for a match over the cut; and a match that is longer still ends there. */
const lineLengthMax = 64 * 1024;
const overlapLength = 4096;
const matchLengthMax = 4 * lineLengthMax;
/** A line is cut only between pieces. */
const pieceLengthMax = 8192;

export class Redaction {
  readonly #patterns: readonly RegExp[];

  /** `sources` are regular expressions in JavaScript's syntax, with the flag u. "usage". */
  constructor(sources: readonly string[]) {
    this.#patterns = sources.map((source) => {
      try {
        return new RegExp(source, "gu");
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new CairnError("usage", `--redact: ${why}`, { cause });
      }
    });
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  of(text: string): string {
    return this.#patterns.reduce((rest, pattern) => rest.replace(pattern, redactedMark), text);
  }

  /** Where the patterns match, in order, none over another. */
  spans(text: string): Span[] {
    const found = this.#patterns.flatMap((pattern) =>
      [...text.matchAll(pattern)].map(({ index, 0: match }) => [index, index + match.length]),
    ) as Span[];
    const spans: Span[] = [];
    for (const [start, end] of found.toSorted((a, b) => a[0] - b[0])) {
      const last = spans.at(-1);
      if (start === end) continue;
      if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end);
      else spans.push([start, end]);
    }
    return spans;
  }
}

/** From an index to the one after the end. */
type Span = [start: number, end: number];

/** A piece of a stream. Its text may change until it is settled. */
export interface Piece {
  text: string;
  isSettled: boolean;
}

/** The line of one stream that has not ended yet. */
export class OpenLine {
  readonly #redaction: Redaction;
  readonly #pieces: Piece[] = [];
  #length = 0;

  constructor(redaction: Redaction) {
    this.#redaction = redaction;
  }

  /** Takes what comes next, and returns it as the pieces that it will be known by. */
  add(text: string): readonly Piece[] {
    const lineEnd = text.lastIndexOf("\n") + 1;
    const ended = this.#take(text.slice(0, lineEnd));
    if (ended.length > 0) this.end();
    return [...ended, ...this.#take(text.slice(lineEnd))];
  }

  #take(text: string): Piece[] {
    const taken: Piece[] = [];
    for (let at = 0; at < text.length; at += pieceLengthMax) {
      const piece = { text: text.slice(at, at + pieceLengthMax), isSettled: false };
      taken.push(piece);
      this.#pieces.push(piece);
      this.#length += piece.text.length;
      if (this.#length > matchLengthMax) this.end();
      else if (this.#length > lineLengthMax) this.#settle(this.#length - overlapLength);
    }
    return taken;
  }

  /** Nothing more belongs to the line. */
  end(): void {
    this.#settle(this.#length);
  }

  /** Settles the pieces up to the last end of one, at or before `cut`, that no match lies over. */
  #settle(cut: number): void {
    const spans = this.#redaction.spans(this.#pieces.map(({ text }) => text).join(""));
    let [at, count, length] = [0, 0, 0];
    for (const [i, { text }] of this.#pieces.entries()) {
      at += text.length;
      if (at > cut) break;
      if (!spans.some(([start, end]) => start < at && end > at)) [count, length] = [i + 1, at];
    }
    let start = 0;
    for (const piece of this.#pieces.splice(0, count)) {
      const { text } = piece;
      piece.text = replaced(text, start, spans);
      piece.isSettled = true;
      start += text.length;
    }
    this.#length -= length;
  }
}

/** The piece `text`, which begins at `at`, without what the spans cover. */
function replaced(text: string, at: number, spans: readonly Span[]): string {
  let result = "";
  let next = 0;
  for (const [from, to] of spans) {
    const [start, end] = [Math.max(from - at, next), Math.min(to - at, text.length)];
    if (end <= start) continue;
    result += text.slice(next, start) + (from >= at ? redactedMark : "");
    next = end;
  }
  return result + text.slice(next);
}

/**
 * asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): what a terminal showed, with its timing, as lines of
 * JSON. The first line is the header; each other one is `[seconds since the start, code, text]`, where the code is "o"
 * for output, "r" for a new window size, "m" for a marker and "i" for input, which is never written here.
 *
 * Pure: text in, text out. Who writes a cast keeps its events in the order of time; who reads one takes what the
 * format allows and skips the codes that it does not know, as the format asks.
 */
import { CairnError } from "@cairnlog/core";

export const asciicastMediaType = "application/x-asciicast";

export interface CastHeader {
  readonly width: number;
  readonly height: number;
  /** When it began, in seconds since 1970. */
  readonly timestamp?: number;
  /** What was recorded, as one line. */
  readonly command?: string;
  readonly title?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CastEvent {
  /** Milliseconds since the start. */
  readonly timeMs: number;
  readonly code: string;
  readonly text: string;
}

/** The first line, with its end. */
export function formatCastHeader(header: CastHeader): string {
  return `${JSON.stringify({ version: 2, ...header })}\n`;
}

/** One more line, with its end. The time is written to the microsecond. */
export function formatCastEvent({ timeMs, code, text }: CastEvent): string {
  return `[${Math.round(timeMs * 1000) / 1e6},${JSON.stringify(code)},${JSON.stringify(text)}]\n`;
}

/** Reads the first line. "malformed" for anything but version 2. */
export function parseCastHeader(line: string): CastHeader {
  const value = parseLine(line, 1);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(1, "the header is no object");
  }
  const { version, width, height, ...others } = value as Readonly<Record<string, unknown>>;
  if (version !== 2) throw malformed(1, "this is not version 2");
  if (!isCount(width) || !isCount(height)) throw malformed(1, "width or height is missing");
  const { timestamp, command, title } = others;
  return {
    width,
    height,
    ...(typeof timestamp === "number" ? { timestamp } : {}),
    ...(typeof command === "string" ? { command } : {}),
    ...(typeof title === "string" ? { title } : {}),
  };
}

/** Reads the event in line `lineNumber` of a cast. "malformed" with that line. */
export function parseCastEvent(line: string, lineNumber: number): CastEvent {
  const value = parseLine(line, lineNumber);
  const [seconds, code, text] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (typeof seconds !== "number" || seconds < 0) throw malformed(lineNumber, "there is no time");
  if (typeof code !== "string" || typeof text !== "string") {
    throw malformed(lineNumber, "an event is [seconds, code, text]");
  }
  return { timeMs: Math.round(seconds * 1e6) / 1000, code, text };
}

/** Reads a whole cast. */
export function parseCast(text: string): { header: CastHeader; events: readonly CastEvent[] } {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const [first = "", ...rest] = lines;
  const header = parseCastHeader(first);
  return { header, events: rest.map((line, i) => parseCastEvent(line, i + 2)) };
}

function parseLine(line: string, lineNumber: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    throw malformed(lineNumber, "this is no JSON", cause);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function malformed(lineNumber: number, what: string, cause?: unknown): CairnError {
  const message = `not an asciicast, line ${lineNumber}: ${what}`;
  return new CairnError("malformed", message, cause === undefined ? {} : { cause });
}

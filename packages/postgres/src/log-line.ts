/** A line of a log file as it lies there, and as it is read. Kept as text, so that it survives in a state file. */
import { CairnError, isCairnError, parseBase64, utf8 } from "@cairnlog/core";
import {
  isObject,
  parseForeignText,
  readPostgresLogLine,
  wellFormed,
  type CapturedBlob,
  type PostgresLogLine,
} from "@cairnlog/capture";

export interface LogText {
  readonly text: string;
  /** The very bytes, where they are not UTF-8: `text` has U+FFFD for what is wrong. */
  readonly base64?: string;
}

export interface ReadLine {
  readonly line: PostgresLogLine;
  /** The line's own bytes, where reading them had to change some. */
  readonly blobs: readonly CapturedBlob[];
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

export function logTextOf(bytes: Uint8Array): LogText {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
    return { text: lenient.decode(bytes), base64 };
  }
}

/** A line that is no JSON is a record all the same: its text under `line`. */
export function readLogText(source: LogText): ReadLine {
  const { text, base64 } = source;
  let isAltered = base64 !== undefined;
  let record;
  try {
    const parsed = parseForeignText(text, "the line");
    isAltered ||= parsed.isAltered;
    record = isObject(parsed.value) ? parsed.value : { line: parsed.value };
  } catch (error) {
    if (!(error instanceof CairnError) || !isCairnError(error, "malformed")) throw error;
    record = { line: wellFormed(text) };
    isAltered ||= record.line !== text;
  }
  const line = readPostgresLogLine(record);
  if (!isAltered) return { line, blobs: [] };
  const bytes = base64 === undefined ? utf8(text) : parseBase64(base64);
  return { line, blobs: [{ bytes, mediaType: "application/json", role: "original" }] };
}

/**
 * The records of a body for Splunk's HTTP Event Collector: envelopes that stand one after another, with white space
 * between them or with nothing, or all of them in one array; or, to `/raw`, lines of any kind.
 *
 * What is wrong with one record is told with its number, and costs the others nothing. Only behind an envelope whose
 * end cannot be found is nothing left to be read.
 */
import { CairnError, isCairnError, parseUtf8 } from "@cairnlog/core";
import { isObject, parseForeignText, wellFormed, type Json } from "./foreign-json.ts";

export interface Envelope {
  /** `time`, `host`, `source`, `sourcetype`, `index`, `fields` and `event`, as far as they were sent. */
  readonly value: { readonly [name: string]: Json };
  /** Its place in the body: 0, 1, … */
  readonly number: number;
  /** True where characters had to be changed: the body is kept beside. */
  readonly isAltered: boolean;
}

/** Why a record is none: one of Splunk's texts. */
export interface Unread {
  readonly number: number;
  readonly text: HecFault;
}

export type HecFault =
  | "Invalid data format"
  | "Event field is required"
  | "Event field cannot be blank"
  | "Error in handling indexed fields";

export interface HecRecords {
  readonly envelopes: readonly Envelope[];
  readonly unread: readonly Unread[];
}

/** A server takes no more events in one request. */
const recordsMax = 200_000;
/** Each costs an exception: after so many of them a body is given up. */
const unreadMax = 100;

/** What cannot be read is in `unread`. "too_large" where there are too many. */
export function readEnvelopes(body: Uint8Array): HecRecords {
  const envelopes: Envelope[] = [];
  const unread: Unread[] = [];
  let number = 0;
  const add = (value: Json | undefined, isAltered: boolean): void => {
    const fault = faultOf(value);
    if (fault === undefined) envelopes.push(opened(value as Envelope["value"], number, isAltered));
    else unread.push({ number, text: fault });
    if (++number > recordsMax) throw new CairnError("too_large", `more than ${recordsMax} events`);
  };
  const text = findUtf8(body);
  if (text === undefined) add(undefined, false);
  for (const one of jsonTexts(text ?? "")) {
    if (unread.length >= unreadMax) break;
    const read = findJson(one);
    if (read === undefined) add(undefined, false);
    else if (Array.isArray(read.value)) {
      for (const value of read.value as readonly Json[]) add(value, read.isAltered);
    } else add(read.value, read.isAltered);
  }
  return { envelopes, unread };
}

/** One envelope for each line that is not empty: `shared` is what the query says of all of them. */
export function readLines(body: Uint8Array, shared: Envelope["value"]): HecRecords {
  const text = new TextDecoder().decode(body);
  const isExact = findUtf8(body) !== undefined;
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length > recordsMax) throw new CairnError("too_large", `more than ${recordsMax} lines`);
  const envelopes = lines.map((line, number) => {
    const event = wellFormed(line);
    return opened({ ...shared, event }, number, !isExact || event !== line);
  });
  return { envelopes, unread: [] };
}

/** An object that came as text, as in raw lines, becomes an object: Splunk finds its fields, too. */
function opened(value: Envelope["value"], number: number, isAltered: boolean): Envelope {
  const { event } = value;
  const read = typeof event === "string" && /^\s*\{/.test(event) ? findJson(event) : undefined;
  if (read === undefined) return { value, number, isAltered };
  return { value: { ...value, event: read.value }, number, isAltered: isAltered || read.isAltered };
}

function faultOf(value: Json | undefined): HecFault | undefined {
  if (!isObject(value)) return "Invalid data format";
  const { event, fields } = value;
  if (event === undefined || event === null) return "Event field is required";
  if (event === "") return "Event field cannot be blank";
  const isFlat =
    fields === undefined ||
    (isObject(fields) && !Object.values(fields).some((one) => isObject(one)));
  return isFlat ? undefined : "Error in handling indexed fields";
}

/**
 * Objects and arrays from their first to their last bracket. What stands between them and is no white space is given
 * too, up to the next bracket, to be found to be no JSON; so is a rest that does not end.
 */
function* jsonTexts(text: string): Generator<string, void> {
  const mark = /["{}[\]]/g;
  let depth = 0;
  let start = 0;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    const [first] = found;
    if (first === '"') {
      // Strings hide the brackets in them.
      const end = endOfString(text, found.index);
      if (end === undefined) break;
      mark.lastIndex = end;
    } else if (first === "{" || first === "[") {
      if (depth === 0 && text.slice(start, found.index).trim() !== "") {
        yield text.slice(start, found.index);
        start = found.index;
      }
      depth++;
    } else if (--depth <= 0) {
      yield text.slice(start, mark.lastIndex);
      start = mark.lastIndex;
      depth = 0;
    }
  }
  if (text.slice(start).trim() !== "") yield text.slice(start);
}

/** Behind the quote that ends the string at `start`; undefined where none does. */
function endOfString(text: string, start: number): number | undefined {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
  return undefined;
}

function findUtf8(body: Uint8Array): string | undefined {
  return orUndefined(() => parseUtf8(body));
}

function findJson(text: string): ReturnType<typeof parseForeignText> | undefined {
  return orUndefined(() => parseForeignText(text));
}

function orUndefined<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (isCairnError(error, "malformed")) return undefined;
    throw error;
  }
}

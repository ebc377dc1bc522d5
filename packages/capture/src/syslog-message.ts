/**
 * One syslog message, from its bytes to its parts: RFC 5424 strictly, with its structured data; RFC 3164 as leniently
 * as senders write it; anything else whole, as text. Nothing is ever refused here, and nothing is lost: `header` and
 * `message`, one after the other, are the message as it came, and where its bytes are no text, they are beside.
 *
 * Not here: where a message begins and ends on a stream (the framing), and what it means (`syslog-event.ts`).
 */
import { formatLogTime, isSourceTime } from "@cairnlog/core";
import { wellFormed } from "./foreign-json.ts";
import { findBsdTime, utc, type Zone } from "./syslog-time.ts";

export type StructuredData = Readonly<
  Record<string, Readonly<Record<string, string | readonly string[]>>>
>;

export interface SyslogMessage {
  /** `raw` is what is neither of the two; its priority was read all the same where it has one. */
  readonly format: "rfc5424" | "rfc3164" | "raw";
  readonly facility?: number;
  readonly severity?: number;
  /** RFC 3339. Of RFC 3164, whose times have no year and no zone, as `SyslogContext` says. */
  readonly time?: string;
  readonly host?: string;
  readonly app?: string;
  readonly procid?: string;
  readonly msgid?: string;
  readonly structuredData?: StructuredData;
  /** All that stands before `message`, as it came. */
  readonly header: string;
  readonly message: string;
  /** The whole message, where text is not able to hold it: invalid UTF-8, noncharacters. */
  readonly bytes?: Uint8Array;
}

export interface SyslogContext {
  /** When it was received, for the year that RFC 3164 leaves out. Without it such a message has no time. */
  readonly receivedMs?: number;
  /** Where clocks without a zone stand. Default: UTC. */
  readonly zone?: Zone;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

export function parseSyslog(bytes: Uint8Array, context: SyslogContext = {}): SyslogMessage {
  const { text, isExact } = decode(bytes);
  const parsed =
    parseRfc5424(text) ?? parseRfc3164(text, context) ?? withPriority(text, { format: "raw" });
  return isExact ? parsed : { ...parsed, bytes };
}

function decode(bytes: Uint8Array): { readonly text: string; readonly isExact: boolean } {
  let decoded: string;
  try {
    decoded = strict.decode(bytes);
  } catch {
    return { text: wellFormed(lenient.decode(bytes)), isExact: false };
  }
  const text = wellFormed(decoded);
  return { text, isExact: text === decoded };
}

type Head = Omit<SyslogMessage, "header" | "message" | "facility" | "severity">;

const priority = /^<(0|[1-9][0-9]{0,2})>/;

/** What is left of a message whose head could not be read: its priority, if it has one, and the whole text. */
function withPriority(text: string, head: Head, headerLength = 0): SyslogMessage {
  const digits = priority.exec(text)?.[1];
  const value = digits === undefined ? -1 : smallNumber(digits);
  const isPriority = value >= 0 && value < 192;
  const known = isPriority ? { facility: Math.floor(value / 8), severity: value % 8 } : {};
  const cut = headerLength > 0 || !isPriority ? headerLength : digits!.length + 2;
  return { ...head, ...known, header: text.slice(0, cut), message: text.slice(cut) };
}

/** The value of at most three digits, which a pattern has matched. */
function smallNumber(digits: string): number {
  let value = 0;
  for (let i = 0; i < digits.length; i++) value = value * 10 + digits.charCodeAt(i) - 0x30;
  return value;
}

/** RFC 5424, section 6: HEADER without its structured data. */
const head5424 =
  /^<(?:0|[1-9][0-9]{0,2})>1 (-|[0-9][0-9T:.Z+-]{19,31}) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /;

function parseRfc5424(text: string): SyslogMessage | undefined {
  const found = head5424.exec(text);
  if (found === null) return undefined;
  const [{ length }, time, host, app, procid, msgid] = found;
  if (time !== "-" && !isTime(time!)) return undefined;
  const data = parseStructuredData(text, length);
  if (data === undefined) return undefined;
  let headerLength = data.end;
  if (headerLength < text.length) {
    if (text.charCodeAt(headerLength) !== 0x20) return undefined;
    headerLength++;
    // Section 6.4: a BOM says that what follows is UTF-8. It is no part of what was said.
    if (text.charCodeAt(headerLength) === 0xfeff) headerLength++;
  }
  const head: Head = {
    format: "rfc5424",
    ...(time === "-" ? {} : { time: time! }),
    ...(host === "-" ? {} : { host: host! }),
    ...(app === "-" ? {} : { app: app! }),
    ...(procid === "-" ? {} : { procid: procid! }),
    ...(msgid === "-" ? {} : { msgid: msgid! }),
    ...(data.elements === undefined ? {} : { structuredData: data.elements }),
  };
  const message = withPriority(text, head, headerLength);
  return message.facility === undefined ? undefined : message;
}

const timeBytes = new Uint8Array(64);

/** `text` is ASCII, as a pattern has found it, and shorter than 64. */
function isTime(text: string): boolean {
  for (let i = 0; i < text.length; i++) timeBytes[i] = text.charCodeAt(i);
  return isSourceTime(timeBytes, 0, text.length);
}

interface FoundData {
  readonly end: number;
  /** Undefined where there is none: "-". */
  readonly elements: StructuredData | undefined;
}

/** SD-ID and PARAM-NAME: printable ASCII but `=`, blank, `]` and `"`. */
const elementStart = /\[([!#-<>-\\^-~]{1,32})/y;
const parameter = / ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\[^])*)"/y;

/** RFC 5424, section 6.3. Undefined where what stands at `start` is no structured data. */
function parseStructuredData(text: string, start: number): FoundData | undefined {
  if (text.charCodeAt(start) === 0x2d) return { end: start + 1, elements: undefined };
  const elements = new Map<string, Readonly<Record<string, string | readonly string[]>>>();
  let at = start;
  while (text.charCodeAt(at) === 0x5b) {
    elementStart.lastIndex = at;
    const id = elementStart.exec(text)?.[1];
    // Section 6.3.2: an id comes once in a message.
    if (id === undefined || elements.has(id)) return undefined;
    at = elementStart.lastIndex;
    const parameters = new Map<string, string | string[]>();
    for (;;) {
      parameter.lastIndex = at;
      const found = parameter.exec(text);
      if (found === null) break;
      at = parameter.lastIndex;
      add(parameters, found[1]!, found[2]!.replace(/\\(["\\\]])/g, "$1"));
    }
    if (text.charCodeAt(at) !== 0x5d) return undefined;
    at++;
    elements.set(id, Object.fromEntries(parameters));
  }
  return at === start ? undefined : { end: at, elements: Object.fromEntries(elements) };
}

/** Section 6.3.3: a parameter may be repeated in an element. */
function add(parameters: Map<string, string | string[]>, name: string, value: string): void {
  const before = parameters.get(name);
  if (before === undefined) parameters.set(name, value);
  else if (typeof before === "string") parameters.set(name, [before, value]);
  else before.push(value);
}

/** What senders write where RFC 3164 has "Mmm dd hh:mm:ss": fractions, years, zones; or RFC 3339 instead. */
const time3164 =
  /^(?:<(?:0|[1-9][0-9]{0,2})>)?[*.]?(?:([A-Z][a-z]{2}) {1,2}([0-9]{1,2})(?: ([0-9]{4}))? ([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?(?: ([0-9]{4})(?= ))?(?: (?:UTC|GMT|Z))?:?|([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2})))(?: |$)/;
/** A program's name and process id before the colon that ends them. */
const tag = /([^\s:[\]<>"]{1,128})(?:\[([^\]\s]{1,128})\])?:(?: |$)/y;
/** With no time before it only what is surely a tag is one. */
const bareTag = /^(?:<(?:0|[1-9][0-9]{0,2})>)?(?=[A-Za-z0-9_./-]{1,64}(?:\[[0-9]{1,10}\])?: )/;
const hostName = /([A-Za-z0-9._:%-]{1,255}) /y;

function parseRfc3164(text: string, context: SyslogContext): SyslogMessage | undefined {
  const found = time3164.exec(text) ?? bareTag.exec(text);
  if (found === null) return undefined;
  const [{ length }, month, day, yearBefore, clock, fraction, yearAfter, rfc3339] = found;
  if (rfc3339 !== undefined && !isTime(rfc3339)) return undefined;
  let time = rfc3339;
  if (month !== undefined) {
    const ms = findBsdTime(
      { month, day: day!, clock: clock!, year: yearBefore ?? yearAfter },
      context.receivedMs,
      context.zone ?? utc,
    );
    if (ms === "impossible") return undefined;
    if (ms !== undefined) {
      time = formatLogTime(ms).replace(/\.000Z$/, fraction === undefined ? "Z" : `.${fraction}Z`);
    }
  }
  // A local program writes no host: then what comes first is its tag.
  let at = length;
  let host: string | undefined;
  if (time3164.test(text) && !matchesAt(tag, text, at)) {
    hostName.lastIndex = at;
    host = hostName.exec(text)?.[1];
    if (host !== undefined) at = hostName.lastIndex;
  }
  tag.lastIndex = at;
  const [, app, procid] = tag.exec(text) ?? [];
  if (app !== undefined) at = tag.lastIndex;
  const head: Head = {
    format: "rfc3164",
    ...(time === undefined ? {} : { time }),
    ...(host === undefined ? {} : { host }),
    ...(app === undefined ? {} : { app }),
    ...(procid === undefined ? {} : { procid }),
  };
  return withPriority(text, head, at);
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

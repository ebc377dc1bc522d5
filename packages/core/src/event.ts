/**
 * The shape of an event: what a log asks of it beyond being I-JSON. `docs/spec/event.md` says the same in words.
 *
 * The check works on the ranges that a scan found and allocates nothing for a good event. Members that are not
 * known are allowed and kept. It is no schema for `details`, and it never changes an event.
 */
import { CairnError, type CairnErrorCode } from "./errors.ts";
import { parseBlobs, parseSequence, type NamedBlob, type Sequence } from "./event-parts.ts";
import { eventFields, jsonKinds, type EventField, type EventScanner } from "./json.ts";
import { PlainSequence } from "./plain-sequence.ts";
import { isSourceTime } from "./time.ts";

/** What a developer types. An event may have any other members besides. */
export interface CairnEvent {
  /** Chosen by the source and unique there: the idempotency key. 1 to 128 bytes, spelled without escapes. */
  readonly id?: string;
  /** `<workflow>.<verb>`, as in `database.query`. `system.*` and `source.*` are the log's own. */
  readonly type: string;
  /** When it happened, as the source saw it: RFC 3339 with a zone. */
  readonly time?: string;
  readonly actor: { readonly id: string; readonly [member: string]: unknown };
  readonly action: string;
  readonly targets?: readonly {
    readonly type: string;
    readonly id: string;
    readonly [member: string]: unknown;
  }[];
  readonly outcome?: "success" | "failure" | "denied" | "unknown";
  /** W3C traceparent. */
  readonly trace?: string;
  readonly details?: unknown;
  /** Larger things that belong to the event, durable in the log's blobs before the event is recorded. */
  readonly blobs?: readonly NamedBlob[];
  /** The source's own count: what is missing from it was lost, what repeats was sent twice. */
  readonly sequence?: Sequence;
  /** Refused until there is a vault. */
  readonly private?: never;
  readonly [member: string]: unknown;
}

/** Longest values in bytes as spelled, quotes not counted. An actor may be a SPIFFE ID, of up to 2,048. */
export const eventLimits = {
  id: 128,
  type: 128,
  actorId: 2048,
  action: 256,
  trace: 256,
} as const;

export interface CheckEventOptions {
  /** True for events that the log itself writes: `system.*` and `source.*` are allowed. */
  readonly isOwn?: boolean;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const outcomes = ["success", "failure", "denied", "unknown"].map(ascii);
const reservedPrefixes = ["system.", "source."].map(ascii);

const classes = { first: 1, word: 2, dot: 4, lowerHex: 8 } as const;
const classOfByte = new Uint8Array(256);
for (const byte of ascii("abcdefghijklmnopqrstuvwxyz"))
  classOfByte[byte] = classes.first | classes.word;
for (const byte of ascii("0123456789_-")) classOfByte[byte] = classes.word;
for (const byte of ascii("0123456789abcdef")) classOfByte[byte]! |= classes.lowerHex;
classOfByte[0x2e] = classes.dot;

/**
 * Checks the event that `scanner` has just scanned in `bytes`. Throws "invalid" with the pointer of the member that
 * is wrong, or "private_unsupported".
 */
export function checkEvent(
  scanner: EventScanner,
  bytes: Uint8Array,
  options: CheckEventOptions = {},
): void {
  const { kinds } = scanner;
  if (kinds[eventFields.private] !== jsonKinds.absent) {
    throw refused("/private", "private values cannot be recorded yet", "private_unsupported");
  }
  const isOcsf = kinds[eventFields.class_uid] === jsonKinds.number;
  // OCSF events are kept whole. All that is asked of them is what the log itself relies on.
  if (isOcsf) {
    if (kinds[eventFields.id] === jsonKinds.string) checkId(scanner, bytes);
    if (kinds[eventFields.type] === jsonKinds.string) checkOcsfType(scanner, bytes);
    if (kinds[eventFields.blobs] !== jsonKinds.absent) blobsOf(scanner, bytes);
    if (kinds[eventFields.sequence] !== jsonKinds.absent) checkSequence(scanner, bytes);
    return;
  }
  checkType(scanner, bytes, options.isOwn ?? false);
  checkActor(scanner);
  checkText(scanner, eventFields.action, "/action", eventLimits.action);
  if (kinds[eventFields.id] !== jsonKinds.absent) checkId(scanner, bytes);
  if (kinds[eventFields.time] !== jsonKinds.absent) checkTime(scanner, bytes);
  if (kinds[eventFields.outcome] !== jsonKinds.absent) checkOutcome(scanner, bytes);
  if (kinds[eventFields.trace] !== jsonKinds.absent) checkTrace(scanner, bytes);
  if (kinds[eventFields.blobs] !== jsonKinds.absent) blobsOf(scanner, bytes);
  if (kinds[eventFields.sequence] !== jsonKinds.absent) checkSequence(scanner, bytes);
  checkTargets(scanner);
}

/** The blobs that the event which was just scanned names; none where it has no such member. "invalid". */
export function blobsOf(scanner: EventScanner, bytes: Uint8Array): readonly NamedBlob[] {
  const kind = scanner.kinds[eventFields.blobs];
  if (kind === jsonKinds.absent) return [];
  if (!isSpelledPlainly(bytes, scanner.from[eventFields.blobs]!)) {
    throw refused("/blobs", "expected this name spelled without escapes");
  }
  return parseBlobs(textOf(scanner, bytes, eventFields.blobs));
}

const quotedBlobs = ascii('"blobs"');

/**
 * Whether the name of `blobs`, whose value is at `from`, has no escapes. So a verifier finds the entries that name
 * blobs by these seven bytes, and need not read all others.
 */
function isSpelledPlainly(bytes: Uint8Array, from: number): boolean {
  let nameEnd = from;
  // Back over the colon and the white space around it, which the scan has found there, to the closing quote.
  while (bytes[nameEnd - 1] !== 0x22) nameEnd--;
  return startsWith(bytes, nameEnd - quotedBlobs.length, nameEnd, quotedBlobs);
}

const plainSequence = new PlainSequence();

function checkSequence(scanner: EventScanner, bytes: Uint8Array): void {
  const from = scanner.from[eventFields.sequence]!;
  if (plainSequence.read(bytes, from, scanner.to[eventFields.sequence]!)) return;
  sequenceOf(scanner, bytes);
}

/** The place in its source's count of the event which was just scanned. "invalid". */
export function sequenceOf(scanner: EventScanner, bytes: Uint8Array): Sequence | undefined {
  const kind = scanner.kinds[eventFields.sequence];
  if (kind === jsonKinds.absent) return undefined;
  return parseSequence(textOf(scanner, bytes, eventFields.sequence));
}

const utf8 = new TextDecoder();

/** The scanner has read it: it is well-formed JSON. */
function textOf(scanner: EventScanner, bytes: Uint8Array, field: EventField): string {
  return utf8.decode(bytes.subarray(scanner.from[field], scanner.to[field]));
}

/**
 * Where the bytes of the event's `id` are, without its quotes, or undefined where it has none. They have no
 * escapes: equal ids have equal bytes.
 */
export function idRange(scanner: EventScanner): { from: number; to: number } | undefined {
  if (scanner.kinds[eventFields.id] !== jsonKinds.string) return undefined;
  return { from: scanner.from[eventFields.id]! + 1, to: scanner.to[eventFields.id]! - 1 };
}

function refused(pointer: string, what: string, code: CairnErrorCode = "invalid"): CairnError {
  const todo = code === "invalid" ? "Correct it" : "Remove it";
  return new CairnError(code, `${pointer}: ${what}. ${todo} and send the event again.`, {
    place: { pointer },
  });
}

function checkText(
  scanner: EventScanner,
  field: EventField,
  pointer: string,
  lengthMax: number,
): void {
  const length = scanner.to[field]! - scanner.from[field]! - 2;
  if (scanner.kinds[field] !== jsonKinds.string || length < 1 || length > lengthMax) {
    throw refused(pointer, `expected a string of 1 to ${lengthMax} bytes`);
  }
}

function checkId(scanner: EventScanner, bytes: Uint8Array): void {
  checkText(scanner, eventFields.id, "/id", eventLimits.id);
  for (let i = scanner.from[eventFields.id]!; i < scanner.to[eventFields.id]!; i++) {
    if (bytes[i] === 0x5c) {
      throw refused("/id", "expected an id without escapes, so that equal ids have equal bytes");
    }
  }
}

function startsWith(bytes: Uint8Array, at: number, to: number, prefix: Uint8Array): boolean {
  if (to - at < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

function refuseReserved(bytes: Uint8Array, from: number, to: number): void {
  for (const prefix of reservedPrefixes) {
    if (startsWith(bytes, from, to, prefix)) {
      throw refused("/type", "system.* and source.* are the log's own; expected another type");
    }
  }
}

/** `^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+$`, so teams can name workflows of their own. */
function checkType(scanner: EventScanner, bytes: Uint8Array, isOwn: boolean): void {
  checkText(scanner, eventFields.type, "/type", eventLimits.type);
  const from = scanner.from[eventFields.type]! + 1;
  const to = scanner.to[eventFields.type]! - 1;
  let isWell = (classOfByte[bytes[from]!]! & classes.first) !== 0;
  let dots = 0;
  let wordLength = 0;
  for (let i = from; i < to && isWell; i++) {
    const byteClass = classOfByte[bytes[i]!]!;
    if (byteClass === classes.dot) {
      isWell = wordLength > 0;
      dots++;
      wordLength = 0;
    } else {
      isWell = (byteClass & classes.word) !== 0;
      wordLength++;
    }
  }
  if (!isWell || dots === 0 || wordLength === 0) {
    throw refused("/type", 'expected <workflow>.<verb> of a-z, 0-9, _ and -, as "database.query"');
  }
  if (!isOwn) refuseReserved(bytes, from, to);
}

/** An OCSF event may have a `type` of any form, but must not pass for one of the log's own. */
function checkOcsfType(scanner: EventScanner, bytes: Uint8Array): void {
  const from = scanner.from[eventFields.type]! + 1;
  const to = scanner.to[eventFields.type]! - 1;
  for (let i = from; i < to; i++) {
    if (bytes[i] === 0x5c) throw refused("/type", "expected a type spelled without escapes");
  }
  refuseReserved(bytes, from, to);
}

function checkActor(scanner: EventScanner): void {
  if (scanner.kinds[eventFields.actor] !== jsonKinds.object) {
    throw refused("/actor", "expected an object that says who acted, with an id");
  }
  checkText(scanner, eventFields.actorId, "/actor/id", eventLimits.actorId);
}

function checkTime(scanner: EventScanner, bytes: Uint8Array): void {
  const from = scanner.from[eventFields.time]! + 1;
  const to = scanner.to[eventFields.time]! - 1;
  const isString = scanner.kinds[eventFields.time] === jsonKinds.string;
  if (!isString || !isSourceTime(bytes, from, to)) {
    throw refused("/time", 'expected an RFC 3339 time with a zone, as "2026-11-23T05:00:00.123Z"');
  }
}

function checkOutcome(scanner: EventScanner, bytes: Uint8Array): void {
  const from = scanner.from[eventFields.outcome]! + 1;
  const to = scanner.to[eventFields.outcome]! - 1;
  if (scanner.kinds[eventFields.outcome] === jsonKinds.string) {
    for (const outcome of outcomes) {
      if (outcome.length === to - from && startsWith(bytes, from, to, outcome)) return;
    }
  }
  throw refused("/outcome", "expected success, failure, denied or unknown");
}

function checkTrace(scanner: EventScanner, bytes: Uint8Array): void {
  const from = scanner.from[eventFields.trace]! + 1;
  const to = scanner.to[eventFields.trace]! - 1;
  const isString = scanner.kinds[eventFields.trace] === jsonKinds.string;
  if (!isString || !isTraceparent(bytes, from, to)) {
    throw refused("/trace", "expected a W3C traceparent: 00-<32 hex>-<16 hex>-<2 hex>, lower case");
  }
}

/** W3C Trace Context, section 3.2: version 00, or a later one that may go on after another dash. */
function isTraceparent(bytes: Uint8Array, from: number, to: number): boolean {
  const length = to - from;
  if (length < 55 || length > eventLimits.trace) return false;
  const isVersion00 = bytes[from] === 0x30 && bytes[from + 1] === 0x30;
  const isVersionFf = bytes[from] === 0x66 && bytes[from + 1] === 0x66;
  if (isVersionFf || (length > 55 && (isVersion00 || bytes[from + 55] !== 0x2d))) return false;
  if (bytes[from + 2] !== 0x2d || bytes[from + 35] !== 0x2d || bytes[from + 52] !== 0x2d)
    return false;
  return (
    isLowerHex(bytes, from, from + 2) &&
    isLowerHex(bytes, from + 3, from + 35) &&
    isLowerHex(bytes, from + 36, from + 52) &&
    isLowerHex(bytes, from + 53, from + 55) &&
    !isAllZero(bytes, from + 3, from + 35) &&
    !isAllZero(bytes, from + 36, from + 52)
  );
}

function isLowerHex(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((classOfByte[bytes[i]!]! & classes.lowerHex) === 0) return false;
  }
  return true;
}

function isAllZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0x30) return false;
  return true;
}

function checkTargets(scanner: EventScanner): void {
  const kind = scanner.kinds[eventFields.targets];
  if (kind !== jsonKinds.absent && kind !== jsonKinds.array) {
    throw refused("/targets", "expected an array of objects with type and id");
  }
  if (scanner.badTarget >= 0) {
    throw refused(
      `/targets/${scanner.badTarget}`,
      "expected an object with the strings type and id, not empty",
    );
  }
}

/**
 * From a JavaScript object to the one line of JSON that goes over the wire, and into the log byte
 * for byte.
 *
 * It is made once, when the event is handed over: what the caller changes later changes nothing,
 * and a retry sends the same bytes. What JSON would leave out or turn into something else without a
 * word (NaN, an Error, a Map, an undefined element) is refused: a log must not say `null` where
 * there was something. Members whose value is `undefined` are left out, as everywhere in
 * JavaScript.
 *
 * Whether the event has the right shape is the log's to say; only what can never get there is
 * refused here, and where events are numbered, what the log is sure to refuse.
 */
import { CairnError, type CairnErrorCode, type Sequence } from "@cairnlog/core";
import { checkShape, refuseNumbered } from "./event-shape.ts";

/** An event holds at most so many bytes, always. */
export const eventBytesMax = 64_000;
/** The log's own limit (docs/spec/entry.md). */
const depthMax = 64;

export interface EventLine {
  readonly id: string;
  /** JSON without white space between tokens and without a line end. */
  readonly text: string;
  /** Of the text in UTF-8. */
  readonly byteLength: number;
}

/** Supplies what the event lacks. */
export interface EventDefaults {
  id(): string;
  /** RFC 3339 in UTC. */
  time(): string;
  /** Where the client numbers its events. */
  sequence?: Sequence | undefined;
  /** Adds what surrounds the event. */
  compose?(plain: Readonly<Record<string, unknown>>): object;
}

/**
 * Throws "invalid", "private_unsupported" or "too_large", with the pointer to the culprit where
 * there is one.
 */
export function renderEventLine(event: object, defaults: EventDefaults): EventLine {
  const whole = complete(event, defaults);
  if (whole.private !== undefined) {
    throw refusal("private_unsupported", "private values cannot be recorded yet", "/private");
  }
  const text = stringify(whole);
  const byteLength = utf8Length(text);
  if (byteLength > eventBytesMax) {
    throw new CairnError(
      "too_large",
      `the event has ${byteLength} bytes; at most ${eventBytesMax} are taken. ` +
        "Store what is large elsewhere and name it by its SHA-256.",
    );
  }
  return { id: whole.id as string, text, byteLength };
}

/** A shallow copy that has `id` and `time`. An OCSF event keeps its own way of telling the time. */
function complete(event: object, defaults: EventDefaults): Record<string, unknown> {
  const plain = toJson(event);
  if (typeof plain !== "object" || plain === null || Array.isArray(plain)) {
    throw refusal("invalid", `an event is an object, not ${nameOf(plain)}`, "");
  }
  refuseUnwritable(plain, "");
  const own = plain as Record<string, unknown>;
  const given = (defaults.compose?.(own) ?? own) as Record<string, unknown>;
  const id = given["id"] === undefined ? defaults.id() : given["id"];
  if (typeof id !== "string" || id === "") {
    throw refusal("invalid", `an event's id is a text that is not empty, not ${nameOf(id)}`, "/id");
  }
  const whole: Record<string, unknown> = { id, ...given };
  // The spread brings an explicit `id: undefined` back.
  whole["id"] = id;
  if (whole["time"] === undefined && whole["class_uid"] === undefined) {
    whole["time"] = defaults.time();
  }
  if (defaults.sequence !== undefined) {
    refuseNumbered(given);
    checkShape(whole);
    whole["sequence"] = defaults.sequence;
  }
  return whole;
}

function toJson(event: unknown): unknown {
  const own = event as { toJSON?: unknown } | null | undefined;
  return typeof own?.toJSON === "function" ? (own.toJSON as (key: string) => unknown)("") : event;
}

/**
 * What is plain through and through needs no watching while it is written: looking at it first, and
 * then writing it without a replacer, takes a third of what the way below does (an event of 366
 * bytes, Node 24).
 */
function stringify(whole: Record<string, unknown>): string {
  return isPlain(whole, 1) ? JSON.stringify(whole) : stringifyWatched(whole);
}

/** False for whatever might not be written as it is, without saying why. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth > depthMax) return false;
  if ((value as { toJSON?: unknown }).toJSON !== undefined) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined && !isPlain(member, depth + 1)) return false;
  }
  return true;
}

function stringifyWatched(whole: Record<string, unknown>): string {
  // `JSON.stringify` goes depth first, and calls with the holder as `this`: the holders that are
  // open form the path.
  const holders: unknown[] = [];
  const keys: string[] = [];
  function check(this: unknown, key: string, value: unknown): unknown {
    if (holders.length === 0 && key === "" && value === whole) {
      holders.push(whole);
      keys.push("");
      return value;
    }
    while (holders.at(-1) !== this) {
      holders.pop();
      keys.pop();
    }
    const path = (): string => pointer([...keys.slice(1), key]);
    const original = (this as Record<string, unknown>)[key];
    if (value === null && original !== null) {
      throw refusal("invalid", `${nameOf(original)} has no JSON form`, path());
    }
    if (value === undefined && !Array.isArray(this)) return undefined;
    if (isWritable(value)) return value;
    if (typeof value !== "object") throw refusal("invalid", whyNot(value), path());
    refuseUnwritable(value as object, path);
    if (holders.includes(value)) throw refusal("invalid", "a cycle has no JSON form", path());
    if (holders.length >= depthMax) {
      throw refusal("invalid", `nested deeper than ${depthMax} levels`, path());
    }
    holders.push(value);
    keys.push(key);
    return value;
  }
  return JSON.stringify(whole, check);
}

function isWritable(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value === "number") return Number.isFinite(value);
  return typeof value === "string" || typeof value === "boolean";
}

function whyNot(value: unknown): string {
  if (typeof value === "bigint") return "JSON has no BigInt: send it as a string";
  if (typeof value === "number")
    return `JSON has no ${value}: send it as a string, or leave it out`;
  return `JSON has no ${nameOf(value)}`;
}

/** Objects that JSON would write as `{}`, or byte by byte. */
function refuseUnwritable(value: object, path: string | (() => string)): void {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag === "Object" || tag === "Array" || tag === "String" || tag === "Boolean") return;
  const number = tag === "Number" && Number.isFinite(value.valueOf());
  const isLost = value instanceof Error || ArrayBuffer.isView(value) || tag === "Number";
  if (number || (!isLost && Object.keys(value).length > 0)) return;
  const where = typeof path === "string" ? path : path();
  throw refusal("invalid", `JSON cannot hold ${nameOf(value)}: send what matters of it`, where);
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number") return String(value);
  if (typeof value !== "object") return typeof value;
  if (value instanceof Date) return "an invalid Date";
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return /^[AEIOU]/.test(tag) ? `an ${tag}` : `a ${tag}`;
}

function refusal(code: CairnErrorCode, what: string, at: string): CairnError {
  const where = at === "" ? "the event" : at;
  return new CairnError(code, `${where}: ${what}`, { place: { pointer: at } });
}

/** RFC 6901. */
function pointer(keys: readonly string[]): string {
  return keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

const utf8 = new TextEncoder();
const room = new Uint8Array(eventBytesMax);

/** Bytes of `text` in UTF-8. Lone surrogates do not occur: `JSON.stringify` escapes them. */
function utf8Length(text: string): number {
  const { read, written } = utf8.encodeInto(text, room);
  return read === text.length ? written : written + utf8.encode(text.slice(read)).length;
}

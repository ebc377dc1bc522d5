/**
 * JSON of others, as values that can become part of an event.
 *
 * An event is I-JSON; what other systems send often is not: integers beyond 2^53, lone surrogates, very deep nesting.
 * None of it may cost us the event. Numbers that a double cannot hold become strings of the same digits, halves of
 * surrogates and noncharacters become U+FFFD, and what lies too deep becomes a string of JSON. Where that changed
 * anything but a number's quotes the caller is told, and keeps the original bytes beside.
 */
import { CairnError } from "@cairnlog/core";

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface ForeignJson {
  readonly value: Json;
  /** True where characters or nesting had to be changed: keep the original. */
  readonly isAltered: boolean;
}

/** An event has 64 levels; this leaves room for what an adapter puts around the value. */
const depthMax = 48;
/** A digit run or an exponent that a double might not hold. Most JSON has neither, and is read the fast way. */
const longNumber = /[0-9]{16}|[0-9.][eE][+-]?[0-9]/;
const needsCare = /[\uD800-\uDFFF\uFDD0-\uFDEF\uFFFE\uFFFF]|\\u[dDfF]/;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one JSON text. "malformed" if it is not JSON or not UTF-8; `what` names it in the message. */
export function parseForeignJson(bytes: Uint8Array, what = "the body"): ForeignJson {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new CairnError("malformed", `${what} is not UTF-8`, { cause });
  }
  return parseForeignText(text, what);
}

export function parseForeignText(text: string, what = "the body"): ForeignJson {
  let value: Json;
  try {
    value = (
      longNumber.test(text) ? JSON.parse(text, exactNumber as never) : JSON.parse(text)
    ) as Json;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    throw new CairnError("malformed", `${what} is not JSON: ${why}`, { cause });
  }
  const care = { isAltered: false };
  const safe = needsCare.test(text) || isDeep(value, depthMax) ? madeSafe(value, 0, care) : value;
  return { value: safe, isAltered: care.isAltered };
}

/** A reviver: a number whose digits a double cannot give back becomes the string of its digits. */
function exactNumber(
  _name: string,
  value: unknown,
  context: { readonly source?: string },
): unknown {
  const { source } = context;
  if (typeof value !== "number" || source === undefined) return value;
  if (/^-?[0-9]+$/.test(source)) return Number.isSafeInteger(value) ? value : source;
  const digits = source.replace(/[eE].*/, "").replace(/[^0-9]/g, "");
  const isZero = value === 0 && !/[1-9]/.test(digits);
  // Printed again, a larger double would have no exponent and be an integer that I-JSON refuses.
  const isHeld = Math.abs(value) < 2 ** 53 && (value !== 0 || isZero) && digits.length <= 17;
  return isHeld ? value : source;
}

function isDeep(value: Json, left: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  for (const inner of Object.values(value)) if (isDeep(inner, left - 1)) return true;
  return false;
}

function madeSafe(value: Json, depth: number, care: { isAltered: boolean }): Json {
  if (typeof value === "string") {
    const text = wellFormed(value);
    if (text !== value) care.isAltered = true;
    return text;
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth === depthMax) {
    care.isAltered = true;
    return wellFormed(JSON.stringify(value));
  }
  if (Array.isArray(value)) return value.map((inner: Json) => madeSafe(inner, depth + 1, care));
  const entries = Object.entries(value).map(([name, inner]): [string, Json] => [
    madeSafe(name, depth + 1, care) as string,
    madeSafe(inner, depth + 1, care),
  ]);
  return Object.fromEntries(entries);
}

/** Halves of surrogates and noncharacters as U+FFFD. */
export function wellFormed(text: string): string {
  // Matches whole code points: the noncharacters of the planes above are pairs here.
  return text.toWellFormed().replace(/[\p{Noncharacter_Code_Point}]/gu, "\uFFFD");
}

export function isObject(value: unknown): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path of member names and indexes; undefined where there is none. */
export function at(
  value: Json | undefined,
  ...path: readonly (string | number)[]
): Json | undefined {
  let here: Json | undefined = value;
  for (const step of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Readonly<Record<string, Json>>)[step];
  }
  return here;
}

/** The string at a path; a number there as its digits; undefined where there is neither, or nothing in it. */
export function textAt(
  value: Json | undefined,
  ...path: readonly (string | number)[]
): string | undefined {
  const found = at(value, ...path);
  if (typeof found === "number") return String(found);
  return typeof found === "string" && found !== "" ? found : undefined;
}

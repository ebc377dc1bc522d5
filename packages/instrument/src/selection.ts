/**
 * What of a request's or an answer's contents gets into the log: only what a list of JSON pointers
 * (RFC 6901) names, never what looks like a secret, and never so much that the event could be
 * refused. What is in the log stays there for ever, and what a stranger sends must not decide
 * whether their request is recorded: so whatever a pointer finds is cut, made I-JSON, and bounded.
 */
import { CairnError } from "@cairnlog/core";

/** Names of members, headers and parameters whose values are secrets, or may be. */
const secret =
  /pass(?:word|wd|phrase|code)|^pass$|secret|token|credential|authori[sz]ation|cookie|api[-_]?key|private[-_]?key|^otp$|^pin$|^cvv$|^cvc$|session[-_]?id|signature|assertion/i;

const depthMax = 8;
const membersMax = 64;
const textMax = 1024;
/** Characters of one selection, all its texts and names together. */
const budgetMax = 4096;

/** A pointer's tokens. */
export type Pointer = readonly string[];

/** "usage" for what is no pointer, and for one that names a secret. */
export function parsePointers(pointers: readonly string[] = []): readonly Pointer[] {
  return pointers.map((pointer) => {
    if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) {
      throw new CairnError(
        "usage",
        `${JSON.stringify(pointer)} is no JSON pointer to a member, as "/body/order/id"`,
      );
    }
    const tokens = pointer
      .slice(1)
      .split("/")
      .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
    const culprit = tokens.find((token) => secret.test(token));
    if (culprit !== undefined) {
      throw new CairnError("usage", `${pointer}: ${culprit} may be a secret, and a log keeps it`);
    }
    return tokens;
  });
}

/** What the pointers find in `whole`, by pointer; undefined where they find nothing. */
export function select(
  pointers: readonly Pointer[],
  whole: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const budget = { left: budgetMax };
  const found: Record<string, unknown> = {};
  for (const pointer of pointers) {
    const value = pointer.reduce<unknown>(step, whole);
    if (value === undefined) continue;
    const name = pointer.map((token) => token.replaceAll("~", "~0").replaceAll("/", "~1"));
    found[`/${name.join("/")}`] = plain(value, budget, 1);
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** Any value as I-JSON of bounded size, secrets masked. */
export function bounded(value: unknown): unknown {
  return plain(value, { left: budgetMax }, 1);
}

/** Well-formed, without noncharacters, of at most `lengthMax` UTF-16 units. */
export function boundedText(text: string, lengthMax = textMax): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
  return cut.toWellFormed().replace(noncharacters, "\ufffd");
}

const noncharacters = /\p{Noncharacter_Code_Point}/gu;

function step(at: unknown, token: string): unknown {
  if (typeof at !== "object" || at === null) return undefined;
  if (Array.isArray(at) && !/^(?:0|[1-9][0-9]*)$/.test(token)) return undefined;
  return Object.hasOwn(at, token) ? (at as Record<string, unknown>)[token] : undefined;
}

function plain(value: unknown, budget: { left: number }, depth: number): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") {
    // What is not exact would be refused, or read differently by two readers.
    const isExact = Number.isFinite(value) && (Number.isSafeInteger(value) || value % 1 !== 0);
    return isExact ? value : String(value);
  }
  if (typeof value === "bigint") return plain(String(value), budget, depth);
  if (typeof value === "string") {
    const text = boundedText(value, Math.max(1, Math.min(textMax, budget.left)));
    budget.left -= text.length;
    return text;
  }
  if (typeof value !== "object") return `(${typeof value})`;
  if (value instanceof Date) return Number.isNaN(+value) ? "(no date)" : value.toISOString();
  if (depth >= depthMax || budget.left <= 0) return "…";
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  if (Array.isArray(value)) {
    return value.slice(0, membersMax).map((each) => plain(each, budget, depth + 1));
  }
  return plainMembers(value, budget, depth);
}

function plainMembers(value: object, budget: { left: number }, depth: number): unknown {
  const result: [string, unknown][] = [];
  const seen = new Set<string>();
  for (const [key, member] of Object.entries(value).slice(0, membersMax)) {
    if (member === undefined || budget.left <= 0) continue;
    const name = boundedText(key, 128);
    // Two names may become one by being cut, and duplicate names are refused.
    if (seen.has(name)) continue;
    seen.add(name);
    budget.left -= name.length;
    result.push([name, secret.test(key) ? "(secret)" : plain(member, budget, depth + 1)]);
  }
  // `__proto__` is a name like any other here.
  return Object.fromEntries(result);
}

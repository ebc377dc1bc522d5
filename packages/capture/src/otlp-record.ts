/**
 * A log record as both of OTLP's encodings come to it: plain JSON values, with the names of OTLP's JSON and without the
 * wrapping that protobuf needs. `{"key":"http.route","value":{"stringValue":"/v1"}}` is `"http.route": "/v1"` here.
 *
 * What is lost is whether a whole number was an integer or a double, and whether a base64 text was bytes. Where a field
 * that the schema does not have stands where a record has no room for it, the caller is told, and keeps the body.
 * Integers that a double cannot hold are strings of their digits. What has its default value in protobuf is left out.
 * Members always stand in the order of these interfaces, so that one record in two encodings is one text.
 */
import type { Json } from "./foreign-json.ts";

/**
 * An object by key; where a key comes twice, which OTLP forbids, the list of pairs as it came: `{"key":…,"value":…}`.
 */
export type Attributes = { readonly [key: string]: Json } | readonly Json[];

export interface LogRecord {
  timeUnixNano?: number | string;
  observedTimeUnixNano?: number | string;
  severityNumber?: number;
  severityText?: string;
  body?: Json;
  attributes?: Attributes;
  droppedAttributesCount?: number;
  flags?: number;
  /** Hex in lower case. */
  traceId?: string;
  spanId?: string;
  eventName?: string;
  unknownFields?: Json;
}

export interface Resource {
  attributes?: Attributes;
  droppedAttributesCount?: number;
  entityRefs?: Json;
  schemaUrl?: string;
  unknownFields?: Json;
}

export interface Scope {
  name?: string;
  version?: string;
  attributes?: Attributes;
  droppedAttributesCount?: number;
  schemaUrl?: string;
  unknownFields?: Json;
}

/** Records that share a resource and a scope, in the order in which they came. */
export interface ScopedRecords {
  readonly resource: Resource;
  readonly scope: Scope;
  /** A string says why a record could not be read. */
  readonly records: readonly (LogRecord | string)[];
}

/** The body of an export request. */
export interface OtlpBody {
  readonly scoped: readonly ScopedRecords[];
  /** True where something of the body is in no record, or not as it was: keep the original. */
  readonly isAltered: boolean;
}

/** An object, or the list of pairs where a key comes twice. */
export function attributesOf<Pair extends { readonly key: string }>(
  pairs: readonly Pair[],
  valueOf: (pair: Pair) => Json,
): Attributes {
  const found: Record<string, Json> = {};
  for (const pair of pairs) {
    const { key } = pair;
    const value = valueOf(pair);
    // Values are never undefined: what is found may be inherited, and only then `hasOwn` is asked, which costs.
    if (found[key] === undefined) found[key] = value;
    else if (!Object.hasOwn(found, key)) Object.defineProperty(found, key, { value, ...plain });
    else return pairs.map((each) => ({ key: each.key, value: valueOf(each) }));
  }
  return found;
}

/** For `__proto__` and the like, which assigning would not make a member. */
const plain = { enumerable: true, writable: true, configurable: true };

/** A double as JSON can hold it: its digits where I-JSON refuses the number. */
export function doubleOf(value: number): number | string {
  return Math.abs(value) < 2 ** 53 ? value : String(value);
}

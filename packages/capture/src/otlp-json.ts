/**
 * OTLP's JSON encoding: protobuf's own JSON mapping, with trace and span ids in hex and enums as numbers.
 *
 * A body that is no export request at all is "malformed". A record whose members have the wrong types is refused alone,
 * because JSON tells where the next one begins. Members that the schema does not have are kept under `unknownFields`.
 */
import { CairnError } from "@cairnlog/core";
import { isObject, parseForeignJson, type Json } from "./foreign-json.ts";
import {
  attributesOf,
  doubleOf,
  type Attributes,
  type LogRecord,
  type OtlpBody,
  type Resource,
  type Scope,
} from "./otlp-record.ts";

type Members = { readonly [name: string]: Json };

export function parseOtlpJson(body: Uint8Array): OtlpBody {
  const { value, isAltered } = parseForeignJson(body);
  if (!isObject(value)) throw malformed("the body is no JSON object");
  const scoped = listOf(value, "resourceLogs").flatMap((logs) => {
    const resource = resourceOf(logs);
    return listOf(logs, "scopeLogs").map((each) => ({
      resource,
      scope: scopeOf(each),
      records: (orNone(each, "logRecords", asList) ?? []).map(readRecord),
    }));
  });
  return { scoped, isAltered: isAltered || hasStranger(value) };
}

/**
 * Whether there are members for which a record has no room: those that the schema does not have, of the request, of a
 * pair or of a value. Looked for in the text's own tree, so that reading a usual body does without.
 */
function hasStranger(request: Members): boolean {
  if (Object.keys(request).some((name) => name !== "resourceLogs")) return true;
  const isStrange = (value: Json): boolean => {
    if (typeof value !== "object" || value === null) return false;
    if (Array.isArray(value)) return value.some(isStrange);
    const names = Object.keys(value);
    const isPair = names.includes("key");
    const isValue = names.some((name) => Object.hasOwn(valueReaders, name));
    const isList = names.includes("values");
    if (isPair && names.some((name) => name !== "key" && name !== "value")) return true;
    if ((isValue || isList) && names.length > 1) return true;
    return Object.values(value).some(isStrange);
  };
  return isStrange(request);
}

function readRecord(value: Json): LogRecord | string {
  try {
    return recordOf(asObject(value, "a log record"));
  } catch (error) {
    if (error instanceof CairnError) return error.message;
    throw error;
  }
}

function recordOf(members: Members): LogRecord {
  const read = new MemberReader(members);
  const record: LogRecord = {};
  read.into(record, "timeUnixNano", asUnsigned64);
  read.into(record, "observedTimeUnixNano", asUnsigned64);
  read.into(record, "severityNumber", asInteger);
  read.into(record, "severityText", asText);
  read.into(record, "body", asValue);
  read.into(record, "attributes", asAttributes);
  read.into(record, "droppedAttributesCount", asInteger);
  read.into(record, "flags", asInteger);
  read.into(record, "traceId", asHex);
  read.into(record, "spanId", asHex);
  read.into(record, "eventName", asText);
  const rest = read.rest();
  if (rest !== undefined) record.unknownFields = rest;
  return record;
}

function resourceOf(logs: Members): Resource {
  const outer = new MemberReader(logs);
  outer.passOver("resource", "scopeLogs");
  const read = new MemberReader(orNone(logs, "resource", asObject) ?? {});
  const resource: Resource = {};
  read.into(resource, "attributes", asAttributes);
  read.into(resource, "droppedAttributesCount", asInteger);
  read.into(resource, "entityRefs", asList);
  outer.into(resource, "schemaUrl", asText);
  return withUnknown(resource, read, outer);
}

function scopeOf(logs: Members): Scope {
  const outer = new MemberReader(logs);
  outer.passOver("scope", "logRecords");
  const read = new MemberReader(orNone(logs, "scope", asObject) ?? {});
  const scope: Scope = {};
  read.into(scope, "name", asText);
  read.into(scope, "version", asText);
  read.into(scope, "attributes", asAttributes);
  read.into(scope, "droppedAttributesCount", asInteger);
  outer.into(scope, "schemaUrl", asText);
  return withUnknown(scope, read, outer);
}

function withUnknown<T extends { unknownFields?: Json }>(
  into: T,
  read: MemberReader,
  outer: MemberReader,
): T {
  const unknown = { ...outer.rest(), ...read.rest() };
  if (Object.keys(unknown).length > 0) into.unknownFields = unknown;
  return into;
}

/** Takes the members of one object out of it, each once; what nobody took is the rest. */
class MemberReader {
  readonly #members: Members;
  readonly #taken = new Set<string>();

  constructor(members: Members) {
    this.#members = members;
  }

  /** What has its default value is left out, as protobuf leaves it out. */
  into<Name extends string, Value extends Json>(
    target: { [name in Name]?: Value },
    name: Name,
    read: (value: Json, what: string) => Value,
  ): void {
    this.#taken.add(name);
    const value = orNone(this.#members, name, read);
    // Any body is one, an empty text as well.
    if (value !== undefined && (name === "body" || !isDefault(value))) target[name] = value;
  }

  passOver(...names: readonly string[]): void {
    for (const name of names) this.#taken.add(name);
  }

  rest(): Members | undefined {
    const rest = Object.entries(this.#members).filter(([name]) => !this.#taken.has(name));
    return rest.length > 0 ? Object.fromEntries(rest) : undefined;
  }
}

function isDefault(value: Json): boolean {
  if (typeof value !== "object" || value === null) return value === 0 || value === "";
  return Object.keys(value).length === 0;
}

/** The value of a member; undefined where it is absent or null, which protobuf's JSON takes for the same. */
function orNone<Value>(
  members: Members,
  name: string,
  read: (value: Json, what: string) => Value,
): Value | undefined {
  const value = Object.hasOwn(members, name) ? members[name] : undefined;
  return value === undefined || value === null ? undefined : read(value, name);
}

function listOf(members: Members, name: string): readonly Members[] {
  return (orNone(members, name, asList) ?? []).map((each) => asObject(each, `one of ${name}`));
}

function asList(value: Json, what: string): readonly Json[] {
  if (!Array.isArray(value)) throw malformed(`${what}: expected an array`);
  return value as readonly Json[];
}

function asObject(value: Json, what: string): Members {
  if (!isObject(value)) throw malformed(`${what}: expected an object`);
  return value;
}

function asText(value: Json, what: string): string {
  if (typeof value !== "string") throw malformed(`${what}: expected a string`);
  return value;
}

function asInteger(value: Json, what: string): number {
  const integer = asInteger64(value, what);
  if (typeof integer === "string" || integer < -(2 ** 31) || integer >= 2 ** 32) {
    throw malformed(`${what}: expected an integer of 32 bits`);
  }
  return integer;
}

const integerPattern = /^(?:0|-?[1-9][0-9]{0,19})$/;

/** An integer as a number or a string: a number where that holds it exactly. */
function asInteger64(value: Json, what: string): number | string {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  if (typeof value !== "string" || !integerPattern.test(value)) {
    throw malformed(`${what}: expected an integer, as a number or a string of digits`);
  }
  // The pattern has matched: it is a JSON number, in its one spelling.
  const number: unknown = JSON.parse(value);
  return Number.isSafeInteger(number) ? (number as number) : value;
}

/** `fixed64`: below 2^64, compared as text of equal length. */
function asUnsigned64(value: Json, what: string): number | string {
  const integer = asInteger64(value, what);
  const isNegative = typeof integer === "number" ? integer < 0 : integer.startsWith("-");
  const isTooLarge =
    typeof integer === "string" && integer.length === 20 && integer > "18446744073709551615";
  if (isNegative || isTooLarge) throw malformed(`${what}: expected an unsigned integer`);
  return integer;
}

function asHex(value: Json, what: string): string {
  const text = asText(value, what);
  if (!/^(?:[0-9A-Fa-f]{2})*$/.test(text)) throw malformed(`${what}: expected hex digits`);
  return text.toLowerCase();
}

function asAttributes(value: Json, what: string): Attributes {
  const pairs = asList(value, what).map((pair) => asObject(pair, `one of ${what}`));
  return attributesOf(
    pairs.map((pair) => ({
      key: orNone(pair, "key", asText) ?? "",
      value: orNone(pair, "value", asValue) ?? null,
    })),
    (pair) => pair.value,
  );
}

/** An AnyValue. A bare value where its object should be is taken as it is. */
function asValue(value: Json): Json {
  if (!isObject(value)) return value;
  for (const [name, inner] of Object.entries(value)) {
    const read = Object.hasOwn(valueReaders, name) ? valueReaders[name] : undefined;
    if (read !== undefined && inner !== null) return read(inner, name);
  }
  return Object.keys(value).length === 0 ? null : { unknownFields: value };
}

const valueReaders: Readonly<Record<string, (value: Json, what: string) => Json>> = {
  stringValue: asText,
  boolValue(value, what) {
    if (typeof value !== "boolean") throw malformed(`${what}: expected true or false`);
    return value;
  },
  intValue: asInteger64,
  doubleValue: asDouble,
  arrayValue: (value, what) =>
    (orNone(asObject(value, what), "values", asList) ?? []).map((each) => asValue(each)),
  kvlistValue: (value, what) => orNone(asObject(value, what), "values", asAttributes) ?? {},
  bytesValue(value, what) {
    const text = asText(value, what);
    if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw malformed(`${what}: expected base64`);
    return text;
  },
};

function asDouble(value: Json, what: string): Json {
  if (typeof value === "number") return doubleOf(value);
  // The reader of foreign JSON makes a string of what a double cannot hold; NaN and the infinities have no other form.
  if (typeof value !== "string" || !/^(?:NaN|-?Infinity|-?[0-9][0-9.eE+-]*)$/.test(value)) {
    throw malformed(`${what}: expected a number`);
  }
  return value;
}

function malformed(message: string): CairnError {
  return new CairnError("malformed", message);
}

/**
 * A mapping: where in somebody's record the fields of an event are. As small a language as will do:
 *
 *     type: api.call                                   a constant
 *     actor.id: [$.user.name, $.remote_addr, unknown]  the first that is there and not empty
 *     action: "{$.method} {$.path}"                    a template
 *     time: $.ts                                       RFC 3339, or Unix time in s, ms, µs or ns
 *     outcome: { from: $.code, "0": success, "*": failure }     a table; "*" is everything else
 *     targets: [{ type: http, id: $.host }]
 *
 * A path is `$` and then names and indexes: `$.a.b`, `$.list[0]`, `$["odd name"]`. Names of fields may be nested or
 * written with dots. It cannot compute, loop or call: what that takes is an adapter, or a program in front.
 *
 * An event is never lost to a mapping: what it does not find, or finds unfit, stands as its defaults say, and the whole
 * record is kept under `details` (or the part of it that `details` names).
 */
import { CairnError, eventLimits, type CairnEvent } from "@cairnlog/core";
import { asDetails } from "./captured-event.ts";
import {
  eventFrom,
  safeId,
  timeFrom,
  traceFrom,
  type ActorDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import { at, isObject, wellFormed, type Json } from "./foreign-json.ts";

/** A value of the record, or nothing. */
type Expression = (record: Json) => Json | undefined;

export interface Mapping {
  /** By the field's name with dots: `actor.id`. */
  readonly fields: ReadonlyMap<string, Expression>;
  readonly targets: readonly ReadonlyMap<string, Expression>[];
}

/** What stands where the record says nothing. */
export interface MappedDefaults {
  readonly id?: string | undefined;
  readonly type: string;
  readonly time?: Json | undefined;
  readonly actor: ActorDraft;
  readonly action: string;
  readonly targets?: readonly TargetDraft[];
  readonly trace?: string | undefined;
}

const plainFields = ["id", "type", "time", "action", "outcome", "trace", "details"];
const fieldsMax = 100;
const stepsMax = 32;

export const emptyMapping: Mapping = { fields: new Map(), targets: [] };

/** Reads a mapping from what its file holds. "usage" names the field that is wrong. */
export function parseMapping(file: unknown): Mapping {
  if (!isObject(file)) throw refused("", "expected an object of fields");
  const { targets = [], ...others } = file;
  const fields = new Map<string, Expression>();
  flatten(others, "", fields);
  for (const name of fields.keys()) {
    if (plainFields.includes(name) || /^actor\.[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name)) continue;
    throw refused(name, `unknown field; there are ${plainFields.join(", ")}, actor.*, targets`);
  }
  if (!Array.isArray(targets)) throw refused("targets", "expected a list of objects");
  const list = targets.map((target: Json, i) => {
    const parts = new Map<string, Expression>();
    if (isObject(target)) flatten(target, "", parts);
    if (parts.has("type") && parts.has("id")) return parts;
    throw refused(`targets[${i}]`, "expected an object with type and id");
  });
  if (fields.size + list.length > fieldsMax) throw refused("", `more than ${fieldsMax} fields`);
  return { fields, targets: list };
}

/** The event that a record comes to. */
export function applyMapping(
  { fields, targets }: Mapping,
  record: Json,
  defaults: MappedDefaults,
): CairnEvent {
  const text = (name: string): string | undefined => textOf(fields.get(name)?.(record));
  const actorId = text("actor.id");
  const mapped = targets.flatMap((parts) => targetOf(parts, record));
  return eventFrom({
    id: safeId(text("id")) ?? defaults.id,
    type: typeIn(text("type")) ?? defaults.type,
    time: timeFrom(fields.get("time")?.(record)) ?? defaults.time,
    actor: {
      ...(actorId === undefined ? defaults.actor : { id: actorId }),
      ...extrasOf("actor.", fields, record),
    },
    action: text("action") ?? defaults.action,
    targets: mapped.length > 0 ? mapped : defaults.targets,
    outcome: outcomeIn(text("outcome")),
    trace: traceFrom(text("trace")?.toLowerCase()) ?? traceFrom(defaults.trace),
    details: asDetails(fields.get("details")?.(record) ?? record),
  });
}

function targetOf(parts: ReadonlyMap<string, Expression>, record: Json): TargetDraft[] {
  const [type, id] = [textOf(parts.get("type")!(record)), textOf(parts.get("id")!(record))];
  if (type === undefined || id === undefined) return [];
  const others = new Map([...parts].filter(([name]) => name !== "type" && name !== "id"));
  return [{ ...extrasOf("", others, record), type, id }];
}

/** A type in lower case; undefined where it would not be one, or be one of the log's own. */
function typeIn(text: string | undefined): string | undefined {
  const type = text?.toLowerCase() ?? "";
  const isType =
    /^[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+$/.test(type) &&
    type.length <= eventLimits.type &&
    !/^(?:system|source)\./.test(type);
  return isType ? type : undefined;
}

const outcomes: Readonly<Record<Outcome, RegExp>> = {
  success:
    /^(?:success|succeeded|successful|ok|okay|true|pass|passed|allow|allowed|granted|[123][0-9]{2})$/i,
  denied: /^(?:denied|deny|forbidden|unauthorized|unauthorised|rejected|blocked|40[13])$/i,
  failure: /^(?:failure|failed|fail|error|errored|false|[45][0-9]{2})$/i,
  unknown: /^unknown$/i,
};

/** What a word or an HTTP status says of how it ended; undefined where it says nothing. */
function outcomeIn(text: string | undefined): Outcome | undefined {
  if (text === undefined) return undefined;
  const names = Object.keys(outcomes) as Outcome[];
  return names.find((name) => outcomes[name].test(text.trim()));
}

/** Members that no log asks for: as the record has them. */
function extrasOf(
  prefix: string,
  fields: ReadonlyMap<string, Expression>,
  record: Json,
): Record<string, Json> {
  const extras: Record<string, Json> = {};
  for (const [name, read] of fields) {
    if (!name.startsWith(prefix) || name === "actor.id") continue;
    const value = read(record);
    if (value !== undefined && value !== "" && value !== null) {
      extras[name.slice(prefix.length)] = value;
    }
  }
  return extras;
}

function flatten(
  object: { readonly [name: string]: Json },
  prefix: string,
  into: Map<string, Expression>,
): void {
  for (const [name, value] of Object.entries(object)) {
    const full = `${prefix}${name}`;
    if (isObject(value) && !Object.hasOwn(value, "from")) flatten(value, `${full}.`, into);
    else if (into.has(full)) throw refused(full, "it is there twice");
    else into.set(full, expressionOf(value, full));
  }
}

function expressionOf(value: Json, name: string): Expression {
  if (typeof value === "string") return stringExpression(value, name);
  if (typeof value === "number" || typeof value === "boolean") return () => value;
  if (isObject(value)) return tableOf(value, name);
  if (!Array.isArray(value) || value.length === 0) {
    throw refused(name, "expected a text, a list of them, or a table with `from`");
  }
  const choices = value.map((one: Json) => expressionOf(one, name));
  return (record) => {
    for (const choice of choices) {
      const found = choice(record);
      if (found !== undefined && found !== null && found !== "") return found;
    }
    return undefined;
  };
}

function stringExpression(text: string, name: string): Expression {
  if (text.startsWith("$")) return pathOf(text, name);
  if (!text.includes("{$")) return () => text;
  // Odd parts are paths: what stands between "{$" and "}".
  const parts = text
    .split(/\{(\$(?:[^{}"]|"[^"]*")*)\}/)
    .map((part, i) => (i % 2 === 0 ? (): string => part : pathOf(part, name)));
  return (record) => {
    const texts = parts.map((part) => textOf(part(record)) ?? undefined);
    // Constant parts may be empty; a path that leads nowhere makes the whole of it nothing.
    if (texts.some((one, i) => one === undefined && i % 2 === 1)) return undefined;
    return texts.map((one) => one ?? "").join("");
  };
}

const step = /\.([A-Za-z_@][A-Za-z0-9_@-]*)|\[([0-9]{1,6})\]|\["((?:[^"\\]|\\["\\])*)"\]/y;

function pathOf(text: string, name: string): Expression {
  const steps: string[] = [];
  step.lastIndex = 1;
  while (step.lastIndex < text.length) {
    const from = step.lastIndex;
    const [, member, index, quoted] = step.exec(text) ?? [];
    const next = member ?? index ?? quoted?.replaceAll(/\\(["\\])/g, "$1");
    if (next === undefined || steps.length === stepsMax) {
      throw refused(name, `not a path from its character ${from} on: ${text.slice(0, 80)}`);
    }
    steps.push(next);
  }
  return (record) => at(record, ...steps);
}

function tableOf(value: { readonly [name: string]: Json }, name: string): Expression {
  const { from, ...rows } = value;
  const read = expressionOf(from ?? null, `${name}.from`);
  const results = new Map(
    Object.entries(rows).map(([key, row]) => {
      if (typeof row !== "string") throw refused(`${name}.${key}`, "expected a text");
      return [key, stringExpression(row, `${name}.${key}`)] as const;
    }),
  );
  return (record) => {
    const key = textOf(read(record));
    const row = (key === undefined ? undefined : results.get(key)) ?? results.get("*");
    return row?.(record);
  };
}

/** Text, digits, or a truth value's word; undefined of anything else and of nothing. */
function textOf(value: Json | undefined): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" ? wellFormed(value) : undefined;
}

function refused(name: string, why: string): CairnError {
  return new CairnError("usage", `the mapping${name === "" ? "" : `, ${name}`}: ${why}`);
}

/**
 * What Terraform and OpenTofu mark as sensitive, taken out. Their JSON has such values in the clear, with marks beside
 * them, and in places without any mark at all.
 *
 * What must hold: a value is kept only where the marks that belong to it are there and say that it may be. Missing
 * marks, marks of another shape than the value, and whole branches that have none, cost the value, never the secret.
 */
import { isObject, type Json } from "./foreign-json.ts";
import type { JsonObject } from "./webhook-body.ts";

/** What stands in place of a value; the words that Terraform itself prints. */
export const sensitiveMark = "(sensitive value)";

/**
 * `value` without what `marks` (`before_sensitive`, `after_sensitive`, `sensitive_values`) marks: true for a whole
 * value, an object or array for what is in it. An object of marks names only what is marked; an array has one for each.
 */
export function masked(value: Json | undefined, marks: Json | undefined): Json | undefined {
  if (value === undefined || value === null || marks === false) return value;
  if (isObject(marks) && isObject(value)) {
    const entries = Object.entries(value).map(([name, inner]): [string, Json] => [
      name,
      Object.hasOwn(marks, name) ? masked(inner, marks[name])! : inner,
    ]);
    return Object.fromEntries(entries);
  }
  if (Array.isArray(marks) && Array.isArray(value)) {
    return value.map((inner: Json, i) => masked(inner, (marks as readonly Json[])[i] ?? true)!);
  }
  return sensitiveMark;
}

/** A value in which objects say of themselves that they are sensitive: all that they hold is masked. */
export function maskedBySelf(value: Json): Json {
  if (Array.isArray(value)) return value.map((inner: Json) => maskedBySelf(inner));
  if (!isObject(value)) return value;
  const isSensitive = Object.hasOwn(value, "sensitive") && value["sensitive"] !== false;
  const entries = Object.entries(value).map(([name, inner]): [string, Json] => {
    const isKept = !isSensitive || keptOfSensitive.includes(name);
    return [name, isKept ? maskedBySelf(inner) : sensitiveMark];
  });
  return Object.fromEntries(entries);
}
const keptOfSensitive = ["sensitive", "type", "action"];

/** Outputs by name. One that does not say whether it is sensitive is taken to be. */
export function maskedOutputs(outputs: Json | undefined): { readonly [name: string]: Json } {
  if (!isObject(outputs)) return {};
  const entries = Object.entries(outputs).map(([name, one]): [string, Json] => [
    name,
    maskedBySelf(isObject(one) ? { sensitive: true, ...one } : { sensitive: true, value: one }),
  ]);
  return Object.fromEntries(entries);
}

/** Members of messages that hold whole plans, states or resources, without marks or with marks of their own. */
const unmarked = [
  // Lines of the configuration, with whatever was typed there.
  "snippet",
  "test_plan",
  "test_state",
  "resource_object",
  "planned_values",
  "prior_state",
  "configuration",
  "variables",
  "values",
  "before",
  "after",
];

/** A message of the machine-readable UI. */
export function maskedMessage(message: JsonObject): JsonObject {
  const entries = Object.entries(message).map(([name, inner]): [string, Json] => [
    name,
    name === "outputs" ? maskedOutputs(inner) : withoutUnmarked(name, maskedBySelf(inner)),
  ]);
  return Object.fromEntries(entries);
}

function withoutUnmarked(name: string, value: Json): Json {
  if (unmarked.includes(name)) return sensitiveMark;
  if (Array.isArray(value)) return value.map((inner: Json) => withoutUnmarked("", inner));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([one, inner]): [string, Json] => [
    one,
    withoutUnmarked(one, inner),
  ]);
  return Object.fromEntries(entries);
}

const changeMembers = [
  "actions",
  "after_unknown",
  "before_sensitive",
  "after_sensitive",
  "replace_paths",
  "importing",
];

/** A `change` with its two images masked. What else is in it, now or in a later version, is not kept. */
export function maskedChange(change: Json | undefined): Json {
  if (!isObject(change)) return {};
  const kept = changeMembers
    .filter((name) => Object.hasOwn(change, name))
    .map((name): [string, Json] => [name, change[name]!]);
  const images = ["before", "after"]
    .filter((name) => Object.hasOwn(change, name))
    .map((name): [string, Json] => [name, masked(change[name], change[`${name}_sensitive`])!]);
  return Object.fromEntries([...kept, ...images]);
}

/** A module of a state: its resources, masked, and those of the modules in it. */
export function maskedModule(module: Json | undefined): Json[] {
  if (!isObject(module)) return [];
  const resources = listOf(module["resources"])
    .filter(isObject)
    .map((resource): Json => {
      const { values, ...others } = resource;
      if (values === undefined) return others;
      return { ...others, values: masked(values, resource["sensitive_values"])! };
    });
  return [...resources, ...listOf(module["child_modules"]).flatMap(maskedModule)];
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

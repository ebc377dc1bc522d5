/**
 * What a team's own events must be like: a type, a version, and a schema for `details`. The schema is
 * anything that follows Standard Schema (Zod, Valibot, ArkType, …), or a validator compiled from a
 * JSON Schema, in the way Ajv's are: a function that returns whether its argument is valid and leaves
 * `errors` behind.
 *
 * An event is checked at the edge, before it is queued: a field that is wrong is the caller's to
 * correct while it still knows what it meant. The event names what it was checked against, as
 * `"schema":"orders.placed.v2"`, so that a reader years later knows how to read it.
 */
import { CairnError } from "@cairnlog/core";
import type { EventInput } from "./event-input.ts";

/**
 * What is used of https://standardschema.dev, version 1. Written out, so that whoever compiles against
 * this package needs no other; a test holds it to the types that are published there.
 */
export interface StandardSchema<In = unknown, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Out> | Promise<StandardResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

type StandardResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** As Ajv compiles it. A type guard tells the type of the details. */
export interface JsonSchemaValidator<Details> {
  (value: unknown): value is Details;
  readonly errors?: readonly JsonSchemaFault[] | null;
}

/** What is used of Ajv's error objects. */
export interface JsonSchemaFault {
  /** JSON pointer into what was checked. */
  readonly instancePath?: string;
  readonly message?: string;
}

/** Schemas in the way of https://standardschema.dev, which must answer at once. */
export type EventSchema<In = unknown, Out = In> =
  StandardSchema<In, Out> | JsonSchemaValidator<Out>;

export interface EventDefinition<In = unknown> {
  /** `<workflow>.<verb>` */
  readonly type: string;
  /** From 1. Raised with each change that a reader must know of. */
  readonly version: number;
  /** What stands in the event: `<type>.v<version>`. */
  readonly schema: string;
  /** The details as they are to be recorded. "invalid" names each field that is wrong. */
  readonly check: (details: unknown) => unknown;
  /** Only a type: what the caller gives as `details`. */
  readonly "~details"?: In;
}

/** What is given to `log(event, { as: definition })`. */
export type EventOf<Definition> =
  Definition extends EventDefinition<infer In>
    ? Without<EventInput, "type" | "details"> & { readonly type?: string; readonly details: In }
    : never;

/** `Omit` for a type with an index signature, which the real one would reduce to that. */
type Without<T, Names> = { [Key in keyof T as Key extends Names ? never : Key]: T[Key] };

type InputOf<Schema> =
  Schema extends StandardSchema<infer In, unknown>
    ? In
    : Schema extends (value: unknown) => value is infer Out
      ? Out
      : unknown;

/** "usage" for what can be no definition. */
export function defineEvent<const Schema extends EventSchema<never, unknown> | EventSchema>(given: {
  readonly type: string;
  readonly version: number;
  /** Of `details`. */
  readonly schema: Schema;
}): EventDefinition<InputOf<Schema>> {
  const { type, version } = given;
  if (!/^[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+$/.test(type)) {
    throw new CairnError("usage", `not an event's type: ${JSON.stringify(type)}; as orders.placed`);
  }
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new CairnError("usage", `${type}: a version is a whole number from 1, not ${version}`);
  }
  const schema = `${type}.v${version}`;
  const validate = validatorOf(given.schema, schema);
  return { type, version, schema, check: validate };
}

/** The event with its type, its schema's name, and its details as the schema gave them back. */
export function checkDefined(
  event: Readonly<Record<string, unknown>>,
  { type, schema, check }: EventDefinition,
): Record<string, unknown> {
  if (event["type"] !== undefined && event["type"] !== type) {
    throw invalid("/type", `expected ${type}, as it is logged by the schema ${schema}`);
  }
  if (event["schema"] !== undefined && event["schema"] !== schema) {
    throw invalid("/schema", `expected ${schema}, which it is checked against`);
  }
  return { ...event, type, schema, details: check(event["details"]) };
}

function validatorOf(given: EventSchema, name: string): (details: unknown) => unknown {
  if ("~standard" in given) return (details) => checkStandard(given, details, name);
  if (typeof given === "function") return (details) => checkJsonSchema(given, details, name);
  throw new CairnError(
    "usage",
    `${name}: \`schema\` must follow Standard Schema, or be a compiled JSON Schema`,
  );
}

function checkStandard(given: StandardSchema, details: unknown, name: string): unknown {
  const result = given["~standard"].validate(details);
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new CairnError("usage", `${name}: a schema that answers later cannot check an event`);
  }
  if (result.issues === undefined) return result.value;
  throw faulty(
    name,
    result.issues.map(({ path, message }) => ({ at: pointerOf(path ?? []), message })),
  );
}

function checkJsonSchema(
  validate: JsonSchemaValidator<unknown>,
  details: unknown,
  name: string,
): unknown {
  if (validate(details)) return details;
  const faults = (validate.errors ?? []).map(({ instancePath = "", message = "is not valid" }) => ({
    at: instancePath,
    message,
  }));
  throw faulty(name, faults);
}

/** RFC 6901. */
function pointerOf(path: NonNullable<StandardIssue["path"]>): string {
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Most faults that one error names. */
const faultsMax = 10;

function faulty(name: string, faults: readonly { at: string; message: string }[]): CairnError {
  const [first = { at: "", message: "is not valid" }] = faults;
  const all = [first, ...faults.slice(1, faultsMax)].map(
    ({ at, message }) => `/details${at}: ${message}`,
  );
  const more = faults.length > faultsMax ? `; and ${faults.length - faultsMax} more` : "";
  return invalid(`/details${first.at}`, `not as ${name} says: ${all.join("; ")}${more}`);
}

function invalid(pointer: string, what: string): CairnError {
  return new CairnError("invalid", `${pointer}: ${what}`, { place: { pointer } });
}

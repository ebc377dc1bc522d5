/**
 * Goal: a team's schema is kept at the edge: what it refuses is never sent, the error names the field,
 * what it takes is recorded under the schema's name, and the compiler knows the details' type.
 *
 * Method: schemas that follow Standard Schema and validators in the way of Ajv, written out here;
 * the scripted log shows what was sent.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import {
  CairnClient,
  defineEvent,
  type CairnClientOptions,
  type JsonSchemaFault,
  type JsonSchemaValidator,
} from "./index.ts";
import { ScriptedLog } from "./scripted-log.testing.ts";

interface Order {
  readonly orderId: string;
  readonly amount: number;
}

/** Fills in an amount of 0, as schemas with defaults do. */
const orderSchema: StandardSchemaV1<Omit<Order, "amount"> & Partial<Order>, Order> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      const { orderId, amount = 0 } = (value ?? {}) as Partial<Order>;
      const issues: StandardSchemaV1.Issue[] = [];
      if (typeof orderId !== "string") issues.push({ path: ["orderId"], message: "not a text" });
      if (typeof amount !== "number") {
        issues.push({ path: [{ key: "a/b~c" }, 0], message: "not a number" });
      }
      return issues.length > 0 ? { issues } : { value: { orderId: orderId!, amount } };
    },
  },
};

const placed = defineEvent({ type: "orders.placed", version: 2, schema: orderSchema });

function ajvLike(): JsonSchemaValidator<Order> {
  const validate = (value: unknown): value is Order => {
    const isGood = typeof (value as Partial<Order> | undefined)?.amount === "number";
    const faults = [{ instancePath: "/amount", message: "must be number" }];
    validate.errors = isGood ? null : faults;
    return isGood;
  };
  validate.errors = null as JsonSchemaFault[] | null;
  return validate;
}

let log: ScriptedLog;
beforeEach(async () => (log = await ScriptedLog.open()));
afterEach(() => log.close());

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({ url: log.url, onError() {}, ...options });
}

const base = { actor: { id: "alice" }, action: "place" } as const;

test("a good event is recorded with its schema's name, and as the schema gave it back", async () => {
  await using cairn = open();
  await cairn.log({ ...base, details: { orderId: "o1" } }, { as: placed });
  const event = JSON.parse(log.recordedEvents[0]!) as Record<string, unknown>;
  assert.equal(event["type"], "orders.placed");
  assert.equal(event["schema"], "orders.placed.v2");
  assert.deepEqual(event["details"], { orderId: "o1", amount: 0 });
});

test("a bad one is refused before it is sent, with the field's name", async () => {
  await using cairn = open();
  // @ts-expect-error: the compiler says so too
  const wrong = cairn.log({ ...base, details: { orderId: 1, amount: "2" } }, { as: placed });
  await assert.rejects(wrong, {
    code: "invalid",
    message:
      "/details/orderId: not as orders.placed.v2 says: /details/orderId: not a text; " +
      "/details/a~1b~0c/0: not a number",
    place: { pointer: "/details/orderId" },
  });
  assert.equal(log.requests.length, 0);
});

test("definitions that the client knows hold for every event of their type", async () => {
  await using cairn = open({ events: [placed] });
  const event = { ...base, type: "orders.placed" };
  await assert.rejects(cairn.log({ ...event, details: {} }), { code: "invalid" });
  await assert.rejects(cairn.log({ ...event, schema: "orders.placed.v1", details: {} }), {
    place: { pointer: "/schema" },
  });
  await cairn.log({ ...event, details: { orderId: "o", amount: 1 } });
  await cairn.log({ ...base, type: "orders.other", details: {} });
  const schemas = log.recordedEvents.map(
    (text) => (JSON.parse(text) as { schema?: string }).schema,
  );
  assert.deepEqual(schemas, ["orders.placed.v2", undefined]);
});

test("a compiled JSON Schema does as well, in the way of Ajv", async () => {
  await using cairn = open();
  const as = defineEvent({ type: "orders.paid", version: 1, schema: ajvLike() });
  await cairn.log({ ...base, details: { orderId: "o", amount: 3 } }, { as });
  // @ts-expect-error: amount is missing
  const wrong = cairn.log({ ...base, details: { orderId: "o" } }, { as });
  await assert.rejects(wrong, {
    message: "/details/amount: not as orders.paid.v1 says: /details/amount: must be number",
    place: { pointer: "/details/amount" },
  });
  const other = cairn.log(
    { ...base, type: "orders.x", details: { orderId: "o", amount: 1 } },
    { as },
  );
  await assert.rejects(other, { place: { pointer: "/type" } });
});

test("what can be no definition is said where it is made, or at the first event", async () => {
  const schema = orderSchema;
  assert.throws(() => defineEvent({ type: "Orders", version: 1, schema }), { code: "usage" });
  assert.throws(() => defineEvent({ type: "a.b", version: 0, schema }), { code: "usage" });
  const late: StandardSchemaV1 = {
    "~standard": { version: 1, vendor: "test", validate: (value) => Promise.resolve({ value }) },
  };
  await using cairn = open();
  const as = defineEvent({ type: "a.b", version: 1, schema: late });
  await assert.rejects(cairn.log({ ...base, details: {} }, { as }), { code: "usage" });
});

/**
 * Goal: what surrounds an event is found and goes under what the event says itself; two actors are
 * never mixed; a trace of OpenTelemetry is picked up without anybody importing anything.
 *
 * Method: the scripted log shows what was sent; the real `@opentelemetry/api` with the context manager
 * of AsyncLocalStorage; a second copy of the module stands for a second copy of the package.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { after, afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  context,
  ROOT_CONTEXT,
  trace,
  type Context,
  type ContextManager,
} from "@opentelemetry/api";
import { CairnClient, currentContext, withContext, type CairnClientOptions } from "./index.ts";
import * as here from "./context.ts";
import { ScriptedLog } from "./scripted-log.testing.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

let log: ScriptedLog;
let cairn: CairnClient;
beforeEach(async () => {
  log = await ScriptedLog.open();
  cairn = open();
});
afterEach(async () => {
  await cairn.close();
  await log.close();
});

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({ url: log.url, onError() {}, ...options });
}

const base = { type: "api.called", action: "GET" } as const;

async function recorded(extra: object = {}): Promise<Record<string, unknown>> {
  await cairn.log({ ...base, ...extra });
  const { id, time, type, action, ...rest } = JSON.parse(log.recordedEvents.at(-1)!) as Record<
    string,
    unknown
  >;
  assert.ok(id !== undefined && time !== undefined && type === base.type && action === "GET");
  return rest;
}

test("actor, session, trace and details come from the context, across awaits", async () => {
  const parent = `00-${traceId}-${spanId}-01`;
  const actor = { id: "alice", type: "user", ip: "203.0.113.9" };
  const around = { actor, session: "s1", trace: parent, details: { request: "r1", a: 1 } };
  await cairn.with(around, async () => {
    await sleep(1);
    assert.deepEqual(await recorded({ details: { a: 2 } }), {
      actor: { ...actor, session: "s1" },
      trace: parent,
      details: { request: "r1", a: 2 },
    });
    assert.equal(currentContext()?.session, "s1");
  });
  assert.equal(currentContext(), undefined);
});

test("what the event says itself wins, and another actor gets nothing of this one", async () => {
  const around = { actor: { id: "alice", ip: "203.0.113.9" }, session: "s1" };
  await withContext(around, async () => {
    const own = { actor: { id: "alice", ip: "::1" } };
    assert.deepEqual(await recorded(own), { actor: { id: "alice", ip: "::1", session: "s1" } });
    assert.deepEqual(await recorded({ actor: { device: "d" } }), {
      actor: { id: "alice", ip: "203.0.113.9", session: "s1", device: "d" },
    });
    assert.deepEqual(await recorded({ actor: { id: "bob" } }), { actor: { id: "bob" } });
    assert.deepEqual(await recorded({ details: [1] }), {
      actor: { id: "alice", ip: "203.0.113.9", session: "s1" },
      details: [1],
    });
  });
});

test("contexts lie over one another; a new actor does not take over the session", () => {
  withContext({ actor: { id: "alice", ip: "::1" }, session: "s1", details: { a: 1, b: 1 } }, () => {
    withContext({ actor: { id: "alice", device: "d" }, details: { b: 2 } }, () => {
      assert.deepEqual(currentContext(), {
        actor: { id: "alice", ip: "::1", device: "d" },
        session: "s1",
        details: { a: 1, b: 2 },
      });
    });
    withContext({ actor: { id: "svc" } }, () => {
      assert.deepEqual(currentContext(), { actor: { id: "svc" }, details: { a: 1, b: 1 } });
    });
    assert.equal(currentContext()?.session, "s1");
  });
});

test("an event that is complete is not changed by a context it has no use for; OCSF never is", async () => {
  await withContext({ session: "s1", details: { a: 1 } }, async () => {
    await cairn.log({ class_uid: 3002, type: "x.y", action: "z", actor: { id: "x" } });
    const ocsf = JSON.parse(log.recordedEvents[0]!) as Record<string, unknown>;
    assert.equal(ocsf["details"], undefined);
    assert.deepEqual(ocsf["actor"], { id: "x" });
  });
});

test("two copies of the package share one storage", async () => {
  const copy = new URL("./context.ts?copy", import.meta.url).href;
  const other = (await import(copy)) as typeof here;
  assert.notEqual(other.currentContext, currentContext);
  other.withContext({ session: "s1" }, () => assert.equal(currentContext()?.session, "s1"));
  assert.throws(() => here.provideContextStorage(new AsyncLocalStorage()), { code: "usage" });
});

/** What @opentelemetry/context-async-hooks does, in few lines. */
class StorageManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active = (): Context => this.#storage.getStore() ?? ROOT_CONTEXT;
  with: ContextManager["with"] = (active, run, thisArg, ...given) =>
    this.#storage.run(active, () => run.apply(thisArg, given));
  bind = <T>(_: Context, target: T): T => target;
  enable = (): this => this;
  disable = (): this => this;
}

test("the active span of OpenTelemetry is the trace; context and event go before it", async (t) => {
  assert.deepEqual(await recorded({ actor: { id: "a" } }), { actor: { id: "a" } });
  context.setGlobalContextManager(new StorageManager());
  t.after(() => context.disable());
  const inSpan = <T>(flags: number, id: string, run: () => T): T => {
    const span = trace.wrapSpanContext({ traceId: id, spanId, traceFlags: flags });
    return context.with(trace.setSpan(context.active(), span), run);
  };
  await inSpan(1, traceId, async () => {
    await sleep(1);
    const own = `00-${"1".repeat(32)}-${spanId}-01`;
    assert.equal((await recorded({ actor: { id: "a" } }))["trace"], `00-${traceId}-${spanId}-01`);
    assert.equal((await recorded({ actor: { id: "a" }, trace: own }))["trace"], own);
    await cairn.with({ trace: own }, async () => {
      assert.equal((await recorded({ actor: { id: "a" } }))["trace"], own);
    });
  });
  await inSpan(0, traceId, async () => {
    assert.equal((await recorded({ actor: { id: "a" } }))["trace"], `00-${traceId}-${spanId}-00`);
  });
  await inSpan(1, "0".repeat(32), async () => {
    assert.equal((await recorded({ actor: { id: "a" } }))["trace"], undefined);
  });
  assert.equal((await recorded({ actor: { id: "a" } }))["trace"], undefined);
});

test("`findTrace` takes the place of OpenTelemetry", async () => {
  const own = open({ findTrace: () => `00-${"2".repeat(32)}-${spanId}-01` });
  await own.log({ ...base, actor: { id: "a" } });
  assert.match(log.recordedEvents[0]!, /"trace":"00-2{32}-/);
  await own.close();
});

test("the helpers make the events of the four workflows", async () => {
  const actor = { id: "alice" };
  const target = { type: "role", id: "admin" };
  await cairn.with({ actor }, async () => {
    await Promise.all([
      cairn.identity.login({ method: "passkey", outcome: "failure" }),
      cairn.identity.logout({ target: { type: "app", id: "shop" } }),
      cairn.api.called({ method: "GET", path: "/orders/:id", service: "shop", status: 200 }),
      cairn.database.query({ action: "SELECT", system: "postgres", table: "orders", rows: 2 }),
      cairn.deployment.started({ service: "shop", environment: "prod", commit: "c0ffee" }),
      cairn.deployment.finished({ service: "shop", environment: "prod", outcome: "success" }),
      cairn.change.made({ target, before: null, after: ["alice"], action: "grant" }),
    ]);
  });
  const events = log.recordedEvents.map((text) => {
    const { id, time, ...event } = JSON.parse(text) as Record<string, unknown>;
    assert.ok(id !== undefined && time !== undefined);
    return event;
  });
  const service = [{ type: "service", id: "prod/shop" }];
  assert.deepEqual(events, [
    {
      ...{ type: "identity.login", action: "login", actor, outcome: "failure" },
      details: { method: "passkey" },
    },
    {
      ...{ type: "identity.logout", action: "logout", actor, details: {} },
      targets: [{ type: "app", id: "shop" }],
    },
    {
      ...{
        type: "api.called",
        action: "GET",
        actor,
        targets: [{ type: "api", id: "shop/orders/:id" }],
      },
      details: { path: "/orders/:id", status: 200 },
    },
    {
      ...{ type: "database.query", action: "SELECT", actor, details: { rows: 2 } },
      targets: [{ type: "postgres", id: "orders" }],
    },
    {
      ...{ type: "deployment.started", action: "deploy", actor, targets: service },
      details: { environment: "prod", commit: "c0ffee" },
    },
    {
      ...{ type: "deployment.finished", action: "deploy", actor, targets: service },
      ...{ outcome: "success", details: { environment: "prod" } },
    },
    {
      ...{ type: "change.made", action: "grant", actor, targets: [target] },
      details: { before: null, after: ["alice"] },
    },
  ]);
});

after(() => context.disable());

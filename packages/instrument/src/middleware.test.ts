/**
 * Goal: whatever is asked of an application is recorded once, with who, what, on what, and what came
 * of it, in Express, Fastify and Hono alike; what happens within a request carries its actor and its
 * trace; no secret and no body gets into the log unasked; and where a record is required, nothing
 * happens without one.
 *
 * Method: the same application in each framework, on loopback, before a real log behind a real
 * server, from which the events are read back. Requests go through `node:http`, whose connections
 * can be broken.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { startExpress, startFastify, startHono, honoApp, type App } from "./apps.testing.ts";
import { cairnExpress } from "./index.ts";
import { RecordedLog, type RecordedEvent } from "./recorded-log.testing.ts";

const frameworks = { Express: startExpress, Fastify: startFastify, Hono: startHono };
const traceForm = /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/;
const callerTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

async function ask(
  app: App,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Answered> {
  const method = body === undefined ? "GET" : "POST";
  const given = body === undefined ? {} : { "content-type": "application/json" };
  const request = httpRequest(app.url + path, { method, headers: { ...given, ...headers } });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let text = "";
  for await (const piece of response) text += String(piece);
  return { status: response.statusCode!, headers: response.headers, text };
}

/** Waits for what is recorded after the caller has its answer. */
async function eventsOf(log: RecordedLog, count: number): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let turns = 0; events.length < count; turns++) {
    assert.ok(turns < 500, `only ${events.length} of ${count}: ${JSON.stringify(events)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
    events.push(...(await log.events()));
  }
  assert.equal(events.length, count, JSON.stringify(events, undefined, 1));
  return events;
}

for (const [name, start] of Object.entries(frameworks)) {
  describe(`the middleware for ${name}`, () => {
    let log: RecordedLog;
    let app: App;
    before(async () => {
      log = await RecordedLog.open();
      app = await start({
        client: log.client,
        service: "shop",
        request: ["/headers/user-agent", "/query/page", "/body/name", "/body/nested"],
        response: ["/body/name", "/headers/content-type"],
      });
    });
    after(async () => {
      await app.close();
      await log.close();
    });

    it("records who, what, on what, and what came of it; the handler's events carry them", async () => {
      const headers = { "x-user": "alice", "x-request-id": "r-1", "user-agent": "t/1" };
      const answer = await ask(app, "/orders/42?page=2&q=s3cr3t", headers);
      assert.equal(answer.status, 200);
      const [noted, called] = await eventsOf(log, 2);
      assert.equal(called!.type, "api.called");
      assert.equal(called!.action, "GET /orders/:id");
      assert.deepEqual(called!.targets, [{ type: "api", id: "shop/orders/42" }]);
      assert.deepEqual(called!.actor, { ip: "127.0.0.1", id: "alice", type: "user" });
      assert.equal(called!.outcome, "success");
      const { durationMs, requestId, ...details } = called!.details;
      assert.ok(typeof durationMs === "number" && durationMs >= 0.9);
      assert.equal(typeof requestId, "string");
      if (name !== "Fastify") assert.equal(requestId, "r-1");
      const type = String(answer.headers["content-type"]);
      assert.deepEqual(details, {
        ...{ method: "GET", route: "/orders/:id", status: 200 },
        request: { "/headers/user-agent": "t/1", "/query/page": "2" },
        response: { "/headers/content-type": type },
      });
      assert.match(called!.trace!, traceForm);
      assert.deepEqual(noted!.actor, called!.actor);
      assert.equal(noted!.trace, called!.trace);
      assert.equal(answer.headers["traceresponse"], called!.trace);
      assert.doesNotMatch(JSON.stringify([noted, called]), /s3cr3t|t0ken/);
    });

    it("goes on with a caller's trace, and does not believe a wrong one", async () => {
      await ask(app, "/denied", { traceparent: callerTrace });
      const [kept] = await eventsOf(log, 1);
      assert.equal(kept!.trace!.slice(0, 36), callerTrace.slice(0, 36));
      assert.notEqual(kept!.trace, callerTrace);
      assert.equal(kept!.details["parentSpan"], "00f067aa0ba902b7");
      await ask(app, "/denied", { traceparent: `${callerTrace}-more` });
      const [started] = await eventsOf(log, 1);
      assert.match(started!.trace!, traceForm);
      assert.notEqual(started!.trace!.slice(0, 36), callerTrace.slice(0, 36));
    });

    it("records what of a body was asked for, and the event of what was read meanwhile", async () => {
      const nested = { password: "s3cr3t", big: 1e300, text: "\ud800\ufdd0" };
      const headers = { "x-user": "bob", authorization: "Bearer s3cr3t" };
      const { status } = await ask(app, "/orders", headers, {
        name: "Ann",
        card: "s3cr3t",
        nested,
      });
      assert.equal(status, 201);
      const [noted, called] = await eventsOf(log, 2);
      assert.equal(noted!.actor.id, "bob");
      assert.equal(noted!.trace, called!.trace);
      assert.equal(called!.action, "POST /orders");
      assert.deepEqual(called!.details["request"], {
        "/body/name": "Ann",
        "/body/nested": { password: "(secret)", big: "1e+300", text: "\ufffd\ufffd" },
      });
      const response = called!.details["response"] as Record<string, unknown>;
      assert.equal(response["/body/name"], "Ann");
      assert.doesNotMatch(JSON.stringify([noted, called]), /s3cr3t/);
    });

    const outcomes: readonly (readonly [string, string, string, string])[] = [
      ["/denied", "alice", "denied", "GET /denied"],
      ["/orders/1", "nobody", "denied", ""],
      ["/broken", "alice", "failure", "GET /broken"],
      ["/api/items/7", "alice", "failure", "GET /api/items/:item"],
      ["/nowhere", "alice", "failure", "GET"],
      ["/stream", "alice", "success", "GET /stream"],
    ];
    for (const [path, user, outcome, action] of outcomes) {
      it(`${path} of ${user}: ${outcome}`, async () => {
        await ask(app, path, { "x-user": user });
        const [called] = await eventsOf(log, 1);
        assert.equal(called!.outcome, outcome);
        if (action !== "") assert.equal(called!.action, action);
        assert.equal(called!.actor.id, user === "nobody" ? "anonymous" : user);
        assert.doesNotMatch(JSON.stringify(called), /s3cr3t/);
        if (path === "/broken" && name !== "Express") {
          assert.equal(called!.details["error"], "RangeError");
        }
      });
    }

    it("says of a connection that broke that nobody knows", async () => {
      const request = httpRequest(`${app.url}/slow`, { headers: { "x-user": "eve" } });
      const gone = once(request, "error");
      request.end();
      while (!app.handled.includes("/slow")) await new Promise((resolve) => setTimeout(resolve, 1));
      request.destroy();
      await gone;
      const [called] = await eventsOf(log, 1);
      assert.equal(called!.outcome, "unknown");
      assert.equal(called!.details["aborted"], true);
      assert.equal(called!.details["status"], undefined);
      assert.equal(called!.actor.id, "eve");
      assert.equal(called!.action, "GET /slow");
    });

    it("mixes no two requests up, however many there are", async () => {
      const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
      await Promise.all(
        users.map((user) => ask(app, "/orders", { "x-user": user }, { name: user })),
      );
      const events = await eventsOf(log, 80);
      const noted = events.filter(({ type }) => type === "app.noted");
      for (const { action, actor, trace } of noted) {
        assert.equal(action, `new ${actor.id}`);
        const called = events.find((event) => event.type === "api.called" && event.trace === trace);
        assert.equal(called!.actor.id, actor.id);
      }
      assert.equal(new Set(noted.map(({ trace }) => trace)).size, 40);
    });

    it("a stranger's long path and odd bytes do not keep the event out", async () => {
      const path = `/${"%C3%A9/".repeat(1100)}`;
      await ask(app, path, { "x-user": "x".repeat(3000), "user-agent": "é".repeat(3000) });
      const [called] = await eventsOf(log, 1);
      assert.equal(called!.targets![0]!.id.length, 2048);
      assert.equal(called!.actor.id.length, 2046);
      assert.equal(called!.details["incomplete"], undefined);
    });

    it("records the start durably before the handler runs, where that is required", async () => {
      const { status } = await ask(app, "/transfer", { "x-user": "alice" }, {});
      assert.equal(status, 200);
      const [started, noted, called] = await eventsOf(log, 3);
      assert.deepEqual(
        [started!.type, noted!.type, called!.type],
        ["api.started", "app.noted", "api.called"],
      );
      assert.equal(started!.outcome, "unknown");
      assert.equal(started!.actor.id, "alice");
      assert.equal(started!.action, "POST /transfer");
      assert.equal(started!.trace, called!.trace);
      assert.equal(noted!.trace, called!.trace);
      assert.equal(called!.details["started"], true);
    });

    it("health checks are not recorded, nor is anything lost", async () => {
      await ask(app, "/health");
      await ask(app, "/denied");
      const [called] = await eventsOf(log, 1);
      assert.equal(called!.action, "GET /denied");
      assert.deepEqual(called!.actor, {
        ...{ id: "anonymous", type: "anonymous" },
        ip: "127.0.0.1",
      });
      assert.deepEqual(log.errors, []);
    });

    it("an upgrade is recorded when it is answered, and when it is over", async () => {
      const { hostname, port } = new URL(app.url);
      const head = `host: x\r\nconnection: upgrade\r\nupgrade: echo\r\nx-user: alice\r\n`;
      const socket = connect({ host: hostname, port: +port });
      socket.write(`GET /socket?token=s3cr3t HTTP/1.1\r\n${head}\r\n`);
      const [piece] = (await once(socket, "data")) as [Buffer];
      assert.match(piece.toString(), /^HTTP\/1.1 101/);
      const [taken] = await eventsOf(log, 1);
      assert.deepEqual(
        [taken!.type, taken!.outcome, taken!.details["status"], taken!.details["upgrade"]],
        ["api.called", "success", 101, "echo"],
      );
      assert.deepEqual(taken!.targets, [{ type: "api", id: "/socket" }]);
      socket.end();
      socket.resume();
      const [closed] = await eventsOf(log, 1);
      assert.equal(closed!.type, "api.closed");
      assert.equal(closed!.actor.id, "alice");
      assert.equal(closed!.trace, taken!.trace);
      const refused = connect({ host: hostname, port: +port });
      refused.write(`GET /refused HTTP/1.1\r\n${head}\r\n`).valueOf();
      refused.resume();
      await once(refused, "close");
      const [denied] = await eventsOf(log, 1);
      assert.equal(denied!.outcome, "denied");
    });
  });

  describe(`no record, no access: ${name}`, () => {
    it("nothing is handled while the log is away, and the refusal itself is recorded later", async () => {
      const log = await RecordedLog.open();
      let isAway = true;
      const recorder = log.connect({
        fetch: (url, init) =>
          isAway ? Promise.reject(new TypeError("no network")) : fetch(url, init),
        retryDelayMs: 5,
      });
      const app = await start({ client: log.client, recorder });
      try {
        const { status, headers, text } = await ask(app, "/transfer", { "x-user": "alice" }, {});
        assert.equal(status, 503);
        assert.match(headers["content-type"] ?? "", /^application\/problem\+json/);
        assert.match(text, /not carried out/);
        assert.ok(!app.handled.includes("transfer"));
        isAway = false;
        const [refused] = await eventsOf(log, 1);
        assert.equal(refused!.outcome, "failure");
        assert.equal(refused!.details["status"], 503);
        assert.equal(refused!.details["started"], undefined);
        const again = await ask(app, "/transfer", { "x-user": "alice" }, {});
        assert.equal(again.status, 200);
        assert.equal((await eventsOf(log, 3))[0]!.type, "api.started");
      } finally {
        isAway = false;
        await app.close();
        await recorder.close();
        await log.close();
      }
    });

    it("nor while nobody can say who acts; what need not be recorded first goes on", async () => {
      const log = await RecordedLog.open();
      const app = await start({ client: log.client, isActorBroken: true });
      try {
        assert.equal((await ask(app, "/transfer", {}, {})).status, 503);
        assert.equal((await ask(app, "/denied")).status, 403);
        const [refused, denied] = await eventsOf(log, 2);
        assert.ok(!app.handled.includes("transfer"));
        for (const { actor, details } of [refused!, denied!]) {
          assert.equal(actor.id, "unknown");
          assert.equal(details["actorError"], "TypeError");
        }
      } finally {
        await app.close();
        await log.close();
      }
    });
  });
}

describe("apart from the frameworks", () => {
  it("Hono without Node's server: recorded when the handler has answered", async () => {
    const log = await RecordedLog.open();
    try {
      const hono = honoApp({ client: log.client, trace: "start" }, []);
      const headers = { "x-user": "alice", traceparent: callerTrace };
      const answer = await hono.request("/orders/9?x=1", { headers });
      assert.equal(answer.status, 200);
      const [, called] = await eventsOf(log, 2);
      assert.equal(called!.action, "GET /orders/:id");
      assert.deepEqual(called!.targets, [{ type: "api", id: "/orders/9" }]);
      assert.equal(called!.actor.id, "alice");
      assert.equal(called!.details["callerTrace"], callerTrace);
      assert.notEqual(called!.trace!.slice(3, 35), callerTrace.slice(3, 35));
      assert.equal(answer.headers.get("traceresponse"), called!.trace);
      await hono.request("/broken");
      const [broken] = await eventsOf(log, 1);
      assert.equal(broken!.details["error"], "RangeError");
    } finally {
      await log.close();
    }
  });

  it("an application's own details that are too much cost the details, not the event", async () => {
    const log = await RecordedLog.open();
    const details = (): Record<string, unknown> => ({ much: "x".repeat(70_000) });
    const app = await startExpress({ client: log.client, details });
    try {
      await ask(app, "/denied", { "x-user": "alice" });
      const [called] = await eventsOf(log, 1);
      assert.equal(called!.details["incomplete"], "too_large");
      assert.equal(called!.action, "GET /denied");
      assert.equal(called!.actor.id, "alice");
    } finally {
      await app.close();
      await log.close();
    }
  });

  it("what cannot be meant is refused when the middleware is made", () => {
    const client = { log: () => Promise.resolve() };
    const wrong = [
      ...[["body/name"], ["/headers/authorization"], ["/body/password"], ["/headers/set-cookie"]],
      ...[["/body/~2"], ["/headers/x-api-key"], [""]],
    ];
    for (const request of wrong) {
      assert.throws(() => cairnExpress(client, { request }), { code: "usage" }, request[0]);
    }
    assert.throws(() => cairnExpress(client, { requiredTimeoutMs: 0 }), { code: "usage" });
  });
});

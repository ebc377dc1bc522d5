/**
 * Goal: what the fixtures of the webhook adapters do not show: several ways to prove one sender, bodies that could be
 * read in two ways, records of a batch that are no records, names that a sender could choose to confuse a table.
 * Method: fixtures, changed by hand.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import { argocdAdapter } from "./argocd.ts";
import { auth0Adapter } from "./auth0.ts";
import { auth0Codes } from "./auth0-codes.ts";
import { cdeventsAdapter } from "./cdevents.ts";
import { fixturesOf, type Fixture } from "./fixture.testing.ts";
import { githubAdapter } from "./github.ts";
import { gitlabAdapter } from "./gitlab.ts";
import { oktaAdapter } from "./okta.ts";
import type { Adapter, Delivery } from "./adapter.ts";

const codes = ["malformed", "unauthenticated"] as const;

function refusedAs(code: (typeof codes)[number], run: () => unknown): void {
  assert.throws(run, (error) => isCairnError(error, code));
}

function fixture(adapter: Adapter, name: string): Fixture {
  return fixturesOf(adapter).find((one) => one.name === name)!;
}

function captured(adapter: Adapter, { delivery, source }: Fixture, changed: Partial<Delivery>) {
  return adapter.capture({ ...delivery, ...changed }, source).events.map(({ event }) => event);
}

describe("github", () => {
  const push = fixture(githubAdapter, "push");
  const withHeaders = (headers: Delivery["headers"]): Delivery => ({
    ...push.delivery,
    headers: { ...push.delivery.headers, ...headers },
  });

  it("takes SHA-256 signatures only, whatever else is sent", () => {
    const [secret] = push.source.secrets as [string];
    const sha1 = createHmac("sha1", secret).update(push.delivery.body).digest("hex");
    const signature = push.delivery.headers["x-hub-signature-256"]!;
    const wrong = [
      { "x-hub-signature-256": undefined, "x-hub-signature": `sha1=${sha1}` },
      { "x-hub-signature-256": signature.replace("sha256=", "sha1=") },
      { "x-hub-signature-256": signature.replace("sha256=", "") },
      { "x-hub-signature-256": `${signature}00` },
      { "x-hub-signature-256": "sha256=" },
    ];
    for (const headers of wrong) {
      refusedAs("unauthenticated", () =>
        githubAdapter.authenticate(withHeaders(headers), push.source, 0),
      );
    }
  });

  it("refuses a form that has its payload twice, or not at all", () => {
    const form = fixture(githubAdapter, "push-as-form");
    const body = new TextDecoder().decode(form.delivery.body);
    for (const text of [`${body}&${body}`, "other=1", "payload=%zz", "payload=%ff"]) {
      refusedAs("malformed", () => captured(githubAdapter, form, { body: utf8(text) }));
    }
    const [event] = captured(githubAdapter, form, { body: utf8(`other=1&${body}`) });
    assert.equal(event!.type, "change.push");
  });

  it("needs the event's name, and takes no other word for one of its own", () => {
    refusedAs("malformed", () =>
      githubAdapter.capture(withHeaders({ "x-github-event": undefined }), push.source),
    );
    const { headers } = withHeaders({ "x-github-event": "constructor" });
    const body = utf8('{"action":"toString","sender":{"login":"x"}}');
    const [event] = captured(githubAdapter, push, { headers, body });
    assert.equal(event!.type, "change.github_constructor");
    const deployment = withHeaders({ "x-github-event": "deployment_status" }).headers;
    const state = utf8('{"deployment_status":{"state":"constructor"}}');
    const [odd] = captured(githubAdapter, push, { headers: deployment, body: state });
    assert.deepEqual([odd!.type, odd!.outcome], ["deployment.constructor", "unknown"]);
  });

  it("hashes a delivery's id that an event cannot have", () => {
    const { headers } = withHeaders({ "x-github-delivery": `"${"x".repeat(500)}` });
    const [event] = captured(githubAdapter, push, { headers });
    assert.match(event!.id!, /^sha256:[0-9a-f]{64}$/);
  });
});

describe("gitlab", () => {
  const signed = fixture(gitlabAdapter, "push-signed");
  const plain = fixture(gitlabAdapter, "push");

  it("does not take a signing token as a secret token, nor the other way round", () => {
    const [signing] = signed.source.secrets as [string];
    const headers = { ...plain.delivery.headers, "x-gitlab-token": signing };
    const delivery = { ...plain.delivery, headers };
    refusedAs("unauthenticated", () =>
      gitlabAdapter.authenticate(delivery, signed.source, plain.nowMs),
    );
    refusedAs("unauthenticated", () =>
      gitlabAdapter.authenticate(signed.delivery, plain.source, signed.nowMs),
    );
  });

  it("never uses a secret token as a key", () => {
    const [secret] = plain.source.secrets as [string];
    const { headers, body } = signed.delivery;
    const hmac = createHmac("sha256", Buffer.from(secret, "base64"));
    hmac.update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`).update(body);
    const forged = { ...headers, "webhook-signature": `v1,${hmac.digest("base64")}` };
    refusedAs("unauthenticated", () =>
      gitlabAdapter.authenticate(
        { ...signed.delivery, headers: forged },
        plain.source,
        plain.nowMs,
      ),
    );
  });

  it("takes either while the one replaces the other", () => {
    const secrets = [...signed.source.secrets, ...plain.source.secrets];
    for (const { delivery, source, nowMs } of [signed, plain]) {
      gitlabAdapter.authenticate(delivery, { ...source, secrets }, nowMs);
    }
  });

  it("refuses a signature that is older than five minutes", () => {
    const late = signed.nowMs + 5 * 60_000;
    refusedAs("unauthenticated", () =>
      gitlabAdapter.authenticate(signed.delivery, signed.source, late),
    );
  });
});

describe("okta", () => {
  it("answers a challenge only to who knows the secret, and with nothing but JSON", () => {
    const { delivery, source } = fixture(oktaAdapter, "verification");
    const { authorization: _, ...headers } = delivery.headers;
    refusedAs("unauthenticated", () =>
      oktaAdapter.authenticate({ ...delivery, headers }, source, 0),
    );
    const name = "x-okta-verification-challenge";
    for (const challenge of [undefined, "", "x".repeat(1025)]) {
      const changed = { ...delivery.headers, [name]: challenge };
      refusedAs("malformed", () =>
        captured(oktaAdapter, fixture(oktaAdapter, "verification"), { headers: changed }),
      );
    }
    const odd = { ...delivery.headers, [name]: '"}<script>' };
    const { answer } = oktaAdapter.capture({ ...delivery, headers: odd }, source);
    assert.equal(answer!.headers!["content-type"], "application/json");
    assert.deepEqual(JSON.parse(String(answer!.body)), { verification: '"}<script>' });
  });

  it("gives an event the same bytes when Okta sends it again in another delivery", () => {
    const batch = fixture(oktaAdapter, "batch");
    const text = new TextDecoder().decode(batch.delivery.body);
    const again = text
      .replace(/"eventId":"[^"]+"/, '"eventId":"another"')
      .replace(/"eventTime":"[^"]+"/, '"eventTime":"2026-11-23T06:00:00.000Z"');
    assert.notEqual(again, text);
    assert.deepEqual(
      captured(oktaAdapter, batch, { body: utf8(again) }),
      captured(oktaAdapter, batch, {}),
    );
  });
});

describe("auth0", () => {
  it("has each code once, and gives each its type and outcome", () => {
    const names = auth0Codes.map(({ code }) => code);
    assert.equal(new Set(names).size, names.length);
    const one = fixture(auth0Adapter, "s");
    for (const { code, type, outcome } of auth0Codes) {
      const body = utf8(JSON.stringify({ log_id: "1", data: { type: code, user_id: "u" } }));
      const [event] = captured(auth0Adapter, one, { body });
      assert.deepEqual([event!.type, event!.outcome], [type, outcome], code);
    }
  });

  it("keeps the good records of a delivery and names the others", () => {
    const { delivery, source } = fixture(auth0Adapter, "s");
    const body = utf8('{"log_id":"1","data":{"type":"s"}}\nnot json\n7\n');
    const { events, refused } = auth0Adapter.capture({ ...delivery, body }, source);
    assert.equal(events.length, 1);
    assert.equal(refused!.length, 2);
  });
});

describe("senders that take 4xx for their own fault", () => {
  it("are told 503 when the log is busy, and when to come back", () => {
    for (const { answerError } of [gitlabAdapter, oktaAdapter, auth0Adapter, argocdAdapter]) {
      const told = (status: number) =>
        answerError!({ code: "x", status, message: "why", retryAfterSeconds: 7 }, {});
      assert.deepEqual(
        [408, 429, 503, 507].map((status) => told(status).status),
        [503, 503, 503, 507],
      );
      assert.deepEqual(
        [400, 401, 409, 413].map((status) => told(status).status),
        [400, 401, 409, 413],
      );
      assert.equal(told(429).headers!["retry-after"], "7");
    }
  });
});

describe("argocd", () => {
  it("prints a setup whose every template is one that it knows", () => {
    const paste = { url: "https://log.example/c/argocd", secret: "s3cret", source: "argo" };
    const text = argocdAdapter.setup.instructions(paste, {});
    const printed = [...text.matchAll(/"event":"([a-z-]+)"/g)].map(([, name]) => name);
    assert.deepEqual(
      printed,
      argocdAdapter.known.map(({ kind }) => kind),
    );
    assert.ok(text.includes('- when: "true"'), "a bare true is no text in YAML");
    // What a template leaves when each of its actions prints null is JSON of the form that is read.
    for (const [, body] of text.matchAll(/^ {10}(\{.*\})$/gm)) {
      const filled = utf8(body!.replaceAll(/\{\{[^}]*\}\}/g, "null"));
      const [event] = captured(argocdAdapter, fixture(argocdAdapter, "deployed"), { body: filled });
      assert.ok(!event!.type.includes("argocd_"), event!.type);
      assert.equal(event!.actor.id, "argocd");
    }
  });
});

describe("cdevents", () => {
  it("knows a custom event from a standard one of the same name", () => {
    const bare = fixture(cdeventsAdapter, "bare");
    const text = new TextDecoder().decode(bare.delivery.body);
    const custom = text.replace("dev.cdevents.service", "dev.cdeventsx.service");
    const [event] = captured(cdeventsAdapter, bare, { body: utf8(custom) });
    assert.equal(event!.type, "change.cdevents_service.rolledback");
    assert.equal(event!.outcome, "unknown");
  });

  it("lets nobody in by a header that says which mode it is", () => {
    for (const { delivery, source } of fixturesOf(cdeventsAdapter)) {
      for (const type of ["application/json", "application/cloudevents+json", ""]) {
        const headers = { "content-type": type, "ce-specversion": "1.0" };
        refusedAs("unauthenticated", () =>
          cdeventsAdapter.authenticate({ ...delivery, headers }, source, 0),
        );
      }
    }
  });
});

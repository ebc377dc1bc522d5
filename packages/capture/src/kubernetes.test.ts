/**
 * Goal: no client of a cluster can keep an audit event out of the log, or have it say something else: not by the audit
 * id that it may choose, not by size, not by what it writes into a request.
 * Method: events of the schema with what a hostile client controls; each must come out as an event that a log takes.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { EventScanner, checkEvent, isCairnError, utf8 } from "@cairnlog/core";
import { renderCaptured } from "./captured-event.ts";
import { auditFlags, auditPolicy } from "./kubernetes-setup.ts";
import { kubernetesAdapter } from "./kubernetes.ts";
import type { Captured } from "./adapter.ts";

const source = { name: "prod", secrets: ["token"], options: {} };

function capture(value: unknown): Captured {
  const body = utf8(typeof value === "string" ? value : JSON.stringify(value));
  const delivery = { method: "POST", path: "", query: new URLSearchParams(), headers: {}, body };
  return kubernetesAdapter.capture(delivery, source);
}

const listOf = (...items: readonly unknown[]): unknown => ({
  kind: "EventList",
  apiVersion: "audit.k8s.io/v1",
  metadata: {},
  items,
});

const request = {
  level: "Metadata",
  auditID: "chosen-by-the-client",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/shop/secrets/db",
  verb: "get",
  user: { username: "mallory" },
  sourceIPs: ["127.0.0.1", "198.51.100.7"],
  objectRef: { resource: "secrets", namespace: "shop", name: "db", apiVersion: "v1" },
  responseStatus: { metadata: {}, code: 200 },
  requestReceivedTimestamp: "2026-11-23T05:00:00.000001Z",
  stageTimestamp: "2026-11-23T05:00:00.000002Z",
};

describe("kubernetes audit events", () => {
  it("are as many as there are requests, though a client gives all of them one audit id", () => {
    const second = { ...request, verb: "delete", stageTimestamp: "2026-11-23T05:00:00.000003Z" };
    const ids = capture(listOf(request, second)).events.map(({ event }) => event.id);
    assert.equal(new Set(ids).size, 2);
  });

  it("have the same id when they are sent again, in whatever list", () => {
    const [alone] = capture(listOf(request)).events;
    const [, later] = capture(listOf({ ...request, stage: "Panic" }, request)).events;
    assert.equal(alone?.event.id, later?.event.id);
    assert.deepEqual(alone?.event, later?.event);
  });

  it("say who acted, not whom somebody pretended to be or where he says that he is", () => {
    const impersonating = { ...request, impersonatedUser: { username: "admin" } };
    const [captured] = capture(listOf(impersonating)).events;
    const { actor } = captured!.event;
    assert.deepEqual(actor, {
      id: "mallory",
      type: "user",
      impersonates: "admin",
      ip: "198.51.100.7",
    });
  });

  it("are denied where the authorizer said so, whatever was answered", () => {
    const annotations = { "authorization.k8s.io/decision": "forbid" };
    const outcomes = [
      { ...request, annotations },
      { ...request, responseStatus: { code: 401 } },
      { ...request, responseStatus: { code: 404 } },
      { ...request, responseStatus: { status: "Success" } },
      { ...request, stage: "RequestReceived", responseStatus: undefined },
      { ...request, stage: "Panic" },
    ].map((one) => capture(listOf(one)).events[0]!.event.outcome);
    assert.deepEqual(outcomes, ["denied", "denied", "failure", "success", "unknown", "failure"]);
  });

  it("keep a request object of any size, in a blob", () => {
    const data = { password: "x".repeat(900_000) };
    const big = { ...request, requestObject: { kind: "Secret", data } };
    const [captured] = capture(listOf(big)).events;
    const rendered = renderCaptured(captured!, sha256);
    const scanner = new EventScanner();
    scanner.scan(rendered.bytes, 0, rendered.bytes.length);
    checkEvent(scanner, rendered.bytes);
    const kept = JSON.parse(Buffer.from(rendered.blobs[0]!.bytes).toString()) as {
      readonly details: unknown;
    };
    assert.deepEqual(kept.details, big);
  });

  it("stay an event where a client wrote what no event may hold", () => {
    const hostile = {
      ...request,
      auditID: "../\u0000\ud800".repeat(400),
      verb: "GET\n{}",
      userAgent: "\uffff".repeat(5000),
      objectRef: { ...request.objectRef, name: "constructor", resource: "__proto__" },
    };
    for (const { event } of capture(listOf(hostile)).events) {
      const { bytes } = renderCaptured({ event }, sha256);
      const scanner = new EventScanner();
      scanner.scan(bytes, 0, bytes.length);
      checkEvent(scanner, bytes);
      assert.equal(event.type, "api.get");
    }
  });

  it("of a list that is none are refused as a whole", () => {
    const isMalformed = (error: unknown): boolean => isCairnError(error, "malformed");
    assert.throws(() => capture({ kind: "EventList", items: { a: request } }), isMalformed);
    assert.throws(() => capture("{"), isMalformed);
    assert.deepEqual(capture({ kind: "EventList", items: null }).events, []);
  });
});

it("the printed policy and flags refuse what cannot be recorded", () => {
  assert.ok(auditFlags.includes("--audit-webhook-mode=blocking-strict"));
  // The mode acts at this stage only: a policy that omits it would turn the refusal off.
  assert.ok(auditPolicy.includes("omitStages: []"));
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

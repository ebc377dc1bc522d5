/**
 * Goal: a traceparent is taken in its one spelling, what is started is well-formed and never twice
 * the same, and an actor is made only of what was verified, without a secret in it.
 *
 * Method: the standard's examples and each of them damaged; a real TLS connection is not needed, for
 * what Node tells of one is data.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  actorOfBasic,
  actorOfCertificate,
  actorOfClaims,
  actorOfSession,
  anonymous,
} from "./actor.ts";
import { findTraceparent, formatTraceparent, randomHex, spanWithin } from "./traceparent.ts";

const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("traceparent", () => {
  it("is taken in its one spelling", () => {
    assert.equal(formatTraceparent(findTraceparent(good)!), good);
    assert.equal(findTraceparent(`cc${good.slice(2)}-what-comes`)?.spanId, "00f067aa0ba902b7");
    const bad = [
      ...[undefined, "", `${good}-`, `${good} `, ` ${good}`, good.toUpperCase(), good.slice(0, -1)],
      ...[`ff${good.slice(2)}`, `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
      ...[`${good.slice(0, 36)}${"0".repeat(16)}-01`, `cc${good.slice(2)}more`, `${good}\n`],
      ...[`cc${good.slice(2)}-${"x".repeat(300)}`, `${good}, ${good}`],
    ];
    for (const text of bad) assert.equal(findTraceparent(text), undefined, JSON.stringify(text));
  });

  it("every single character that is changed to one that cannot be there is noticed", () => {
    for (let i = 0; i < good.length; i++) {
      const damaged = `${good.slice(0, i)}G${good.slice(i + 1)}`;
      assert.equal(findTraceparent(damaged), undefined, damaged);
    }
  });

  it("spans: a new one within the caller's trace, or in a new trace", () => {
    const caller = findTraceparent(good.replace(/01$/, "fe"))!;
    const within = spanWithin(caller);
    assert.equal(within.traceId, caller.traceId);
    assert.notEqual(within.spanId, caller.spanId);
    assert.match(formatTraceparent(within), /-00$/);
    const many = Array.from({ length: 5000 }, () => formatTraceparent(spanWithin(undefined)));
    assert.equal(new Set(many).size, 5000);
    for (const text of many) assert.ok(findTraceparent(text) !== undefined, text);
    assert.match(randomHex(16), /^[0-9a-f]{32}$/);
  });
});

describe("who acts", () => {
  it("of verified claims", () => {
    const claims = {
      ...{ sub: "u-1", iss: "https://id.example.com", sid: "s-1", azp: "shop" },
      ...{ preferred_username: "alice", email: "alice@example.com", aud: ["shop"], exp: 1 },
    };
    assert.deepEqual(actorOfClaims(claims), {
      ...{ id: "u-1", type: "user", issuer: "https://id.example.com", name: "alice" },
      ...{ email: "alice@example.com", client: "shop", session: "s-1" },
    });
    const named = actorOfClaims(claims, "preferred_username");
    assert.deepEqual([named.id, named["subject"]], ["alice", "u-1"]);
    for (const wrong of [{}, { sub: "" }, { sub: 7 }]) {
      assert.throws(() => actorOfClaims(wrong), { code: "usage" });
    }
  });

  it("of a client certificate that was verified", () => {
    const shown = (authorized: boolean, subjectaltname?: string) => ({
      authorized,
      getPeerCertificate: () => ({
        ...{ subject: { CN: "billing" }, issuer: { CN: "Example CA" }, subjectaltname },
        ...{ serialNumber: "0A", fingerprint256: "AB:CD" },
      }),
    });
    const certificate = { issuer: "Example CA", serial: "0A", sha256: "AB:CD" };
    assert.deepEqual(actorOfCertificate(shown(true)), {
      ...{ id: "billing", type: "service", certificate },
    });
    const names = 'DNS:"a, URI:spiffe://evil", URI:spiffe://example.com/billing';
    assert.equal(actorOfCertificate(shown(true, names))!.id, "spiffe://example.com/billing");
    assert.equal(actorOfCertificate(shown(false)), undefined);
    assert.equal(actorOfCertificate({}), undefined);
  });

  it("of basic credentials and sessions, without what would let anybody in", () => {
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
    assert.deepEqual(actorOfBasic(basic("alice:s3cr3t:x")), { id: "alice", type: "user" });
    for (const wrong of [
      undefined,
      "Basic !",
      "Bearer x",
      basic(":x"),
      basic("alice"),
      "Basic YQ",
    ]) {
      assert.equal(actorOfBasic(wrong), undefined, wrong);
    }
    const first = actorOfSession({ id: "alice" }, "s3cr3t");
    assert.match(String(first["session"]), /^[0-9a-f]{32}$/);
    assert.deepEqual(first, actorOfSession({ id: "alice" }, "s3cr3t"));
    assert.notDeepEqual(first, actorOfSession({ id: "alice" }, "s3cr3u"));
    assert.equal(anonymous.id, "anonymous");
  });
});

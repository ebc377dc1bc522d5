/**
 * Goal: a request counts only if its Host header names this server; whatever name a web page points at our address
 * does not. Method: the headers that browsers and tools send, and those that an attacker's page would.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isCairnError } from "./errors.ts";
import { HostCheck } from "./host-check.ts";

function isGood(check: HostCheck, header: string | undefined, localAddress = "10.0.0.7"): boolean {
  try {
    check.check(header, localAddress);
    return true;
  } catch (error) {
    assert.ok(isCairnError(error, "misdirected"));
    return false;
  }
}

test("loopback, the listening address and the given names; with the port that is meant", () => {
  const check = new HostCheck(["Audit.example.com", "proxy.example:8443"], false);
  check.listensOn("0.0.0.0", 8080);
  const good = [
    "localhost:8080",
    "LOCALHOST:8080",
    "127.0.0.1:8080",
    "[::1]:8080",
    "0.0.0.0:8080",
    // Where the connection came in: an address cannot be rebound.
    "10.0.0.7:8080",
    "audit.example.com",
    "audit.example.com:443",
    "proxy.example:8443",
  ];
  for (const header of good) assert.ok(isGood(check, header), header);
  const bad = [
    undefined,
    "",
    "attacker.example",
    "attacker.example:8080",
    "localhost",
    "localhost:8081",
    "localhost:8080.attacker.example",
    "localhost.attacker.example:8080",
    "audit.example.com.attacker.example",
    "audit.example.com:123456",
    "proxy.example:8444",
    "10.0.0.8:8080",
  ];
  for (const header of bad) assert.ok(!isGood(check, header), header);
});

test("the protocol's own port may be left out; IPv6 has brackets", () => {
  const plain = new HostCheck([], false);
  plain.listensOn("::", 80);
  for (const header of ["localhost", "[::]", "[fe80::1]"]) {
    assert.ok(isGood(plain, header, "fe80::1"), header);
  }
  assert.ok(isGood(plain, "192.0.2.1", "::ffff:192.0.2.1"));
  const tls = new HostCheck([], true);
  tls.listensOn("127.0.0.1", 443);
  assert.ok(isGood(tls, "localhost"));
  assert.ok(!isGood(tls, "localhost:80"));
});

/**
 * Goal: no name that a stranger chooses makes a line of Keycloak say something else than Keycloak meant.
 * Method: a writer that quotes as Keycloak does (a backslash before a quote, nothing before a backslash), fed with
 * names made of the characters that matter; what stands before the stranger's value must be read as it was written,
 * always, and the whole of it wherever no value ends in a backslash. Then cases by hand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findKeycloakFields } from "./keycloak-line.ts";

const seed = 20_261_124;

function written(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([name, value]) => `${name}="${value.replaceAll('"', '\\"')}"`).join(", ");
}

const nasty = fc
  .array(fc.constantFrom('"', "\\", ",", " ", "=", "a", 'userId="', '", userId="', "null"), {
    maxLength: 12,
  })
  .map((parts) => parts.join(""));

test("whatever a stranger calls himself, the fields before are as Keycloak wrote them", () => {
  const property = fc.property(nasty, nasty, (username, reason) => {
    const own = [
      ["type", "LOGIN_ERROR"],
      ["realmId", "r1"],
      ["clientId", "web"],
      ["userId", "u1"],
      ["ipAddress", "203.0.113.9"],
    ] as const;
    const all = [...own, ["username", username], ["reason", reason], ["tab", "t1"]] as const;
    const read = findKeycloakFields(written(all));
    assert.ok(read !== undefined);
    for (const [name, value] of own) assert.equal(read.fields[name], value, name);
    if (username.endsWith("\\") || reason.endsWith("\\")) return;
    // Keycloak itself cannot tell what was escaped from what stood there.
    const told = (text: string): string => text.replaceAll('\\"', '"');
    assert.equal(read.rest, undefined);
    assert.equal(told(read.fields["username"] ?? ""), told(username === "null" ? "" : username));
    assert.equal(read.fields["tab"], "t1");
  });
  fc.assert(property, { seed, numRuns: 3000 });
});

test("a client's name cannot make up who it was", () => {
  for (const name of ['x", userId="victim', "x\\", 'x\\", userId="victim', 'x", a=\\']) {
    const line = written([
      ["type", "CLIENT_LOGIN_ERROR"],
      ["realmName", "shop"],
      ["clientId", name],
      ["userId", "null"],
      ["ipAddress", "203.0.113.9"],
    ]);
    const { fields } = findKeycloakFields(line)!;
    assert.equal(fields["userId"], undefined, line);
    assert.equal(fields["ipAddress"], "203.0.113.9", line);
  }
});

test("of two fields of one name the first counts", () => {
  const line = written([
    ["type", "LOGIN"],
    ["userId", "u1"],
    ["userId", "victim"],
  ]);
  assert.equal(findKeycloakFields(line)!.fields["userId"], "u1");
});

test("what is no line of the listener is none, and a cut one is read as far as it goes", () => {
  for (const text of ["", "hello", 'Type="LOGIN"', ' type="LOGIN"', "type=LOGIN, realmId=x"]) {
    assert.equal(findKeycloakFields(text), undefined, text);
  }
  const line = written([
    ["type", "LOGIN"],
    ["realmId", "r1"],
    ["userId", "u1"],
  ]);
  for (let end = 'type="'.length; end < line.length; end++) {
    const read = findKeycloakFields(line.slice(0, end))!;
    assert.ok(read.rest !== undefined || end < 1 || line.slice(0, end).endsWith('"'), String(end));
    if (read.fields["type"] !== undefined) assert.equal(read.fields["type"], "LOGIN");
  }
});

test("a long run of quotes takes no long time", () => {
  const line = `type="${'\\"'.repeat(100_000)}x`;
  const before = performance.now();
  assert.notEqual(findKeycloakFields(line)?.rest, undefined);
  assert.ok(performance.now() - before < 1000);
});

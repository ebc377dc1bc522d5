/**
 * Goal: whoever holds one of a source's secrets is let in, in every scheme, and nobody else is.
 * Method: the examples of the RFCs, computed by the platform; then every part changed, left out, emptied or cut.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import {
  isSameSecret,
  requireAnyToken,
  requireBasic,
  requireBearer,
  requireHeaderToken,
  requireHmac,
  requireRecent,
  type HmacScheme,
} from "./authentication.ts";

const source = { secrets: ["old-secret", "new-secret"] };

function refused(run: () => void): void {
  assert.throws(run, (error) => isCairnError(error, "unauthenticated"));
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;

describe("authentication", () => {
  it("takes either secret as a bearer token, and nothing else", () => {
    requireBearer({ authorization: "Bearer old-secret" }, source);
    requireBearer({ authorization: "bearer new-secret" }, source);
    requireBearer({ authorization: "Splunk new-secret" }, source, "Splunk");
    const wrong = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Bearer x",
      "Bearer new-secre",
      "Bearer new-secrett",
      "Bearer NEW-SECRET",
      "Bearer new-secret, Bearer x",
      "Basic new-secret",
      "new-secret",
    ];
    for (const authorization of wrong) refused(() => requireBearer({ authorization }, source));
  });

  it("lets nobody in by an empty secret", () => {
    const empty = { secrets: [""] };
    assert.ok(!isSameSecret("", ""));
    refused(() => requireHeaderToken({ "x-token": "" }, "x-token", empty));
    refused(() => requireBasic({ authorization: basic("user:") }, empty));
    const sent = createHmac("sha256", "").update("body").digest("hex");
    refused(() => requireHmac({ sent, message: ["body"], encoding: "hex" }, empty));
    refused(() => requireHeaderToken({ "x-token": "x" }, "x-token", { secrets: [] }));
  });

  it("takes a secret as the password of Basic, which may hold colons", () => {
    requireBasic({ authorization: basic("anyone:new-secret") }, source);
    requireBasic({ authorization: basic("me:new-secret") }, source, "me");
    requireBasic({ authorization: basic("me:a:b") }, { secrets: ["a:b"] });
    refused(() => requireBasic({ authorization: basic("you:new-secret") }, source, "me"));
    for (const authorization of [basic("new-secret"), "Basic !", "Basic bmV3", "Basic YQ=", ""]) {
      refused(() => requireBasic({ authorization }, source));
    }
  });

  it("finds the token wherever a sender can be made to put it", () => {
    requireAnyToken({ "x-token": "new-secret", authorization: "Bearer x" }, source, ["x-token"]);
    requireAnyToken({ authorization: basic("me:new-secret") }, source, ["x-token"]);
    requireAnyToken({ authorization: "Bearer new-secret" }, source);
    refused(() =>
      requireAnyToken({ "x-token": "x", authorization: "Bearer new-secret" }, source, ["x-token"]),
    );
    refused(() => requireAnyToken({}, source, ["x-token"]));
  });

  it("checks an HMAC over every byte, under any of the secrets", () => {
    const parts = ["id", ".", "1764000000", ".", new TextEncoder().encode('{"a":1}')];
    for (const encoding of ["hex", "base64"] as const) {
      for (const algorithm of ["sha256", "sha512", "sha1"] as const) {
        const hmac = createHmac(algorithm, "new-secret").update('id.1764000000.{"a":1}');
        const sent = hmac.digest(encoding);
        const scheme: HmacScheme = { sent, message: parts, encoding, algorithm };
        requireHmac(scheme, source);
        requireHmac({ ...scheme, sent: ["of another key", sent] }, source);
        refused(() => requireHmac(scheme, { secrets: ["old-secret"] }));
        for (let i = 0; i < sent.length; i++) {
          const other = sent[i] === "0" ? "1" : "0";
          const changed = sent.slice(0, i) + other + sent.slice(i + 1);
          refused(() => requireHmac({ ...scheme, sent: changed }, source));
        }
        for (const bad of [undefined, "", [], sent.slice(1), `${sent} `, `sha256=${sent}`]) {
          refused(() => requireHmac({ ...scheme, sent: bad }, source));
        }
        refused(() => requireHmac({ ...scheme, message: [...parts, " "] }, source));
      }
    }
  });

  it("leaves out secrets of another kind", () => {
    const keyOf = (secret: string): Uint8Array | undefined =>
      secret.startsWith("new-") ? new TextEncoder().encode(secret) : undefined;
    const sent = createHmac("sha256", "old-secret").update("x").digest("hex");
    refused(() => requireHmac({ sent, message: ["x"], encoding: "hex", keyOf }, source));
  });

  it("takes a time of five minutes around now, in one spelling", () => {
    const nowMs = 1_764_000_000_000;
    for (const seconds of ["1764000000", "1763999700", "1764000300"]) requireRecent(seconds, nowMs);
    const wrong = [undefined, "", "0", "1763999699", "1764000301", "01764000000", "1764000000.0"];
    for (const seconds of [...wrong, "1.764e9", " 1764000000", "-1764000000", "9".repeat(20)]) {
      refused(() => requireRecent(seconds, nowMs));
    }
    requireRecent("1763999000", nowMs, 1_000_000);
  });
});

/**
 * Goal: an attestation gets in only with the source's token and enough of its keys; what was signed is what is
 * recorded, and it is recorded so that the signature can be checked again.
 * Method: the fixtures' envelopes, with tokens, keys, thresholds and bytes changed.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import { parseEnvelope, parsePublicKeys, verifiedBy } from "./dsse.ts";
import { fixturesOf, type Fixture } from "./fixture.testing.ts";
import { intotoAdapter } from "./intoto.ts";
import type { Json } from "./foreign-json.ts";

const fixtures = fixturesOf(intotoAdapter);

function fixture(name: string): Fixture {
  return fixtures.find((one) => one.name === name)!;
}

function admit({ delivery, source }: Fixture, options: Record<string, string>, body?: string) {
  const sent = body === undefined ? delivery : { ...delivery, body: utf8(body) };
  const as = { ...source, options: { ...source.options, ...options } };
  intotoAdapter.authenticate(sent, as, 0);
}

function refused(run: () => void): void {
  assert.throws(run, (error) => isCairnError(error, "unauthenticated"));
}

describe("in-toto attestations", () => {
  it("are refused without a key that signed, unless the source's owner wants them unverified", () => {
    const one = fixture("slsa-provenance-v1");
    admit(one, {});
    refused(() => admit(one, { publicKeys: "" }));
    refused(() => admit(one, { publicKeys: "no key at all", unverified: "yes" }));
    admit(one, { publicKeys: "", unverified: "yes" });
    const [, other] = one.source.options["publicKeys"]!.split(/(?<=END PUBLIC KEY-----)/);
    refused(() => admit(one, { publicKeys: other! }));
    // A source that has keys never takes what they did not sign, whatever it says about others.
    refused(() => admit(one, { publicKeys: other!, unverified: "yes" }));
  });

  it("need as many different keys as the threshold says", () => {
    admit(fixture("two-keys-url-safe"), { threshold: "2" });
    refused(() => admit(fixture("two-keys-url-safe"), { threshold: "3" }));
    refused(() => admit(fixture("slsa-provenance-v1"), { threshold: "2" }));
  });

  it("are refused whole when one line of a bundle was not signed", () => {
    const bundle = fixture("bundle");
    const [first, second] = new TextDecoder().decode(bundle.delivery.body).trim().split("\n");
    const other = JSON.parse(second!) as { payload: string };
    const payload = Buffer.from(
      Buffer.from(other.payload, "base64").toString().replace("orders", "order5"),
    ).toString("base64");
    refused(() => admit(bundle, {}, `${first}\n${JSON.stringify({ ...other, payload })}\n`));
  });

  it("are kept so that their signatures can be checked again", () => {
    for (const { name, events, source } of fixtures) {
      const keys = parsePublicKeys(source.options["publicKeys"]!);
      for (const event of events as {
        original: { body: string };
        details: { verified: boolean };
      }[]) {
        const kept = JSON.parse(event.original.body) as { dsseEnvelope?: Json };
        const envelope = parseEnvelope(kept.dsseEnvelope ?? kept);
        assert.equal(verifiedBy(envelope, keys).length > 0, event.details.verified, name);
      }
    }
  });

  it("have at most a thousand envelopes, and at least one", () => {
    const one = fixture("slsa-provenance-v1");
    const body = new TextDecoder().decode(one.delivery.body);
    const capture = (text: string) =>
      intotoAdapter.capture({ ...one.delivery, body: utf8(text) }, one.source);
    const tooMany = `${body}\n`.repeat(1001);
    assert.throws(
      () => capture(tooMany),
      (error) => isCairnError(error, "too_large"),
    );
    for (const text of ["\n\n", "", "[]", "{}"]) {
      assert.throws(
        () => capture(text),
        (error) => isCairnError(error, "malformed"),
      );
    }
  });
});

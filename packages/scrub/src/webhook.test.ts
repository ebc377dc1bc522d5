/**
 * Goal: an alarm leaves the host as Standard Webhooks has it, is sent again until somebody takes it, in order, and a
 * receiver can tell that it is genuine. Method: the example of the specification; a receiver in memory that refuses,
 * fails and takes; the pauses are wound by hand.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { isCairnError, parseBase64, utf8 } from "@cairnlog/core";
import { ManualClock } from "@cairnlog/testing";
import { parseSecret, signWebhook, Webhook, type Post } from "./webhook.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Request = Parameters<Post>[1] & { readonly url: string };

function receiver(answers: (number | Error)[]): { requests: Request[]; post: Post } {
  const requests: Request[] = [];
  return {
    requests,
    post: (url, request) => {
      requests.push({ ...request, url });
      const answer = answers.shift() ?? 200;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ status: answer });
    },
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

describe("webhook", () => {
  it("signs as the specification's example", () => {
    const signature = signWebhook(
      parseBase64(secret.slice("whsec_".length)),
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "1614265330",
      '{"test": 2432232314}',
    );
    assert.equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  it("sends type, time and data, under its id, time and signature", async () => {
    const { requests, post } = receiver([204]);
    const clock = new ManualClock();
    const webhook = new Webhook({ url: "https://ops.example.com/hook", secret, clock, post });
    webhook.send("system.tamper", { file: "sealed/0000000000000000", seq: 7 });
    await settled();
    const [request] = requests;
    assert.equal(request?.url, "https://ops.example.com/hook");
    assert.deepEqual(JSON.parse(request.body), {
      type: "system.tamper",
      timestamp: "2026-01-01T00:00:00.000Z",
      data: { file: "sealed/0000000000000000", seq: 7 },
    });
    const { headers } = request;
    assert.equal(headers["webhook-timestamp"], "1767225600");
    assert.equal(
      headers["webhook-signature"],
      signWebhook(parseSecret(secret), headers["webhook-id"]!, "1767225600", request.body),
    );
    assert.equal(webhook.waiting, 0);
    await webhook.close();
  });

  it("sends again, later and later, the same message under the same id; then the next one", async () => {
    const { requests, post } = receiver([500, new Error("no route"), 302, 200, 200]);
    const clock = new ManualClock();
    const why: string[] = [];
    const onFailure = (text: string): void => void why.push(text);
    const webhook = new Webhook({ url: "https://x.example", secret, clock, post, onFailure });
    webhook.send("system.tamper", { n: 1 });
    webhook.send("system.repaired", { n: 2 });
    await settled();
    assert.equal(requests.length, 1);
    for (const [pauseMs, sent] of [
      [999, 1],
      [1, 2],
      [3999, 2],
      [1, 3],
      [15_999, 3],
      [1, 5],
    ] as const) {
      clock.advance(pauseMs);
      await settled();
      assert.equal(requests.length, sent);
    }
    const ids = requests.map(({ headers }) => headers["webhook-id"]);
    assert.equal(new Set(ids.slice(0, 4)).size, 1);
    assert.notEqual(ids[4], ids[0]);
    assert.deepEqual(why, ["it answered 500", "no route", "it answered 302"]);
    assert.notEqual(
      requests[0]!.headers["webhook-timestamp"],
      requests[3]!.headers["webhook-timestamp"],
    );
    await webhook.close();
  });

  it("can be closed while it waits", async () => {
    const { requests, post } = receiver([503]);
    const clock = new ManualClock();
    const webhook = new Webhook({ url: "https://x.example", secret, clock, post });
    webhook.send("system.tamper", {});
    await settled();
    await webhook.close();
    webhook.send("system.tamper", {});
    assert.equal(requests.length, 1);
  });

  it("refuses what is no secret", () => {
    const short = `whsec_${Buffer.from(utf8("too short")).toString("base64")}`;
    for (const text of ["", "secret", "whsec_", short, `${secret}=`, secret.slice(6)]) {
      assert.throws(
        () => parseSecret(text),
        (error) => isCairnError(error, "usage"),
        text,
      );
    }
  });
});

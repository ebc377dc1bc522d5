/**
 * Goal: the step that the docs give to copy is what the adapter takes; who it is comes from the token, and a token that
 * was made for one body is good for no other.
 * Method: the script is taken out of docs/pipelines.md and run, with its curl, against a server on loopback that plays
 * GitHub's token endpoint (its keys are made here, by `jose`) and hands what arrives to the adapter.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isCairnError, type CairnEvent } from "@cairnlog/core";
import { findProgram, missingProgram } from "@cairnlog/testing";
import { SignJWT } from "jose";
import { boundAudience, pipelineAdapter } from "./pipeline.ts";
import type { Delivery, SourceSettings } from "./adapter.ts";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const issuer = "https://token.actions.githubusercontent.com";
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k" }] });
const nowMs = Date.UTC(2026, 10, 23, 5);
const options = { issuer, jwks, audience: "cairn", projects: "example/*,other/one" };
const source: SourceSettings = { name: "ci", secrets: ["the-token-of-the-source"], options };
const claims = {
  repository: "example/shop",
  actor: "alice",
  sha: "2f3c",
  run_id: "7421",
  run_attempt: "1",
};

const paths = (name: string): string[] => [
  `/usr/bin/${name}`,
  `/usr/local/bin/${name}`,
  `/opt/homebrew/bin/${name}`,
];
const missing = ["curl", "jq"].map((name) =>
  missingProgram(
    findProgram(paths(name)),
    `${name} is not installed (apt-get install ${name})`,
    "steps of pipelines",
  ),
);

function tokenFor(audience: string, changed: object = {}): Promise<string> {
  return new SignJWT({ ...claims, ...changed })
    .setProtectedHeader({ alg: "ES256", kid: "k" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(nowMs / 1000 - 5)
    .setExpirationTime(nowMs / 1000 + 300)
    .sign(privateKey);
}

function deliveryOf(body: string, token: string | undefined): Delivery {
  const headers = { authorization: `Bearer ${source.secrets[0]!}`, "x-cairn-id-token": token };
  return {
    method: "POST",
    path: "",
    query: new URLSearchParams(),
    headers,
    body: Buffer.from(body),
  };
}

function eventOf(delivery: Delivery, as = source): CairnEvent {
  pipelineAdapter.authenticate(delivery, as, nowMs);
  return pipelineAdapter.capture(delivery, as).events[0]!.event;
}

describe("the step of the docs", { skip: missing.find((one) => one !== false) ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "cairn-step-"));
  const script = join(folder, "cairn-record");
  const deliveries: Delivery[] = [];
  let server: Server;
  let url: string;

  before(async () => {
    const docs = readFileSync(new URL("../../../docs/pipelines.md", import.meta.url), "utf8");
    writeFileSync(script, /```sh\n(#!\/bin\/sh\n# cairn-record[^]*?)```/.exec(docs)![1]!);
    server = createServer((request, response) => {
      void answer(request).then((text) => response.end(text));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function answer(request: IncomingMessage): Promise<string> {
    const { searchParams, pathname } = new URL(request.url!, url);
    if (pathname === "/token") {
      assert.equal(request.headers.authorization, "Bearer of-the-runner");
      return JSON.stringify({ value: await tokenFor(searchParams.get("audience")!) });
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = request.headers as Delivery["headers"];
    deliveries.push({
      method: "POST",
      path: "",
      query: searchParams,
      headers,
      body: Buffer.concat(chunks),
    });
    return "{}";
  }

  async function run(args: readonly string[], env: Record<string, string>): Promise<number | null> {
    const base = {
      PATH: process.env.PATH!,
      CAIRN_URL: `${url}/source`,
      CAIRN_TOKEN: source.secrets[0]!,
    };
    const child = spawn("/bin/sh", [script, ...args], {
      env: { ...base, ...env },
      stdio: "ignore",
    });
    return await new Promise((resolve) => child.once("exit", resolve));
  }

  it("on GitHub asks for a token that covers its very words", async () => {
    const status = await run(["finished", "success"], {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "of-the-runner",
      GITHUB_RUN_ID: "7421",
      GITHUB_JOB: 'a "job"',
      DEPLOY_ENVIRONMENT: "production",
      CAIRN_TARGETS: '[{"type":"image","id":"shop@sha256:0c2b"}]',
    });
    assert.equal(status, 0);
    const event = eventOf(deliveries.at(-1)!);
    assert.equal(event.type, "deployment.finished");
    assert.equal(event.outcome, "success");
    assert.equal(event.actor.id, "alice");
    const ids = event.targets?.map(({ type, id }) => `${type} ${id}`);
    assert.deepEqual(ids, [
      ...["project example/shop", "commit 2f3c", "environment production", "run 7421"],
      "image shop@sha256:0c2b",
    ]);
    assert.equal((event.details as { token: { coversBody: boolean } }).token.coversBody, true);
  });

  it("on GitLab sends the token that the job was given", async () => {
    const status = await run(["started"], {
      CI_PIPELINE_ID: "574",
      CI_JOB_ID: "302",
      CAIRN_ID_TOKEN: await tokenFor("cairn"),
    });
    assert.equal(status, 0);
    const event = eventOf(deliveries.at(-1)!);
    assert.equal(event.id, "example/shop 574/1/302/started");
    assert.equal((event.details as { token: { coversBody: boolean } }).token.coversBody, false);
  });

  it("fails where it has no token", async () => {
    const count = deliveries.length;
    assert.notEqual(await run(["started"], {}), 0);
    assert.equal(deliveries.length, count);
  });
});

describe("a pipeline's step", () => {
  const body = '{"event":"started","id":"1","time":"2026-11-23T05:00:00Z","actor":"mallory"}';
  const isRefused = (delivery: Delivery, as = source): void =>
    assert.throws(
      () => eventOf(delivery, as),
      (error) => isCairnError(error, "unauthenticated"),
    );

  it("is refused with a token that covers another body", async () => {
    const delivery = deliveryOf(body, await tokenFor("cairn"));
    const bound = await tokenFor(boundAudience("cairn", delivery.body));
    assert.equal(eventOf(deliveryOf(body, bound)).actor.id, "alice");
    isRefused(deliveryOf(body.replace("started", "deployed"), bound));
  });

  it("is refused without a token, of another project, or for another audience", async () => {
    isRefused(deliveryOf(body, undefined));
    isRefused(deliveryOf(body, await tokenFor("sts.example.com")));
    for (const repository of ["examples/shop", "other/two", "other/one/x", "", undefined]) {
      isRefused(deliveryOf(body, await tokenFor("cairn", { repository })));
    }
    assert.ok(eventOf(deliveryOf(body, await tokenFor("cairn", { repository: "other/one" }))));
    const noKeys = { ...source, options: { ...options, jwks: "" } };
    isRefused(deliveryOf(body, await tokenFor("cairn")), noKeys);
  });

  it("without a token, where the source takes it, says so", async () => {
    const lax = { ...source, options: { ...options, unverified: "yes" } };
    const event = eventOf(deliveryOf(body, undefined), lax);
    assert.equal((event.details as { token: unknown }).token, null);
    // A token that is there is never passed over.
    isRefused(deliveryOf(body, "a.b.c"), lax);
    isRefused(deliveryOf(body, await tokenFor("sts.example.com")), lax);
  });

  it("is never that of another project, though it has the same id", async () => {
    const ids = ["example/a", "example/b"].map(async (repository) =>
      eventOf(deliveryOf(body, await tokenFor("cairn", { repository }))),
    );
    const [one, other] = await Promise.all(ids);
    assert.notEqual(one?.id, other?.id);
  });

  it("keeps the token and the body as they came, and the key", async () => {
    const token = await tokenFor("cairn");
    const event = eventOf(deliveryOf(body, token));
    assert.deepEqual(event["original"], { headers: { "x-cairn-id-token": token }, body });
    const { token: proof } = event.details as { token: { key: { kid: string } } };
    assert.equal(proof.key.kid, "k");
  });
});

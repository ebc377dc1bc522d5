/**
 * Goal: what a Kubernetes API server, Open Policy Agent and a pipeline with Terraform put on the wire is in the log
 * when they are told so, once, however often they send it; and what the docs say to configure is what adapters take.
 * Method: a real server with a real log on loopback, requests as these senders make them (paths, queries, gzip); the
 * fences of the docs against the texts that the code prints.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { eventOfRecord, findAdapter, parseForeignJson, parseMapping } from "@cairnlog/capture";
import { parse } from "yaml";
import { removeFolder, temporaryFolder } from "./served-log.ts";
import { serveSource, type ServedSource } from "./served-source.ts";

const docs = (name: string): string =>
  readFileSync(new URL(`../docs/${name}.md`, import.meta.url), "utf8");

interface Fixture {
  readonly delivery: { readonly query?: string; readonly body: string };
  readonly events: readonly { readonly id: string; readonly details: unknown }[];
}

function fixture(path: string): Fixture {
  const url = new URL(`../packages/capture/fixtures/${path}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as Fixture;
}

async function served(kind: string, use: (source: ServedSource) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const source = await serveSource(folder, kind);
  try {
    await use(source);
  } finally {
    await source.close();
    removeFolder(folder);
  }
}

async function post(
  url: string,
  token: string,
  body: string | Uint8Array,
  headers = {},
): Promise<number> {
  const authorization = `Bearer ${token}`;
  const sent = { "content-type": "application/json", authorization, ...headers };
  const answer = await fetch(url, {
    method: "POST",
    headers: sent,
    body: body as Uint8Array<ArrayBuffer>,
  });
  await answer.arrayBuffer();
  return answer.status;
}

describe("into a real log", () => {
  it("kubernetes: each stage once, however often the API server sends it", async () => {
    await served("kubernetes", async ({ sourceUrl, token, events }) => {
      const { delivery, events: expected } = fixture("kubernetes/create");
      const url = `${sourceUrl}?timeout=30s`;
      assert.equal(await post(url, token, delivery.body), 200);
      // It did not hear the answer, and sends the list again, the second stage alone as well.
      assert.equal(await post(url, token, delivery.body), 200);
      const list = JSON.parse(delivery.body) as { items: unknown[] };
      const second = JSON.stringify({ ...list, items: list.items.slice(1) });
      assert.equal(await post(url, token, second), 200);
      assert.deepEqual(await events(), expected);
      assert.equal(await post(url, "another", delivery.body), 401);
      assert.equal(await post(url, token, "{"), 400);
    });
  });

  it("kubernetes: a request object larger than an entry, in a blob", async () => {
    await served("kubernetes", async ({ sourceUrl, token, events }) => {
      const list = JSON.parse(fixture("kubernetes/patch").delivery.body) as { items: object[] };
      const [item] = list.items;
      const items = [{ ...item, requestObject: { data: "x".repeat(3_000_000) } }];
      assert.equal(await post(sourceUrl, token, JSON.stringify({ ...list, items })), 200);
      const [event] = await events();
      const [blob] = event!["blobs"] as { byteLength: number; role: string }[];
      assert.equal(blob?.role, "details");
      assert.ok(blob.byteLength > 3_000_000);
    });
  });

  it("opa: a gzipped array, at the very path that the configuration names", async () => {
    await served("opa", async ({ sourceUrl, token, events }) => {
      const text = findAdapter("opa")!.setup.instructions(
        { url: sourceUrl, secret: token, source: "opa" },
        {},
      );
      const yaml = /```yaml\n([^]*?)```/.exec(text)![1]!;
      const { services, decision_logs: logs } = parse(yaml) as {
        services: { opa: { url: string; credentials: { bearer: { token: string } } } };
        decision_logs: { service: string; resource: string };
      };
      assert.equal(logs.service, "opa");
      const { url, credentials } = services.opa;
      const { delivery, events: expected } = fixture("opa/result-boolean");
      const body = gzipSync(delivery.body);
      const headers = { "content-encoding": "gzip" };
      for (let i = 0; i < 2; i++) {
        assert.equal(await post(url + logs.resource, credentials.bearer.token, body, headers), 200);
      }
      assert.deepEqual(await events(), expected);
      assert.equal(await post(sourceUrl, token, body.subarray(0, 90), headers), 400);
    });
  });

  it("terraform: a whole run under its actor, and none of its secrets", async () => {
    await served("terraform", async ({ sourceUrl, token, events }) => {
      const { delivery, events: expected } = fixture("terraform/run");
      const url = `${sourceUrl}?${delivery.query!}`;
      const headers = {
        "content-type": "application/x-ndjson",
        traceparent: expected[0]!["trace" as never],
      };
      for (let i = 0; i < 2; i++) assert.equal(await post(url, token, delivery.body, headers), 200);
      const recorded = await events();
      assert.deepEqual(recorded, expected);
      assert.ok(!JSON.stringify(recorded).includes("hunter2"));
    });
  });
});

describe("the docs", () => {
  const printed = (kind: string): string => {
    const url = "https://audit.example.com/v1/logs/main/sources/prod";
    return findAdapter(kind)!.setup.instructions({ url, secret: "<secret>", source: "prod" }, {});
  };
  const fences = (text: string, kind: string): string[] =>
    [...text.matchAll(new RegExp(`\`\`\`${kind}\n([^]*?)\`\`\``, "g"))].map((found) => found[1]!);

  it("have the files of Kubernetes as the command prints them", () => {
    const page = docs("kubernetes");
    const told = printed("kubernetes");
    for (const fence of fences(told, "yaml")) assert.ok(page.includes(fence), fence);
    const flags = told.match(/^--audit-.*$/gm)!;
    assert.ok(flags.length >= 4 && flags.every((flag) => page.includes(`\n${flag}\n`)));
    const [policy] = fences(page, "yaml");
    const { omitStages, rules } = parse(policy!) as {
      omitStages: string[];
      rules: { level: string }[];
    };
    assert.deepEqual(omitStages, []);
    assert.equal(rules.at(-1)?.level, "Metadata");
  });

  it("have nginx's format, and a mapping that makes of a line what the adapter makes", () => {
    const page = docs("nginx");
    assert.ok(page.includes(fences(printed("nginx"), "nginx")[0]!));
    const mapping = parseMapping(parse(fences(page, "yaml")[0]!));
    const { delivery, events } = fixture("nginx/request");
    const lines = delivery.body.trimEnd().split("\n");
    for (const [i, line] of lines.entries()) {
      const record = parseForeignJson(Buffer.from(line)).value;
      const { actor, targets, ...mapped } = eventOfRecord(mapping, record, "nginx");
      const expected = events[i]! as unknown as typeof mapped & {
        actor: { id: string };
        targets: unknown;
      };
      const { actor: expectedActor, targets: expectedTargets, ...others } = expected;
      assert.deepEqual(mapped, others);
      assert.equal(actor.id, expectedActor.id);
      assert.deepEqual(targets, expectedTargets);
    }
  });
});

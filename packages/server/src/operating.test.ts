/**
 * Goal: an operator can see how the server is doing, and a developer what it offers. Method: each
 * page is asked for and compared with what it is made from: the log, the routes, the error table.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CairnError, errorTable } from "@cairnlog/core";
import { disguised, eventText, post, postLines, serve } from "./serving.test.ts";

test("health: well while everything can be recorded", async (t) => {
  const failing: { failure: CairnError | undefined } = { failure: undefined };
  const served = await serve(t, {
    disguise: (log) => disguised(log, { status: () => ({ ...log.status(), ...failing }) }),
  });
  const well = await served.send({ path: "/healthz", key: null });
  assert.deepEqual([well.status, well.text], [200, '{"status":"ok"}']);
  failing.failure = new CairnError("storage_full", "no room on /secret/place");
  const ill = await served.send({ path: "/healthz", key: null });
  assert.equal(ill.status, 503);
  const problem = JSON.parse(ill.text) as { code: string };
  assert.equal(problem.code, "storage_full");
  assert.ok(!ill.text.includes("secret"), "strangers see no paths");
});

test("health and metrics: what works beside the logs is heard", async (t) => {
  const copier: { trouble: string | undefined } = { trouble: undefined };
  const served = await serve(t, {
    companions: [
      {
        trouble: () => copier.trouble,
        figures: () => [
          { name: "lag", help: "Lag.", kind: "gauge", values: [{ log: "main", value: 7 }] },
          { name: "done_total", help: "Done.", kind: "counter", values: [{ log: "b", value: 3 }] },
        ],
      },
    ],
  });
  assert.equal((await served.send({ path: "/healthz", key: null })).status, 200);
  const { text } = await served.send({ path: "/metrics" });
  for (const line of ['lag{log="main"} 7', 'done_total{log="b"} 3', "# TYPE done_total counter"]) {
    assert.ok(text.split("\n").includes(line), line);
  }
  copier.trouble = "the bucket /secret/place is gone";
  const ill = await served.send({ path: "/healthz", key: null });
  assert.equal(ill.status, 503);
  assert.ok(!ill.text.includes("secret"), "strangers see no places");
});

test("readiness: when the logs are open", async (t) => {
  let isReady = false;
  const served = await serve(t, { isReady: () => isReady });
  const early = await served.send({ path: "/readyz", key: null });
  assert.deepEqual([early.status, early.headers["retry-after"]], [503, "2"]);
  isReady = true;
  assert.equal((await served.send({ path: "/readyz", key: null })).status, 200);
});

test("metrics count what happened", async (t) => {
  const served = await serve(t);
  await served.send(post(eventText("1")));
  await served.send(post(eventText("1")));
  await served.send(post("{}"));
  await served.send(postLines(`${eventText("2")}\n{}\nx`));
  await served.send({ path: "/nowhere" });
  const { text, headers } = await served.send({ path: "/metrics" });
  assert.ok(headers["content-type"]!.startsWith("text/plain; version=0.0.4"));
  const recording = 'method="POST",route="/v1/logs/:log/events"';
  for (const line of [
    'cairn_log_size{log="main"} 3',
    'cairn_duplicates_total{log="main"} 1',
    'cairn_log_failed{log="main"} 0',
    'cairn_events_refused_total{log="main",code="invalid"} 2',
    'cairn_events_refused_total{log="main",code="malformed"} 1',
    'cairn_http_problems_total{code="not_found"} 1',
    'cairn_http_problems_total{code="invalid"} 1',
    `cairn_http_request_duration_seconds_count{${recording},status="201"} 1`,
    `cairn_http_request_duration_seconds_count{${recording},status="207"} 1`,
    `cairn_http_request_duration_seconds_count{${recording},status="422"} 1`,
    "cairn_body_bytes 0",
  ]) {
    assert.ok(text.split("\n").includes(line), line);
  }
  assert.match(text, /^cairn_commit_duration_seconds_count\{log="main"\} [1-9]/m);
  assert.match(text, /^process_cpu_seconds_total /m);
});

test("every error has a page, in the form that is asked for", async (t) => {
  const served = await serve(t);
  const get = (path: string, accept: string) =>
    served.send({ path, key: null, headers: { accept } });
  for (const [code, { title, todo, status }] of Object.entries(errorTable)) {
    const text = await get(`/errors/${code}`, "*/*");
    assert.equal(text.headers["content-type"], "text/plain; charset=utf-8");
    assert.ok(text.text.includes(todo) && text.text.includes(title));
    const json = await get(`/errors/${code}`, "application/problem+json");
    const told = JSON.parse(json.text) as { code: string; status: number; todo: string };
    assert.deepEqual([told.code, told.status, told.todo], [code, status, todo]);
    const html = await get(`/errors/${code}`, "text/html,application/xhtml+xml;q=0.9");
    assert.equal(html.headers["content-type"], "text/html; charset=utf-8");
    assert.ok(String(html.headers["content-security-policy"]).startsWith("default-src 'none';"));
    assert.ok(!html.text.includes("<key>"), "the text is escaped");
  }
  const index = await get("/errors", "application/json");
  const { errors } = JSON.parse(index.text) as { errors: { code: string }[] };
  assert.deepEqual(
    errors.map((each) => each.code),
    Object.keys(errorTable),
  );
  assert.ok((await get("/errors", "text/html")).text.includes("<!doctype html>"));
});

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, unknown> };
}
interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: object;
  }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly description: string }>;
}

const toSource = "POST /v1/logs/:log/sources/:source";

test("the OpenAPI document: every route, and only references that lead somewhere", async (t) => {
  const served = await serve(t);
  const { text } = await served.send({ path: "/openapi.json" });
  const document = JSON.parse(text) as OpenApi;
  assert.ok(document.openapi.startsWith("3.1."));
  assert.ok(document.info.title !== "" && document.info.version !== "");
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const known = served.server.routes
    .filter(({ method }) => method !== "HEAD")
    // Other systems' protocols are described once, by the route that most of them use.
    .filter(({ method, path }) => !path.includes("/sources/") || `${method} ${path}` === toSource)
    .filter(({ path }) => !path.startsWith("/services/"))
    .map(
      ({ method, path }) =>
        `${method} ${path.replace("*", "{tile}").replace(/:([a-z0-9]+)/g, "{$1}")}`,
    );
  assert.deepEqual(described.toSorted(), known.toSorted());
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const operation of Object.values(operations)) {
      const inPath = [...path.matchAll(/\{([a-z0-9]+)\}/g)].map((match) => match[1]);
      const told = (operation.parameters ?? []).filter((each) => each.in === "path");
      assert.deepEqual(new Set(told.map((each) => each.name)), new Set(inPath), path);
      const answers = Object.entries(operation.responses);
      assert.ok(
        answers.some(([status]) => status.startsWith("2")),
        path,
      );
      assert.ok(
        answers.every(([, { description }]) => typeof description === "string"),
        path,
      );
    }
  }
  const { requestBody } = document.paths["/v1/logs/{log}/events"]!["post"]!;
  assert.deepEqual(Object.keys(requestBody!.content), ["application/json", "application/x-ndjson"]);
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
  assert.ok(references.length > 10);
  for (const reference of references) {
    const name = /^#\/components\/schemas\/([A-Za-z]+)$/.exec(reference)?.[1];
    assert.ok(name !== undefined && name in document.components.schemas, reference);
  }
});

/**
 * Goal: what examples/ shows to users of Python and Go works as it stands there.
 * Method: the examples' own files are run against a real server, and the log is asked what came of it. Needs python3
 * and go; the OpenTelemetry SDK for Python is looked for where .ci/run puts it:
 *
 *     python3 -m pip install --target node_modules/.cache/opentelemetry-python \
 *       opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { checkoutPath } from "./checkout.ts";
import { missingTool } from "./installed-tool.ts";
import { removeFolder, temporaryFolder } from "./served-log.ts";
import { serveSource, type ServedSource } from "./served-source.ts";

const run = promisify(execFile);
const timeout = 120_000;
const pythonPath = checkoutPath("node_modules/.cache/opentelemetry-python");
const withoutPython = missingTool("python3", ["--version"], "required");
const withoutGo = missingTool("go", ["version"], "required");
const withoutSdk = withoutPython === false ? missingSdk() : withoutPython;

function missingSdk(): string | false {
  if (existsSync(`${pythonPath}/opentelemetry/exporter/otlp`)) return false;
  const message = "OpenTelemetry's SDK for Python is not installed (see test/examples.test.ts)";
  if (process.env.CI === "true") throw new Error(`${message}; with CI=true that is a failure`);
  process.stderr.write(`\n*** ${message}: its test is skipped. ***\n\n`);
  return message;
}

describe("examples", { concurrency: false }, () => {
  const folder = temporaryFolder();
  let served: ServedSource;

  before(async () => {
    served = await serveSource(folder, "otlp");
  });
  after(async () => {
    await served.close();
    removeFolder(folder);
  });

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    ...{ CAIRN_URL: served.url, CAIRN_KEY: served.key, CAIRN_VKEY: served.log.vkeys[0] },
  });
  const lastEvent = async (): Promise<Record<string, unknown>> => (await served.events()).at(-1)!;

  it("python/append.py records and checks its receipt", { skip: withoutPython }, async () => {
    const script = checkoutPath("examples/python/append.py");
    const { stdout } = await run("python3", [script], { env: environment(), timeout });
    assert.match(stdout, /^recorded as entry \d+ of audit\.example\.com\/logs\/main\n$/);
    assert.equal((await lastEvent())["type"], "change.role.grant");
  });

  it("python/append.py says why it was refused", { skip: withoutPython }, async () => {
    const script = checkoutPath("examples/python/append.py");
    const env = { ...environment(), CAIRN_KEY: "none" };
    await assert.rejects(run("python3", [script], { env, timeout }), /the log refused/);
  });

  it(
    "go/main.go records and checks its receipt, signature and all",
    { skip: withoutGo },
    async () => {
      const cwd = checkoutPath("examples/go");
      const { stdout } = await run("go", ["run", "."], { cwd, env: environment(), timeout });
      assert.match(stdout, /^recorded as entry \d+ of audit\.example\.com\/logs\/main\n$/);
      assert.equal((await lastEvent())["type"], "change.role.grant");
      const other =
        "audit.example.com/logs/main+2db65936+AcF5Bnr0kNN8dV5DVZpDgN6iDLYw4sw7Sbn6vZtyvNeI";
      const env = { ...environment(), CAIRN_VKEY: other };
      await assert.rejects(run("go", ["run", "."], { cwd, env, timeout }), /does not hold/);
    },
  );

  it("python/otlp.py records through OpenTelemetry's SDK", { skip: withoutSdk }, async () => {
    const script = checkoutPath("examples/python/otlp.py");
    const env = {
      ...process.env,
      PYTHONPATH: pythonPath,
      OTEL_SERVICE_NAME: "orders",
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${served.sourceUrl}/v1/logs`,
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: `Authorization=Bearer%20${served.token}`,
    };
    const { stdout } = await run("python3", [script], { env, timeout });
    assert.equal(stdout, "recorded 2 events\n");
    const [login, call] = (await served.events()).slice(-2);
    assert.deepEqual([login!["type"], login!["action"]], ["identity.login", "login"]);
    assert.deepEqual(call!["actor"], {
      ...{ id: "alice@example.com", type: "user", ip: "203.0.113.9" },
    });
    assert.deepEqual([call!["action"], call!["outcome"]], ["DELETE", "denied"]);
    assert.deepEqual(call!["targets"], [
      { type: "http", id: "/v1/orders/42", route: "/v1/orders/{id}" },
    ]);
  });
});

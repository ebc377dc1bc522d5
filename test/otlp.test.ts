/**
 * Goal: an OpenTelemetry SDK that is pointed at a log records into it, each record once, and hears the truth about it.
 * Method: the SDK for JavaScript, with its exporters for JSON and for protobuf, compressed, against a real server with
 * a source of kind `otlp`; then requests by hand for what the SDK does only when something goes wrong.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { removeFolder, temporaryFolder } from "./served-log.ts";
import { serveSource, type ServedSource } from "./served-source.ts";

const count = 300;

describe("OTLP into a log", () => {
  const folder = temporaryFolder();
  let served: ServedSource;

  before(async () => {
    served = await serveSource(folder, "otlp");
  });
  after(async () => {
    await served.close();
    removeFolder(folder);
  });

  function send(
    body: string | Uint8Array,
    { path = "/v1/logs", type = "application/json", token = served.token, encoding = "" } = {},
  ): Promise<Response> {
    return fetch(served.sourceUrl + path, {
      method: "POST",
      headers: {
        "content-type": type,
        authorization: `Bearer ${token}`,
        ...(encoding === "" ? {} : { "content-encoding": encoding }),
      },
      body: typeof body === "string" ? body : Buffer.from(body),
    });
  }

  const request = (...records: readonly object[]): string =>
    JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });

  for (const [name, Exporter] of [
    ["JSON", JsonExporter],
    ["protobuf", ProtobufExporter],
  ] as const) {
    it(`takes what the SDK sends as ${name}, all of it and in order`, async () => {
      const before = (await served.events()).length;
      const exporter = new Exporter({
        url: `${served.sourceUrl}/v1/logs`,
        headers: { authorization: `Bearer ${served.token}` },
        compression: "gzip" as never,
      });
      const processors = [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 100 })];
      const provider = new LoggerProvider({ processors });
      const logger = provider.getLogger("orders.audit");
      for (let i = 0; i < count; i++) {
        logger.emit({ eventName: "change.order", attributes: { "user.id": `u${i}` } });
      }
      await provider.forceFlush();
      await provider.shutdown();
      const events = (await served.events()).slice(before);
      assert.deepEqual(
        events.map(({ type, actor }) => [type, (actor as { id: string }).id]),
        Array.from({ length: count }, (_, i) => ["change.order", `u${i}`]),
      );
    });
  }

  it("recognises a request that is sent again, however it is compressed", async () => {
    const body = request({ timeUnixNano: "1764000000000000001" }, { timeUnixNano: "2" });
    const before = (await served.events()).length;
    for (const encoding of ["", "", "gzip"]) {
      const answer = await send(encoding === "" ? body : gzipSync(body), { encoding });
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), "{}");
    }
    assert.equal((await served.events()).length, before + 2);
  });

  it("tells of a record that it could not take while it took others", async () => {
    const uid = (body: string): object => ({
      attributes: [{ key: "log.record.uid", value: { stringValue: "the-same" } }],
      body: { stringValue: body },
    });
    await send(request(uid("one")));
    const answer = await send(request(uid("another"), { timeUnixNano: "3" }));
    assert.equal(answer.status, 200);
    const { partialSuccess } = (await answer.json()) as {
      partialSuccess: { rejectedLogRecords: string; errorMessage: string };
    };
    assert.equal(partialSuccess.rejectedLogRecords, "1");
    assert.match(partialSuccess.errorMessage, /1 of 2 log records were refused/);
  });

  it("keeps a record that is larger than an event", async () => {
    const body = { stringValue: "x".repeat(100_000) };
    assert.equal((await send(request({ timeUnixNano: "4", body }))).status, 200);
    const { blobs } = (await served.events()).at(-1) as { blobs: { role: string }[] };
    assert.equal(blobs[0]!.role, "details");
  });

  it("answers what is wrong in the request's encoding, and for good", async () => {
    const type = "application/x-protobuf";
    const damaged = await send(new Uint8Array([0x0a, 0x7f]), { type });
    assert.equal(damaged.status, 400);
    assert.equal(damaged.headers.get("content-type"), type);
    // google.rpc.Status: code 3, then a message.
    assert.deepEqual([...(await damaged.bytes()).subarray(0, 3)], [8, 3, 18]);
    const traces = await send("{}", { path: "/v1/traces" });
    assert.deepEqual([traces.status, ((await traces.json()) as { code: number }).code], [404, 5]);
    assert.equal((await send("{}", { token: "another" })).status, 401);
    assert.equal((await send("{}", { type: "text/plain" })).status, 415);
    assert.equal((await send("x", { encoding: "gzip" })).status, 400);
  });
});

/**
 * Goal: what the OpenTelemetry SDK for JavaScript really sends is understood in both encodings in the same way, and our
 * answers make it do what they mean.
 * Method: its own logger and its own two exporters, over HTTP on loopback, to a server of a few lines that hands the
 * bodies to the adapter. Values are made from a fixed seed. The adapter before a real log: test/otlp.test.ts.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { ROOT_CONTEXT, trace, type AnyValue, type LogRecord } from "@opentelemetry/api";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { SeededRandom } from "@cairnlog/testing";
import type { Answer, Captured, ErrorForSender } from "./adapter.ts";
import { otlpAdapter } from "./otlp.ts";

const token = "a-token-of-the-test";
const source = { name: "otel", secrets: [token], options: {} };
const exporters = { json: JsonExporter, protobuf: ProtobufExporter } as const;
const seed = 4318;

interface Sent {
  readonly contentType: string;
  readonly captured: Captured;
}

/** Serves the adapter. `failWith` is asked for each request, which it may let fail. */
async function serve(failWith: (count: number) => ErrorForSender | undefined) {
  const sent: Sent[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const raw = Buffer.concat(chunks);
      const isGzip = request.headers["content-encoding"] === "gzip";
      const headers = request.headers as Record<string, string>;
      const delivery = {
        ...{ method: request.method!, path: request.url!, headers },
        ...{ query: new URLSearchParams(), body: isGzip ? gunzipSync(raw) : raw },
      };
      otlpAdapter.authenticate(delivery, source, 0);
      const captured = otlpAdapter.capture(delivery, source);
      sent.push({ contentType: headers["content-type"]!, captured });
      const error = failWith(sent.length);
      const answer: Answer =
        error === undefined ? captured.answer! : otlpAdapter.answerError!(error, headers);
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/logs`;
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { sent, url, close };
}

/** Emits the records in one batch, as an app does, and waits until the exporter has given up or succeeded. */
async function emit(
  url: string,
  encoding: keyof typeof exporters,
  records: readonly LogRecord[],
): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  const exporter = new exporters[encoding]({ url, headers, compression: "gzip" as never });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger("orders-audit", "1.0.0");
  for (const record of records) logger.emit(record);
  await provider.forceFlush();
  await provider.shutdown();
}

function eventsOf(sent: readonly Sent[]): unknown[] {
  return sent.flatMap(({ captured }) =>
    captured.events.map(({ event: { id: _, ...event } }) => event),
  );
}

function anyValue(random: SeededRandom, depth: number): AnyValue {
  switch (random.below(depth > 3 ? 6 : 8)) {
    case 0:
      return `text ${random.next()} ü€\u{1F512}`.slice(0, random.below(30));
    case 1:
      return random.chance(0.5);
    case 2:
      return random.below(1000) - 500;
    case 3:
      return random.next() * 2_097_151 * (random.chance(0.5) ? 1 : -1);
    case 4:
      return random.next() / 65_536 + 0.5;
    case 5:
      return random.bytes(random.below(20));
    case 6:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1));
    default:
      return members(random, depth + 1);
  }
}

function members(random: SeededRandom, depth: number): Record<string, AnyValue> {
  const names = ["a", "enduser.id", "http.route", "http.response.status_code", "x y", "ü"];
  const entries = Array.from({ length: random.below(6) }, (): [string, AnyValue] => [
    random.pick(names),
    anyValue(random, depth),
  ]);
  return Object.fromEntries(entries);
}

function recordsOf(random: SeededRandom, count: number): LogRecord[] {
  return Array.from({ length: count }, (_, i): LogRecord => {
    const context = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: Buffer.from(random.bytes(16)).toString("hex"),
      spanId: Buffer.from(random.bytes(8)).toString("hex"),
      traceFlags: random.below(2),
    });
    return {
      timestamp: [1_764_000_000 + i, random.below(1_000_000_000)],
      observedTimestamp: [1_764_000_001 + i, random.below(1_000_000_000)],
      severityNumber: random.below(25),
      severityText: random.pick(["", "INFO", "warn"]),
      body: anyValue(random, 0),
      attributes: members(random, 0),
      ...(random.chance(0.5) ? { context } : {}),
      ...(random.chance(0.5) ? { eventName: random.pick(["identity.login", "Other"]) } : {}),
    };
  });
}

describe("OTLP from the OpenTelemetry SDK", () => {
  it("gives the same events in JSON and in protobuf, compressed", async () => {
    const records = recordsOf(new SeededRandom(seed), 200);
    const { sent, url, close } = await serve(() => undefined);
    await emit(url, "json", records);
    const fromJson = sent.splice(0);
    await emit(url, "protobuf", records);
    await close();
    assert.equal(fromJson[0]!.contentType, "application/json");
    assert.equal(sent[0]!.contentType, "application/x-protobuf");
    assert.equal(eventsOf(sent).length, records.length);
    assert.deepEqual(eventsOf(sent), eventsOf(fromJson));
  });

  it("tries again with the same ids when it was told to", async () => {
    const overloaded = { status: 429, code: "overloaded", message: "later", retryAfterSeconds: 0 };
    for (const encoding of ["json", "protobuf"] as const) {
      const { sent, url, close } = await serve((n) => (n === 1 ? overloaded : undefined));
      await emit(url, encoding, recordsOf(new SeededRandom(seed), 3));
      await close();
      assert.equal(sent.length, 2, encoding);
      assert.deepEqual(sent[1]!.captured.events, sent[0]!.captured.events);
      assert.notEqual(sent[0]!.captured.events[0]!.event.id, undefined);
    }
  });

  it("gives up when what it sent is wrong", async () => {
    const invalid = { status: 422, code: "invalid", message: "no" };
    for (const encoding of ["json", "protobuf"] as const) {
      const { sent, url, close } = await serve(() => invalid);
      await emit(url, encoding, recordsOf(new SeededRandom(seed), 1)).catch(() => undefined);
      await close();
      assert.equal(sent.length, 1, encoding);
    }
  });
});

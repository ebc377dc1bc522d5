/**
 * OTLP/HTTP logs: what every OpenTelemetry SDK and the Collector send, in both encodings.
 *
 * Ids. OTLP has none, and a sender whose answer was lost sends the very same bytes again. So a record without
 * `log.record.uid` gets an id made of the SHA-256 of the whole body and its place in it: a request that is sent again
 * is recognised, one that was batched anew is not. A record without any time gets none: two such requests may be two
 * real happenings that look alike.
 */
import { hash } from "node:crypto";
import { CairnError, eventByteLengthMax, type CairnEvent } from "@cairnlog/core";
import { requireBearer } from "./authentication.ts";
import { wellFormed } from "./foreign-json.ts";
import {
  errorAnswer,
  findEncoding,
  mediaTypes,
  partialAnswer,
  successAnswer,
} from "./otlp-answer.ts";
import { contextOf, eventOf } from "./otlp-event.ts";
import { parseOtlpJson } from "./otlp-json.ts";
import { parseOtlpProtobuf } from "./otlp-protobuf.ts";
import type { LogRecord, OtlpBody } from "./otlp-record.ts";
import type { Adapter, Captured, CapturedBlob, CapturedEvent, Delivery } from "./adapter.ts";

/**
 * Characters of all events of a delivery. Each event repeats its resource, so that a small body could otherwise become
 * any number of large events. A usual record doubles in size.
 */
const renderedLengthMax = 64 * 1024 * 1024;

export const otlpAdapter: Adapter = {
  kind: "otlp",
  title: "OpenTelemetry logs (OTLP/HTTP)",
  basis: "opentelemetry-proto v1.11.0; semantic conventions 1.37 and the names they replaced",
  known: [
    {
      kind: "http",
      type: "api.request",
      actor: "enduser.id, user.id, user.email, user.name; else client.address; else service.name",
      action: "http.request.method",
      targets: "url.path with http.route, server.address",
      outcome: "http.response.status_code (401, 403: denied), error.type",
    },
    {
      kind: "rpc",
      type: "api.request",
      actor: "as with http",
      action: "rpc.method",
      targets: "rpc.service/rpc.method",
      outcome: "rpc.response.status_code, rpc.grpc.status_code (7, 16: denied), error.type",
    },
    {
      kind: "database",
      type: "database.query",
      actor: "as with http",
      action: "db.operation.name",
      targets: "db.namespace/db.collection.name",
      outcome: "error.type, severity (ERROR and above: failure)",
    },
    {
      kind: "messaging",
      type: "api.message",
      actor: "as with http",
      action: "messaging.operation.name",
      targets: "messaging.destination.name",
      outcome: "error.type, severity",
    },
    {
      kind: "log",
      type: "api.log",
      actor: "as with http",
      action: "`log`, or the last word of event_name",
      targets: "k8s.*.name of the record",
      outcome: "event.outcome, error.type, exception.type, severity",
    },
  ],
  setup: {
    questions: [],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "Any OpenTelemetry SDK takes these variables:",
        "",
        "    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf",
        `    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=${url}/v1/logs`,
        `    OTEL_EXPORTER_OTLP_LOGS_HEADERS=Authorization=Bearer%20${secret}`,
        "",
        "The Collector:",
        "",
        "    exporters:",
        "      otlphttp/cairn:",
        `        logs_endpoint: ${url}/v1/logs`,
        "        headers:",
        `          Authorization: Bearer ${secret}`,
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireBearer(headers, source),
  capture,
  answerError: errorAnswer,
};

function capture(delivery: Delivery): Captured {
  const encoding = findEncoding(delivery.headers);
  if (delivery.method !== "POST") {
    throw new CairnError("method_not_allowed", "OTLP/HTTP is sent with POST");
  }
  if (delivery.path !== "" && delivery.path !== "/v1/logs") {
    throw new CairnError("not_found", `only logs are taken, at /v1/logs, not ${delivery.path}`);
  }
  if (encoding === undefined) {
    throw new CairnError(
      "unsupported_media",
      "expected application/x-protobuf or application/json",
    );
  }
  const parse = encoding === "json" ? parseOtlpJson : parseOtlpProtobuf;
  const { events, lines, refused } = render(parse(delivery.body), {
    bytes: delivery.body,
    mediaType: mediaTypes[encoding],
    role: "original",
  });
  const count = events.length + refused.length;
  if (events.length === 0 && refused.length > 0) {
    throw new CairnError("malformed", `no log record could be read: ${refused[0]}`);
  }
  return {
    events,
    ...(refused.length === 0 ? {} : { refused }),
    ...(lines === undefined ? {} : { ndjson: encoder.encode(lines) }),
    answer:
      refused.length === 0 ? successAnswer(encoding) : partialAnswer(encoding, count, refused),
    answerRefused: (all) => partialAnswer(encoding, count, all),
  };
}

const encoder = new TextEncoder();

interface Rendered {
  readonly events: CapturedEvent[];
  /** NDJSON; undefined where an event is too large or has blobs. */
  readonly lines: string | undefined;
  readonly refused: string[];
}

function render({ scoped, isAltered }: OtlpBody, original: CapturedBlob): Rendered {
  const bodyHash = hash("sha256", original.bytes, "base64url").slice(0, 24);
  const events: CapturedEvent[] = [];
  const refused: string[] = [];
  let lines = "";
  let areLines = true;
  let at = -1;
  for (const { resource, scope, records } of scoped) {
    const context = contextOf(resource, scope);
    for (const record of records) {
      at++;
      if (typeof record === "string") {
        refused.push(`record ${at}: ${record}`);
        continue;
      }
      const event = eventOf(record, context, (uid) => uid ?? idOf(record, bodyHash, at));
      const line = JSON.stringify(event);
      lines += line;
      lines += "\n";
      if (lines.length > renderedLengthMax) throw tooMuch(at);
      const isPlain = !isAltered && !noncharacter.test(line);
      if (!isPlain || isTooLarge(line)) areLines = false;
      events.push(isPlain ? { event } : withBlob(line, original));
    }
  }
  return { events, lines: areLines ? lines : undefined, refused };
}

/** In a text of one byte a character, as most are, V8 sees at once that none can be there. */
const noncharacter = /\p{Noncharacter_Code_Point}/u;

/** With what I-JSON cannot hold replaced, and the body kept beside. */
function withBlob(line: string, original: CapturedBlob): CapturedEvent {
  return { event: JSON.parse(wellFormed(line)) as CairnEvent, blobs: [original] };
}

function isTooLarge(line: string): boolean {
  // A character takes at most three bytes of UTF-8.
  if (line.length * 3 <= eventByteLengthMax) return false;
  return encoder.encode(line).length > eventByteLengthMax;
}

function idOf(record: LogRecord, bodyHash: string, at: number): string | undefined {
  const hasTime = record.timeUnixNano !== undefined || record.observedTimeUnixNano !== undefined;
  return hasTime ? `${bodyHash}-${at}` : undefined;
}

function tooMuch(at: number): CairnError {
  return new CairnError(
    "too_large",
    `record ${at}: with it the events of this request take more than ${renderedLengthMax} characters; ` +
      "send fewer records at once, or a smaller resource",
  );
}

/**
 * What an OTLP sender is told, in the encoding of its request: ExportLogsServiceResponse, or a google.rpc.Status where
 * it failed. OTLP's senders look at the status alone: 429, 502, 503 and 504 mean "again", anything else means that they
 * throw the records away. So all that is not the request's own fault must be one of these four.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { noBytes } from "./protobuf-reader.ts";
import { writeExportLogsServiceResponse } from "./otlp-proto/logs-service.ts";
import { writeStatus } from "./otlp-proto/status.ts";
import type { Answer, Delivery, ErrorForSender } from "./adapter.ts";

export type Encoding = "protobuf" | "json";

export const mediaTypes = { protobuf: "application/x-protobuf", json: "application/json" } as const;
/** A sender reads at most 4 MiB of an answer. */
const messageLengthMax = 4096;

/** The encoding of a request; undefined where it is none of OTLP's. */
export function findEncoding(headers: Delivery["headers"]): Encoding | undefined {
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type === mediaTypes.protobuf) return "protobuf";
  return type === mediaTypes.json ? "json" : undefined;
}

/** All records are durable. The response is empty then: `partial_success` must not be set. */
export function successAnswer(encoding: Encoding): Answer {
  return answer(200, encoding, encoding === "json" ? "{}" : noBytes);
}

/** Some records are durable, and `refused` says what is wrong with each of the others, of `count` in all. */
export function partialAnswer(
  encoding: Encoding,
  count: number,
  refused: readonly string[],
): Answer {
  const message = `${refused.length} of ${count} log records were refused, the first because: ${refused[0]}`;
  const errorMessage = message.slice(0, messageLengthMax).toWellFormed();
  const rejectedLogRecords = String(refused.length);
  const partialSuccess = { rejectedLogRecords, errorMessage };
  return answer(
    200,
    encoding,
    encoding === "json"
      ? JSON.stringify({ partialSuccess })
      : writeExportLogsServiceResponse(new BinaryWriter(), { partialSuccess }).finish(),
  );
}

export function errorAnswer(error: ErrorForSender, headers: Delivery["headers"]): Answer {
  const encoding = findEncoding(headers) ?? "json";
  const status = statusOf(error.status);
  const message = error.message.slice(0, messageLengthMax).toWellFormed();
  const body = { code: grpcCodes[status] ?? unknownCode, message };
  const { retryAfterSeconds } = error;
  return answer(
    status,
    encoding,
    encoding === "json"
      ? JSON.stringify(body)
      : writeStatus(new BinaryWriter(), { ...body, details: [] }).finish(),
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) },
  );
}

/** Of what is wrong on our side, and of a request that took too long, the sender keeps the records and tries again. */
function statusOf(status: number): number {
  if (status >= 500 || status === 408) return 503;
  // OTLP knows one status for data that is wrong.
  return status === 422 ? 400 : status;
}

/** The numbers of google.rpc.Code, by HTTP status. */
const grpcCodes: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 6,
  413: 3,
  415: 3,
  429: 8,
  503: 14,
};
const unknownCode = 2;

function answer(
  status: number,
  encoding: Encoding,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, headers: { "content-type": mediaTypes[encoding], ...headers }, body };
}

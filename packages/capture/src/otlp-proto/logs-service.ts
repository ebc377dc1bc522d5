/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/opentelemetry/proto/collector/logs/v1/logs_service.proto`
 */

import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type MessageReader } from "../protobuf-reader.ts";
import { type ResourceLogs, readResourceLogs } from "./logs.ts";

/** `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest` */
export interface ExportLogsServiceRequest {
  resourceLogs: ResourceLogs[];
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readExportLogsServiceRequest(
  reader: MessageReader,
  end: number,
  depth: number,
  message: ExportLogsServiceRequest = { resourceLogs: [], unknown: undefined },
): ExportLogsServiceRequest {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.resourceLogs.push(readResourceLogs(reader, reader.enter(end, depth), depth + 1));
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse` */
export interface ExportLogsServiceResponse {
  partialSuccess: ExportLogsPartialSuccess | undefined;
}

export function writeExportLogsServiceResponse(
  writer: BinaryWriter,
  message: Readonly<ExportLogsServiceResponse>,
): BinaryWriter {
  if (message.partialSuccess !== undefined)
    writeExportLogsPartialSuccess(writer.uint32(10).fork(), message.partialSuccess).join();
  return writer;
}

/** `opentelemetry.proto.collector.logs.v1.ExportLogsPartialSuccess` */
export interface ExportLogsPartialSuccess {
  rejectedLogRecords: number | string;
  errorMessage: string;
}

export function writeExportLogsPartialSuccess(
  writer: BinaryWriter,
  message: Readonly<ExportLogsPartialSuccess>,
): BinaryWriter {
  if (message.rejectedLogRecords !== 0) writer.uint32(8).int64(message.rejectedLogRecords);
  if (message.errorMessage !== "") writer.uint32(18).string(message.errorMessage);
  return writer;
}

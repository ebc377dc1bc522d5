/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/opentelemetry/proto/logs/v1/logs.proto`
 */

import { type MessageReader, noBytes } from "../protobuf-reader.ts";
import { type Resource, readResource } from "./resource.ts";
import {
  type InstrumentationScope,
  readInstrumentationScope,
  type AnyValue,
  readAnyValue,
  type KeyValue,
  readKeyValue,
} from "./values.ts";

/** `opentelemetry.proto.logs.v1.ResourceLogs` */
export interface ResourceLogs {
  resource: Resource | undefined;
  scopeLogs: ScopeLogs[];
  schemaUrl: string;
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readResourceLogs(
  reader: MessageReader,
  end: number,
  depth: number,
  message: ResourceLogs = { resource: undefined, scopeLogs: [], schemaUrl: "", unknown: undefined },
): ResourceLogs {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.resource = readResource(
          reader,
          reader.enter(end, depth),
          depth + 1,
          message.resource,
        );
        break;
      case 18:
        message.scopeLogs.push(readScopeLogs(reader, reader.enter(end, depth), depth + 1));
        break;
      case 26:
        message.schemaUrl = reader.text();
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.logs.v1.ScopeLogs` */
export interface ScopeLogs {
  scope: InstrumentationScope | undefined;
  logRecords: LogRecord[];
  schemaUrl: string;
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readScopeLogs(
  reader: MessageReader,
  end: number,
  depth: number,
  message: ScopeLogs = { scope: undefined, logRecords: [], schemaUrl: "", unknown: undefined },
): ScopeLogs {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.scope = readInstrumentationScope(
          reader,
          reader.enter(end, depth),
          depth + 1,
          message.scope,
        );
        break;
      case 18:
        message.logRecords.push(readLogRecord(reader, reader.enter(end, depth), depth + 1));
        break;
      case 26:
        message.schemaUrl = reader.text();
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.logs.v1.LogRecord` */
export interface LogRecord {
  timeUnixNano: number | string;
  observedTimeUnixNano: number | string;
  severityNumber: number;
  severityText: string;
  body: AnyValue | undefined;
  attributes: KeyValue[];
  droppedAttributesCount: number;
  flags: number;
  traceId: Uint8Array;
  spanId: Uint8Array;
  eventName: string;
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readLogRecord(
  reader: MessageReader,
  end: number,
  depth: number,
  message: LogRecord = {
    timeUnixNano: 0,
    observedTimeUnixNano: 0,
    severityNumber: 0,
    severityText: "",
    body: undefined,
    attributes: [],
    droppedAttributesCount: 0,
    flags: 0,
    traceId: noBytes,
    spanId: noBytes,
    eventName: "",
    unknown: undefined,
  },
): LogRecord {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 9:
        message.timeUnixNano = reader.fixedInteger();
        break;
      case 89:
        message.observedTimeUnixNano = reader.fixedInteger();
        break;
      case 16:
        message.severityNumber = reader.int32();
        break;
      case 26:
        message.severityText = reader.text();
        break;
      case 42:
        message.body = readAnyValue(reader, reader.enter(end, depth), depth + 1, message.body);
        break;
      case 50:
        message.attributes.push(readKeyValue(reader, reader.enter(end, depth), depth + 1));
        break;
      case 56:
        message.droppedAttributesCount = reader.uint32();
        break;
      case 69:
        message.flags = reader.fixed32();
        break;
      case 74:
        message.traceId = reader.bytes();
        break;
      case 82:
        message.spanId = reader.bytes();
        break;
      case 98:
        message.eventName = reader.text();
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

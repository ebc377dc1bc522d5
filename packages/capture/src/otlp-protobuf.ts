/** OTLP's binary encoding: from the body of an export request to log records. */
import { isCairnError, CairnError } from "@cairnlog/core";
import type { Json } from "./foreign-json.ts";
import type { AnyValue, EntityRef, KeyValue } from "./otlp-proto/values.ts";
import type { LogRecord as WireRecord, ResourceLogs, ScopeLogs } from "./otlp-proto/logs.ts";
import {
  readExportLogsServiceRequest,
  type ExportLogsServiceRequest,
} from "./otlp-proto/logs-service.ts";
import {
  attributesOf,
  doubleOf,
  type Attributes,
  type LogRecord,
  type OtlpBody,
  type Resource,
  type Scope,
} from "./otlp-record.ts";
import { MessageReader } from "./protobuf-reader.ts";

/**
 * A usual record is some 16 messages of some 20 bytes each: itself, its body, and two for each attribute. The smallest
 * that is of any use, an attribute with a letter and a digit, is two messages of nine bytes.
 */
const messagesMax = 1_000_000;
const messageBytesMin = 4;
const fewMessages = 1000;

/** "malformed" or "too_large": then nothing of the body was read. */
export function parseOtlpProtobuf(body: Uint8Array): OtlpBody {
  const request = decode(body);
  const care: Care = { isAltered: request.unknown !== undefined };
  const scoped = request.resourceLogs.flatMap((logs) => {
    const resource = resourceOf(logs, care);
    return logs.scopeLogs.map((each) => ({
      resource,
      scope: scopeOf(each, care),
      records: each.logRecords.map((record) => recordOf(record, care)),
    }));
  });
  return { scoped, isAltered: care.isAltered };
}

/** Set where a field that the schema does not have stands where there is no room for it. */
interface Care {
  isAltered: boolean;
}

function decode(body: Uint8Array): ExportLogsServiceRequest {
  const messages = Math.min(messagesMax, fewMessages + body.length / messageBytesMin);
  try {
    return readExportLogsServiceRequest(new MessageReader(body, messages), body.length, 0);
  } catch (cause) {
    if (isCairnError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : "";
    throw new CairnError("malformed", `the body is no ExportLogsServiceRequest: ${why}`, { cause });
  }
}

function recordOf(wire: WireRecord, care: Care): LogRecord {
  const record: LogRecord = {};
  if (wire.timeUnixNano !== 0) record.timeUnixNano = wire.timeUnixNano;
  if (wire.observedTimeUnixNano !== 0) record.observedTimeUnixNano = wire.observedTimeUnixNano;
  if (wire.severityNumber !== 0) record.severityNumber = wire.severityNumber;
  if (wire.severityText !== "") record.severityText = wire.severityText;
  if (wire.body !== undefined) record.body = valueOf(wire.body, care);
  if (wire.attributes.length > 0) record.attributes = pairsOf(wire.attributes, care);
  if (wire.droppedAttributesCount !== 0) {
    record.droppedAttributesCount = wire.droppedAttributesCount;
  }
  if (wire.flags !== 0) record.flags = wire.flags;
  if (wire.traceId.length > 0) record.traceId = hexOf(wire.traceId);
  if (wire.spanId.length > 0) record.spanId = hexOf(wire.spanId);
  if (wire.eventName !== "") record.eventName = wire.eventName;
  if (wire.unknown !== undefined) record.unknownFields = bytesOf(...wire.unknown);
  return record;
}

function resourceOf(logs: ResourceLogs, care: Care): Resource {
  const wire = logs.resource;
  const resource: Resource = {};
  if (wire !== undefined) {
    if (wire.attributes.length > 0) resource.attributes = pairsOf(wire.attributes, care);
    if (wire.droppedAttributesCount !== 0) {
      resource.droppedAttributesCount = wire.droppedAttributesCount;
    }
    if (wire.entityRefs.length > 0) {
      resource.entityRefs = wire.entityRefs.map((each) => entityRefOf(each, care));
    }
  }
  if (logs.schemaUrl !== "") resource.schemaUrl = logs.schemaUrl;
  const unknown = [...(wire?.unknown ?? []), ...(logs.unknown ?? [])];
  if (unknown.length > 0) resource.unknownFields = bytesOf(...unknown);
  return resource;
}

function scopeOf(scoped: ScopeLogs, care: Care): Scope {
  const wire = scoped.scope;
  const scope: Scope = {};
  if (wire !== undefined) {
    if (wire.name !== "") scope.name = wire.name;
    if (wire.version !== "") scope.version = wire.version;
    if (wire.attributes.length > 0) scope.attributes = pairsOf(wire.attributes, care);
    if (wire.droppedAttributesCount !== 0) {
      scope.droppedAttributesCount = wire.droppedAttributesCount;
    }
  }
  if (scoped.schemaUrl !== "") scope.schemaUrl = scoped.schemaUrl;
  const unknown = [...(wire?.unknown ?? []), ...(scoped.unknown ?? [])];
  if (unknown.length > 0) scope.unknownFields = bytesOf(...unknown);
  return scope;
}

function entityRefOf(wire: EntityRef, care: Care): Json {
  const { schemaUrl, type, idKeys, descriptionKeys, unknown } = wire;
  if (unknown !== undefined) care.isAltered = true;
  return {
    ...(schemaUrl === "" ? {} : { schemaUrl }),
    ...(type === "" ? {} : { type }),
    ...(idKeys.length > 0 ? { idKeys } : {}),
    ...(descriptionKeys.length > 0 ? { descriptionKeys } : {}),
  };
}

function pairsOf(pairs: readonly KeyValue[], care: Care): Attributes {
  return attributesOf(pairs, ({ value, unknown }) => {
    if (unknown !== undefined) care.isAltered = true;
    return value === undefined ? null : valueOf(value, care);
  });
}

/** An empty value is null, and so is a reference into a dictionary that only profiles have. */
function valueOf({ value, unknown }: AnyValue, care: Care): Json {
  if (unknown !== undefined && value !== undefined) care.isAltered = true;
  switch (value?.case) {
    case "stringValue":
    case "boolValue":
    case "intValue":
      return value.value;
    case "doubleValue":
      return doubleOf(value.value);
    case "arrayValue":
      if (value.value.unknown !== undefined) care.isAltered = true;
      return value.value.values.map((each) => valueOf(each, care));
    case "kvlistValue":
      if (value.value.unknown !== undefined) care.isAltered = true;
      return pairsOf(value.value.values, care);
    case "bytesValue":
      return bytesOf(value.value);
    default:
      return unknown === undefined ? null : { unknownFields: bytesOf(...unknown) };
  }
}

/** Views of the body, so that neither copies. */
function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

function bytesOf(...parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString("base64");
}

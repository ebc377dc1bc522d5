/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/opentelemetry/proto/common/v1/common.proto`
 */

import { type MessageReader } from "../protobuf-reader.ts";

/** `opentelemetry.proto.common.v1.AnyValue` */
export interface AnyValue {
  value:
    | undefined
    | { readonly case: "stringValue"; readonly value: string }
    | { readonly case: "boolValue"; readonly value: boolean }
    | { readonly case: "intValue"; readonly value: number | string }
    | { readonly case: "doubleValue"; readonly value: number }
    | { readonly case: "arrayValue"; readonly value: ArrayValue }
    | { readonly case: "kvlistValue"; readonly value: KeyValueList }
    | { readonly case: "bytesValue"; readonly value: Uint8Array }
    | { readonly case: "stringValueStrindex"; readonly value: number };
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readAnyValue(
  reader: MessageReader,
  end: number,
  depth: number,
  message: AnyValue = { value: undefined, unknown: undefined },
): AnyValue {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.value = { case: "stringValue", value: reader.text() };
        break;
      case 16:
        message.value = { case: "boolValue", value: reader.bool() };
        break;
      case 24:
        message.value = { case: "intValue", value: reader.integer() };
        break;
      case 33:
        message.value = { case: "doubleValue", value: reader.double() };
        break;
      case 42:
        message.value = {
          case: "arrayValue",
          value: readArrayValue(
            reader,
            reader.enter(end, depth),
            depth + 1,
            message.value?.case === "arrayValue" ? message.value.value : undefined,
          ),
        };
        break;
      case 50:
        message.value = {
          case: "kvlistValue",
          value: readKeyValueList(
            reader,
            reader.enter(end, depth),
            depth + 1,
            message.value?.case === "kvlistValue" ? message.value.value : undefined,
          ),
        };
        break;
      case 58:
        message.value = { case: "bytesValue", value: reader.bytes() };
        break;
      case 64:
        message.value = { case: "stringValueStrindex", value: reader.int32() };
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.common.v1.ArrayValue` */
export interface ArrayValue {
  values: AnyValue[];
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readArrayValue(
  reader: MessageReader,
  end: number,
  depth: number,
  message: ArrayValue = { values: [], unknown: undefined },
): ArrayValue {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.values.push(readAnyValue(reader, reader.enter(end, depth), depth + 1));
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.common.v1.KeyValueList` */
export interface KeyValueList {
  values: KeyValue[];
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readKeyValueList(
  reader: MessageReader,
  end: number,
  depth: number,
  message: KeyValueList = { values: [], unknown: undefined },
): KeyValueList {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.values.push(readKeyValue(reader, reader.enter(end, depth), depth + 1));
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.common.v1.KeyValue` */
export interface KeyValue {
  key: string;
  value: AnyValue | undefined;
  keyStrindex: number;
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readKeyValue(
  reader: MessageReader,
  end: number,
  depth: number,
  message: KeyValue = { key: "", value: undefined, keyStrindex: 0, unknown: undefined },
): KeyValue {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.key = reader.text();
        break;
      case 18:
        message.value = readAnyValue(reader, reader.enter(end, depth), depth + 1, message.value);
        break;
      case 24:
        message.keyStrindex = reader.int32();
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.common.v1.InstrumentationScope` */
export interface InstrumentationScope {
  name: string;
  version: string;
  attributes: KeyValue[];
  droppedAttributesCount: number;
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readInstrumentationScope(
  reader: MessageReader,
  end: number,
  depth: number,
  message: InstrumentationScope = {
    name: "",
    version: "",
    attributes: [],
    droppedAttributesCount: 0,
    unknown: undefined,
  },
): InstrumentationScope {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.name = reader.text();
        break;
      case 18:
        message.version = reader.text();
        break;
      case 26:
        message.attributes.push(readKeyValue(reader, reader.enter(end, depth), depth + 1));
        break;
      case 32:
        message.droppedAttributesCount = reader.uint32();
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

/** `opentelemetry.proto.common.v1.EntityRef` */
export interface EntityRef {
  schemaUrl: string;
  type: string;
  idKeys: string[];
  descriptionKeys: string[];
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readEntityRef(
  reader: MessageReader,
  end: number,
  depth: number,
  message: EntityRef = {
    schemaUrl: "",
    type: "",
    idKeys: [],
    descriptionKeys: [],
    unknown: undefined,
  },
): EntityRef {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.schemaUrl = reader.text();
        break;
      case 18:
        message.type = reader.text();
        break;
      case 26:
        message.idKeys.push(reader.text());
        break;
      case 34:
        message.descriptionKeys.push(reader.text());
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

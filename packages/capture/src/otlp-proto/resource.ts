/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/opentelemetry/proto/resource/v1/resource.proto`
 */

import { type MessageReader } from "../protobuf-reader.ts";
import { type KeyValue, readKeyValue, type EntityRef, readEntityRef } from "./values.ts";

/** `opentelemetry.proto.resource.v1.Resource` */
export interface Resource {
  attributes: KeyValue[];
  droppedAttributesCount: number;
  entityRefs: EntityRef[];
  /** Fields that the schema does not have, as they came. */
  unknown: Uint8Array[] | undefined;
}

export function readResource(
  reader: MessageReader,
  end: number,
  depth: number,
  message: Resource = {
    attributes: [],
    droppedAttributesCount: 0,
    entityRefs: [],
    unknown: undefined,
  },
): Resource {
  while (reader.pos < end) {
    const from = reader.pos;
    const tag = reader.messageTag();
    switch (tag) {
      case 10:
        message.attributes.push(readKeyValue(reader, reader.enter(end, depth), depth + 1));
        break;
      case 16:
        message.droppedAttributesCount = reader.uint32();
        break;
      case 26:
        message.entityRefs.push(readEntityRef(reader, reader.enter(end, depth), depth + 1));
        break;
      default:
        message.unknown = reader.unknown(message.unknown, from, tag);
    }
  }
  reader.leave(end);
  return message;
}

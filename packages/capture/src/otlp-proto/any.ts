/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/google/protobuf/any.proto`
 */

import type { BinaryWriter } from "@bufbuild/protobuf/wire";

/** `google.protobuf.Any` */
export interface Any {
  typeUrl: string;
  value: Uint8Array;
}

export function writeAny(writer: BinaryWriter, message: Readonly<Any>): BinaryWriter {
  if (message.typeUrl !== "") writer.uint32(10).string(message.typeUrl);
  if (message.value.length > 0) writer.uint32(18).bytes(message.value);
  return writer;
}

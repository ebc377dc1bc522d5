/**
 * Made by `node scripts/build-otlp.mjs`; not to be edited. The schema:
 * `proto/google/rpc/status.proto`
 */

import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Any, writeAny } from "./any.ts";

/** `google.rpc.Status` */
export interface Status {
  code: number;
  message: string;
  details: Any[];
}

export function writeStatus(writer: BinaryWriter, message: Readonly<Status>): BinaryWriter {
  if (message.code !== 0) writer.uint32(8).int32(message.code);
  if (message.message !== "") writer.uint32(18).string(message.message);
  for (const each of message.details) writeAny(writer.uint32(26).fork(), each).join();
  return writer;
}

/**
 * What a request's headers say about its body: events as JSON or as lines, and how they are
 * compressed.
 */
import type { IncomingHttpHeaders } from "node:http";
import { CairnError } from "@cairnlog/core";
import { unsupportedType } from "./problem.ts";

export type BodyType = "json" | "lines";
export type BodyEncoding = "identity" | "gzip" | "zstd";

export interface BodyFormat {
  readonly type: BodyType;
  readonly encoding: BodyEncoding;
  /** Content-Length; undefined for a chunked body. */
  readonly declaredBytes: number | undefined;
}

const mediaTypes: Readonly<Record<string, BodyType>> = {
  "application/json": "json",
  "application/x-ndjson": "lines",
  "application/ndjson": "lines",
};
const withUtf8 = /^([a-z/-]+) *(?:; *charset=(?:utf-8|"utf-8") *)?$/;

/** Throws "unsupported_media". */
export function readBodyFormat(headers: IncomingHttpHeaders): BodyFormat {
  const length = headers["content-length"];
  return {
    type: bodyType(headers["content-type"] ?? ""),
    encoding: bodyEncoding(headers["content-encoding"]),
    // The HTTP parser has refused whatever is not decimal digits.
    declaredBytes: length === undefined ? undefined : Number.parseInt(length, 10),
  };
}

function bodyType(header: string): BodyType {
  const media = withUtf8.exec(header.toLowerCase())?.[1] ?? "";
  const type = Object.hasOwn(mediaTypes, media) ? mediaTypes[media] : undefined;
  if (type === undefined) throw new CairnError("unsupported_media", unsupportedType);
  return type;
}

function bodyEncoding(header: string | undefined): BodyEncoding {
  const encoding = header?.toLowerCase() ?? "identity";
  if (encoding === "identity" || encoding === "gzip" || encoding === "zstd") return encoding;
  throw new CairnError(
    "unsupported_media",
    "the Content-Encoding is none of identity, gzip and zstd",
  );
}

/**
 * What a request's headers say about its body: events as JSON or as lines, and how they are
 * compressed.
 */
import type { IncomingHttpHeaders } from "node:http";
import { CairnError } from "@cairnlog/core";
import { unsupportedType } from "./problem.ts";

export type BodyType = "json" | "lines";
/** `deflate` is what RFC 9110 calls so: a zlib stream. Only deliveries of sources may come in it. */
export type BodyEncoding = "identity" | "gzip" | "zstd" | "deflate";

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
const eventEncodings = ["identity", "gzip", "zstd"] as const;
const deliveryEncodings = [...eventEncodings, "deflate"] as const;
const withUtf8 = /^([a-z/-]+) *(?:; *charset=(?:utf-8|"utf-8") *)?$/;

/** Throws "unsupported_media". */
export function readBodyFormat(headers: IncomingHttpHeaders): BodyFormat {
  return {
    type: bodyType(headers["content-type"] ?? ""),
    encoding: bodyEncoding(headers["content-encoding"], eventEncodings),
    declaredBytes: declaredBytes(headers),
  };
}

/** The same of a delivery, whose media type is its adapter's business. */
export function readDeliveryFormat(headers: IncomingHttpHeaders): Omit<BodyFormat, "type"> {
  return {
    encoding: bodyEncoding(headers["content-encoding"], deliveryEncodings),
    declaredBytes: declaredBytes(headers),
  };
}

function declaredBytes({ "content-length": length }: IncomingHttpHeaders): number | undefined {
  // The HTTP parser has refused whatever is not decimal digits.
  return length === undefined ? undefined : Number.parseInt(length, 10);
}

function bodyType(header: string): BodyType {
  const media = withUtf8.exec(header.toLowerCase())?.[1] ?? "";
  const type = Object.hasOwn(mediaTypes, media) ? mediaTypes[media] : undefined;
  if (type === undefined) throw new CairnError("unsupported_media", unsupportedType);
  return type;
}

function bodyEncoding(header: string | undefined, allowed: readonly BodyEncoding[]): BodyEncoding {
  const name = header?.toLowerCase() ?? "identity";
  const encoding = allowed.find((each) => each === name);
  if (encoding !== undefined) return encoding;
  const names = `${allowed.slice(0, -1).join(", ")} and ${allowed.at(-1)}`;
  throw new CairnError("unsupported_media", `the Content-Encoding is none of ${names}`);
}

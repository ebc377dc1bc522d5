/**
 * From what an adapter returns to what a log records: the event's bytes, and the blobs that must be durable first.
 *
 * An event has at most 64,000 bytes. What is larger loses none of it: its `details` move into a blob, whole, and the
 * event names that blob.
 */
import { eventByteLengthMax, type CairnEvent, type NamedBlob } from "@cairnlog/core";
import { isObject, wellFormed } from "./foreign-json.ts";
import type { CapturedBlob, CapturedEvent, Delivery } from "./adapter.ts";

export interface RenderedEvent {
  /** One JSON text without white space between its tokens. */
  readonly bytes: Uint8Array;
  readonly blobs: readonly { readonly sha256: string; readonly bytes: Uint8Array }[];
}

/** Lower-case hex of SHA-256. */
export type HexDigest = (bytes: Uint8Array) => string;

const encoder = new TextEncoder();
/** Raw bytes of up to so many stay inside the event, as text; larger ones become a blob. */
const inlineBytesMax = 16 * 1024;

export function renderCaptured(captured: CapturedEvent, hexDigest: HexDigest): RenderedEvent {
  const blobs = [...(captured.blobs ?? [])];
  const bytes = encoder.encode(JSON.stringify(named(captured.event, blobs, hexDigest)));
  if (bytes.length <= eventByteLengthMax) return { bytes, blobs: blobs.map(hashed(hexDigest)) };
  const { details, original, ...head } = captured.event;
  const details2 = encoder.encode(JSON.stringify({ details, original }));
  blobs.push({ bytes: details2, mediaType: "application/json", role: "details" });
  const short = { ...head, details: { movedToBlob: "details" } };
  const shorter = encoder.encode(JSON.stringify(named(short, blobs, hexDigest)));
  return { bytes: shorter, blobs: blobs.map(hashed(hexDigest)) };
}

function hashed(hexDigest: HexDigest) {
  return ({ bytes }: CapturedBlob): RenderedEvent["blobs"][number] => ({
    sha256: hexDigest(bytes),
    bytes,
  });
}

function named(
  event: CairnEvent,
  blobs: readonly CapturedBlob[],
  hexDigest: HexDigest,
): CairnEvent {
  if (blobs.length === 0) return event;
  const names = blobs.map(({ bytes, mediaType, role }): NamedBlob => ({
    sha256: hexDigest(bytes),
    byteLength: bytes.length,
    mediaType,
    role,
  }));
  return { ...event, blobs: [...(event.blobs ?? []), ...names] };
}

/**
 * The event with the delivery's raw body and the headers named, under `original`: with them the sender's signature can
 * be checked again for ever. A body that is large, or no text that survives JSON, becomes a blob.
 */
export function withOriginal(
  captured: CapturedEvent,
  delivery: Pick<Delivery, "body" | "headers">,
  headerNames: readonly string[],
): CapturedEvent {
  const headers: Record<string, string> = {};
  for (const name of headerNames) {
    const value = delivery.headers[name];
    if (value !== undefined) headers[name] = wellFormed(value);
  }
  const text = delivery.body.length <= inlineBytesMax ? exactText(delivery.body) : undefined;
  if (text !== undefined) {
    return { ...captured, event: { ...captured.event, original: { headers, body: text } } };
  }
  const mediaType = mediaTypeOf(delivery.headers["content-type"]);
  const blob: CapturedBlob = { bytes: delivery.body, mediaType, role: "original" };
  return {
    event: { ...captured.event, original: { headers, bodyInBlob: "original" } },
    blobs: [...(captured.blobs ?? []), blob],
  };
}

/** The text whose UTF-8 is exactly `bytes`, or undefined. */
function exactText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return wellFormed(text) === text ? text : undefined;
  } catch {
    return undefined;
  }
}

function mediaTypeOf(contentType: string | undefined): string {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return /^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,64}$/.test(type) ? type : "application/octet-stream";
}

/** `value` as an event's `details`: an object as it is, anything else under `value`. */
export function asDetails(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : { value };
}

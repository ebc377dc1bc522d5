/** What the bodies of webhooks have in common: a JSON object, or a form with JSON in one of its fields. */
import { CairnError, parseUtf8 } from "@cairnlog/core";
import { isObject, parseForeignJson, type Json } from "./foreign-json.ts";
import type { CapturedEvent, Delivery } from "./adapter.ts";

export type JsonObject = { readonly [name: string]: Json };

/** "malformed" where it is no JSON object. */
export function parseJsonObject(bytes: Uint8Array, what = "the body"): JsonObject {
  const { value } = parseForeignJson(bytes, what);
  if (!isObject(value)) throw new CairnError("malformed", `${what} is not a JSON object`);
  return value;
}

/** The media type in lower case, without parameters; "" where none was sent. */
export function mediaTypeOf({ headers }: Pick<Delivery, "headers">): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase();
}

/**
 * The bytes of a form's field (`application/x-www-form-urlencoded`). "malformed" where it is not there exactly once:
 * which of two a reader takes is not agreed.
 */
export function parseFormField(body: Uint8Array, field: string): Uint8Array {
  const values = parseUtf8(body)
    .split("&")
    .filter((pair) => pair.startsWith(`${field}=`))
    .map((pair) => pair.slice(field.length + 1));
  if (values.length !== 1) {
    throw new CairnError("malformed", `the form has its field ${field} ${values.length} times`);
  }
  try {
    return new TextEncoder().encode(decodeURIComponent(values[0]!.replaceAll("+", " ")));
  } catch (cause) {
    throw new CairnError("malformed", `the form's field ${field} is badly encoded`, { cause });
  }
}

/** The event with the delivery's very bytes beside it, where reading them had to change some of their characters. */
export function keptIf(
  isAltered: boolean,
  captured: CapturedEvent,
  body: Uint8Array,
): CapturedEvent {
  if (!isAltered) return captured;
  const original = { bytes: body, mediaType: "application/json", role: "original" };
  return { ...captured, blobs: [...(captured.blobs ?? []), original] };
}

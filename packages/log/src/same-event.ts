/**
 * Whether two events under one id are the same one. All their bytes are, but for one thing: how it was proven, the
 * headers under `original`. A sender that did not get our answer signs the same delivery again with the time of its new
 * attempt; everything that it says is as before, so it is the same event, and the first proof stands.
 */
import { isSameBytes, parseUtf8 } from "@cairnlog/core";

/** Both have passed the strict reader. */
export function isSameEvent(recorded: Uint8Array, sent: Uint8Array): boolean {
  if (isSameBytes(recorded, sent)) return true;
  const [a, b] = [withoutProof(recorded), withoutProof(sent)];
  return a !== undefined && a === b;
}

/** Undefined where an event has no headers of an original: then every byte counts. */
function withoutProof(event: Uint8Array): string | undefined {
  const text = parseUtf8(event);
  if (!text.includes('"original"')) return undefined;
  const value = JSON.parse(text) as { readonly original?: unknown };
  const { original } = value;
  if (typeof original !== "object" || original === null || !("headers" in original)) {
    return undefined;
  }
  return JSON.stringify({ ...value, original: { ...original, headers: undefined } });
}

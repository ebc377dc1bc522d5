/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/, section 3.2): one header that says which
 * trace a request belongs to and which span caused it. It is taken in its one spelling or not at
 * all: what another system wrote a little wrong is no reason to guess.
 *
 * `tracestate` is not looked at: it is the tracer's, and none of its members says who did what.
 */

export interface Traceparent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: who called. */
  readonly spanId: string;
  /** 2 hex digits, of which the last bit says that the caller sampled. */
  readonly flags: string;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/;
const zeroTrace = "0".repeat(32);
const zeroSpan = "0".repeat(16);

/** Undefined for what is no traceparent, as the standard says: a new trace begins then. */
export function findTraceparent(header: string | undefined): Traceparent | undefined {
  // A later version may go on after what is known; it is short all the same.
  if (header === undefined || header.length > 256) return undefined;
  const [, version, traceId, spanId, flags, more] = form.exec(header) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (version === "00" && more !== undefined) return undefined;
  if (traceId === zeroTrace || spanId === zeroSpan) return undefined;
  return { traceId: traceId!, spanId: spanId!, flags: flags! };
}

/** Of version 00, the only one there is. Flags that it does not know are not passed on. */
export function formatTraceparent({ traceId, spanId, flags }: Traceparent): string {
  return `00-${traceId}-${spanId}-${/[13579bdf]$/.test(flags) ? "01" : "00"}`;
}

/** The span of a request: in its caller's trace, or in a new one. */
export function spanWithin(caller: Traceparent | undefined): Traceparent {
  if (caller !== undefined) return { ...caller, spanId: randomHex(8) };
  return { traceId: randomHex(16), spanId: randomHex(8), flags: "01" };
}

const room = new Uint8Array(4096);
let used = room.length;

/** `count` random bytes as hex digits, never all zero. Drawn in stock: one draw costs as much as 4 KiB. */
export function randomHex(count: number): string {
  if (used + count > room.length) {
    globalThis.crypto.getRandomValues(room);
    used = 0;
  }
  let text = "";
  for (const end = used + count; used < end; used++) {
    text += room[used]!.toString(16).padStart(2, "0");
    room[used] = 0;
  }
  return /[^0]/.test(text) ? text : randomHex(count);
}

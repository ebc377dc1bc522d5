/**
 * Strict text encodings. Each value has one spelling: a reader here refuses whatever its writer would not have
 * written, because a lenient reader lets two parties see two different values in the same bytes.
 */
import { CairnError } from "./errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const base64Codes = encoder.encode(base64Alphabet);
const base64Values = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) base64Values[base64Codes[i]!] = i;

/** The UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Reads UTF-8 without mercy: ill-formed bytes are "malformed"; a byte order mark is kept as U+FEFF. */
export function parseUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new CairnError("malformed", "the bytes are not valid UTF-8", { cause });
  }
}

/** Writes standard base64 (RFC 4648 section 4, padded) of `bytes` into `out` at `at`; returns the end. */
export function writeBase64(bytes: Uint8Array, out: Uint8Array, at: number): number {
  return writeBase64Range(bytes, 0, bytes.length, out, at);
}

/** The same of the bytes from `start` up to, not including, `end`. */
export function writeBase64Range(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  const rest = (end - start) % 3;
  const whole = end - rest;
  let to = at;
  let i = start;
  for (; i < whole; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    out[to++] = base64Codes[bits >>> 18]!;
    out[to++] = base64Codes[(bits >>> 12) & 63]!;
    out[to++] = base64Codes[(bits >>> 6) & 63]!;
    out[to++] = base64Codes[bits & 63]!;
  }
  if (rest === 0) return to;
  const bits = (bytes[i]! << 16) | ((rest === 2 ? bytes[i + 1]! : 0) << 8);
  out[to++] = base64Codes[bits >>> 18]!;
  out[to++] = base64Codes[(bits >>> 12) & 63]!;
  out[to++] = rest === 2 ? base64Codes[(bits >>> 6) & 63]! : 0x3d;
  out[to++] = 0x3d;
  return to;
}

/** Standard base64 (RFC 4648 section 4), padded. */
export function base64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  writeBase64(bytes, out, 0);
  return decoder.decode(out);
}

/** Reads standard base64 in its only spelling: padded, no white space, unused bits zero. */
export function parseBase64(text: string): Uint8Array {
  const refuse = (why: string): CairnError =>
    new CairnError("malformed", `not base64 (${why}): ${JSON.stringify(text.slice(0, 40))}`);
  if (text.length % 4 !== 0) throw refuse("the length is not a multiple of 4");
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let to = 0;
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i);
    const value = code < 256 ? base64Values[code]! : -1;
    if (value < 0) throw refuse(`character ${i} is not of its alphabet`);
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[to++] = (bits >>> held) & 0xff;
    }
  }
  if ((bits & ((1 << held) - 1)) !== 0) throw refuse("unused bits are set");
  return out;
}

/** Lower-case base16. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** Reads lower-case base16 in its only spelling. */
export function parseHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) {
    throw new CairnError("malformed", `not lower-case hex: ${JSON.stringify(text.slice(0, 40))}`);
  }
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/**
 * Reads a count or index in its only spelling: decimal, no sign, no leading zero, at most 2^53 - 1. `what` names
 * it in the error ("tree size").
 */
export function parseDecimal(text: string, what: string): number {
  const value = Number(text);
  // The round trip refuses "", "+1", "01", "1e3" and "0x10", all of which `Number` takes.
  if (!Number.isSafeInteger(value) || value < 0 || String(value) !== text) {
    throw new CairnError("malformed", `not a ${what}: ${JSON.stringify(text.slice(0, 32))}`);
  }
  return value;
}

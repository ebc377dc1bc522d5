/**
 * How the JSON reader refuses: always "malformed", always with the offset of the first byte that is wrong, counted
 * from the start of the event (or entry), and with what to do.
 */
import { CairnError } from "./errors.ts";

/** The error for the byte at offset `byte`. `what` is a clause; `todo` is a sentence without its full stop. */
export function refusal(byte: number, what: string, todo: string): CairnError {
  return new CairnError("malformed", `byte ${byte}: ${what}. ${todo}.`, { place: { byte } });
}

/** The error where `expected` was not found at `at`. Positions are of `bytes`; `origin` is where offset 0 lies. */
export function unexpected(
  bytes: Uint8Array,
  at: number,
  end: number,
  origin: number,
  expected: string,
): CairnError {
  const found = at < end ? describeByte(bytes[at]!) : "the end of the text";
  return refusal(at - origin, `expected ${expected}, found ${found}`, "Send one valid JSON object");
}

function describeByte(byte: number): string {
  if (byte > 0x20 && byte < 0x7f) return `'${String.fromCharCode(byte)}'`;
  return `the byte 0x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * The evidence file inside a page of `cairn evidence --html`. What the page shows and what its code says is not looked
 * at: only what it holds.
 */
import { CairnError, parseBase64 } from "@cairnlog/core";

/** How such a page begins. */
export const pageBegin = "<!doctype html>";
/** 64 MiB of evidence as base64, and the page around it. */
export const pageByteLengthMax = 100_663_296;
const begin = '<script type="text/plain" id="evidence">';
const end = "</script>";

/** "malformed" for a page that does not hold exactly one evidence file. */
export function evidenceInPage(bytes: Uint8Array): Uint8Array {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = page.indexOf(begin);
  const from = at + begin.length;
  const to = page.indexOf(end, from);
  if (at < 0 || to < 0 || page.indexOf(begin, from) >= 0) {
    throw new CairnError("malformed", "the page does not hold one evidence file");
  }
  return parseBase64(page.toString("latin1", from, to));
}

/**
 * Puts an evidence file into the page that `scripts/build-page.mjs` has made: as base64, which holds no character that
 * could end the element that it stands in. Nothing else of the file is written into the page; what it shows it reads
 * from there, and puts into text nodes.
 */
import { readFileSync } from "node:fs";
import { assert, CairnError, utf8, writeBase64 } from "@cairnlog/core";

/** A browser is to hold it several times over. */
export const pageEvidenceBytesMax = 67_108_864;
const place = "{{evidence}}";
let template: readonly [Uint8Array, Uint8Array] | undefined;

/** The page, UTF-8. "too_large" above `pageEvidenceBytesMax`: then the file itself is what to hand out. */
export function evidencePage(evidence: Uint8Array): Uint8Array {
  if (evidence.length > pageEvidenceBytesMax) {
    throw new CairnError(
      "too_large",
      `a page holds at most ${pageEvidenceBytesMax} bytes of evidence, not ${evidence.length}: write the file alone`,
    );
  }
  const [before, after] = readTemplate();
  const length = 4 * Math.ceil(evidence.length / 3);
  const page = new Uint8Array(before.length + length + after.length);
  page.set(before);
  const end = writeBase64(evidence, page, before.length);
  page.set(after, end);
  return page;
}

function readTemplate(): readonly [Uint8Array, Uint8Array] {
  if (template !== undefined) return template;
  const text = readFileSync(new URL("./page.html", import.meta.url), "utf8");
  const parts = text.split(place);
  assert(parts.length === 2, "the page has one place for evidence");
  template = [utf8(parts[0]!), utf8(parts[1]!)];
  return template;
}

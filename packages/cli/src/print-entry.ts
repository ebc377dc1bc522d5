/** Prints one entry: for machines byte for byte, for people as a line, or in full. */
import { base64, leafHash, parseEntryHead, parseUtf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { renderEntry } from "./entry-line.ts";
import type { Output } from "./output.ts";
import { asciiJsonText, safeText } from "./safe-text.ts";

const newline = Uint8Array.of(0x0a);

export async function printEntry(
  output: Output,
  bytes: Uint8Array,
  form: "line" | "whole",
): Promise<void> {
  if (output.isJson) {
    // On a terminal even JSON must not repaint the screen: the same value, in ASCII.
    if (output.isTerminal) await output.line(asciiJsonText(parseUtf8(bytes)));
    else await output.raw(Buffer.concat([bytes, newline]));
    return;
  }
  await output.line(renderEntry(output, bytes));
  if (form === "line") return;
  const { event } = parseEntryHead(bytes);
  const pretty = JSON.stringify(JSON.parse(parseUtf8(event)), undefined, 2);
  for (const line of pretty.split("\n")) await output.line(`        ${safeText(line)}`);
  await output.line(
    `        ${output.paint("dim", `leaf hash ${base64(leafHash(nodeCrypto.sha256, bytes))}`)}`,
  );
}

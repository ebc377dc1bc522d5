/** How a log's identity is shown: its verifier keys whole, to be copied, and their fingerprints, to be compared. */
import { algorithmOf, fingerprint, parseVkey } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { safeText } from "./safe-text.ts";

export interface ShownKey {
  readonly algorithm: string;
  readonly vkey: string;
  /** 64 hex digits. */
  readonly fingerprint: string;
}

export function showKeys(vkeys: readonly string[]): ShownKey[] {
  return vkeys.map((text) => {
    const vkey = parseVkey(nodeCrypto.sha256, text);
    return {
      algorithm: algorithmOf(vkey.type),
      vkey: text,
      fingerprint: fingerprint(nodeCrypto.sha256, vkey),
    };
  });
}

/** Two lines for each key. */
export function describeVkeys(vkeys: readonly string[]): string[] {
  return showKeys(vkeys).flatMap(({ algorithm, vkey, fingerprint: print }) => [
    `${algorithm.padEnd(12)} ${safeText(vkey)}`,
    `${"".padEnd(12)} fingerprint ${print}`,
  ]);
}

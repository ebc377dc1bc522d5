/**
 * How a log's identity is shown: its verifier keys whole, to be copied, and their fingerprints, to
 * be compared.
 */
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

// An Ed25519 key fits; one of ML-DSA-44 has some 1,800 characters, and is of no use on a screen.
const vkeyLengthShown = 200;

/**
 * Two lines for each key. What is cut short says so: `cairn logs show --vkeys` prints all of it.
 */
export function describeVkeys(vkeys: readonly string[]): string[] {
  return showKeys(vkeys).flatMap(({ algorithm, vkey, fingerprint: print }) => {
    const isLong = vkey.length > vkeyLengthShown;
    const shown = isLong ? `${vkey.slice(0, 60)}… (cairn logs show --vkeys)` : vkey;
    return [`${algorithm.padEnd(12)} ${safeText(shown)}`, `${"".padEnd(12)} fingerprint ${print}`];
  });
}

/**
 * Whose signatures count. Keys that were given from outside say who the log must be; without them the log's own keys
 * show only that all of it was signed by one and the same.
 */
import {
  CairnError,
  fingerprint,
  formatVkey,
  isCairnError,
  noteSigner,
  parseUtf8,
  parseVkey,
  type Crypto,
  type ErrorPlace,
  type VerifiedSignature,
  type Vkey,
} from "@cairnlog/core";
import { privateKeyPem, signerFromPem } from "@cairnlog/crypto";
import type { LogFolder } from "./folder.ts";
import type { Findings, KeyReport } from "./report.ts";

/** In the order in which a log names its keys. */
export const keyPaths = ["keys/ed25519.pem", "keys/ml-dsa-44.pem"] as const;
const pemByteLengthMax = 16_384;

/** Keys from outside, as the user gave them. "malformed" is a usage error here. */
export function parsePinned(crypto: Crypto, vkeys: readonly string[] = []): Vkey[] {
  return vkeys.map((vkey) => parseVkey(crypto.sha256, vkey.trim()));
}

/** The log's own keys: each named by its origin. A key that does not parse is a problem. */
export function parseOwnKeys(
  crypto: Crypto,
  vkeys: readonly string[],
  origin: string | undefined,
  findings: Findings,
  place: ErrorPlace,
): Vkey[] {
  const own: Vkey[] = [];
  for (const text of vkeys) {
    try {
      const vkey = parseVkey(crypto.sha256, text);
      if (vkey.name === origin) own.push(vkey);
      else findings.problem("keys", `a key of the log has the name ${vkey.name}`, place);
    } catch (error) {
      findings.caught(error, "keys", place);
    }
  }
  return own;
}

/**
 * Whether the log is the one that the given keys are of. Keys of other names are other logs': one set of keys may
 * serve for many logs.
 */
export function checkPinned(
  pinned: readonly Vkey[],
  own: readonly Vkey[],
  origin: string | undefined,
  findings: Findings,
): void {
  if (pinned.length === 0) return;
  const meant = pinned.filter((vkey) => vkey.name === origin);
  if (meant.length === 0) {
    const names = [...new Set(pinned.map((vkey) => vkey.name))].slice(0, 8);
    const whose = origin === undefined ? "is unknown" : `is ${JSON.stringify(origin)}`;
    findings.problem(
      "keys",
      `the log's origin ${whose}; the given keys are of ${names.join(", ")}`,
    );
  }
  const known = new Set(own.map(formatVkey));
  for (const vkey of meant) {
    if (known.has(formatVkey(vkey))) continue;
    const shown = formatVkey(vkey).slice(0, 120);
    findings.problem("keys", `the given key ${shown} is not among the log's: somebody else signed`);
  }
}

/** Throws unless each of the log's own keys signed once, and nothing is said about time. */
export function checkAllSigned(
  own: readonly Vkey[],
  verified: readonly VerifiedSignature[],
  what: string,
): void {
  for (const vkey of own) {
    const signature = verified.find((each) => each.vkey === vkey);
    const name = formatVkey(vkey).slice(0, 60);
    if (signature === undefined) {
      throw new CairnError("unverified", `${what} is not signed by the log's key ${name}`);
    }
    if ((signature.timestamp ?? 0) !== 0) {
      throw new CairnError("unverified", `${what} has a signature with a time, as a witness's`);
    }
  }
}

export function reportKeys(crypto: Crypto, vkeys: readonly Vkey[]): KeyReport[] {
  return vkeys.map((vkey) => ({
    vkey: formatVkey(vkey),
    fingerprint: fingerprint(crypto.sha256, vkey),
  }));
}

/** The private keys beside the log are those that it names. An auditor's copy has none, which is well. */
export async function checkPrivateKeys(
  folder: LogFolder,
  files: ReadonlyMap<string, number>,
  crypto: Crypto,
  own: readonly Vkey[],
  findings: Findings,
): Promise<void> {
  for (const [i, path] of keyPaths.entries()) {
    const place = { path };
    if (!files.has(path)) {
      findings.note("missing", `the private key ${path} is not here`, place);
      continue;
    }
    try {
      const bytes = await folder.get(path, pemByteLengthMax);
      const pem = parseUtf8(bytes ?? new Uint8Array(0));
      const signer = signerFromPem(pem);
      const expected = own[i];
      const vkey = noteSigner(crypto.sha256, expected?.name ?? "unknown", signer).vkey;
      if (expected !== undefined && formatVkey(vkey) !== formatVkey(expected)) {
        findings.problem("keys", "the private key is not the one that the log names", place);
      } else if (privateKeyPem(signer) !== pem) {
        findings.problem(
          "keys",
          "the private key has another spelling than it was written in",
          place,
        );
      }
    } catch (error) {
      if (isCairnError(error, "unavailable")) findings.note("unreadable", error.message, place);
      else findings.caught(error, "keys", place);
    }
  }
}

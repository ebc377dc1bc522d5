/** Checks the evidence, and puts into words what that says, and what it does not. */
import {
  formatLogTime,
  isCairnError,
  parsePolicy,
  parseVkey,
  policyOfKeys,
  utf8,
  verifyEvidence,
  type EvidenceVerdict,
  type Policy,
} from "@cairnlog/core";
import { webCrypto } from "@cairnlog/crypto/web";

/** `unable`: this browser cannot check it, which says nothing about the evidence. */
export interface Judgement {
  readonly verdict: "verified" | "consistent" | "failed" | "unable";
  readonly word: string;
  readonly text: string;
  readonly found: EvidenceVerdict | undefined;
}

/** Checks `bytes` under a policy from outside, if there is one. */
export async function judge(bytes: Uint8Array, policy: Policy | undefined): Promise<Judgement> {
  try {
    const now = Math.floor(Date.now() / 1000);
    const found = await verifyEvidence(webCrypto, bytes, policy, { now });
    return found.verdict === "verified" ? verified(found) : consistent(found);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (isCairnError(error, "unavailable")) {
      const text = `This browser could not check it: ${message}. Use a tool of your own, as below.`;
      return { verdict: "unable", word: "Not checked", text, found: undefined };
    }
    const text = `${message}. Nothing of it is shown: what does not verify is no evidence.`;
    return { verdict: "failed", word: "Not verified", text, found: undefined };
  }
}

/** A policy, or verifier keys, one a line. "malformed" says what is wrong. */
export function readTrust(text: string): Policy {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const { sha256 } = webCrypto;
  if (said.every((line) => /^[^ ]+\+[0-9a-f]{8}\+[^ ]+$/.test(line)) && said.length > 0) {
    return policyOfKeys(
      sha256,
      said.map((line) => parseVkey(sha256, line)),
    );
  }
  return parsePolicy(sha256, utf8(lines.join("\n").replace(/\n*$/, "\n")));
}

function verified(found: EvidenceVerdict): Judgement {
  const names = found.witnesses.map(({ name, timestamp }) => {
    const time = timestamp === 0 ? "" : ` at ${formatLogTime(timestamp * 1000)}`;
    return name + time;
  });
  const by = names.length === 0 ? "It asks for no witness." : `Cosigned by ${names.join(", ")}.`;
  const text = `Under the policy or keys that you gave, these are entries of that log, at these places. ${by}`;
  return { verdict: "verified", word: "Verified by this page", text, found };
}

function consistent(found: EvidenceVerdict): Judgement {
  const text =
    "The entries, their proof and the signature agree with one another, but the key came with the page: anybody can make " +
    "such a page. Compare the fingerprint below with one that reached you another way, or give a policy.";
  return { verdict: "consistent", word: "Consistent, signer unknown", text, found };
}

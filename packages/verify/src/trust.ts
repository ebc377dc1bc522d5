/**
 * What the reader trusts, from outside of what is verified: keys of logs, and perhaps a policy that says which
 * witnesses have to have cosigned.
 */
import {
  checkQuorum,
  CairnError,
  formatVkey,
  noQuorum,
  policyOfKeys,
  verifyWitnessedCheckpoint,
  withLogKeys,
  type Crypto,
  type ErrorPlace,
  type Policy,
  type Vkey,
  type WitnessCosignature,
} from "@cairnlog/core";
import { parsePinned } from "./keys.ts";
import type { Findings, WitnessReport } from "./report.ts";

export interface TrustOptions {
  /** Verifier keys of the log. */
  readonly vkeys?: readonly string[];
  /** Keys of logs, witnesses, and which of them are a quorum: without it nothing is verified. */
  readonly policy?: Policy;
  /** Seconds since 1970. With it, cosignatures of a time that has not come yet do not count. */
  readonly now?: number;
}

/** The keys of logs that are trusted: those that were given, and those of the policy. */
export function trustedKeys(crypto: Crypto, { vkeys, policy }: TrustOptions): Vkey[] {
  const given = parsePinned(crypto, vkeys);
  const known = new Set(given.map(formatVkey));
  const named = policy?.logs.map(({ vkey }) => vkey) ?? [];
  return [...given, ...named.filter((vkey) => !known.has(formatVkey(vkey)))];
}

/** All that is trusted, as one policy; undefined where nothing is. */
export function trustedPolicy(crypto: Crypto, options: TrustOptions): Policy | undefined {
  const given = parsePinned(crypto, options.vkeys);
  if (options.policy !== undefined) return withLogKeys(crypto.sha256, options.policy, given);
  return given.length === 0 ? undefined : policyOfKeys(crypto.sha256, given);
}

/**
 * Whether the witnesses of the policy that cosigned a checkpoint are a quorum: if not, that is a problem. Without a
 * policy nobody asks. Returns those who cosigned.
 */
export async function checkWitnesses(
  crypto: Crypto,
  note: Uint8Array | undefined,
  options: TrustOptions,
  findings: Findings,
  place: ErrorPlace = {},
): Promise<readonly WitnessReport[]> {
  if (options.policy === undefined) return [];
  const policy = trustedPolicy(crypto, options)!;
  try {
    if (note === undefined) throw uncosignable("there is no published checkpoint");
    const { now } = options;
    const witnessed = await verifyWitnessedCheckpoint(crypto, note, policy, {
      allowExtensions: true,
      ...(now === undefined ? {} : { now }),
    });
    checkQuorum(policy, witnessed);
    return witnessed.witnesses.map(reportWitness);
  } catch (error) {
    if (policy.quorum !== noQuorum || note !== undefined) findings.caught(error, "quorum", place);
    return [];
  }
}

/** For what no witness ever cosigns: no policy with a quorum can be met. */
export function refuseQuorum({ policy }: TrustOptions, what: string, findings: Findings): void {
  if (policy === undefined || policy.quorum === noQuorum) return;
  findings.caught(uncosignable(`witnesses cosign checkpoints, not ${what}`), "quorum");
}

export function reportWitness({ name, timestamp }: WitnessCosignature): WitnessReport {
  // A witness with a key of type 0x06 alone makes no statement about time.
  return timestamp === 0 ? { name } : { name, timestamp };
}

function uncosignable(why: string): CairnError {
  return new CairnError("unverified", `the policy asks for cosignatures, and ${why}`);
}

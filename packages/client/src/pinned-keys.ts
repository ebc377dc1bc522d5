/** The keys and the policy that the application gave: whom the client believes. */
import {
  CairnError,
  isCairnError,
  parsePolicy,
  parseVkey,
  policyOfKeys,
  signatureTypes,
  utf8,
  withLogKeys,
  type Crypto,
  type Policy,
  type Vkey,
} from "@cairnlog/core";

/** As they were given. */
export interface Pinned {
  readonly origin: string;
  readonly texts: readonly string[];
  readonly policy: string | undefined;
}

export interface PinnedKeys {
  /** The log's own. */
  readonly vkeys: readonly Vkey[];
  /** Holds the log's keys; without witnesses where no policy was given. */
  readonly policy: Policy;
}

/** Undefined where neither keys nor a policy were given. "usage" where they are not of one log. */
export function findPinned(
  vkeys: readonly string[],
  policy: string | undefined,
): Pinned | undefined {
  if (vkeys.length === 0 && policy === undefined) return undefined;
  const texts = vkeys.length > 0 ? vkeys : logKeysOf(policy ?? "");
  const names = texts.map((vkey) => /^([^+]+)\+[0-9a-f]{8}\+/.exec(vkey)?.[1]);
  const [origin, ...others] = new Set(names);
  if (origin === undefined || others.length > 0) {
    throw new CairnError(
      "usage",
      "`vkeys`, or else the logs of `policy`, must be verifier keys of one log, all of its name; " +
        "its description shows them",
    );
  }
  return { origin, texts, policy };
}

/** "usage" for what is no key or no policy, and where receipts could not be verified. */
export function readKeys({ sha256 }: Crypto, pinned: Pinned): PinnedKeys {
  const { texts, origin } = pinned;
  let policy: Policy;
  try {
    const own = texts.map((text) => parseVkey(sha256, text));
    policy =
      pinned.policy === undefined
        ? policyOfKeys(sha256, own)
        : withLogKeys(sha256, parsePolicy(sha256, utf8(pinned.policy)), own);
  } catch (cause) {
    const why = isCairnError(cause) ? cause.message : String(cause);
    throw new CairnError("usage", `a pinned key or the policy cannot be read: ${why}`, { cause });
  }
  const vkeys = policy.logs.map(({ vkey }) => vkey).filter(({ name }) => name === origin);
  if (!vkeys.some((vkey) => vkey.type === signatureTypes.ed25519)) {
    throw new CairnError("usage", "pin the log's Ed25519 key: it is the one that signs receipts");
  }
  return { vkeys, policy };
}

/** The keys in a policy's log lines. The policy is read strictly once there is a SHA-256. */
function logKeysOf(policy: string): string[] {
  return [...policy.matchAll(/^[ \t]*log[ \t]+([^ \t\n]+)/gm)].map((match) => match[1]!);
}

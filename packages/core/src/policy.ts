/**
 * Trust policies (C2SP tlog-policy): which logs, which witnesses, and which of them together are enough.
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <name>...
 *     quorum <name>|none
 *
 * A policy is what its reader trusts, so it comes from outside of whatever it judges. Names of witnesses and groups
 * are octets without a meaning: no two of them are equal unless every byte is. They are strings here. One that is
 * valid UTF-8 is that text; of any other one, byte 0xXX is the lone surrogate U+DCXX. So different octets are always
 * different strings, and the way back is exact.
 *
 * Invariants of a `Policy` that was parsed: names are unique; a group's members are defined before it, each a member
 * only once in the whole policy; no public key occurs twice, nor do two keys share name and ID.
 */
import { hex, parseDecimal, parseUtf8, utf8 } from "./encoding.ts";
import { CairnError, isCairnError } from "./errors.ts";
import type { Sha256 } from "./hash.ts";
import {
  formatKeyId,
  formatVkey,
  parseVkey,
  signatureTypes,
  type SignatureType,
  type Vkey,
} from "./vkey.ts";

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly vkey: Vkey;
  readonly url?: string;
}

export interface PolicyWitness {
  /** What groups and the quorum call it. Need not be the name of the key. */
  readonly name: string;
  readonly vkey: Vkey;
  readonly url?: string;
}

export interface PolicyGroup {
  readonly name: string;
  /** How many members are enough: 1 to their number. */
  readonly threshold: number;
  /** Witnesses and groups. */
  readonly members: readonly string[];
}

export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly groups: readonly PolicyGroup[];
  /** The name of a witness or a group, or `noQuorum`. */
  readonly quorum: string;
}

/** The quorum that asks for no cosignature. No witness or group has this name. */
export const noQuorum = "none";
/** Room for hundreds of ML-DSA-44 keys. */
export const policyBytesMax = 1_048_576;

const roleTypes: Readonly<Record<"log" | "witness", readonly SignatureType[]>> = {
  log: [signatureTypes.ed25519, signatureTypes.mlDsa44Cosignature],
  witness: [signatureTypes.ed25519Cosignature, signatureTypes.mlDsa44Cosignature],
};

/**
 * Reads a policy. "malformed" with the line where it stops being one, "too_large" above `policyBytesMax`. Stricter
 * than the specification in one thing: a key is either a log's or a witness's. A key in both roles could vouch for
 * itself.
 */
export function parsePolicy(sha256: Sha256, bytes: Uint8Array): Policy {
  if (bytes.length > policyBytesMax) {
    throw new CairnError(
      "too_large",
      `a policy has at most ${policyBytesMax} bytes, not ${bytes.length}`,
    );
  }
  const parser = new PolicyParser(sha256);
  let line = 1;
  for (let at = 0; at < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const refuse = (why: string): CairnError => refusal(line, at, why);
    const tokens = tokensOf(bytes.subarray(at, end), refuse);
    // A file that was cut in its last line could name another quorum than the whole one.
    if (newline < 0) throw refuse("the last line does not end in a newline; add one");
    parser.take(tokens, line, refuse);
    at = end + 1;
  }
  return parser.finish(refusal(line, bytes.length, "no quorum line; add `quorum <name>`"));
}

/**
 * The policy's text: logs, witnesses, groups, quorum. The reverse of `parsePolicy`, but for comments and white space.
 * "malformed" for a policy that would not be read back.
 */
export function formatPolicy(sha256: Sha256, policy: Policy): Uint8Array {
  const bytes = policyText(policy);
  parsePolicy(sha256, bytes);
  return bytes;
}

/**
 * The policy with these keys of logs besides its own, for keys that are known from elsewhere. "malformed" where one of
 * them is a witness's, or could not be a log's.
 */
export function withLogKeys(sha256: Sha256, policy: Policy, vkeys: readonly Vkey[]): Policy {
  const known = new Set(policy.logs.map(({ vkey }) => formatVkey(vkey)));
  const added = vkeys.filter((vkey) => !known.has(formatVkey(vkey)));
  const logs = [...policy.logs, ...added.map((vkey) => ({ vkey }))];
  return parsePolicy(sha256, policyText({ ...policy, logs }));
}

/** The policy that trusts these keys of one or several logs, and asks for no witness. */
export function policyOfKeys(sha256: Sha256, vkeys: readonly Vkey[]): Policy {
  const none: Policy = { logs: [], witnesses: [], groups: [], quorum: noQuorum };
  return withLogKeys(sha256, none, vkeys);
}

/** True if these witnesses (by their names in the policy) are a quorum. Names that are no witness's do not count. */
export function isQuorum(policy: Policy, cosigned: Iterable<string>): boolean {
  if (policy.quorum === noQuorum) return true;
  const names = new Set(cosigned);
  const witnessed = new Set<string>();
  for (const { name } of policy.witnesses) if (names.has(name)) witnessed.add(name);
  // In the order of definition, so that a group's members are decided before it.
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name);
  }
  return witnessed.has(policy.quorum);
}

class PolicyParser {
  readonly #sha256: Sha256;
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  #quorum: string | undefined;
  /** Where things were seen first: names, members, public keys, and names and IDs of keys. */
  readonly #lineOfName = new Map<string, number>();
  readonly #lineOfMember = new Map<string, number>();
  readonly #lineOfKey = new Map<string, number>();
  readonly #lineOfKeyId = new Map<string, number>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  take(tokens: readonly string[], line: number, refuse: (why: string) => CairnError): void {
    const [keyword, ...rest] = tokens;
    if (keyword === undefined) return;
    if (keyword === "log") this.#log(rest, line, refuse);
    else if (keyword === "witness") this.#witness(rest, line, refuse);
    else if (keyword === "group") this.#group(rest, line, refuse);
    else if (keyword === "quorum") this.#takeQuorum(rest, refuse);
    else {
      throw refuse(
        `${shown(keyword)} is no keyword; a line begins with log, witness, group, quorum or #`,
      );
    }
  }

  finish(noQuorumLine: CairnError): Policy {
    if (this.#quorum === undefined) throw noQuorumLine;
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
    };
  }

  #log(rest: readonly string[], line: number, refuse: (why: string) => CairnError): void {
    const [vkeyText, url] = rest;
    if (vkeyText === undefined || rest.length > 2) throw refuse("write `log <vkey> [<url>]`");
    const vkey = this.#vkey("log", vkeyText, line, refuse);
    this.#logs.push({ vkey, ...(url === undefined ? {} : { url }) });
  }

  #witness(rest: readonly string[], line: number, refuse: (why: string) => CairnError): void {
    const [name, vkeyText, url] = rest;
    if (name === undefined || vkeyText === undefined || rest.length > 3) {
      throw refuse("write `witness <name> <vkey> [<url>]`");
    }
    this.#define(name, line, refuse);
    const vkey = this.#vkey("witness", vkeyText, line, refuse);
    this.#witnesses.push({ name, vkey, ...(url === undefined ? {} : { url }) });
  }

  #group(rest: readonly string[], line: number, refuse: (why: string) => CairnError): void {
    const [name, rule, ...members] = rest;
    if (name === undefined || rule === undefined || members.length === 0) {
      throw refuse("write `group <name> all|any|<k> <name>...`, with at least one member");
    }
    // Members first: a group is no member of itself.
    for (const member of members) {
      this.#checkDefined(member, refuse);
      const before = this.#lineOfMember.get(member);
      if (before !== undefined) {
        throw refuse(
          `${shown(member)} is already a member of a group in line ${before}; each name is a member only once, ` +
            "so that no witness counts twice",
        );
      }
      this.#lineOfMember.set(member, line);
    }
    const threshold = thresholdOf(rule, members.length, refuse);
    this.#define(name, line, refuse);
    this.#groups.push({ name, threshold, members });
  }

  #takeQuorum(rest: readonly string[], refuse: (why: string) => CairnError): void {
    const [name] = rest;
    if (name === undefined || rest.length > 1)
      throw refuse("write `quorum <name>` or `quorum none`");
    if (this.#quorum !== undefined) throw refuse("a second quorum line; keep exactly one");
    if (name !== noQuorum) this.#checkDefined(name, refuse);
    this.#quorum = name;
  }

  #define(name: string, line: number, refuse: (why: string) => CairnError): void {
    if (name === noQuorum)
      throw refuse("the name `none` is reserved for the quorum; choose another");
    const before = this.#lineOfName.get(name);
    if (before !== undefined) {
      throw refuse(`the name ${shown(name)} is taken by line ${before}; choose another`);
    }
    this.#lineOfName.set(name, line);
  }

  #checkDefined(name: string, refuse: (why: string) => CairnError): void {
    if (name === noQuorum) throw refuse("`none` stands after `quorum` only; remove it");
    if (this.#lineOfName.has(name)) return;
    throw refuse(
      `${shown(name)} is no witness or group of a line before; correct the name, or define it further up`,
    );
  }

  #vkey(
    role: "log" | "witness",
    text: string,
    line: number,
    refuse: (why: string) => CairnError,
  ): Vkey {
    let vkey: Vkey;
    try {
      vkey = parseVkey(this.#sha256, text);
    } catch (error) {
      if (!isCairnError(error, "malformed")) throw error;
      throw refuse(`${error.message}; copy the ${role}'s key again`);
    }
    const types = roleTypes[role];
    if (!types.includes(vkey.type)) {
      throw refuse(
        `a key of type 0x0${vkey.type} is not a ${role}'s; a ${role} has type ` +
          types.map((type) => `0x0${type}`).join(" or "),
      );
    }
    const publicKey = hex(vkey.publicKey);
    const before = this.#lineOfKey.get(publicKey);
    if (before !== undefined) {
      throw refuse(
        `the public key is that of line ${before}, whatever its name; a key occurs once, as a log's or a ` +
          "witness's. Remove one of the lines",
      );
    }
    this.#lineOfKey.set(publicKey, line);
    const id = `${formatKeyId(vkey.id)} ${vkey.name}`;
    const sameId = this.#lineOfKeyId.get(id);
    if (sameId !== undefined) {
      throw refuse(
        `another key in line ${sameId} has the same name and ID, so that nobody could tell whose signature is ` +
          "whose. Have one of them made anew",
      );
    }
    this.#lineOfKeyId.set(id, line);
    return vkey;
  }
}

function policyText(policy: Policy): Uint8Array {
  const url = (of: { url?: string }): string[] => (of.url === undefined ? [] : [of.url]);
  const lines = policy.logs.map((log) => ["log", formatVkey(log.vkey), ...url(log)]);
  for (const witness of policy.witnesses) {
    lines.push(["witness", witness.name, formatVkey(witness.vkey), ...url(witness)]);
  }
  for (const { name, threshold, members } of policy.groups) {
    const rule =
      threshold === members.length ? "all" : threshold === 1 ? "any" : threshold.toString();
    lines.push(["group", name, rule, ...members]);
  }
  lines.push(["quorum", policy.quorum]);
  const octets: number[] = [];
  for (const line of lines) {
    for (const item of line) octets.push(...octetsOf(item), 0x20);
    octets[octets.length - 1] = 0x0a;
  }
  return Uint8Array.from(octets);
}

function thresholdOf(rule: string, count: number, refuse: (why: string) => CairnError): number {
  if (rule === "any") return 1;
  if (rule === "all") return count;
  const wrong = (): CairnError =>
    refuse(`${shown(rule)} is not all, any, or a number from 1 to ${count}, as there are members`);
  let threshold: number;
  try {
    threshold = parseDecimal(rule, "threshold");
  } catch (error) {
    if (isCairnError(error, "malformed")) throw wrong();
    throw error;
  }
  if (threshold < 1 || threshold > count) throw wrong();
  return threshold;
}

/** The items of one line; none for an empty line or a comment. */
function tokensOf(line: Uint8Array, refuse: (why: string) => CairnError): string[] {
  // Comments are held to the character set too.
  const bad = line.find((byte) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f);
  if (bad !== undefined) {
    const hint = bad === 0x0d ? " (lines end in a newline alone; convert the line ends)" : "";
    throw refuse(`byte 0x${hex(Uint8Array.of(bad))} is not allowed${hint}; remove it`);
  }
  const tokens: string[] = [];
  for (let at = 0; at < line.length;) {
    if (isBlank(line[at]!)) {
      at++;
      continue;
    }
    if (tokens.length === 0 && line[at] === 0x23) return [];
    let end = at;
    while (end < line.length && !isBlank(line[end]!)) end++;
    tokens.push(textOf(line.subarray(at, end)));
    at = end;
  }
  return tokens;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** Octets as a string, one to one: see the file's header. */
function textOf(octets: Uint8Array): string {
  try {
    return parseUtf8(octets);
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  let text = "";
  for (const byte of octets) text += String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
  return text;
}

/** The reverse of `textOf`. "malformed" for a string that it does not give, or that would not be one item. */
function octetsOf(text: string): Uint8Array {
  const octets = text.isWellFormed()
    ? utf8(text)
    : Uint8Array.from(text, (c) => {
        const code = c.charCodeAt(0);
        return code < 0x80 ? code : code - 0xdc00;
      });
  if (octets.length > 0 && !octets.some((byte) => byte <= 0x20) && textOf(octets) === text) {
    return octets;
  }
  throw new CairnError(
    "malformed",
    `${shown(text)} cannot stand in a policy: it is empty, or has white space or a control character`,
  );
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function refusal(line: number, byte: number, why: string): CairnError {
  return new CairnError("malformed", `policy, line ${line}: ${why}`, { place: { byte } });
}

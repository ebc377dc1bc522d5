/** Lines of OpenSSH's sshd, as of 9.2 to 10.2 (auth.c, auth2.c, monitor.c, session.c, packet.c). */
import { user, whence, type AuthFinding } from "./linux-auth-finding.ts";

type Found = readonly (string | undefined)[];

interface Pattern {
  readonly kind: string;
  readonly pattern: RegExp;
  readonly read: (found: Found) => Omit<AuthFinding, "kind">;
}

/**
 * Where a name that a stranger chose stands before " from <address> port <n>", `(.*)` is greedy: the last such words
 * are sshd's own. Behind "Accepted" there is an account's name, and a certificate's id may follow: the first ones are.
 */
const patterns: readonly Pattern[] = [
  {
    kind: "sshd/accepted",
    pattern: /^Accepted (\S+) for (.+?) from (\S+) port ([0-9]+)(?: (\S+?))?(?:: (.*))?$/,
    read: ([, method, name, from, port, protocol, key]) => ({
      type: "identity.login",
      action: "login",
      outcome: "success",
      actor: user(name!, from),
      auth: { method, port, protocol, ...keyOf(key) },
    }),
  },
  {
    kind: "sshd/failed",
    pattern:
      /^Failed (\S+) for (invalid user |illegal user )?(.*) from (\S+) port ([0-9]+)(?: (ssh[0-9]?))?(?:: (.*))?$/,
    read: ([, method, invalid, name, from, port, protocol, key]) => ({
      type: "identity.login",
      action: "login",
      outcome: "failure",
      actor: user(name!, from),
      auth: { method, port, protocol, ...keyOf(key), ...unknownUser(invalid) },
    }),
  },
  {
    kind: "sshd/invalid-user",
    pattern: /^(?:Invalid|Illegal) user (.*) from (\S+)(?: port ([0-9]+))?$/,
    read: ([, name, from, port]) => ({
      type: "identity.login",
      action: "login",
      outcome: "failure",
      actor: user(name!, from),
      auth: { port, isUnknownUser: true },
    }),
  },
  {
    kind: "sshd/not-allowed",
    pattern: /^User (.*) from (\S+) not allowed because (.*)$/,
    read: ([, name, from, reason]) => ({
      type: "identity.login",
      action: "login",
      outcome: "denied",
      actor: user(name!, from),
      auth: { reason },
    }),
  },
  {
    kind: "sshd/not-allowed",
    pattern: /^ROOT LOGIN REFUSED FROM (\S+)(?: port ([0-9]+))?( \[preauth\])?$/,
    read: ([, from, port]) => ({
      type: "identity.login",
      action: "login",
      outcome: "denied",
      actor: user("root", from),
      auth: { port, reason: "root login refused" },
    }),
  },
  {
    kind: "sshd/not-allowed",
    pattern:
      /^(?:fatal: )?Access denied for user (.*) by PAM account configuration(?: \[preauth\])?$/,
    read: ([, name]) => ({
      type: "identity.login",
      action: "login",
      outcome: "denied",
      actor: user(name!),
      auth: { reason: "PAM account configuration" },
    }),
  },
  {
    kind: "sshd/too-many-attempts",
    pattern:
      /^(?:error: )?maximum authentication attempts exceeded for (invalid user )?(.*) from (\S+) port ([0-9]+)(?: (ssh[0-9]?))?(?: \[preauth\])?$/,
    read: ([, invalid, name, from, port, protocol]) => ({
      type: "identity.login",
      action: "login",
      outcome: "denied",
      actor: user(name!, from),
      auth: { port, protocol, reason: "too many attempts", ...unknownUser(invalid) },
    }),
  },
  {
    kind: "sshd/too-many-attempts",
    pattern:
      /^Disconnecting (authenticating|invalid) user (.*) (\S+) port ([0-9]+): (.*?)(?: \[preauth\])?$/,
    read: ([, state, name, from, port, reason]) => ({
      type: "identity.login",
      action: "login",
      outcome: "denied",
      actor: user(name!, from),
      auth: { port, reason, ...unknownUser(state === "invalid" ? state : undefined) },
    }),
  },
  {
    kind: "sshd/pam-failure",
    pattern: /^(?:error: )?PAM: (.*?) for (illegal user |invalid user )?(.*) from (\S+)$/,
    read: ([, reason, invalid, name, from]) => ({
      type: "identity.login",
      action: "login",
      outcome: "failure",
      actor: user(name!, from),
      auth: { reason, ...unknownUser(invalid) },
    }),
  },
  {
    kind: "sshd/gave-up",
    pattern:
      /^(?:Connection (?:closed|reset) by|Disconnected from) (authenticating|invalid) user (.*) (\S+) port ([0-9]+)(?: \[preauth\])?$/,
    read: ([, state, name, from, port]) => ({
      type: "identity.login",
      action: "login",
      outcome: "failure",
      actor: user(name!, from),
      auth: {
        port,
        reason: "connection ended before signing in",
        ...unknownUser(state === "invalid" ? state : undefined),
      },
    }),
  },
  {
    kind: "sshd/session",
    pattern:
      /^Starting session: (.*?)(?: on (\S+))? for (\S+) from (\S+) port ([0-9]+) id ([0-9]+)$/,
    read: ([, what, tty, name, from, port, channel]) => ({
      type: "identity.session",
      action: "open",
      outcome: "success",
      actor: user(name!, from),
      auth: { what, tty, port, channel },
    }),
  },
  {
    kind: "sshd/session",
    pattern: /^Close session: user (\S+) from (\S+) port ([0-9]+) id ([0-9]+)$/,
    read: ([, name, from, port, channel]) => ({
      type: "identity.session",
      action: "close",
      outcome: "success",
      actor: user(name!, from),
      auth: { port, channel },
    }),
  },
  {
    kind: "sshd/disconnected",
    pattern: /^(?:Disconnected from|Connection (?:closed|reset) by) user (.*) (\S+) port ([0-9]+)$/,
    read: ([, name, from, port]) => ({
      type: "identity.logout",
      action: "logout",
      outcome: "success",
      actor: user(name!, from),
      auth: { port },
    }),
  },
  {
    kind: "sshd/connection",
    pattern: /^Connection from (\S+) port ([0-9]+)(?: on \S+ port ([0-9]+))?.*$/,
    read: ([, from, port]) => connection("connect", from, port),
  },
  {
    kind: "sshd/connection",
    pattern: /^Unable to negotiate with (\S+) port ([0-9]+): (.*?)(?: \[preauth\])?$/,
    read: ([, from, port, reason]) => connection("disconnect", from, port, reason),
  },
  {
    kind: "sshd/connection",
    pattern:
      /^(?:Connection (?:closed|reset) by|Disconnected from|Received disconnect from) (\S+) port ([0-9]+)(?::[0-9]+: (.*?))?(?: \[preauth\])?$/,
    read: ([, from, port, reason]) => connection("disconnect", from, port, reason),
  },
];

export function readSshdLine(line: string): AuthFinding | undefined {
  for (const { kind, pattern, read } of patterns) {
    const found = pattern.exec(line);
    if (found === null) continue;
    const finding = read(found);
    const auth = isAmbiguous(line) ? { ...finding.auth, isAmbiguous: true } : finding.auth;
    return { kind, ...finding, auth };
  }
  return undefined;
}

/** sshd writes an address once. Twice, and one of them is part of a name that somebody chose. */
function isAmbiguous(line: string): boolean {
  const places = line.match(/ \S+ port [0-9]+/g)?.length ?? 0;
  return places > (line.startsWith("Connection from ") ? 2 : 1);
}

function connection(
  action: string,
  from: string | undefined,
  port: string | undefined,
  reason?: string,
): Omit<AuthFinding, "kind"> {
  return {
    type: "identity.session",
    action,
    outcome: "unknown",
    // Nobody has said yet who it is.
    actor: { id: from, type: "host", ...whence(from) },
    auth: { port, reason },
  };
}

function unknownUser(invalid: string | undefined): { readonly isUnknownUser?: true } {
  return invalid === undefined ? {} : { isUnknownUser: true };
}

/** `ED25519 SHA256:…`; of a certificate `ED25519-CERT SHA256:… ID alice (serial 7) CA ED25519 SHA256:…`. */
function keyOf(key: string | undefined): Readonly<Record<string, string>> {
  if (key === undefined) return {};
  const found = /^(\S+) ((?:SHA256|MD5):\S+)(?: ID (.*) \(serial ([0-9]+)\) CA (\S+) (\S+))?$/.exec(
    key,
  );
  if (found === null) return { key };
  const [, keyType, keyFingerprint, certificateId, serial, caType, caFingerprint] = found;
  if (certificateId === undefined) return { keyType: keyType!, keyFingerprint: keyFingerprint! };
  return {
    keyType: keyType!,
    keyFingerprint: keyFingerprint!,
    certificateId,
    certificateSerial: serial!,
    caType: caType!,
    caFingerprint: caFingerprint!,
  };
}

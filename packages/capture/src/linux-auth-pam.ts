/**
 * Lines of PAM modules (Linux-PAM 1.4 to 1.7): `pam_unix(sshd:session): session opened for user alice(uid=1001) …`.
 * A module speaks in the name of the program that uses it; its service says whether that is a sign-in or an elevation.
 */
import { user, type AuthFinding } from "./linux-auth-finding.ts";
import type { ActorDraft, TargetDraft } from "./event-fields.ts";

const elevating = /^(?:sudo|sudo-i|su|su-l|runuser|runuser-l|doas|polkit-1|pkexec)$/;

export function readPamLine(program: string, line: string): AuthFinding | undefined {
  // sshd sums up what was tried on one connection.
  const more = /^PAM ([0-9]+) more authentication failures?; (.*)$/.exec(line);
  if (more !== null) return authenticationFailure(program, more[2]!, { count: more[1] });
  const [, module, service, rest] =
    /^(pam_[a-z0-9_]+)\(([^:()]+):[a-z-]+\): (.*)$/.exec(line) ?? [];
  if (module === undefined || service === undefined || rest === undefined) return undefined;
  return readSession(module, service, rest) ?? readRefusal(module, service, rest);
}

function readSession(module: string, service: string, rest: string): AuthFinding | undefined {
  const opened =
    /^session opened for user (.+?)(?:\(uid=([0-9]+)\))? by (.*?)\(uid=([0-9]+)\)$/.exec(rest);
  if (opened !== null) {
    const [, name, uid, byName, byUid] = opened;
    const by = byName === "" ? `uid:${byUid}` : byName!;
    const who = elevating.test(service)
      ? { actor: user(by), targets: [target(name!)] }
      : { actor: user(name!) };
    return {
      kind: "pam/session-opened",
      type: "identity.session",
      action: "open",
      outcome: "success",
      ...who,
      auth: { module, service, uid, byUid },
    };
  }
  const closed = /^session closed for user (.+)$/.exec(rest)?.[1];
  if (closed === undefined) return undefined;
  return {
    kind: "pam/session-closed",
    type: "identity.session",
    action: "close",
    outcome: "success",
    // Of who became whom it no longer says who.
    actor: user(closed),
    auth: { module, service },
  };
}

function readRefusal(module: string, service: string, rest: string): AuthFinding | undefined {
  const failure = /^authentication failure; (.*)$/.exec(rest)?.[1];
  if (failure !== undefined) return authenticationFailure(service, failure, { module });
  const type = elevating.test(service) ? "identity.elevate" : "identity.login";
  const action = elevating.test(service) ? service : "login";
  if (rest === "check pass; user unknown") {
    return {
      kind: "pam/failure",
      type,
      action,
      outcome: "failure",
      actor: user("unknown"),
      auth: { module, service, isUnknownUser: true },
    };
  }
  const changed = /^password changed for (.+)$/.exec(rest)?.[1];
  if (changed !== undefined) {
    return {
      kind: "pam/password-changed",
      type: "identity.credential",
      action: "change-password",
      outcome: "success",
      actor: { id: service, type: "service" },
      targets: [target(changed)],
      auth: { module, service },
    };
  }
  for (const pattern of denials) {
    const [, name] = pattern.exec(rest) ?? [];
    if (name === undefined) continue;
    return {
      kind: "pam/denied",
      type,
      action,
      outcome: "denied",
      actor: user(name),
      auth: { module, service, reason: rest },
    };
  }
  return undefined;
}

const denials: readonly RegExp[] = [
  /^account (.+) has expired/,
  /^expired password for user (.+) \(/,
  /^Consecutive login failures for user (.+) account temporarily locked/,
  /^user (.+) \([0-9]+\) tally [0-9]+, deny/,
  /^requirement ".*" not met by user "(.+)"$/,
  /^access denied for user `(.+)' from/,
];

/** `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=alice`; the user is last, and may hold anything. */
const failureFields =
  /^logname=(.*?) uid=([0-9]+) euid=([0-9]+) tty=(.*?) ruser=(.*?) rhost=(.*?)(?: +user=(.*))?$/;

function authenticationFailure(
  service: string,
  fields: string,
  more: AuthFinding["auth"],
): AuthFinding | undefined {
  const found = failureFields.exec(fields.trimEnd());
  if (found === null) return undefined;
  const [, logname, uid, , tty, ruser, rhost, name] = found;
  const isElevation = elevating.test(service);
  const who: { actor: ActorDraft; targets?: TargetDraft[] } = isElevation
    ? {
        actor: user(ruser || logname || `uid:${uid}`, rhost),
        targets: name === undefined ? [] : [target(name)],
      }
    : { actor: user(name || "unknown", rhost) };
  return {
    kind: "pam/failure",
    type: isElevation ? "identity.elevate" : "identity.login",
    action: isElevation ? service : "login",
    outcome: "failure",
    ...who,
    auth: {
      ...more,
      service,
      uid,
      tty: tty || undefined,
      ...(name ? {} : { isUnknownUser: true }),
    },
  };
}

function target(name: string): TargetDraft {
  return { type: "user", id: name };
}

/**
 * Lines of sudo (1.8 to 1.9.17, lib/eventlog), su (util-linux's and shadow's) and login (both, too): who became whom,
 * and for which command.
 */
import type { Outcome } from "./event-fields.ts";
import { user, type AuthFinding } from "./linux-auth-finding.ts";

/** The fields that stand before COMMAND, in sudo's order. */
const sudoField = /^(HOST|TTY|CHROOT|PWD|CWD|USER|GROUP|TSID|ENV)=([^]*)$/;

/** `   alice : [reason ; ]TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id -u` */
export function readSudoLine(line: string): AuthFinding | undefined {
  const [, name, rest] = /^\s*(\S+) : ([^]*)$/.exec(line) ?? [];
  if (name === undefined || rest === undefined) return undefined;
  const continued = /^\(command continued\) ([^]*)$/.exec(rest)?.[1];
  if (continued !== undefined) {
    return {
      kind: "sudo/continued",
      type: "identity.elevate",
      action: "sudo",
      outcome: "unknown",
      actor: user(name),
      targets: [{ type: "command", id: continued }],
      auth: { isContinued: true },
    };
  }
  const commandAt = /(?:^|; )COMMAND=/.exec(rest);
  const command =
    commandAt === null ? undefined : rest.slice(commandAt.index + commandAt[0].length);
  const fields: Record<string, string> = {};
  const reasons: string[] = [];
  for (const part of rest.slice(0, commandAt?.index).split(" ; ")) {
    const [, key, value] = sudoField.exec(part.trim()) ?? [];
    if (key !== undefined) fields[key] = value!;
    else if (part.trim() !== "") reasons.push(part.trim());
  }
  if (command === undefined && fields.USER === undefined) return undefined;
  const reason = reasons.length === 0 ? undefined : reasons.join(" ; ");
  const outcome = sudoOutcome(reason);
  return {
    kind:
      outcome === "success" ? "sudo/command" : outcome === "denied" ? "sudo/denied" : "sudo/failed",
    type: "identity.elevate",
    action: "sudo",
    outcome,
    actor: user(name),
    targets: [
      ...(command === undefined ? [] : [{ type: "command", id: command }]),
      { type: "user", id: fields.USER },
      { type: "group", id: fields.GROUP },
    ],
    auth: {
      reason,
      tty: fields.TTY,
      workingDirectory: fields.PWD ?? fields.CWD,
      environment: fields.ENV,
      chroot: fields.CHROOT,
      ioLog: fields.TSID,
      // A folder may be named so that it reads like the fields behind it.
      ...(command !== undefined && / ; COMMAND=/.test(command) ? { isAmbiguous: true } : {}),
    },
  };
}

function sudoOutcome(reason: string | undefined): Outcome {
  if (reason === undefined) return "success";
  return /not allowed|NOT in sudoers|NOT authorized|not permitted/i.test(reason)
    ? "denied"
    : "failure";
}

export function readSuLine(line: string): AuthFinding | undefined {
  // util-linux: who becomes whom is read from its ends, for only sudo's and su's callers have accounts' names.
  const linux = /^(FAILED SU )?\(to (\S+)\) (\S+) on (\S+)$/.exec(line);
  if (linux !== null) {
    const [, failed, target, name, tty] = linux;
    return su(failed === undefined, name!, target!, tty === "none" ? undefined : tty);
  }
  const shadow = /^(Successful|FAILED) su for (\S+) by (\S+)$/.exec(line);
  if (shadow === null) return undefined;
  return su(shadow[1] === "Successful", shadow[3]!, shadow[2]!, undefined);
}

function su(
  isSuccess: boolean,
  name: string,
  target: string,
  tty: string | undefined,
): AuthFinding {
  return {
    kind: isSuccess ? "su/switched" : "su/failed",
    type: "identity.elevate",
    action: "su",
    outcome: isSuccess ? "success" : "failure",
    actor: user(name),
    targets: [{ type: "user", id: target }],
    auth: { tty },
  };
}

export function readLoginLine(line: string): AuthFinding | undefined {
  const root = /^ROOT LOGIN +(?:ON|on) '?(\S+?)'?(?: (?:FROM|from) '?(\S+?)'?)?$/.exec(line);
  if (root !== null) return login("root", root[2], root[1]);
  const accepted = /^(?:LOGIN ON|DIALUP AT) (\S+) BY (.*?)(?: FROM (\S+))?$/.exec(line);
  if (accepted !== null) return login(accepted[2]!, accepted[3], accepted[1]);
  // shadow's login, as Debian has it, then util-linux's.
  const failed =
    /^(FAILED LOGIN|TOO MANY LOGIN TRIES) \([0-9]+\)(?: on '([^']*)')?(?: from '([^']*)')? FOR '(.*)'(?:, (.*))?$/.exec(
      line,
    );
  if (failed !== null) {
    return refusedLogin(failed[1]!, failed[4]!, failed[3], failed[2], failed[5]);
  }
  const linux =
    /^(FAILED LOGIN|FAILED LOGIN SESSION|TOO MANY LOGIN TRIES)(?: \(?[0-9]+\)?)? FROM (\S+) FOR (.*), (.*)$/.exec(
      line,
    );
  if (linux === null) return undefined;
  return refusedLogin(linux[1]!, linux[3]!, linux[2], undefined, linux[4]);
}

function login(name: string, from: string | undefined, tty: string | undefined): AuthFinding {
  return {
    kind: "login/accepted",
    type: "identity.login",
    action: "login",
    outcome: "success",
    actor: user(name, from),
    auth: { tty },
  };
}

function refusedLogin(
  what: string,
  name: string,
  from: string | undefined,
  tty: string | undefined,
  reason: string | undefined,
): AuthFinding {
  const isDenied = what.startsWith("TOO MANY");
  return {
    kind: "login/failed",
    type: "identity.login",
    action: "login",
    outcome: isDenied ? "denied" : "failure",
    actor: user(name, from),
    auth: { tty, reason },
  };
}

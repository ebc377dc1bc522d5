/**
 * What sshd, sudo, su, login and PAM modules say in their lines, as who did what: sign-ins, sessions, elevations.
 *
 * The lines hold names that whoever knocks has chosen. A user named `root from 192.0.2.1 port 22` must not be able to
 * write another address than his own, so each pattern takes the reading that a stranger cannot forge; where the line
 * could be read in two ways all the same, `auth.isAmbiguous` says so. Who may write to a machine's syslog socket can
 * still write any line: only the journal knows who really spoke (`journald.ts`).
 */
import type { Json } from "./foreign-json.ts";
import type { ActorDraft, Outcome, TargetDraft } from "./event-fields.ts";
import { readLoginLine, readSuLine, readSudoLine } from "./linux-auth-elevate.ts";
import { readPamLine } from "./linux-auth-pam.ts";
import { readSshdLine } from "./linux-auth-sshd.ts";

export interface AuthFinding {
  /** The line's kind, as the table of the docs has it: `sshd/accepted`. */
  readonly kind: string;
  readonly type:
    | "identity.login"
    | "identity.logout"
    | "identity.session"
    | "identity.elevate"
    | "identity.credential";
  readonly actor: ActorDraft;
  readonly action: string;
  /** Beyond the host, which every one of these has for a target. */
  readonly targets?: readonly TargetDraft[];
  readonly outcome: Outcome;
  /** What else the line says: method, key, port, tty. */
  readonly auth: Readonly<Record<string, Json | undefined>>;
}

/** What a line of `program` says; undefined where it is none that is known. */
export function readAuthLine(program: string, line: string): AuthFinding | undefined {
  // rsyslog writes a blank before it, sudo pads its caller.
  const text = line.trim();
  // Of any program: PAM speaks in the name of who uses it.
  if (text.startsWith("pam_") || text.startsWith("PAM ")) return readPamLine(program, text);
  switch (program) {
    case "sshd":
    // From OpenSSH 9.8 on a session has a program of its own, from 10.0 on signing in has one, too.
    case "sshd-session":
    case "sshd-auth":
      return readSshdLine(text);
    case "sudo":
      return readSudoLine(text);
    case "su":
    case "su-l":
      return readSuLine(text);
    case "login":
      return readLoginLine(text);
    default:
      return undefined;
  }
}

/** An address where it is one, else a name: what stands behind "from" may be either. */
export function whence(from: string | undefined): {
  readonly ip?: string;
  readonly hostname?: string;
} {
  if (from === undefined || from === "" || from === "UNKNOWN") return {};
  const isAddress =
    /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(from) || /^[0-9A-Fa-f:.]*:[0-9A-Za-z:.%_-]*$/.test(from);
  return isAddress ? { ip: from } : { hostname: from };
}

export function user(name: string, from?: string): ActorDraft {
  return { id: name, type: "user", ...whence(from) };
}

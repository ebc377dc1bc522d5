/**
 * What sshd, sudo, su, login and PAM modules say in their lines, as who did what: sign-ins, sessions, elevations.
 *
 * The lines hold names that whoever knocks has chosen. A user named `root from 192.0.2.1 port 22` must not be able to
 * write another address than his own, so each pattern takes the reading that a stranger cannot forge; where the line
 * could be read in two ways all the same, `auth.isAmbiguous` says so. Who may write to a machine's syslog socket can
 * still write any line: only the journal knows who really spoke (`journald.ts`).
 */
import type { AuthFinding } from "./linux-auth-finding.ts";
import { readLoginLine, readSuLine, readSudoLine } from "./linux-auth-elevate.ts";
import { readPamLine } from "./linux-auth-pam.ts";
import { readSshdLine } from "./linux-auth-sshd.ts";

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

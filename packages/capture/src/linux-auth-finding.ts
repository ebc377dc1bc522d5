/** What a line about authentication comes to, and how its parts are spelled. See `linux-auth.ts`. */
import type { Json } from "./foreign-json.ts";
import type { ActorDraft, Outcome, TargetDraft } from "./event-fields.ts";

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

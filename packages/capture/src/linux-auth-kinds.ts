/** The table of what Linux says about authentication, for the adapters through which it comes. */
import type { KnownKind } from "./adapter.ts";

const named = "the name given, with its address";
const account = "the account, with its address";
const sudoer = "who called sudo";

type Row = readonly [
  kind: string,
  type: string,
  actor: string,
  action: string,
  outcome: string,
  /** Besides the host. */
  target?: string,
];

const rows: readonly Row[] = [
  ["sshd/accepted", "identity.login", account, "login", "success"],
  ["sshd/failed", "identity.login", named, "login", "failure"],
  ["sshd/invalid-user", "identity.login", named, "login", "failure"],
  ["sshd/not-allowed", "identity.login", account, "login", "denied"],
  ["sshd/too-many-attempts", "identity.login", named, "login", "denied"],
  ["sshd/pam-failure", "identity.login", named, "login", "failure"],
  ["sshd/gave-up", "identity.login", named, "login", "failure"],
  ["sshd/session", "identity.session", account, "open or close", "success"],
  ["sshd/disconnected", "identity.logout", account, "logout", "success"],
  ["sshd/connection", "identity.session", "the address", "connect or disconnect", "unknown"],
  ["sudo/command", "identity.elevate", sudoer, "sudo", "success", "the command, the user"],
  ["sudo/denied", "identity.elevate", sudoer, "sudo", "denied", "the command, the user"],
  ["sudo/failed", "identity.elevate", sudoer, "sudo", "failure", "the command, the user"],
  ["sudo/continued", "identity.elevate", sudoer, "sudo", "unknown", "the command's rest"],
  ["su/switched", "identity.elevate", "who called su", "su", "success", "the user"],
  ["su/failed", "identity.elevate", "who called su", "su", "failure", "the user"],
  ["login/accepted", "identity.login", "the account", "login", "success"],
  ["login/failed", "identity.login", "the name given", "login", "failure, denied after too many"],
  ["pam/session-opened", "identity.session", "the account, or who became it", "open", "success"],
  ["pam/session-closed", "identity.session", "the account", "close", "success"],
  [
    "pam/failure",
    "identity.login, or identity.elevate",
    "the name given, or who calls",
    "login, or the service",
    "failure",
  ],
  ["pam/denied", "identity.login", "the account", "login, or the service", "denied"],
  [
    "pam/password-changed",
    "identity.credential",
    "the program",
    "change-password",
    "success",
    "the user",
  ],
];

/** The rows, with where the host is found. */
export function authKinds(host: string): readonly KnownKind[] {
  return rows.map(([kind, type, actor, action, outcome, target]) => ({
    kind,
    type,
    actor,
    action,
    outcome,
    targets: target === undefined ? host : `${target}, ${host}`,
  }));
}

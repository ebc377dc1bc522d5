/**
 * The systemd journal as `journalctl --output=json --all` writes it: one entry a line, recorded whole.
 *
 * The journal knows what syslog does not: which program really spoke. Fields that begin with `_` are set by journald
 * and the kernel, never by the sender. So a line that calls itself sshd's, and was written by another program, is no
 * sign-in here: it stays `security.log`, and says `isImpostor`.
 */
import { CairnError, formatLogTime, isCairnError, parseDecimal } from "@cairnlog/core";
import type { Adapter, Captured, CapturedEvent, KnownKind } from "./adapter.ts";
import { requireAnyToken } from "./authentication.ts";
import { eventFrom } from "./event-fields.ts";
import { parseForeignText, isObject, textAt, wellFormed, type Json } from "./foreign-json.ts";
import { readAuthLine } from "./linux-auth.ts";
import type { AuthFinding } from "./linux-auth-finding.ts";
import { authKinds } from "./linux-auth-kinds.ts";
import { syslogType } from "./syslog-event.ts";
import { lineBodies } from "./syslog-lines.ts";

/** One entry of the journal as an event. */
export function captureJournalEntry(entry: Json): CapturedEvent {
  const program = textAt(entry, "SYSLOG_IDENTIFIER") ?? textAt(entry, "_COMM");
  const line = messageOf(entry);
  const claimed =
    program === undefined || line === undefined ? undefined : readAuthLine(program, line);
  const isImpostor = claimed !== undefined && !isSpokenBy(entry, program!);
  const finding = isImpostor ? undefined : claimed;
  const host = textAt(entry, "_HOSTNAME");
  const hostTarget = { type: "host", id: host };
  const unit = textAt(entry, "_SYSTEMD_UNIT");
  const session = textAt(entry, "_SYSTEMD_SESSION") ?? textAt(entry, "_AUDIT_SESSION");
  const details = {
    ...(finding === undefined ? {} : { auth: finding.auth }),
    ...(isImpostor ? { isImpostor } : {}),
    journal: entry,
  };
  return {
    event: eventFrom({
      id: idOf(entry),
      time: timeOf(entry),
      details,
      ...(finding === undefined
        ? {
            type: syslogType,
            actor: { id: program ?? unit ?? host, type: "service", unit },
            action: textAt(entry, "MESSAGE_ID") ?? "log",
            targets: [hostTarget],
          }
        : mapped(finding, hostTarget, session)),
    }),
  };
}

function mapped(
  { type, actor, action, targets = [], outcome }: AuthFinding,
  host: { readonly type: string; readonly id: string | undefined },
  session: string | undefined,
) {
  // No login session has this number: it is what the kernel says where there is none.
  const known = session === "4294967295" ? undefined : session;
  return {
    type,
    actor: { ...actor, session: known },
    action,
    targets: [...targets, host],
    outcome,
  };
}

/** Text, or where it is none an array of its bytes. Null: longer than `journalctl` shows without `--all`. */
function messageOf(entry: Json): string | undefined {
  const value = isObject(entry) ? entry.MESSAGE : undefined;
  if (typeof value === "string") return value;
  const bytes = Array.isArray(value) ? (value as readonly Json[]).filter(isByte) : [];
  if (!Array.isArray(value) || bytes.length < value.length) return undefined;
  return wellFormed(new TextDecoder().decode(Uint8Array.from(bytes)));
}

function isByte(value: Json): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

/**
 * Whether the program that spoke is the one that it says. `_EXE` is the kernel's; a process that was gone before
 * journald looked has none, and is believed as syslog would believe it.
 */
function isSpokenBy(entry: Json, program: string): boolean {
  const path = textAt(entry, "_EXE");
  if (path === undefined) return true;
  const name = path.slice(path.lastIndexOf("/") + 1);
  // A copy of sshd in somebody's home is not sshd.
  if (!/^\/(?:usr\/|s?bin\/|lib(?:exec|32|64)?\/|opt\/|nix\/store\/|gnu\/store\/)/.test(path))
    return false;
  const isSame = family(name) === family(program);
  // PAM speaks in all sorts of programs' names. Root could write any line, and the journal itself.
  return isSame || (!guarded.has(family(program)) && textAt(entry, "_UID") === "0");
}

/** Names whose lines mean something only when they are theirs. */
const guarded = new Set(["sshd", "sudo", "su", "login"]);

function family(program: string): string {
  return program.toLowerCase().replace(/-(?:session|auth|l|i)$/, "");
}

/** `__CURSOR` without what only tells where to look: the rest names an entry of a journal, for good. */
function idOf(entry: Json): string | undefined {
  const found = /^s=([0-9a-f]+);i=([0-9a-f]+);.*;t=([0-9a-f]+);x=([0-9a-f]+)$/.exec(
    textAt(entry, "__CURSOR") ?? "",
  );
  return found === null ? undefined : `s=${found[1]};i=${found[2]};t=${found[3]};x=${found[4]}`;
}

/** When the sender says that it spoke, else when journald heard it: microseconds since 1970. */
function timeOf(entry: Json): string | undefined {
  const micros =
    textAt(entry, "_SOURCE_REALTIME_TIMESTAMP") ?? textAt(entry, "__REALTIME_TIMESTAMP");
  if (micros === undefined || !/^[1-9][0-9]{9,15}$/.test(micros)) return undefined;
  const seconds = parseDecimal(micros.slice(0, -6), "Unix time");
  return formatLogTime(seconds * 1000).replace(".000Z", `.${micros.slice(-6)}Z`);
}

/** All kinds of `syslog` mean the same here; for these there are fixtures. */
const recorded = new Set([
  "sshd/accepted",
  "sshd/invalid-user",
  "sshd/gave-up",
  "sshd/session",
  "sshd/disconnected",
  "sshd/connection",
  "sudo/command",
  "pam/session-opened",
]);

const otherKind: KnownKind = {
  kind: "other",
  type: syslogType,
  actor: "/SYSLOG_IDENTIFIER",
  action: "/MESSAGE_ID",
  targets: "/_HOSTNAME",
  outcome: "none",
};

export const journaldAdapter: Adapter = {
  kind: "journald",
  title: "systemd journal",
  basis: "systemd 252 to 258: systemd.journal-fields(7), journalctl(1) --output=json",
  known: [...authKinds("/_HOSTNAME").filter(({ kind }) => recorded.has(kind)), otherKind],
  setup: {
    questions: [],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "On the machine whose journal it is, as a service that starts again when it ends:",
        "",
        "```sh",
        'journalctl --follow --output=json --all --after-cursor="$(cat /var/lib/cairn-journal.cursor)" |',
        `  while read -r entry; do curl --fail --retry 1000 --retry-all-errors -sS \\`,
        `    -H "Authorization: Bearer ${secret}" -H "Content-Type: application/x-ndjson" \\`,
        `    --data-binary "$entry" ${url}; done`,
        "```",
        "",
        "Entries that are sent again are recognised by their cursor.",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture({ body }): Captured {
    const events: CapturedEvent[] = [];
    const refused: string[] = [];
    for (const { bytes, number } of lineBodies(body)) {
      try {
        const { value } = parseForeignText(new TextDecoder().decode(bytes), `line ${number}`);
        events.push(captureJournalEntry(value));
      } catch (error) {
        if (!isCairnError(error, "malformed")) throw error;
        refused.push(error.message);
      }
    }
    if (events.length === 0) throw new CairnError("malformed", refused[0] ?? "the body is empty");
    return { events, refused };
  },
};

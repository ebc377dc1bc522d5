/**
 * One line of PostgreSQL's `jsonlog` as an event: what pgaudit audited, connections and their ends, errors.
 *
 * A line is written when something happens, before anybody knows how the transaction around it ends. So a statement by
 * itself has the outcome `unknown`; whoever has seen the end says so with `TransactionEnd`. The words of messages are
 * matched in English (`lc_messages = 'C'`); what is not recognised is an event too, as `database.log`.
 */
import {
  eventFrom,
  given,
  type ActorDraft,
  type EventDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import { findAuditFields, traceOfStatement, type AuditFields } from "./pgaudit-audit.ts";
import { textAt, type Json } from "./foreign-json.ts";
import type { CairnEvent } from "@cairnlog/core";

export interface PostgresLogLine {
  /** As the table in the docs has it: `audit/write`, `connection/authorized`. */
  readonly kind: string;
  /** `<session_id>/<line_num>`; undefined where the record is no line of jsonlog. */
  readonly id: string | undefined;
  /** A process of the server, since it started. */
  readonly session: string | undefined;
  /** Where the line is in its session, from 1. */
  readonly number: string | undefined;
  /** The virtual transaction that it was written in; undefined outside of one. */
  readonly transaction: string | undefined;
  readonly audit: AuditFields | undefined;
  /** The statement as an ERROR line quotes it. */
  readonly statement: string | undefined;
  readonly message: string;
  /** ERROR, FATAL and PANIC. */
  readonly isError: boolean;
  readonly record: Json;
}

/** How a transaction ended, as far as it is known when its statements are recorded. */
export interface TransactionEnd {
  readonly id: string;
  readonly state: "committed" | "rolled back" | "open" | "unknown";
  /** This statement itself failed, or was undone by a savepoint of a transaction that went on. */
  readonly statement?: "failed" | "undone" | "perhaps undone";
  readonly durationMs?: string;
}

interface Meaning {
  readonly kind: string;
  readonly type: string;
  readonly action: string;
  readonly outcome: Outcome;
}

const messages: readonly (readonly [RegExp, Meaning])[] = [
  [/^connection received: /, meaning("connection/received", "database.connect", "unknown")],
  [/^connection authenticated: /, meaning("connection/authenticated", "identity.login", "success")],
  [/^connection authorized: /, meaning("connection/authorized", "database.session", "success")],
  [
    /^replication connection authorized: /,
    meaning("connection/authorized", "database.session", "success"),
  ],
  [/^disconnection: /, meaning("connection/disconnection", "database.disconnect", "success")],
  [/^duration: [0-9.]+ ms$/, meaning("duration", "database.duration", "success")],
  [/^(?:statement|execute [^:]*): /, meaning("statement", "database.query", "unknown")],
  [/^duration: [0-9.]+ ms {2}/, meaning("statement", "database.query", "unknown")],
];

function meaning(kind: string, type: string, outcome: Outcome): Meaning {
  const action = kind.replace(/^connection\/(?!dis)/, "connection ").replace("connection/", "");
  return { kind, type, action, outcome };
}

export function readPostgresLogLine(record: Json): PostgresLogLine {
  const message = textAt(record, "message") ?? "";
  const session = textAt(record, "session_id");
  const number = textAt(record, "line_num");
  const vxid = textAt(record, "vxid");
  const audit = findAuditFields(message);
  const code = textAt(record, "state_code");
  const isError = code !== undefined && /^(?!0[0-2])[0-9A-Z]{5}$/.test(code);
  const isNumbered = session !== undefined && number !== undefined;
  const kind = kindOf(message, audit, isError, code);
  // While it signs somebody in, the server is in a transaction of its own, which says nothing about anything.
  const isOutside = vxid === undefined || vxid.endsWith("/0") || /^(?:conn|auth)/.test(kind);
  return {
    kind,
    id: isNumbered ? `${session}/${number}` : undefined,
    session,
    number,
    transaction: isOutside ? undefined : vxid,
    audit,
    statement: textAt(record, "statement"),
    message,
    isError,
    record,
  };
}

function kindOf(
  message: string,
  audit: AuditFields | undefined,
  isError: boolean,
  code: string | undefined,
): string {
  if (audit !== undefined) return `audit/${audit.class.toLowerCase()}`;
  if (isError) return code!.startsWith("28") ? "authentication/failed" : "error";
  return messages.find(([pattern]) => pattern.test(message))?.[1].kind ?? "log";
}

/** The line as an event. `name` is what the operator calls this database server; "" for none. */
export function postgresLogEvent(
  line: PostgresLogLine,
  name: string,
  end?: TransactionEnd,
): CairnEvent {
  const { record, audit } = line;
  const transaction = end ?? (line.transaction === undefined ? undefined : openTransaction(line));
  return eventFrom({
    ...meaningOf(line, transaction),
    id: line.id,
    time: timeOf(record),
    actor: actorOf(line),
    targets: targetsOf(line, name),
    trace: audit && traceOfStatement(audit.statement),
    details: { log: record, ...given("audit", audit), ...given("transaction", transaction) },
  });
}

function openTransaction({ session, transaction }: PostgresLogLine): TransactionEnd {
  return { id: transactionId(session!, transaction!), state: "open" };
}

/** What all lines of one transaction have in common. */
export function transactionId(session: string, vxid: string): string {
  return `${session}:${vxid}`;
}

function meaningOf(
  line: PostgresLogLine,
  end: TransactionEnd | undefined,
): Pick<EventDraft, "type" | "action" | "outcome"> {
  const { kind, audit, message, record } = line;
  if (audit !== undefined) {
    return {
      type: auditTypes[audit.class] ?? "database.query",
      action: audit.command,
      outcome: outcomeOf(audit, end),
    };
  }
  if (kind === "authentication/failed") {
    return { type: "identity.login", action: "authentication", outcome: "denied" };
  }
  if (kind === "error") {
    const isDenied = textAt(record, "state_code") === "42501";
    const action = textAt(record, "ps") ?? "error";
    return { type: "database.error", action, outcome: isDenied ? "denied" : "failure" };
  }
  const known = messages.find(([pattern]) => pattern.test(message))?.[1];
  if (known === undefined) return { type: "database.log", action: "log", outcome: "unknown" };
  const action = kind === "statement" ? (textAt(record, "ps") ?? known.action) : known.action;
  return { type: known.type, action, outcome: known.outcome };
}

const auditTypes: Readonly<Record<string, string>> = {
  DDL: "database.schema",
  ROLE: "database.role",
};

/**
 * What was read is known to whoever read it, however the transaction ended: reading succeeded unless the statement
 * itself failed. All else succeeded when it was committed.
 */
function outcomeOf(audit: AuditFields, end: TransactionEnd | undefined): Outcome {
  if (end === undefined || end.state === "open" || end.state === "unknown") return "unknown";
  if (end.statement === "failed") return "failure";
  if (audit.class === "READ") return "success";
  if (end.state === "rolled back" || end.statement === "undone") return "failure";
  return end.statement === "perhaps undone" ? "unknown" : "success";
}

/** `2026-11-23 05:00:00.123 UTC`. Another `log_timezone` has a name that no event can have: then it is left out. */
function timeOf(record: Json): string | undefined {
  return textAt(record, "timestamp")?.replace(/ GMT$/, " UTC");
}

function actorOf({ record, kind, message, session }: PostgresLogLine): ActorDraft {
  const host =
    textAt(record, "remote_host") ?? /^connection received: host=(\S+)/.exec(message)?.[1];
  const identity =
    kind === "connection/authenticated"
      ? /^connection authenticated: identity="((?:[^"]|"(?! method=))*)" method=/.exec(message)?.[1]
      : undefined;
  const user = textAt(record, "user");
  const isServer = user === undefined && host === undefined;
  return {
    id: identity ?? user ?? (isServer ? "postgres" : undefined),
    type: isServer ? "system" : "user",
    ip: host !== undefined && /^[0-9A-Fa-f:.]+$/.test(host) ? host : undefined,
    hostname: host !== undefined && !/^(?:[0-9A-Fa-f:.]+|\[local\])$/.test(host) ? host : undefined,
    application: textAt(record, "application_name"),
    databaseUser: identity === undefined || identity === user ? undefined : user,
    session,
  };
}

function targetsOf({ record, audit }: PostgresLogLine, name: string): TargetDraft[] {
  const database = textAt(record, "dbname");
  const place = [name, database].filter((part) => part !== undefined && part !== "").join("/");
  if (audit !== undefined && audit.objectName !== "") {
    const kind = audit.objectType.toLowerCase();
    const id = place === "" ? audit.objectName : `${place}/${audit.objectName}`;
    return [{ type: "postgres", id, ...given("kind", kind === "" ? undefined : kind) }];
  }
  return place === "" ? [] : [{ type: "postgres", id: place }];
}

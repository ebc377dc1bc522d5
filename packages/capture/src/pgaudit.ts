/**
 * PostgreSQL's own log, as jsonlog writes it: pgaudit's audit lines, connections, errors, everything else whole. A
 * delivery is one or more such lines, from whatever ships log files already.
 *
 * A delivery is read by itself. How a transaction ended may stand in the next one, so a statement has the outcome
 * `unknown` here, and the entry of its COMMIT or ROLLBACK tells. `cairn capture jsonlog`, which reads the files
 * themselves, waits for the end and says in each statement's entry whether it was rolled back.
 */
import { createHash } from "node:crypto";
import { requireAnyToken } from "./authentication.ts";
import { isObject } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import { postgresLogEvent, readPostgresLogLine } from "./pgaudit-line.ts";
import type {
  Adapter,
  Captured,
  CapturedEvent,
  Delivery,
  KnownKind,
  SourceSettings,
} from "./adapter.ts";
import { keptIf } from "./webhook-body.ts";

const user = "/user";
const object = "the object's name behind /dbname, else /dbname";

const audited = (kind: string, type: string): KnownKind => ({
  kind: `audit/${kind}`,
  type,
  actor: user,
  action: "pgaudit's COMMAND",
  targets: object,
  outcome: "unknown: the line is written before the transaction ends",
});

const connection = (kind: string, type: string, outcome: string): KnownKind => ({
  kind: `connection/${kind}`,
  type,
  actor: kind === "authenticated" ? "identity of the message" : "/user, else unknown",
  action: kind === "disconnection" ? kind : `connection ${kind}`,
  targets: "/dbname",
  outcome,
});

const known: readonly KnownKind[] = [
  audited("read", "database.query"),
  audited("write", "database.query"),
  audited("function", "database.query"),
  audited("ddl", "database.schema"),
  audited("role", "database.role"),
  audited("misc", "database.query"),
  connection("received", "database.connect", "unknown"),
  connection("authenticated", "identity.login", "success"),
  connection("authorized", "database.session", "success"),
  connection("disconnection", "database.disconnect", "success"),
  {
    kind: "authentication/failed",
    type: "identity.login",
    actor: user,
    action: "authentication",
    targets: "/dbname",
    outcome: "denied (SQLSTATE class 28)",
  },
  {
    kind: "error",
    type: "database.error",
    actor: user,
    action: "/ps",
    targets: "/dbname",
    outcome: "failure; denied for SQLSTATE 42501",
  },
  {
    kind: "statement",
    type: "database.query",
    actor: user,
    action: "/ps",
    targets: "/dbname",
    outcome: "unknown",
  },
  {
    kind: "duration",
    type: "database.duration",
    actor: user,
    action: "duration",
    targets: "/dbname",
    outcome: "success",
  },
];

export const pgauditAdapter: Adapter = {
  kind: "pgaudit",
  title: "PostgreSQL: pgaudit and connections, from jsonlog",
  basis: "PostgreSQL 15 (log_destination = jsonlog) with pgaudit 1.7",
  known,
  setup: {
    questions: [
      {
        name: "server",
        text: "What to call this database server in targets (orders-prod); empty for no name",
        default: "",
        pattern: /^[A-Za-z0-9._-]{0,64}$/,
      },
    ],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "1. In `postgresql.conf`, then restart PostgreSQL:",
        "",
        "```",
        "shared_preload_libraries = 'pgaudit'",
        "pgaudit.log = 'all'            # `misc` must be among them: it has COMMIT and ROLLBACK",
        "pgaudit.log_relation = on      # one line for each table that a statement touches",
        "log_destination = 'jsonlog'",
        "logging_collector = on",
        "log_connections = on",
        "log_disconnections = on",
        "lc_messages = 'C'",
        "log_timezone = 'UTC'",
        "```",
        "",
        "2. Best on the machine of the database: `cairn capture jsonlog <log folder>`. It keeps its place through",
        "   rotation and restarts, and says of each statement how its transaction ended (docs/postgres.md).",
        "",
        "3. Or let what ships your logs already post the lines of the `.json` files, unchanged, one or many at once:",
        "",
        "```sh",
        `curl ${url} -H "Authorization: Bearer ${secret}" -H "Content-Type: application/x-ndjson" \\`,
        "  --data-binary @postgresql.json",
        "```",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
};

function capture({ body }: Delivery, { options }: SourceSettings): Captured {
  const { records, refused } = recordsOf(body);
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 48);
  const events = records.map(({ value, isAltered }, i): CapturedEvent => {
    const line = readPostgresLogLine(isObject(value) ? value : { message: value });
    const event = postgresLogEvent(line, options.server ?? "");
    // A record that is no line of jsonlog has no number of its own: its place in the delivery must do.
    const numbered = line.id === undefined ? { id: `${digest}-${i}`, ...event } : event;
    return keptIf(isAltered, { event: numbered }, body);
  });
  return refused.length === 0 ? { events } : { events, refused };
}

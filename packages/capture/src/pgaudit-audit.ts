/**
 * What pgaudit writes behind `AUDIT: `: one line of CSV (its README, "Format"), and what a statement does to the
 * transaction that it runs in.
 *
 * Who runs a statement chooses its text. The text is one quoted field, so it cannot make further ones; its effect on
 * the transaction is taken from the first words only, which are what PostgreSQL itself goes by.
 */

/** The fields of one audit line, by pgaudit's names. */
export interface AuditFields {
  readonly auditType: "SESSION" | "OBJECT";
  /** Counts the statements of a session; those below one another, as in a function, share it. */
  readonly statementId: string;
  readonly substatementId: string;
  readonly class: string;
  readonly command: string;
  readonly objectType: string;
  readonly objectName: string;
  readonly statement: string;
  /** CSV again; or `<none>`, `<not logged>`. */
  readonly parameter: string;
  /** With pgaudit.log_rows. */
  readonly rows?: string;
}

const prefix = "AUDIT: ";

/** The fields of a log line's message; undefined where it is no audit line. */
export function findAuditFields(message: string): AuditFields | undefined {
  if (!message.startsWith(prefix)) return undefined;
  const fields = csvFields(message.slice(prefix.length));
  if (fields === undefined || fields.length < 9 || fields.length > 10) return undefined;
  const [auditType, statementId, substatementId, kind, command, ...more] = fields;
  if (auditType !== "SESSION" && auditType !== "OBJECT") return undefined;
  const [objectType, objectName, statement, parameter, rows] = more;
  return {
    auditType,
    statementId: statementId!,
    substatementId: substatementId!,
    class: kind!,
    command: command!,
    objectType: objectType!,
    objectName: objectName!,
    statement: statement!,
    parameter: parameter!,
    ...(rows === undefined ? {} : { rows }),
  };
}

/** RFC 4180, one record, whose quoted fields may span lines. Undefined where quotes do not match. */
function csvFields(text: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; ;) {
    const isQuoted = text[at] === '"';
    const end = isQuoted ? quotedEnd(text, at) : plainEnd(text, at);
    if (end < 0 || (end < text.length && text[end] !== ",")) return undefined;
    const field = isQuoted
      ? text.slice(at + 1, end - 1).replaceAll('""', '"')
      : text.slice(at, end);
    fields.push(field);
    if (end === text.length) return fields;
    at = end + 1;
  }
}

function plainEnd(text: string, from: number): number {
  const comma = text.indexOf(",", from);
  return comma < 0 ? text.length : comma;
}

/** Behind the closing quote; -1 where there is none. */
function quotedEnd(text: string, from: number): number {
  let at = from + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0 || text[quote + 1] !== '"') return quote < 0 ? -1 : quote + 1;
    at = quote + 2;
  }
}

export type TransactionStep =
  | { readonly step: "begin" | "commit" | "rollback" | "prepare" }
  | { readonly step: "savepoint" | "rollback to" | "release"; readonly name: string };

const name = String.raw`("(?:[^"]|"")+"|[^\s;"]+)`;
const steps: readonly (readonly [TransactionStep["step"], RegExp])[] = [
  ["begin", /^(?:BEGIN|START\s+TRANSACTION)\b/i],
  ["prepare", /^PREPARE\s+TRANSACTION\b/i],
  ["commit", /^(?:COMMIT|END)\b(?!\s+PREPARED\b)/i],
  ["savepoint", new RegExp(String.raw`^SAVEPOINT\s+${name}`, "i")],
  ["release", new RegExp(String.raw`^RELEASE\s+(?:SAVEPOINT\s+)?${name}`, "i")],
  [
    "rollback to",
    new RegExp(
      String.raw`^(?:ROLLBACK|ABORT)\s+(?:(?:WORK|TRANSACTION)\s+)?TO\s+(?:SAVEPOINT\s+)?${name}`,
      "i",
    ),
  ],
  ["rollback", /^(?:ROLLBACK|ABORT)\b(?!\s+PREPARED\b)/i],
];

/** What an audited statement does to its transaction; undefined where that is nothing. */
export function transactionStepOf(audit: AuditFields): TransactionStep | undefined {
  if (audit.class !== "MISC" || audit.substatementId !== "1") return undefined;
  const commands = /^(?:BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE TR)/;
  if (!commands.test(audit.command)) return undefined;
  const text = withoutLeadingComments(audit.statement);
  for (const [step, pattern] of steps) {
    const found = pattern.exec(text);
    if (found === null) continue;
    if (step === "savepoint" || step === "rollback to" || step === "release") {
      return { step, name: identifier(found[1]!) };
    }
    return { step };
  }
  return stepOfCommand(audit.command);
}

/** Several statements in one query share its text; each line still has a command of its own. */
function stepOfCommand(command: string): TransactionStep | undefined {
  if (command === "BEGIN" || command === "START TRANSACTION") return { step: "begin" };
  if (command === "COMMIT") return { step: "commit" };
  return command === "ROLLBACK" ? { step: "rollback" } : undefined;
}

function identifier(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase();
}

function withoutLeadingComments(text: string): string {
  let rest = text.trimStart();
  for (;;) {
    const close = rest.startsWith("--") ? "\n" : rest.startsWith("/*") ? "*/" : undefined;
    if (close === undefined) return rest;
    const end = rest.indexOf(close, 2);
    if (end < 0) return "";
    rest = rest.slice(end + close.length).trimStart();
  }
}

/** A comment of sqlcommenter is the last thing in its statement, and short. */
const commentCharactersMax = 2048;

/** The traceparent that an application put into a comment of its statement, as sqlcommenter does. */
export function traceOfStatement(statement: string): string | undefined {
  const end = statement.slice(-commentCharactersMax).replace(/[\s;]+$/, "");
  const start = end.lastIndexOf("/*");
  if (start < 0 || end.indexOf("*/", start + 2) !== end.length - 2) return undefined;
  return /\btraceparent='([^']*)'/.exec(end.slice(start))?.[1];
}

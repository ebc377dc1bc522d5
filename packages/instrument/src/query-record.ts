/**
 * One statement, from the moment an application hands it over to the event that tells what came of
 * it: what the hooks of all database libraries have in common.
 *
 * The event is recorded in the context of whoever asked for the statement, however the library got
 * around to it: a pool hands a connection on in the context of whoever gave it back.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createHmac } from "node:crypto";
import { CairnError, currentContext, type EventInput } from "@cairnlog/client";
import type { Actor } from "./actor.ts";
import { handOver, type Recorder } from "./recorder.ts";
import { errorName } from "./request-record.ts";
import { bounded, boundedText } from "./selection.ts";
import { readStatement, type Statement } from "./statement.ts";
import { randomHex } from "./traceparent.ts";

/**
 * What is recorded of the parameter `$index` (from 1): undefined for nothing. What it returns is in
 * the log for ever.
 */
export type RecordParameter = (value: unknown, index: number, statement: Statement) => unknown;

export interface QueryOptions {
  /** As in `postgres`, `mysql`, `sqlite`. Default: `postgres`. */
  readonly system?: string;
  /** What stands before a table in targets. Default: the database's name, where the hook knows it. */
  readonly database?: string;
  /** Who asks where the context names nobody, as a job. Default: the database's user. */
  readonly actor?: Actor;
  /** Default: no parameter is recorded. `hashedParameters(key)` makes equal ones recognisable. */
  readonly parameters?: RecordParameter;
  /** Whether values that are written into a statement are recorded. Default: `masked`. */
  readonly literals?: "masked" | "kept";
  /** True for what is not to be recorded, as a pool's `SELECT 1`. */
  readonly skip?: (statement: Statement) => boolean;
}

/** What a connection is, as far as the hook knows. */
export interface Connection {
  readonly database: string | undefined;
  readonly user: string | undefined;
  /** The server's process, as its own log names it. */
  readonly processId?: number | undefined;
  /** Random; ties the statements of one transaction together. Undefined outside of one. */
  transaction?: string | undefined;
  /** Enters the context in which the transaction began. */
  enter?: (run: () => void) => void;
}

/** What came of a statement. */
export interface QueryEnd {
  readonly error?: unknown;
  readonly rows?: number | undefined;
  /** What the server says that it did, where the library tells. */
  readonly command?: string | undefined;
  /** Whether a transaction is open now, where the library tells. */
  readonly inTransaction?: boolean | undefined;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Records each value as an HMAC-SHA256 under `key` (16 bytes at least): equal, but not known. */
export function hashedParameters(key: string | Uint8Array): RecordParameter {
  if (key.length < 16) throw new CairnError("usage", "the key of a hash has at least 16 bytes");
  return (value) => {
    const text = typeof value === "string" ? value : (JSON.stringify(bounded(value)) ?? "");
    return `hmac-sha256:${createHmac("sha256", key).update(text).digest("hex")}`;
  };
}

const statementsMax = 500;
/** Characters of one. */
const statementMax = 4096;
const parametersMax = 64;

export class QueryLog {
  readonly #client: Recorder;
  readonly #options: QueryOptions;
  readonly #system: string;
  /** Statements are few and come again and again; the oldest makes room. */
  readonly #read = new Map<string, Statement>();

  constructor(client: Recorder, options: QueryOptions) {
    this.#client = client;
    this.#options = options;
    this.#system = options.system ?? "postgres";
  }

  read(sql: string): Statement {
    const known = this.#read.get(sql);
    if (known !== undefined) return known;
    const isMySql = this.#system === "mysql" || this.#system === "mariadb";
    const statement = readStatement(sql, isMySql);
    if (sql.length > 4096) return statement;
    const [oldest] = this.#read.keys();
    if (this.#read.size >= statementsMax) this.#read.delete(oldest!);
    this.#read.set(sql, statement);
    return statement;
  }

  /** Call what it returns once the statement is over. */
  begin(connection: Connection, sql: string, values: readonly unknown[]): (end: QueryEnd) => void {
    const statement = this.read(sql);
    const enter = AsyncLocalStorage.snapshot();
    const sinceMs = performance.now();
    return (end) => {
      const durationMs = Math.round((performance.now() - sinceMs) * 1000) / 1000;
      const transaction = follow(connection, statement, end, enter);
      const undone = isUndone(statement, end);
      const details = {
        ...this.#asked(statement, sql, values),
        rows: end.rows,
        durationMs,
        ...errorDetails(end.error),
        transaction,
        processId: connection.processId,
        ...(undone ? { result: end.command } : {}),
        ...end.details,
      };
      const outcome = undone ? "failure" : outcomeOf(end.error);
      enter(() => this.#hand(connection, statement, { outcome, details }));
    };
  }

  /** For libraries that tell what they are about to ask, and nothing after that. */
  asked(sql: string, values: readonly unknown[]): void {
    const statement = this.read(sql);
    const details = this.#asked(statement, sql, values);
    const unknown = { database: undefined, user: undefined };
    this.#hand(unknown, statement, { outcome: "unknown", details });
  }

  /** A connection ended. Where it was in a transaction, nobody will say COMMIT any more. */
  ended(connection: Connection): void {
    const { transaction, enter = (run) => run(), processId } = connection;
    if (transaction === undefined) return;
    connection.transaction = undefined;
    enter(() =>
      handOver(this.#client, {
        type: "database.disconnected",
        action: "DISCONNECT",
        ...this.#actor(connection),
        targets: this.#targets(connection, undefined),
        // It was rolled back, unless a COMMIT had been sent: that entry says what is known of it.
        outcome: "unknown",
        details: { transaction, processId, transactionOpen: true },
      }),
    );
  }

  #asked(statement: Statement, sql: string, values: readonly unknown[]): object {
    const { literals } = this.#options;
    return {
      statement: literals === "kept" ? boundedText(sql, statementMax) : statement.text,
      statementCut: statement.isCut || undefined,
      parameters: this.#parameters(values, statement),
    };
  }

  #hand(
    connection: Connection,
    statement: Statement,
    rest: Pick<EventInput, "outcome" | "details">,
  ): void {
    if (this.#options.skip?.(statement) === true) return;
    handOver(this.#client, {
      type: "database.query",
      action: statement.action,
      ...this.#actor(connection),
      targets: this.#targets(connection, statement),
      ...rest,
    });
  }

  #actor({ user }: Connection): Pick<EventInput, "actor"> {
    if (currentContext()?.actor !== undefined) return {};
    const unnamed = { id: user ?? "unknown", type: user === undefined ? "unknown" : "service" };
    return { actor: this.#options.actor ?? unnamed };
  }

  #targets(connection: Connection, statement: Statement | undefined) {
    const database = this.#options.database ?? connection.database ?? this.#system;
    const target = (id: string) => ({ type: this.#system, id });
    if (statement === undefined || statement.tables.length === 0) return [target(database)];
    return statement.tables.map((table) => target(`${database}/${table}`));
  }

  #parameters(values: readonly unknown[], statement: Statement): unknown {
    const record = this.#options.parameters;
    if (record === undefined || values.length === 0) return undefined;
    const recorded: [string, unknown][] = [];
    for (const [i, value] of values.slice(0, parametersMax).entries()) {
      try {
        const found = record(value, i + 1, statement);
        if (found !== undefined) recorded.push([`$${i + 1}`, found]);
      } catch (error) {
        recorded.push([`$${i + 1}`, `(${errorName(error)})`]);
      }
    }
    return recorded.length === 0 ? undefined : bounded(Object.fromEntries(recorded));
  }
}

/** The transaction that the statement was part of; and the connection is in the one that goes on. */
function follow(
  connection: Connection,
  { operations }: Statement,
  { error, inTransaction }: QueryEnd,
  enter: (run: () => void) => void,
): string | undefined {
  const has = (...names: string[]): boolean => names.some((name) => operations.includes(name));
  const isOver = has("COMMIT", "END", "ROLLBACK", "ABORT") && error === undefined;
  const begins = has("BEGIN", "START") && error === undefined;
  const isOpen =
    inTransaction ??
    (begins && !isOver ? true : isOver ? false : connection.transaction !== undefined);
  const before = connection.transaction;
  if (isOpen && before === undefined) {
    connection.transaction = randomHex(8);
    connection.enter = enter;
  }
  const transaction = before ?? connection.transaction;
  if (!isOpen) connection.transaction = undefined;
  return transaction;
}

/** A COMMIT of a transaction that had failed is answered with ROLLBACK, and is no error. */
function isUndone({ operations }: Statement, { command }: QueryEnd): boolean {
  return command === "ROLLBACK" && (operations.includes("COMMIT") || operations.includes("END"));
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const sqlStateForm = /^[0-9A-Z]{5}$/;

function sqlStateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" && sqlStateForm.test(code) && /\d/.test(code) ? code : undefined;
}

function errorDetails(error: unknown): Readonly<Record<string, unknown>> {
  if (error === undefined) return {};
  const sqlState = sqlStateOf(error);
  return sqlState === undefined ? { error: errorName(error) } : { sqlState };
}

/**
 * Without the server's own word nobody knows whether the statement was carried out: nor where its
 * word is that the connection failed (08) or that it does not know itself (40003).
 */
function outcomeOf(error: unknown): "success" | "failure" | "denied" | "unknown" {
  if (error === undefined) return "success";
  const sqlState = sqlStateOf(error);
  if (sqlState === undefined || sqlState.startsWith("08") || sqlState === "40003") return "unknown";
  return sqlState === "42501" || sqlState.startsWith("28") ? "denied" : "failure";
}

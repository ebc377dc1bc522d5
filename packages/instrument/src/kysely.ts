/**
 * The hook for Kysely: a dialect whose connections record each statement, for the databases that
 * have no hook of their own here. With `pg`, hook the Pool instead (`cairnPg`): not both, or each
 * statement is recorded twice.
 */
import { parseDecimal } from "@cairnlog/core";
import { QueryLog, type Connection, type QueryOptions } from "./query-record.ts";
import type { Recorder } from "./recorder.ts";

/** What is used of Kysely's `Dialect`. */
export interface KyselyDialect {
  createDriver(): { acquireConnection(...given: never[]): Promise<object> };
}

interface Compiled {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

interface Result {
  readonly numAffectedRows?: bigint;
  readonly rows: readonly unknown[];
}

interface KyselyConnection {
  executeQuery(query: Compiled, ...rest: unknown[]): Promise<Result>;
  streamQuery(query: Compiled, ...rest: unknown[]): AsyncIterableIterator<Result>;
}

const hooked = new WeakSet<object>();

/** The same dialect, recording. `system` says which database it is; default: `postgres`. */
export function cairnKysely<Dialect extends KyselyDialect>(
  client: Recorder,
  dialect: Dialect,
  options: QueryOptions = {},
): Dialect {
  const log = new QueryLog(client, options);
  const createDriver = dialect.createDriver.bind(dialect);
  return new Proxy(dialect, {
    get(target, name) {
      if (name === "createDriver") return () => hookDriver(createDriver(), log);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

function hookDriver(driver: ReturnType<KyselyDialect["createDriver"]>, log: QueryLog): object {
  const own: { acquireConnection(...given: unknown[]): Promise<object> } = driver;
  const acquire = own.acquireConnection.bind(driver);
  own.acquireConnection = async (...given) => {
    const connection = await acquire(...given);
    hookConnection(connection as KyselyConnection, log);
    return connection;
  };
  return driver;
}

/** Kysely's own drivers begin and end transactions by statements over the connection. */
function hookConnection(own: KyselyConnection, log: QueryLog): void {
  if (hooked.has(own)) return;
  hooked.add(own);
  const connection: Connection = { database: undefined, user: undefined };
  const execute = own.executeQuery.bind(own);
  const stream = own.streamQuery?.bind(own);
  own.executeQuery = async (query, ...rest) => {
    const end = log.begin(connection, query.sql, query.parameters);
    try {
      const result = await execute(query, ...rest);
      end({ rows: rowsOf(result), command: commandOf(result) });
      return result;
    } catch (error) {
      end({ error });
      throw error;
    }
  };
  if (stream === undefined) return;
  own.streamQuery = async function* (query, ...rest) {
    const end = log.begin(connection, query.sql, query.parameters);
    let rows = 0;
    let isWhole = false;
    let fault: { readonly error?: unknown } = {};
    try {
      for await (const result of stream(query, ...rest)) {
        rows += result.rows.length;
        yield result;
      }
      isWhole = true;
    } catch (error) {
      fault = { error };
      throw error;
    } finally {
      end({ rows, ...fault, ...(isWhole ? {} : { details: { streamLeft: true } }) });
    }
  };
}

function rowsOf({ numAffectedRows, rows }: Result): number | undefined {
  return numAffectedRows === undefined
    ? rows.length
    : parseDecimal(String(numAffectedRows), "rows");
}

/** Of COMMIT and ROLLBACK, Kysely's PostgreSQL driver tells what the server did. */
function commandOf({ rows }: Result): string | undefined {
  const { command } = (rows[0] ?? {}) as { readonly command?: unknown };
  return rows.length === 1 && command === "ROLLBACK" ? command : undefined;
}

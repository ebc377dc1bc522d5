/**
 * The hook for `pg` (node-postgres): each statement of a Client, or of all the clients of a Pool,
 * becomes an event. Kysely's and Drizzle's drivers for `pg` go through it too.
 *
 * Clients and pools are changed in place, because libraries keep hold of them: `query` of a client,
 * and `connect` of a pool, which hands a client to whoever waited in the context of whoever gave it
 * back. What callers see is as before: results, errors, and the three ways to ask.
 *
 * With `tie`, the database learns who acts: within each transaction, right behind its BEGIN, so that
 * pgaudit's lines, triggers and change capture can say whose it was.
 */
import { AsyncResource } from "node:async_hooks";
import { currentContext } from "@cairnlog/client";
import { QueryLog, type Connection, type QueryEnd, type QueryOptions } from "./query-record.ts";
import type { Recorder } from "./recorder.ts";

export interface PgOptions extends QueryOptions {
  /** How a transaction is told who acts in it. Default: not at all. */
  readonly tie?: {
    /** The variables `cairn.actor` and `cairn.trace`, for triggers and policies: `set_config`, local. */
    readonly variables?: boolean;
    /** `application_name`, for the server's own log: the actor's id, of which it keeps 63 bytes. */
    readonly applicationName?: boolean;
    /**
     * A message in the write-ahead log, for change capture: `pg_logical_emit_message`. It gives each
     * transaction a number, also one that only reads, and fails on a standby.
     */
    readonly message?: boolean;
  };
}

/** What is used of `pg.Client`. */
export interface PgClient {
  query(...given: never[]): unknown;
  once(event: "end", listener: () => void): unknown;
}

/** What is used of `pg.Pool`. */
export interface PgPool {
  readonly idleCount: number;
  connect(...given: never[]): unknown;
  on(event: "acquire", listener: (client: never) => void): unknown;
}

type Callback = (error: unknown, result?: unknown) => void;

/** As `pg.Client` has it, its undocumented members among it. */
interface Known {
  readonly database?: string;
  readonly user?: string;
  readonly processID?: number | null;
  getTransactionStatus?(): string | null;
  query(...given: unknown[]): unknown;
  once(event: "end", listener: () => void): unknown;
}

/** Already hooked: a pool gives out the same client again and again. */
const hooked = new WeakSet<object>();

/** Hooks a Client or a Pool, and returns it. A second time changes nothing. */
export function cairnPg<Target extends PgClient | PgPool>(
  client: Recorder,
  target: Target,
  options: PgOptions = {},
): Target {
  const log = new QueryLog(client, options);
  if ("idleCount" in target) hookPool(target, log, options);
  else hookClient(target, log, options);
  return target;
}

function hookPool(pool: PgPool, log: QueryLog, options: PgOptions): void {
  if (hooked.has(pool)) return;
  hooked.add(pool);
  const own = pool as unknown as { connect(callback?: Callback): unknown };
  const connect = own.connect.bind(pool);
  own.connect = (callback) =>
    callback === undefined ? connect() : connect(AsyncResource.bind(callback));
  // Before whoever asked gets it, whether it is new or was idle.
  pool.on("acquire", (client: Known) => hookClient(client, log, options));
}

function hookClient(client: Known, log: QueryLog, options: PgOptions): void {
  if (hooked.has(client)) return;
  hooked.add(client);
  const query = client.query.bind(client);
  const connection: Connection = {
    database: client.database,
    user: client.user,
    get processId() {
      return client.processID ?? undefined;
    },
  };
  client.query = (...given) => {
    const asked = readCall(given);
    if (asked === undefined) return query(...given);
    const finish = log.begin(connection, asked.sql, asked.values);
    const end = (error: unknown, result?: unknown): void => {
      const status = client.getTransactionStatus?.();
      const inTransaction = typeof status === "string" ? status !== "I" : undefined;
      finish({ ...endOf(error, result), inTransaction });
    };
    if (asked.kind === "submittable") return query(...watched(given, asked.submittable, end));
    const tie = tieOf(log, asked.sql, options);
    const ask = asked.callback === undefined ? askPromise : askCallback;
    return ask({ query, given, end, tie, callback: asked.callback });
  };
  client.once("end", () => log.ended(connection));
}

interface Call {
  readonly kind: "plain" | "submittable";
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly callback: Callback | undefined;
  readonly submittable: Submittable;
}

/** What `pg` calls on a query of its own, a cursor or a stream while the server answers. */
interface Submittable {
  readonly submit?: unknown;
  readonly text?: unknown;
  readonly values?: unknown;
  readonly cursor?: { readonly text?: unknown; readonly values?: unknown };
  handleCommandComplete?(message: { readonly text?: string }, ...rest: unknown[]): unknown;
  handleReadyForQuery?(...given: unknown[]): unknown;
  handleError?(error: unknown, ...rest: unknown[]): unknown;
}

/** `query(text | config | submittable, values?, callback?)`; undefined for what `pg` will refuse. */
function readCall([config, second, third]: readonly unknown[]): Call | undefined {
  const given = typeof config === "string" ? { text: config } : (config as Submittable | undefined);
  if (typeof given !== "object" || given === null) return undefined;
  const isSubmittable = typeof given.submit === "function";
  const { text, values } = isSubmittable ? { ...given.cursor, ...texts(given) } : given;
  const own = Array.isArray(second) ? second : values;
  const callbacks = [second, third, (given as { callback?: unknown }).callback];
  return {
    kind: isSubmittable ? "submittable" : "plain",
    sql: typeof text === "string" ? text : "",
    values: Array.isArray(own) ? (own as unknown[]) : [],
    callback: callbacks.find((each) => typeof each === "function") as Callback | undefined,
    submittable: given,
  };
}

/** A stream has its cursor's; others their own. */
function texts({ text, values }: Submittable): object {
  return typeof text === "string" ? { text, values } : {};
}

interface Asking {
  readonly query: (...given: unknown[]) => unknown;
  readonly given: readonly unknown[];
  readonly end: (error: unknown, result?: unknown) => void;
  /** What is asked within the transaction that was just begun, before anybody else can. */
  readonly tie: Tie | undefined;
  readonly callback: Callback | undefined;
}

interface Tie {
  readonly text: string;
  readonly values: readonly string[];
}

function askPromise({ query, given, end, tie }: Asking): unknown {
  const answer = query(...given) as Promise<unknown>;
  return answer.then(
    async (result) => {
      end(undefined, result);
      if (tie === undefined) return result;
      try {
        await query(tie.text, tie.values);
      } catch (error) {
        // A transaction whose actor the database does not know must not go on.
        await Promise.resolve(query("rollback")).catch(() => {});
        throw error;
      }
      return result;
    },
    (error: unknown) => {
      end(error);
      throw error;
    },
  );
}

function askCallback({ query, given, end, tie, callback }: Asking): unknown {
  // `pg` calls back in the context in which the connection was made.
  const then = AsyncResource.bind(callback!);
  const watch: Callback = (error, result) => {
    end(error ?? undefined, result);
    if (error || tie === undefined) return then(error, result);
    query(tie.text, tie.values, (fault: unknown) => {
      if (!fault) return then(error, result);
      query("rollback", () => then(fault));
    });
  };
  const [config] = given;
  const isOwn = typeof config === "object" && config !== null && "callback" in config;
  const rest = given.slice(isOwn ? 1 : 0).filter((each) => typeof each !== "function");
  return isOwn ? query({ ...config, callback: watch }, ...rest) : query(...rest, watch);
}

/** Without a callback of its own it goes on by its methods, or by events that come after them. */
function watched(
  given: readonly unknown[],
  submittable: Submittable,
  end: (error: unknown, result?: unknown) => void,
): readonly unknown[] {
  let rowCount: number | undefined;
  let isOver = false;
  const finish = (error?: unknown): void => {
    if (isOver) return;
    isOver = true;
    end(error, { rowCount });
  };
  const complete = submittable.handleCommandComplete?.bind(submittable);
  const ready = submittable.handleReadyForQuery?.bind(submittable);
  const fail = submittable.handleError?.bind(submittable);
  submittable.handleCommandComplete = (message, ...rest) => {
    rowCount = rowsOf(message.text) ?? rowCount;
    return complete?.(message, ...rest);
  };
  submittable.handleReadyForQuery = (...rest) => {
    finish();
    return ready?.(...rest);
  };
  submittable.handleError = (error, ...rest) => {
    finish(error);
    return fail?.(error, ...rest);
  };
  return given;
}

/** `SELECT 5`, `INSERT 0 1`: the last number of a command tag. */
function rowsOf(tag: string | undefined): number | undefined {
  const digits = /^[A-Z]+(?: \d+)? (\d{1,15})$/.exec(tag ?? "")?.[1];
  return digits === undefined ? undefined : [...digits].reduce((sum, d) => sum * 10 + +d, 0);
}

function endOf(error: unknown, result: unknown): QueryEnd {
  if (error !== undefined) return { error };
  const results = (Array.isArray(result) ? result : [result]) as readonly (
    { readonly rowCount?: number | null; readonly command?: string | null } | undefined
  )[];
  const counts = results.flatMap((each) => each?.rowCount ?? []);
  const rows = counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
  const last = results.at(-1);
  return { rows, command: last?.command ?? undefined };
}

/** What tells a transaction who acts in it, if this statement begins one, and somebody does. */
function tieOf(log: QueryLog, sql: string, { tie, actor }: PgOptions): Tie | undefined {
  if (tie === undefined) return undefined;
  const { operations } = log.read(sql);
  if (operations.length !== 1 || !["BEGIN", "START"].includes(operations[0]!)) return undefined;
  const context = currentContext();
  const who = context?.actor?.id ?? actor?.id;
  const trace = context?.trace;
  if (who === undefined && trace === undefined) return undefined;
  const parts: string[] = [];
  const values: string[] = [];
  const use = (call: (parameter: string) => string, value: string): void => {
    parts.push(call(`$${values.push(value.replaceAll("\0", "").toWellFormed())}`));
  };
  const set = (name: string) => (parameter: string) => `set_config('${name}', ${parameter}, true)`;
  if (tie.variables === true) {
    use(set("cairn.actor"), who ?? "");
    use(set("cairn.trace"), trace ?? "");
  }
  if (tie.applicationName === true && who !== undefined) use(set("application_name"), who);
  if (tie.message === true) {
    const emit = (parameter: string): string =>
      `pg_logical_emit_message(true, 'cairn', ${parameter}::text)`;
    use(emit, JSON.stringify({ actor: who, trace }));
  }
  return parts.length === 0 ? undefined : { text: `select ${parts.join(", ")}`, values };
}

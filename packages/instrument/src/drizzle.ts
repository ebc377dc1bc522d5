/**
 * The hook for Drizzle: its logger. Drizzle calls it before it asks the database and never again, so
 * the outcome of these events is `unknown`, and they have no rows, no duration and no transaction. Where the
 * driver is `pg`, hook the Pool (`cairnPg`), which knows all that; this is for the other drivers.
 */
import { QueryLog, type QueryOptions } from "./query-record.ts";
import type { Recorder } from "./recorder.ts";

/** Drizzle's `Logger`. */
export interface DrizzleLogger {
  logQuery(query: string, params: unknown[]): void;
}

/** For `drizzle(…, { logger })`. */
export function cairnDrizzle(client: Recorder, options: QueryOptions = {}): DrizzleLogger {
  const log = new QueryLog(client, options);
  return { logQuery: (query, params) => log.asked(query, params) };
}

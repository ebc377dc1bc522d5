/**
 * What must be in a database before its changes can be captured: a publication, which says of which tables, and a
 * replication slot, which makes the server keep what we have not recorded yet. Both are made once and never changed.
 */
import pg, { type ClientConfig } from "pg";
import { CairnError, isCairnError } from "@cairnlog/core";
import { parseLsn, type Lsn } from "./lsn.ts";

export interface ChangeSource {
  readonly connection: ClientConfig;
  readonly slot: string;
  readonly publication: string;
  /** For a publication that is not there yet, as `schema.table`; none means all tables, also those of the future. */
  readonly tables: readonly string[];
}

/** What was found, or made. */
export interface ChangeSetup {
  readonly system: string;
  readonly database: string;
  /** Up to here the server believes that everything is recorded. */
  readonly confirmed: Lsn;
  readonly madeSlot: boolean;
  readonly madePublication: boolean;
  readonly tableCount: number;
  /** Tables without `REPLICA IDENTITY FULL`, the first hundred: their rows as they were are not complete. */
  readonly notFull: readonly string[];
  /** Kinds of changes that the publication leaves out. */
  readonly unpublished: readonly string[];
}

/** PostgreSQL's own rule for slots, kept for publications too, so that neither needs quoting. */
const plainName = /^[a-z_][a-z0-9_]{0,62}$/;
const shownMax = 100;

/** "usage" where something must be set up first; "unavailable" where the server is not there. */
export async function prepareChanges(source: ChangeSource): Promise<ChangeSetup> {
  for (const name of [source.slot, source.publication]) {
    if (plainName.test(name)) continue;
    throw new CairnError(
      "usage",
      `${JSON.stringify(name)}: expected lower-case letters, digits and _`,
    );
  }
  const client = new pg.Client(source.connection);
  client.on("error", () => {});
  try {
    await client.connect();
    return await prepare(client, source);
  } catch (cause) {
    if (isCairnError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    // Class 42 is a missing privilege or object, 28 an unknown user: trying again would not help.
    const isOurs = /^(?:42|28|3D|3F)/.test(sqlStateOf(cause));
    throw new CairnError(isOurs ? "usage" : "unavailable", `PostgreSQL: ${why}`, { cause });
  } finally {
    await client.end().catch(() => {});
  }
}

async function prepare(client: pg.Client, source: ChangeSource): Promise<ChangeSetup> {
  const { slot, publication, tables } = source;
  const [about] = await rows<{ level: string; database: string; system: string }>(
    client,
    `SELECT current_setting('wal_level') AS level, current_database() AS database,
       (SELECT system_identifier::text FROM pg_control_system()) AS system`,
  );
  if (about!.level !== "logical") {
    const message = `wal_level is ${about!.level}: set wal_level = logical in postgresql.conf and restart PostgreSQL`;
    throw new CairnError("usage", message);
  }
  const madePublication = await ensurePublication(client, publication, tables);
  const { confirmed, madeSlot } = await ensureSlot(client, slot, about!.database);
  const published = await rows<{ name: string; isFull: boolean }>(
    client,
    `SELECT format('%I.%I', p.schemaname, p.tablename) AS name, c.relreplident = 'f' AS "isFull"
       FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
      WHERE p.pubname = $1 ORDER BY 1`,
    [publication],
  );
  const [kinds] = await rows<Record<string, boolean>>(
    client,
    `SELECT pubinsert AS insert, pubupdate AS update, pubdelete AS delete, pubtruncate AS truncate
       FROM pg_publication WHERE pubname = $1`,
    [publication],
  );
  return {
    system: about!.system,
    database: about!.database,
    confirmed,
    madeSlot,
    madePublication,
    tableCount: published.length,
    notFull: published
      .filter(({ isFull }) => !isFull)
      .map(({ name }) => name)
      .slice(0, shownMax),
    unpublished: Object.entries(kinds ?? {}).flatMap(([kind, isOn]) => (isOn ? [] : [kind])),
  };
}

async function ensurePublication(
  client: pg.Client,
  publication: string,
  tables: readonly string[],
): Promise<boolean> {
  const sql = "SELECT 1 FROM pg_publication WHERE pubname = $1";
  if ((await rows(client, sql, [publication])).length > 0) return false;
  const quoted = tables.map((table) =>
    table
      .split(".")
      .map((part) => pg.escapeIdentifier(part))
      .join("."),
  );
  const what = quoted.length === 0 ? "ALL TABLES" : `TABLE ${quoted.join(", ")}`;
  await client.query(`CREATE PUBLICATION ${publication} FOR ${what}`);
  return true;
}

interface SlotRow {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly confirmed: string | null;
  readonly status: string | null;
}

async function ensureSlot(
  client: pg.Client,
  slot: string,
  database: string,
): Promise<{ readonly confirmed: Lsn; readonly madeSlot: boolean }> {
  const [found] = await rows<SlotRow>(
    client,
    `SELECT plugin, database, confirmed_flush_lsn::text AS confirmed, wal_status AS status
       FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  if (found === undefined) {
    const [made] = await rows<{ lsn: string }>(
      client,
      "SELECT lsn::text AS lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')",
      [slot],
    );
    return { confirmed: parseLsn(made!.lsn), madeSlot: true };
  }
  if (found.plugin !== "pgoutput" || found.database !== database || found.confirmed === null) {
    const is = `${found.plugin ?? "physical"}, database ${found.database ?? "none"}`;
    throw new CairnError(
      "usage",
      `the replication slot ${slot} is another's (${is}): choose --slot`,
    );
  }
  if (found.status === "lost") {
    const message =
      `the server has dropped what the slot ${slot} had not read yet (max_slot_wal_keep_size): those changes are lost. ` +
      `SELECT pg_drop_replication_slot('${slot}') and start again: the gap will be recorded`;
    throw new CairnError("usage", message);
  }
  return { confirmed: parseLsn(found.confirmed), madeSlot: false };
}

async function rows<Row extends object>(
  client: pg.Client,
  sql: string,
  values: readonly string[] = [],
): Promise<Row[]> {
  const { rows: found } = await client.query(sql, [...values]);
  return found as Row[];
}

function sqlStateOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

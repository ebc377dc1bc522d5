/**
 * SQL that makes the database itself say who changes rows: a function that puts the session's actor and trace, its
 * user, its application and its address into the write-ahead log, and triggers that call it before a statement changes
 * rows of a table. Each statement says it again: a mark that it was said already could be set by whoever wants to stay
 * unnamed.
 *
 * `session_user` and the address are the server's word. `cairn.actor` and `cairn.trace` are what the application has
 * set in this session or transaction: `SELECT set_config('cairn.actor', 'alice@example.com', true)`.
 */

const functionSql = `CREATE SCHEMA IF NOT EXISTS cairn;

CREATE OR REPLACE FUNCTION cairn.say_who() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_logical_emit_message(true, 'cairn', json_build_object(
    'actor', nullif(current_setting('cairn.actor', true), ''),
    'trace', nullif(current_setting('cairn.trace', true), ''),
    'session_user', session_user,
    'application_name', current_setting('application_name'),
    'client_addr', inet_client_addr(),
    'pid', pg_backend_pid())::text);
  RETURN NULL;
END $$;

REVOKE ALL ON SCHEMA cairn FROM PUBLIC;
-- Else whoever can run SQL can write another name into the log.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC;
`;

/** For a superuser, in the database that is captured. Tables as `schema.table`, quoted where they need it. */
export function whoSql(tables: readonly string[]): string {
  return [functionSql, ...tables.map(tableSql)].join("\n");
}

function tableSql(table: string): string {
  return `ALTER TABLE ${table} REPLICA IDENTITY FULL;
DROP TRIGGER IF EXISTS cairn_who ON ${table};
CREATE TRIGGER cairn_who BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table}
  FOR EACH STATEMENT EXECUTE FUNCTION cairn.say_who();
`;
}

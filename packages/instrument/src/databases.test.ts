/**
 * Goal: each statement becomes one event that says whose it was, what it did, on what, and what came
 * of it, truly, also when connections break or a transaction had failed; transactions hold together;
 * the database can be told who acts; and what callers of `pg`, Kysely and Drizzle see is as before.
 *
 * Method: a real PostgreSQL and a real log; the events are read back from the log. For Kysely's other
 * dialects, SQLite's, over Node's own.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, beforeEach, describe, it } from "node:test";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { Kysely, PostgresDialect, sql as kyselySql } from "kysely";
import pg from "pg";
import { withContext } from "@cairnlog/client";
import { missingPostgres, startPostgres, type Postgres } from "@cairnlog/testing";
import { cairnDrizzle, cairnKysely, cairnPg, hashedParameters, type PgOptions } from "./index.ts";
import { RecordedLog, type RecordedEvent } from "./recorded-log.testing.ts";

const repeated = (what: unknown, count: number): unknown[] =>
  Array.from({ length: count }, () => what);
const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("database hooks", { skip: missingPostgres() }, () => {
  let log: RecordedLog;
  let postgres: Postgres;
  let plain: pg.Client;
  before(async () => {
    [log, postgres] = await Promise.all([RecordedLog.open(), startPostgres()]);
    plain = new pg.Client(postgres.connection);
    await plain.connect();
    await plain.query("create table orders (id int primary key, name text)");
    await plain.query("create role clerk login; grant select on orders to clerk");
  });
  after(async () => {
    await plain.end();
    await postgres.stop();
    await log.close();
  });
  beforeEach(async () => {
    await plain.query("truncate orders");
    await log.events();
  });

  async function withPool<T>(
    options: PgOptions & { readonly max?: number; readonly user?: string },
    run: (pool: pg.Pool) => Promise<T>,
  ): Promise<T> {
    const { max = 3, user = "postgres", ...rest } = options;
    const pool = cairnPg(log.client, new pg.Pool({ ...postgres.connection, max, user }), rest);
    // The server is crashed under it.
    pool.on("error", () => {});
    try {
      return await run(pool);
    } finally {
      await pool.end();
    }
  }

  const as = <T>(id: string, run: () => T): T => withContext({ actor: { id }, trace }, run);
  const brief = (events: readonly RecordedEvent[]) =>
    events.map(({ actor, action, outcome }) => `${actor.id} ${action} ${outcome}`);

  it("who, what, on what, how many, how long, in which trace; no value without being asked", async () => {
    await withPool({}, async (pool) => {
      const insert = "insert into orders values ($1, 's3cr3t') returning id";
      const { rows } = await as("alice", () => pool.query(insert, [7]));
      assert.deepEqual(rows, [{ id: 7 }]);
    });
    const [event] = await log.events();
    const { durationMs, processId, ...details } = event!.details;
    assert.ok(typeof durationMs === "number" && durationMs > 0 && typeof processId === "number");
    assert.deepEqual(details, {
      statement: "insert into orders values ($1, ?) returning id",
      rows: 1,
    });
    assert.equal(event!.type, "database.query");
    assert.equal(event!.action, "INSERT");
    assert.deepEqual(event!.targets, [{ type: "postgres", id: "postgres/orders" }]);
    assert.equal(event!.outcome, "success");
    assert.deepEqual(event!.actor, { id: "alice" });
    assert.equal(event!.trace, trace);
  });

  it("all ways to ask are recorded, and answer as before", async () => {
    await withPool({}, async (pool) => {
      const client = await pool.connect();
      const one = { text: "select $1::int as a", values: [1] };
      const rows: unknown[] = [];
      const called = (ask: (done: (error: Error, result: pg.QueryResult) => void) => void) =>
        new Promise((resolve, reject) => {
          as("alice", () =>
            ask((error, result) => {
              // The caller's context, not the connection's.
              void log.client.log({ type: "app.noted", action: "called" });
              if (error) reject(error);
              else resolve(result.rows[0]);
            }),
          );
        });
      rows.push((await as("alice", () => client.query(one))).rows[0]);
      rows.push((await as("alice", () => client.query("select $1::int as a", [1]))).rows[0]);
      rows.push((await as("alice", () => client.query({ ...one, name: "n" }))).rows[0]);
      rows.push(await called((done) => client.query("select 1 as a", done)));
      rows.push(await called((done) => client.query("select $1::int as a", [1], done)));
      rows.push(await called((done) => pool.query(one, done)));
      const submitted = as("alice", () => client.query(new pg.Query(one)));
      submitted.on("row", (row) => rows.push(row));
      await once(submitted, "end");
      client.release();
      assert.deepEqual(
        rows,
        Array.from({ length: 7 }, () => ({ a: 1 })),
      );
      await assert.rejects(() => pool.query(null as never), TypeError);
    });
    const events = await log.events();
    const queries = events.filter(({ type }) => type === "database.query");
    assert.deepEqual(brief(queries), Array(7).fill("alice SELECT success"));
    for (const { details } of queries) assert.equal(details["rows"], 1);
    const noted = events.filter(({ type }) => type === "app.noted");
    assert.deepEqual(
      noted.map(({ actor }) => actor.id),
      ["alice", "alice", "alice"],
    );
  });

  it("waiting for a connection, nobody gets another's name", async () => {
    await withPool({ max: 1 }, async (pool) => {
      const users = Array.from({ length: 30 }, (_, i) => `user-${i}`);
      const asks = users.map((user, i) =>
        as(user, () => {
          if (i % 3 === 0) return pool.query(`select '${user}' as who`);
          if (i % 3 === 1) {
            return new Promise((resolve) => pool.query("select 1", () => resolve(undefined)));
          }
          return pool.connect().then(async (client) => {
            await client.query("select 2");
            client.release();
          });
        }),
      );
      await Promise.all(asks);
      const ids = (await log.events()).map(({ actor }) => actor.id);
      assert.deepEqual(ids.sort(), users.sort());
    });
  });

  it("refusals, failures and what nobody knows are told apart", async () => {
    await withPool({ user: "clerk" }, async (pool) => {
      await assert.rejects(pool.query("delete from orders"), { code: "42501" });
      await assert.rejects(pool.query("select 1 / 0"), { code: "22012" });
      await assert.rejects(pool.query("selec 1"), { code: "42601" });
    });
    const [denied, failed, wrong] = await log.events();
    assert.deepEqual(brief([denied!, failed!, wrong!]), [
      "clerk DELETE denied",
      "clerk SELECT failure",
      "clerk SELEC failure",
    ]);
    assert.equal(denied!.details["sqlState"], "42501");
    assert.equal(denied!.actor["type"], "service");
  });

  it("a transaction is one; a COMMIT that rolled back says so", async () => {
    const kept = await withPool({}, async (pool) => {
      const client = await pool.connect();
      await as("alice", async () => {
        await client.query("begin");
        await client.query("savepoint s");
        await client.query("insert into orders values (1)");
        await client.query("rollback to savepoint s");
        await client.query("commit");
        await client.query("select 1");
        await client.query("start transaction isolation level serializable");
        await client.query("insert into orders values (2)");
        await assert.rejects(client.query("insert into orders values (2)"));
        await client.query("commit");
      });
      client.release();
      return await plain.query("select * from orders");
    });
    assert.equal(kept.rowCount, 0);
    const events = await log.events();
    assert.deepEqual(brief(events), [
      ...["alice BEGIN success", "alice SAVEPOINT success", "alice INSERT success"],
      ...["alice ROLLBACK TO success", "alice COMMIT success", "alice SELECT success"],
      ...["alice START success", "alice INSERT success", "alice INSERT failure"],
      "alice COMMIT failure",
    ]);
    const ids = events.map(({ details }) => details["transaction"]);
    const [first, second] = [ids[0], ids[6]];
    assert.match(String(first), /^[0-9a-f]{16}$/);
    assert.notEqual(first, second);
    assert.deepEqual(ids, [...repeated(first, 5), undefined, ...repeated(second, 4)]);
    assert.equal(events.at(-1)!.details["result"], "ROLLBACK");
  });

  it("the database knows who acts, within the transaction and no longer", async () => {
    const tie = { variables: true, applicationName: true, message: true };
    const read =
      "select current_setting('cairn.actor', true) as actor, " +
      "current_setting('cairn.trace', true) as trace, current_setting('application_name') as app";
    const none = [{ actor: "", trace: "", app: "" }];
    await withPool({ tie, max: 1 }, async (pool) => {
      const client = await pool.connect();
      await as("alice", async () => {
        await client.query("begin");
        const { rows } = await client.query(read);
        assert.deepEqual(rows, [{ actor: "alice", trace, app: "alice" }]);
        await client.query("commit");
        assert.deepEqual((await client.query(read)).rows, none);
        const { promise, resolve } = Promise.withResolvers<unknown>();
        client.query("begin", () => client.query(read, (_, result) => resolve(result.rows[0])));
        assert.deepEqual(await promise, { actor: "alice", trace, app: "alice" });
        await client.query("rollback");
      });
      await client.query("begin");
      assert.deepEqual((await client.query(read)).rows, none);
      await client.query("rollback");
      client.release();
    });
    // What the hook asked for itself is no event.
    assert.deepEqual(
      (await log.events()).map(({ action }) => action),
      [...["BEGIN", "SELECT", "COMMIT", "SELECT"], ...["BEGIN", "SELECT", "ROLLBACK"]].concat(
        ...["BEGIN", "SELECT", "ROLLBACK"],
      ),
    );
  });

  it("a transaction that cannot be told is not begun", async () => {
    await plain.query("revoke execute on function set_config from public");
    try {
      await withPool({ tie: { variables: true }, user: "clerk", max: 1 }, async (pool) => {
        const client = await pool.connect();
        await as("alice", async () => {
          await assert.rejects(client.query("begin"), { code: "42501" });
          const asked = new Promise((resolve) => client.query("begin", resolve));
          assert.equal(((await asked) as { code?: string }).code, "42501");
          assert.equal((await client.query("select 1 as a")).rowCount, 1);
        });
        client.release();
      });
    } finally {
      await plain.query("grant execute on function set_config to public");
    }
  });

  it("parameters: those that are allowed, or their hash", async () => {
    const hash = hashedParameters("0123456789abcdef");
    const parameters: PgOptions["parameters"] = (value, index, statement) =>
      index === 1 ? value : index === 2 ? hash(value, index, statement) : undefined;
    await withPool({ parameters }, async (pool) => {
      await pool.query("select $1::int, $2::text, $3::text", [7, "Ann", "s3cr3t"]);
      await pool.query("select $1::int, $2::text, $3::text", [8, "Ann", "s3cr3t"]);
    });
    const events = await log.events();
    const [first, second] = events.map(({ details }) => details["parameters"]) as Record<
      string,
      unknown
    >[];
    assert.equal(first!["$1"], 7);
    assert.match(String(first!["$2"]), /^hmac-sha256:[0-9a-f]{64}$/);
    assert.equal(first!["$2"], second!["$2"]);
    assert.doesNotMatch(JSON.stringify(events), /s3cr3t|Ann/);
    assert.throws(() => hashedParameters("short"), { code: "usage" });
  });

  it("when the connection breaks, nobody knows; an open transaction is told of", async () => {
    await withPool({}, async (pool) => {
      const client = await pool.connect();
      client.on("error", () => {});
      await as("alice", async () => {
        await client.query("begin");
        await client.query("insert into orders values (3)");
        const sleeping = assert.rejects(client.query("select pg_sleep(60)"));
        const ended = new Promise<void>((resolve) => client.once("end", resolve));
        const terminate =
          "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep%'";
        // Until the server has got it.
        for (let found = 0; found === 0;) found = (await plain.query(terminate)).rowCount ?? 0;
        await Promise.all([sleeping, ended]);
      });
      client.release(true);
    });
    const events = await log.events();
    assert.deepEqual(
      events.map(({ action }) => action),
      ["BEGIN", "INSERT", "SELECT", "DISCONNECT"],
    );
    const [begun, , slept, gone] = events;
    assert.equal(slept!.details["sqlState"], "57P01");
    assert.equal(gone!.type, "database.disconnected");
    assert.equal(gone!.outcome, "unknown");
    assert.equal(gone!.actor.id, "alice");
    assert.equal(gone!.details["transaction"], begun!.details["transaction"]);
  });

  it("Kysely over a hooked pool, and over its own dialect", async () => {
    interface Tables {
      orders: { id: number; name: string | null };
    }
    const own = new PostgresDialect({ pool: new pg.Pool(postgres.connection) });
    const hooked = cairnPg(log.client, new pg.Pool(postgres.connection));
    const dialects = [
      new PostgresDialect({ pool: hooked }),
      cairnKysely(log.client, own, { database: "postgres" }),
    ];
    for (const dialect of dialects) {
      const db = new Kysely<Tables>({ dialect });
      await plain.query("truncate orders");
      await as("alice", async () => {
        await db.insertInto("orders").values({ id: 1, name: "s3cr3t" }).execute();
        await db.transaction().execute(async (within) => {
          await within.updateTable("orders").set({ name: "x" }).execute();
        });
        const failing = db.transaction().execute(async (within) => {
          await kyselySql`select 1 / 0`.execute(within);
        });
        await assert.rejects(failing, { code: "22012" });
        const found = await db.selectFrom("orders").selectAll().execute();
        assert.deepEqual(found, [{ id: 1, name: "x" }]);
      });
      await db.destroy();
      const events = await log.events();
      assert.deepEqual(brief(events), [
        ...["alice INSERT success", "alice BEGIN success", "alice UPDATE success"],
        ...["alice COMMIT success", "alice BEGIN success", "alice SELECT failure"],
        ...["alice ROLLBACK success", "alice SELECT success"],
      ]);
      const ids = events.map(({ details }) => details["transaction"]);
      assert.deepEqual(ids, [undefined, ids[1], ids[1], ids[1], ids[4], ids[4], ids[4], undefined]);
      assert.ok(ids[1] !== undefined && ids[4] !== undefined && ids[1] !== ids[4]);
      assert.deepEqual(events[0]!.targets, [{ type: "postgres", id: "postgres/orders" }]);
      assert.deepEqual([events[0]!.details["rows"], events[7]!.details["rows"]], [1, 1]);
      assert.doesNotMatch(JSON.stringify(events), /s3cr3t/);
    }
  });

  it("Drizzle over a hooked pool, and its logger alone", async () => {
    const hooked = cairnPg(log.client, new pg.Pool(postgres.connection));
    const db = drizzle(hooked);
    await as("alice", () =>
      db.transaction(async (within) => {
        await within.execute(sql`insert into orders values (${4}, ${"s3cr3t"})`);
      }),
    );
    await hooked.end();
    const events = await log.events();
    assert.deepEqual(brief(events), [
      ...["alice BEGIN success", "alice INSERT success", "alice COMMIT success"],
    ]);
    const pool = new pg.Pool(postgres.connection);
    const logged = drizzle(pool, { logger: cairnDrizzle(log.client, { database: "shop" }) });
    // A query of Drizzle's begins when it is awaited.
    await as("bob", async () => await logged.execute(sql`select * from orders where id = ${4}`));
    await pool.end();
    const [asked] = await log.events();
    assert.deepEqual(brief([asked!]), ["bob SELECT unknown"]);
    assert.deepEqual(asked!.targets, [{ type: "postgres", id: "shop/orders" }]);
    assert.doesNotMatch(JSON.stringify([...events, asked]), /s3cr3t/);
    assert.deepEqual(log.errors, []);
  });
});

/**
 * Goal: what a PostgreSQL database commits is told row by row, exactly, with who did it; what the database does not say
 * is said to be missing; whatever fails, each row is told once and nothing that was rolled back.
 * Method: a real server; changes of each kind; a log that fails in the middle of large transactions; a slot that
 * somebody else has moved.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { isCairnError, type CairnEvent } from "@cairnlog/core";
import type { CapturedEvent } from "@cairnlog/capture";
import { missingPostgres, startPostgres, type Postgres } from "@cairnlog/testing";
import { captureChanges, type ChangeCaptureOptions } from "./change-capture.ts";
import type { CaptureSink } from "./sink.ts";
import { whoSql } from "./who-sql.ts";

interface RowDetails {
  readonly transaction: { readonly id: string; readonly state?: string };
  readonly row?: number;
  readonly rows?: number;
  readonly old?: Readonly<Record<string, unknown>>;
  readonly oldKey?: unknown;
  readonly new?: Readonly<Record<string, unknown>>;
  readonly changed?: readonly string[];
  readonly unchangedToast?: readonly string[];
  readonly missing?: string;
  readonly tables?: unknown;
}

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** Takes events by id, as a log does, until it is told to fail. */
class Ledger implements CaptureSink {
  readonly events = new Map<string, CairnEvent>();
  readonly sent: string[] = [];
  onEvent: (event: CairnEvent) => void = () => {};

  record(events: readonly CapturedEvent[]): Promise<void> {
    try {
      for (const { event } of events) {
        const known = this.events.get(event.id!);
        if (known !== undefined) assert.deepEqual(event, known, "the same id, another event");
        this.onEvent(event);
        this.events.set(event.id!, event);
        this.sent.push(event.id!);
      }
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  of(table: string): CairnEvent[] {
    return [...this.events.values()].filter(({ targets, type }) => {
      return type !== "database.transaction" && targets?.some(({ id }) => id === `shop/${table}`);
    });
  }
}

function detailsOf(event: CairnEvent): RowDetails {
  return event.details as RowDetails;
}

describe("changes of a PostgreSQL database", { skip: missingPostgres() }, () => {
  let server: Postgres;
  let client: pg.Client;
  const folder = mkdtempSync(join(tmpdir(), "cairn-changes-"));

  before(async () => {
    server = await startPostgres({ settings: { wal_level: "logical", wal_sender_timeout: "5s" } });
    client = new pg.Client({ ...server.connection, application_name: "orders-api" });
    client.on("error", () => {});
    await client.connect();
  });
  after(async () => {
    await client?.end();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Captures until `sql` and a last change have come through the slot. */
  async function captured(
    slot: string,
    ledger: Ledger,
    more: Partial<ChangeCaptureOptions> = {},
  ): Promise<void> {
    const stop = new AbortController();
    const tag = `end of ${slot} ${ledger.sent.length}`;
    const told = ledger.onEvent;
    ledger.onEvent = (event) => {
      told(event);
      if (detailsOf(event).new?.tag === tag) stop.abort();
    };
    await client.query("CREATE TABLE IF NOT EXISTS marks (tag text)");
    try {
      await captureChanges({
        connection: server.connection,
        sink: ledger,
        stateFile: join(folder, `${slot}.json`),
        signal: AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]),
        slot,
        publication: "cairn",
        name: "shop",
        onStart: () => void client.query("INSERT INTO marks VALUES ($1)", [tag]),
        ...more,
      });
    } finally {
      ledger.onEvent = told;
      await untilFree(slot);
    }
    assert.ok(stop.signal.aborted, `nothing came through ${slot} for 20 s`);
  }

  /** The server notices a little later that nobody reads any more. */
  async function untilFree(slot: string): Promise<void> {
    const sql = "SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active";
    const end = performance.now() + 20_000;
    while ((await client.query(sql, [slot])).rowCount !== 0) {
      assert.ok(performance.now() < end, `the slot ${slot} stays in use`);
      await sleep(10);
    }
  }

  it("tells each kind of change, value by value, and what is missing", async () => {
    const ledger = new Ledger();
    await client.query(`CREATE TABLE wide (id bigint PRIMARY KEY, price numeric, at timestamptz, ok bool,
      f float8, j jsonb, bin bytea, big text, n int); ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
      ALTER TABLE wide REPLICA IDENTITY FULL;
      CREATE TABLE thin (id int PRIMARY KEY, v text, big text); ALTER TABLE thin ALTER big SET STORAGE EXTERNAL`);
    await captured("kinds", ledger);
    const big = "x".repeat(100_000);
    await client.query("BEGIN");
    await client.query(
      `INSERT INTO wide VALUES (9007199254740993, 0.10000000000000000000001, '2026-11-24 05:00:00.123456+00', true,
        'NaN', '{"a": 1.0}', '\\xdeadbeef', $1, 7)`,
      [big],
    );
    await client.query("UPDATE wide SET n = NULL, f = 1e300");
    await client.query("DELETE FROM wide");
    await client.query("COMMIT");
    await client.query("INSERT INTO thin VALUES (1, 'a', $1)", [big]);
    await client.query("UPDATE thin SET v = 'b'");
    await client.query("UPDATE thin SET id = 2");
    await client.query("DELETE FROM thin");
    await client.query("TRUNCATE thin, wide RESTART IDENTITY");
    await captured("kinds", ledger);

    const [inserted, updated, deleted] = ledger.of("public.wide").map(detailsOf);
    const row = {
      id: "9007199254740993",
      price: "0.10000000000000000000001",
      at: "2026-11-24 05:00:00.123456+00",
      ok: true,
      f: "NaN",
      j: '{"a": 1.0}',
      bin: "\\xdeadbeef",
      big,
      n: 7,
    };
    assert.deepEqual(inserted!.new, row);
    assert.deepEqual(updated!.old, row);
    assert.deepEqual(updated!.new, { ...row, n: null, f: "1e+300" });
    assert.deepEqual(updated!.changed, ["f", "n"]);
    assert.deepEqual(deleted!.old, { ...row, n: null, f: "1e+300" });

    const thin = ledger.of("public.thin");
    const [, unkeyed, rekeyed, gone, truncated] = thin.map(detailsOf);
    const missing = /REPLICA IDENTITY is DEFAULT, only FULL/;
    assert.deepEqual(unkeyed!.new, { id: 1, v: "b" });
    assert.deepEqual(unkeyed!.unchangedToast, ["big"]);
    assert.match(unkeyed!.missing!, missing);
    assert.equal(thin[1]!.targets![0]!["key"], "id=1");
    assert.deepEqual(rekeyed!.oldKey, { id: 1 });
    assert.deepEqual([gone!.oldKey, gone!.old], [{ id: 2 }, undefined]);
    assert.match(gone!.missing!, missing);
    assert.deepEqual(truncated!.tables, ["public.thin", "public.wide"]);
    const incomplete = [...ledger.events.values()].find(
      ({ type }) => type === "database.capture_incomplete",
    );
    assert.match(JSON.stringify(incomplete!.details), /"public.thin"/);
    assert.doesNotMatch(JSON.stringify(incomplete!.details), /"public.wide"/);
  });

  it("ties the rows of a transaction together, closes it, and tells nothing of one that was rolled back", async () => {
    const ledger = new Ledger();
    await client.query("CREATE TABLE tied (id int)");
    await captured("tied", ledger);
    await client.query(
      "BEGIN; INSERT INTO tied VALUES (1); SAVEPOINT a; INSERT INTO tied VALUES (2)",
    );
    await client.query("ROLLBACK TO a; INSERT INTO tied VALUES (3); COMMIT");
    await client.query("BEGIN; INSERT INTO tied VALUES (4); ROLLBACK");
    await captured("tied", ledger);
    const rows = ledger.of("public.tied");
    assert.deepEqual(
      rows.map((row) => detailsOf(row).new!.id),
      [1, 3],
    );
    const ids = new Set(rows.map((row) => detailsOf(row).transaction.id));
    assert.equal(ids.size, 1);
    const closing = [...ledger.events.values()].find(
      ({ type, details }) =>
        type === "database.transaction" && ids.has((details as RowDetails).transaction.id),
    );
    const { rows: count, tables, transaction } = detailsOf(closing!);
    assert.deepEqual([count, tables, transaction.state], [2, { "public.tied": 2 }, "committed"]);
    assert.deepEqual([closing!.time, closing!.outcome], [rows[0]!.time, "success"]);
    assert.ok(ledger.sent.indexOf(closing!.id!) > ledger.sent.indexOf(rows[1]!.id!));
  });

  it("knows who: from a message of the application, and from the database's own triggers", async () => {
    const ledger = new Ledger();
    await client.query("CREATE TABLE who (id int); CREATE TABLE spoken (id int)");
    await client.query(whoSql(["public.who"]));
    await captured("who", ledger);
    const say = "SELECT pg_logical_emit_message(true, 'cairn', $1)";
    await client.query("BEGIN");
    await client.query("INSERT INTO spoken VALUES (0)");
    await client.query(say, [JSON.stringify({ actor: { id: "bob", type: "user" }, trace })]);
    await client.query("INSERT INTO spoken VALUES (1)");
    await client.query("COMMIT");
    await client.query("BEGIN");
    await client.query(
      "SELECT set_config('cairn.actor', 'alice@example.com', true), set_config('cairn.trace', $1, true)",
      [trace],
    );
    await client.query("INSERT INTO who VALUES (1)");
    await client.query("COMMIT");
    await client.query("UPDATE who SET id = 2");
    await client.query("BEGIN");
    await client.query(say, ["{not json"]);
    await client.query("INSERT INTO spoken VALUES (2)");
    await client.query("COMMIT");
    // Changes nothing, and so is nothing to tell of.
    await client.query(say, ["{}"]);
    await captured("who", ledger);
    const closings = [...ledger.events.values()].filter(
      ({ type }) => type === "database.transaction",
    );
    assert.ok(closings.every((event) => detailsOf(event).rows! > 0));
    const actors = [...ledger.of("public.spoken"), ...ledger.of("public.who")].map(
      ({ actor, trace: told }) => [actor.id, actor["type"], told],
    );
    assert.deepEqual(actors, [
      ["unknown", undefined, undefined],
      ["bob", "user", trace],
      ["unknown", undefined, undefined],
      ["alice@example.com", undefined, trace],
      ["postgres", "database-user", undefined],
    ]);
    const { actor } = ledger.of("public.who")[0]!;
    assert.deepEqual(
      [actor["application"], actor["databaseUser"], actor["ip"]],
      ["orders-api", "postgres", "127.0.0.1"],
    );
    // Nobody but whom it is granted to may speak in somebody's name.
    await client.query("CREATE ROLE mallory; SET ROLE mallory");
    try {
      await assert.rejects(client.query(say, ["{}"]), /permission denied/);
    } finally {
      await client.query("RESET ROLE");
    }
  });

  it("goes on within a transaction that was cut: each row is told once, however large it is", async () => {
    const ledger = new Ledger();
    await client.query("CREATE TABLE large (id int)");
    await captured("large", ledger);
    await client.query("INSERT INTO large SELECT generate_series(1, 3000)");
    let failAt = 700;
    ledger.onEvent = ({ details }) => {
      if ((details as RowDetails).new?.id === failAt) throw new Error("the log is away");
    };
    await assert.rejects(captured("large", ledger), /the log is away/);
    failAt = 2200;
    await assert.rejects(captured("large", ledger), /the log is away/);
    failAt = 0;
    const before = ledger.sent.length;
    await captured("large", ledger);
    const ids = ledger.of("public.large").map((row) => detailsOf(row).new!.id);
    assert.deepEqual(
      ids,
      Array.from({ length: 3000 }, (_, i) => i + 1),
    );
    assert.ok(ledger.sent.length - before < 1600, "what was recorded was sent again");
  });

  it("confirms only what is recorded, and keeps a quiet slot moving", async () => {
    const ledger = new Ledger();
    await captured("quiet", ledger);
    const isBefore = async (lsn: string): Promise<boolean> => {
      const sql =
        "SELECT confirmed_flush_lsn <= $1 AS is FROM pg_replication_slots WHERE slot_name = 'quiet'";
      return ((await client.query(sql, [lsn])).rows as { is: boolean }[])[0]!.is;
    };
    await client.query("CREATE TABLE quiet (id int)");
    const { rows } = await client.query("SELECT pg_current_wal_insert_lsn()::text AS lsn");
    const { lsn } = (rows as { lsn: string }[])[0]!;
    await client.query("INSERT INTO quiet VALUES (1)");
    ledger.onEvent = (event) => {
      if (event.type === "database.insert") throw new Error("the log is away");
    };
    await assert.rejects(captured("quiet", ledger), /the log is away/);
    assert.ok(await isBefore(lsn), "what is not recorded was confirmed");
    assert.equal(ledger.of("public.quiet").length, 0);
    ledger.onEvent = () => {};
    await captured("quiet", ledger);
    assert.equal(ledger.of("public.quiet").length, 1);
    // The last confirmation may be lost with its connection; the next run makes it good.
    await captured("quiet", ledger);
    assert.ok(!(await isBefore(lsn)), "the slot does not move");
  });

  it("tells of a gap where the slot has moved without it", async () => {
    const ledger = new Ledger();
    await captured("moved", ledger);
    await client.query("INSERT INTO marks VALUES ('never seen')");
    await client.query("SELECT pg_replication_slot_advance('moved', pg_current_wal_lsn())");
    await captured("moved", ledger);
    const gap = [...ledger.events.values()].filter(({ type }) => type === "database.capture_gap");
    assert.equal(gap.length, 1);
    const { lsn } = (
      JSON.parse(readFileSync(join(folder, "moved.json"), "utf8")) as { state: { lsn: string } }
    ).state;
    assert.match(lsn, /^[0-9A-F]{8}\/[0-9A-F]{8}$/);
    await captured("moved", ledger);
    assert.equal(
      [...ledger.events.values()].filter(({ type }) => type === "database.capture_gap").length,
      1,
    );
  });

  it("says what must be set up first", async () => {
    const ledger = new Ledger();
    const refuse = (more: Partial<ChangeCaptureOptions>, expected: RegExp): Promise<void> =>
      assert.rejects(
        captured("setup", ledger, more),
        (error) => isCairnError(error, "usage") && expected.test(error.message),
      );
    await refuse({ slot: "No Such" }, /lower-case/);
    await refuse({ tables: ["no.where"], publication: "other" }, /does not exist/);
    await client.query("SELECT pg_create_logical_replication_slot('theirs', 'test_decoding')");
    await refuse({ slot: "theirs" }, /another's/);
    await client.query("SELECT pg_drop_replication_slot('theirs')");
    const away = captured("setup", ledger, { connection: { host: "127.0.0.1", port: 1 } });
    await assert.rejects(away, (error) => isCairnError(error, "unavailable"));
  });
});

/**
 * Goal: of a statement every operation is named that it spells out, tables only where they are
 * tables, and no value gets into its text, however it is quoted.
 *
 * Method: statements with what is to be read off them; and values of every quoting, in all the
 * places where a reader of SQL could lose its way, looked for in what is recorded.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readStatement } from "./statement.ts";

const cases: readonly (readonly [string, string, readonly string[]])[] = [
  ["select * from orders", "SELECT", ["orders"]],
  ['SELECT a FROM Public."Orders" o, items i WHERE a = 1', "SELECT", ["public.Orders", "items"]],
  ["select * from a join b on a.x = b.x left join c using (x), d", "SELECT", ["a", "b", "c", "d"]],
  ["insert into orders (a, b) values ($1, $2) returning id", "INSERT", ["orders"]],
  ["insert into a select * from b", "INSERT", ["a", "b"]],
  ["insert into t (a) values (1) on conflict (a) do update set a = 2", "INSERT", ["t"]],
  ["update only orders set a = 1 from items where true", "UPDATE", ["orders", "items"]],
  ["delete from orders using items where true", "DELETE", ["orders", "items"]],
  ["select 1; drop table orders", "SELECT, DROP TABLE", ["orders"]],
  ["with d as (delete from orders returning *) select * from d", "DELETE, SELECT", ["orders"]],
  [
    "with recursive t(n) as (select 1 union all select n+1 from t) select * from t, u",
    "SELECT",
    ["u"],
  ],
  ["with x as not materialized (select 1) insert into a select * from x", "INSERT", ["a"]],
  ["select extract(year from made), trim(both ' ' from name) from t", "SELECT", ["t"]],
  ["select * from t where a is distinct from b", "SELECT", ["t"]],
  ["select * from generate_series(1, 3) g, t", "SELECT", ["t"]],
  ["select * from (select * from inner_t) s, outer_t", "SELECT", ["inner_t", "outer_t"]],
  ["select * from t for update", "SELECT", ["t"]],
  ["select f(a, b), c from t order by 1, 2", "SELECT", ["t"]],
  ["explain analyze delete from t", "EXPLAIN, DELETE", ["t"]],
  ["explain (analyze, verbose) select 1 from t", "EXPLAIN, SELECT", ["t"]],
  ["create table if not exists app.t (id int)", "CREATE TABLE", ["app.t"]],
  ["create unique index i on t (a)", "CREATE INDEX", ["t"]],
  [
    "create or replace function f() returns int as $$ select 1 from secret $$",
    "CREATE FUNCTION",
    [],
  ],
  ["alter role bob password 'x'", "ALTER ROLE", []],
  ["drop table if exists a, b cascade", "DROP TABLE", ["a", "b"]],
  ["truncate a, b", "TRUNCATE", ["a", "b"]],
  ["grant select on orders to bob", "GRANT", ["orders"]],
  ["revoke all on orders from bob", "REVOKE", ["orders"]],
  ["copy t (a) from stdin", "COPY", ["t"]],
  ["begin", "BEGIN", []],
  ["rollback to savepoint s", "ROLLBACK TO", []],
  ["  -- a comment\n /* /* nested */ */ rollback", "ROLLBACK", []],
  ["", "UNKNOWN", []],
  ["(select 1 from a) union (select 2 from b)", "SELECT", ["a", "b"]],
  ["merge into t using s on t.a = s.a when matched then delete", "MERGE", ["t", "s"]],
];

describe("what a statement says it does", () => {
  for (const [sql, action, tables] of cases) {
    it(sql, () => {
      const read = readStatement(sql);
      assert.deepEqual(
        { action: read.action, tables: [...read.tables].sort() },
        {
          action,
          tables: [...tables].sort(),
        },
      );
      assert.equal(read.isCut, false);
    });
  }

  it("without values, in one spelling", () => {
    const sql =
      "select  a -- x\n from t\twhere b = 'it''s' and c in (1, 2.5e3, $1) and d1 = E'\\''";
    const text = "select a from t where b = ? and c in (?, ?, $1) and d1 = ?";
    assert.equal(readStatement(sql).text, text);
  });

  const hidden = "s3cr3t";
  const quoted: readonly (readonly [string, boolean])[] = [
    [`select '${hidden}'`, false],
    [`select 'a''${hidden}'`, false],
    [`select E'a\\'${hidden}'`, false],
    [`select '\\', '${hidden}'`, false],
    [`select U&'${hidden}', N'${hidden}'`, false],
    [`select $$${hidden}$$`, false],
    [`select $a$ $$ '${hidden} $$ $a$`, false],
    [`select 1 -- ${hidden}`, false],
    [`select 1 /* /* */ ${hidden} */`, false],
    [`select '${hidden}`, false],
    [`select $x$${hidden}`, false],
    [`select /* ${hidden}`, false],
    [`select "${hidden}", 'a\\'${hidden}'`, true],
    [`select 1 # ${hidden}`, true],
  ];
  for (const [sql, isMySql] of quoted) {
    it(`hides ${sql}`, () => {
      assert.doesNotMatch(JSON.stringify(readStatement(sql, isMySql)), /s3cr3t/);
    });
  }

  it("long ones are cut, and say so; nothing is hidden behind their length unsaid", () => {
    const sql = `select '${"x".repeat(100_000)}'; drop table orders`;
    const read = readStatement(sql);
    assert.equal(read.action, "SELECT, …");
    assert.equal(read.isCut, true);
    assert.ok(read.text.length < 5000);
  });

  it("any text is read, in bounded time, to something that can be recorded", () => {
    const piece = fc.constantFrom(
      ...["select", "from", "with", "as", "(", ")", ",", ";", "'", '"', "$$", "$a$", "/*", "*/"],
      ...["--", "\n", " ", "t", ".", "E'", "\\", "1", "\ud800", "\uffff", "update", "into"],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.boolean(), (pieces, isMySql) => {
        const read = readStatement(pieces.join(""), isMySql);
        assert.ok(read.action.length >= 1 && read.action.length <= 80);
        assert.ok(JSON.stringify(read).isWellFormed() && !JSON.stringify(read).includes("\\ud800"));
      }),
      { seed: 5, numRuns: 2000 },
    );
    const begun = performance.now();
    readStatement("(".repeat(60_000));
    readStatement("'a".repeat(40_000));
    readStatement("$a".repeat(40_000));
    readStatement("/*".repeat(40_000));
    assert.ok(performance.now() - begun < 5000);
  });
});

/**
 * Goal: the example of docs/instrument.md's application runs as it stands, and one request to it is
 * one chain: who, the call, the statements, in one trace; and the page's tables have every option.
 *
 * Method: examples/instrument/app.ts in a process of its own, with this package in place of the
 * published one, before a real PostgreSQL and a real log.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingPostgres, startPostgres } from "@cairnlog/testing";
import { RecordedLog } from "./recorded-log.testing.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), "utf8");

test("the example: a request and what it asks the database are one chain", async (t) => {
  const skip = missingPostgres();
  if (skip !== false) return t.skip(skip);
  const [log, postgres] = await Promise.all([RecordedLog.open(), startPostgres()]);
  // Beside this file, so that it finds what the checkout has installed.
  const script = new URL(`./example-${process.pid}.ts`, import.meta.url);
  const text = (await read("examples/instrument/app.ts"))
    .replace("cairnlog/client", "@cairnlog/client")
    .replace("cairnlog/instrument", "./index.ts");
  await writeFile(script, text);
  const { host, port, user, database } = postgres.connection;
  const own = { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database };
  const app = spawn(process.execPath, [fileURLToPath(script)], {
    env: { ...process.env, ...own, CAIRN_URL: log.url, CAIRN_KEY: "k", PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [said] = (await once(app.stdout, "data")) as [Buffer];
    const url = `http://127.0.0.1:${/listening on (\d+)/.exec(said.toString())![1]}`;
    const authorization = `Basic ${Buffer.from("alice:wonderland").toString("base64")}`;
    const refused = await fetch(`${url}/orders/1`);
    const cancelled = await fetch(`${url}/orders/7/cancel`, {
      method: "POST",
      headers: { authorization },
    });
    assert.deepEqual([refused.status, cancelled.status], [401, 200]);
    app.kill("SIGTERM");
    await once(app, "exit");
    const [denied, ...chain] = await log.events();
    assert.deepEqual([denied!.actor.id, denied!.outcome], ["anonymous", "denied"]);
    assert.deepEqual(
      chain.map(({ type, action }) => `${type} ${action}`),
      [
        "api.started POST /orders/:id/cancel",
        ...["database.query BEGIN", "database.query SELECT", "database.query COMMIT"],
        "api.called POST /orders/:id/cancel",
      ],
    );
    assert.equal(new Set(chain.map(({ trace }) => trace)).size, 1);
    assert.deepEqual([...new Set(chain.map(({ actor }) => actor.id))], ["alice"]);
    assert.doesNotMatch(JSON.stringify(chain), /wonderland/);
  } finally {
    app.kill("SIGKILL");
    await rm(script);
    await Promise.all([postgres.stop(), log.close()]);
  }
});

test("the page names every option", async () => {
  const doc = await read("docs/instrument.md");
  for (const [file, name] of [
    ["request-options.ts", "MiddlewareOptions<Request>"],
    ["query-record.ts", "QueryOptions"],
    ["pg.ts", "PgOptions extends QueryOptions"],
  ] as const) {
    const code = await read(`packages/instrument/src/${file}`);
    const from = code.indexOf(`interface ${name} {`);
    assert.ok(from >= 0, name);
    const own = code.slice(from, code.indexOf("\n}\n", from));
    for (const [, option] of own.matchAll(/readonly (\w+)\??:/g)) {
      assert.ok(doc.includes(`\`${option}\``), `docs/instrument.md does not tell of ${option}`);
    }
  }
});

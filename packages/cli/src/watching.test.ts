/**
 * Goal: a log is mirrored and monitored from outside as a user would do it: keys taken at first sight or given, a copy
 * that verifies as the log does, alarms by line, file and exit status.
 * Method: `cairn serve` in this process on a free port of loopback; a log is swapped for another one between two looks.
 */
import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { after, describe, it } from "node:test";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const event = JSON.stringify({ type: "api.call", actor: { id: "alice" }, action: "GET" });

/** Runs until `end`; resolves with the address that it says first. */
async function start(
  line: string,
): Promise<{ url: string; metrics: string; end: () => Promise<Ran> }> {
  const stop = new AbortController();
  const first = Promise.withResolvers<Record<string, unknown>>();
  const ran = work.run(`${line} --json --listen 127.0.0.1:0`, {
    interrupted: stop.signal,
    onOut: (piece) => first.resolve(json(piece.split("\n")[0]!)),
  });
  void ran.then(({ err }) => first.reject(new Error(err)));
  const said = await first.promise;
  return {
    url: String(said["url"]),
    metrics: String(said["metrics"]),
    end: () => {
      stop.abort();
      return ran;
    },
  };
}

/** A web page whose name was pointed at loopback gets nothing; the names that were given get what is there. */
async function holdsToItsName({ hostname, port, pathname }: URL): Promise<void> {
  const statusOf = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const path = pathname === "/" ? "/checkpoint" : pathname;
      get({ hostname, port, path, headers: { host } }, (response) => {
        response.resume().once("end", () => resolve(response.statusCode));
      }).once("error", reject);
    });
  assert.equal(await statusOf(`attacker.example:${port}`), 421);
  assert.equal(await statusOf(`copy.example:${port}`), 200);
  assert.equal(await statusOf(`localhost:${port}`), 200);
}

describe("cairn mirror and cairn monitor", () => {
  after(() => work.remove());

  it("copy and watch a log, serve the copy, and notice when the log is another one", async () => {
    await work.ok("init --public");
    writeFileSync(work.path("vkeys"), await work.ok("logs show --vkeys"));
    await work.ok("append - --json", { stdin: `${event}\n`.repeat(700) });
    const log = await start("serve");
    const { size, alarms } = json(await work.ok(`mirror ${log.url} --once --to copy --json`));
    assert.deepEqual([size, alarms], [701, []]);
    // What the log names at the first sight is what it is held to.
    assert.equal(
      readFileSync(work.path("copy/vkeys"), "utf8"),
      readFileSync(work.path("vkeys"), "utf8"),
    );

    const mirror = await start(
      `mirror ${log.url} --to copy --vkey vkeys --host-name copy.example --metrics-listen 127.0.0.1:0`,
    );
    assert.match(await work.ok(`verify ${mirror.url}checkpoint --vkey vkeys`), /^VERIFIED/);
    assert.equal((await fetch(`${mirror.url}tile/entries/000`)).status, 200);
    assert.equal((await fetch(`${mirror.url}tile/0/007`)).status, 404);
    assert.equal((await fetch(`${mirror.url}tile/0/000`, { method: "PUT" })).status, 405);
    assert.equal(await (await fetch(`${mirror.url}healthz`)).text(), "ok\n");
    await holdsToItsName(new URL(mirror.url));
    assert.match(await (await fetch(mirror.metrics)).text(), /^cairn_watch_size 701$/m);
    await holdsToItsName(new URL(mirror.metrics));
    assert.equal((await mirror.end()).exit, 0);

    assert.equal((await work.run(`monitor ${log.url} --once`)).exit, 0);
    await log.end();
    renameSync(work.path("cairn-data"), work.path("kept"));
    await work.ok("init --public");
    const other = await start("serve");
    // The monitor's memory knows the address that it is given only as a place to look.
    const seen = await work.run(`monitor ${other.url} --once --json`);
    assert.equal(seen.exit, 1);
    assert.equal(json(seen.out.split("\n")[0]!)["code"], "checkpoint");
    const [said] = readFileSync(work.path("cairn-monitor/alarms.ndjson"), "utf8").split("\n");
    assert.equal(json(said!)["kind"], "alarm");
    await other.end();
    rmSync(work.path("cairn-data"), { recursive: true });

    const silent = await work.run(
      `monitor ${other.url} --once --memory cairn-monitor --vkey vkeys`,
    );
    assert.equal(silent.exit, 3);
  });

  it("refuses what it cannot use", async () => {
    for (const line of [
      "monitor",
      "monitor http://127.0.0.1:1/ --interval soon",
      "mirror http://127.0.0.1:1/ --policy missing.policy",
      "mirror http://127.0.0.1:1/ --vkey nothing",
    ]) {
      const { exit, err } = await work.run(line);
      assert.equal(exit, 2, `${line}: ${err}`);
      assert.notEqual(err, "");
    }
  });
});

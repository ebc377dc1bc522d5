/**
 * Goal: `cairn capture` records into a folder and through a server, keeps its place between two runs, waits for a
 * server that is away, and loses nothing that is too large for an entry. Method: log files as PostgreSQL writes them;
 * a sink that refuses and comes back; the command in this process.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, renameSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { CairnError } from "@cairnlog/core";
import { captureSink } from "./capture-sink.ts";
import type { Answer, LogSink } from "./log-view.ts";
import { Workplace } from "./run-command.testing.ts";

function line(number: number, vxid: string, message: string): string {
  return JSON.stringify({
    timestamp: "2026-11-24 01:53:45.987 UTC",
    user: "orders",
    dbname: "shop",
    session_id: "6b04ee29.7846",
    line_num: number,
    vxid,
    error_severity: "LOG",
    message,
  });
}

describe("cairn capture jsonlog", () => {
  const work = new Workplace();
  const write = (...lines: readonly string[]): void =>
    appendFileSync(work.path("log/pg.json"), `${lines.join("\n")}\n`);

  before(async () => {
    mkdirSync(work.path("log"));
    await work.ok("init");
  });
  after(() => work.remove());

  it("records what is there, then what has come, with the end of its transaction", async () => {
    write(line(1, "3/1", "AUDIT: SESSION,1,1,MISC,BEGIN,,,begin,<none>"));
    write(line(2, "3/1", "AUDIT: SESSION,2,1,WRITE,UPDATE,TABLE,public.orders,update,<none>"));
    await work.ok("capture jsonlog log --once --name orders-prod");
    assert.doesNotMatch(await work.ok("tail"), /UPDATE/);
    renameSync(work.path("log/pg.json"), work.path("log/pg.json.1"));
    write(line(3, "3/1", "AUDIT: SESSION,3,1,MISC,ROLLBACK,,,rollback,<none>"));
    write(line(4, "3/0", "duration: 1.0 ms"));
    await work.ok("capture jsonlog log --once --name orders-prod");
    const told = await work.ok("tail");
    assert.match(told, /UPDATE {2}postgres:orders-prod\/shop\/public.orders {2}failure/);
    assert.match(await work.ok("tail --json"), /"state":"rolled back"/);
    const { err } = await work.run("capture jsonlog log --once --name orders-prod");
    assert.match(err, /Recorded 0\./);
  });

  it("keeps a statement that no entry can hold in a blob", async () => {
    write(line(5, "3/2", `AUDIT: SESSION,4,1,WRITE,INSERT,,,${"x".repeat(100_000)},<none>`));
    write(line(6, "3/0", "duration: 1.0 ms"));
    await work.ok("capture jsonlog log --once");
    assert.match(await work.ok("tail -n 1 --json"), /"movedToBlob":"details".*"role":"details"/);
    await work.ok("verify");
  });

  it("says what is wrong with a folder that is not there", async () => {
    const { exit, err } = await work.run("capture jsonlog nowhere --once");
    assert.deepEqual([exit, /nowhere/.test(err)], [3, true]);
  });
});

describe("cairn capture postgres", () => {
  it("prints the SQL that makes tables say who changes them", async () => {
    const work = new Workplace();
    const sql = await work.ok("capture postgres --print-sql --table public.orders");
    assert.match(sql, /ALTER TABLE public\.orders REPLICA IDENTITY FULL/);
    assert.match(sql, /CREATE TRIGGER cairn_who/);
    work.remove();
  });
});

describe("captured events on their way", () => {
  const event = { type: "api.call", actor: { id: "alice" }, action: "x" };
  const recorded = (count: number): Answer => ({
    outcomes: Array.from({ length: count }, (_, seq) => ({ seq, leafHash: "", duplicate: false })),
    origin: "",
    checkpoint: undefined,
  });

  function sinkOf(append: (bodies: number) => Answer): { sink: LogSink; bodies: number[] } {
    const bodies: number[] = [];
    const sink: LogSink = {
      place: "here",
      putBlob: () => Promise.resolve(),
      close: () => Promise.resolve(),
      append: ({ bytes }) => {
        bodies.push(new TextDecoder().decode(bytes).split("\n").length - 1);
        return new Promise((resolve) => resolve(append(bodies.length)));
      },
    };
    return { sink, bodies };
  }

  it("wait for a server that is away, and are cut into bodies", async () => {
    const away = new CairnError("unavailable", "away", { retryAfterMs: 1 });
    const { sink, bodies } = sinkOf((n) => {
      if (n === 1) throw away;
      return recorded(bodies.at(-1)!);
    });
    const warned: string[] = [];
    const options = {
      sink,
      interrupted: new AbortController().signal,
      warn: (text: string) => warned.push(text),
    };
    const many = Array.from({ length: 4500 }, () => ({ event }));
    await captureSink({ ...options, isServer: true }).record(many);
    assert.deepEqual(bodies, [2000, 2000, 2000, 500]);
    assert.match(warned.join(), /away\. Asking again/);
    const failing = sinkOf(() => {
      throw away;
    });
    const folder = captureSink({ ...options, sink: failing.sink, isServer: false });
    await assert.rejects(folder.record(many), /away/);
  });

  it("go on over an id that names another event, which is told, and stop at any other refusal", async () => {
    const warned: string[] = [];
    const interrupted = new AbortController().signal;
    const record = (code: "conflict" | "invalid"): Promise<void> => {
      const error = new CairnError(code, `it is ${code}`);
      const { sink } = sinkOf(() => ({ ...recorded(0), outcomes: [{ error }] }));
      const warn = (text: string): void => void warned.push(text);
      return captureSink({ sink, isServer: true, interrupted, warn }).record([{ event }]);
    };
    await record("conflict");
    assert.deepEqual(warned, ["it is conflict"]);
    await assert.rejects(record("invalid"), /it is invalid/);
  });
});

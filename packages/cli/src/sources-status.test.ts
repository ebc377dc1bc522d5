/**
 * Goal: `cairn sources status` says the same of a folder and through a server: what is missing, what came late, what
 * was refused; and keys can be made with a quota and a silence. Method: the commands in this process, `cairn serve`
 * among them, on a free port of loopback.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ContinuityReport } from "@cairnlog/log";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const stop = new AbortController();
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

function line(number: number, action = "PAY"): string {
  const sequence = { stream: "orders-1", number };
  return `${JSON.stringify({ type: "api.call", actor: { id: "a" }, action, sequence })}\n`;
}

describe("cairn sources status", () => {
  let serving: Promise<Ran>;
  let env: Record<string, string> = {};

  before(async () => {
    const { key } = json(await work.ok("init --json"));
    const first = [1, 2, 4, 7].map((number) => line(number)).join("");
    await work.ok("append - --source shop", { stdin: first });
    await work.ok("append - --source shop", { stdin: line(4) + line(6) });
    await work.run("append - --source shop", { stdin: line(1, "STEAL") });
    const url = Promise.withResolvers<string>();
    serving = work.run("serve --listen 127.0.0.1:0 --json", {
      interrupted: stop.signal,
      onOut: (piece) => url.resolve(String(json(piece)["url"])),
    });
    env = { CAIRN_URL: await url.promise, CAIRN_KEY: String(key) };
  });

  after(async () => {
    stop.abort();
    await serving;
    work.remove();
  });

  it("says of each stream what is missing, from a folder and through a server alike", async () => {
    const ofFolder = await work.run("sources status --json");
    assert.equal(ofFolder.exit, 1);
    const report = JSON.parse(ofFolder.out) as ContinuityReport;
    const shop = report.sources.find(({ source }) => source === "shop")!;
    const [stream] = shop.streams;
    assert.deepEqual(stream?.gaps, [
      { from: 3, to: 3 },
      { from: 5, to: 5 },
    ]);
    assert.deepEqual([stream.firstNumber, stream.lastNumber, stream.events], [1, 7, 5]);
    assert.deepEqual([stream.missing, shop.conflicts], [2, 1]);
    const ofServer = await work.run("sources status --json --since 1h --source shop", { env });
    assert.equal(ofServer.exit, 1, ofServer.err);
    const there = (JSON.parse(ofServer.out) as ContinuityReport).sources;
    assert.deepEqual(there, JSON.parse(JSON.stringify([shop])));
  });

  it("says it to people", async () => {
    const { out, exit } = await work.run("sources status", { env });
    assert.equal(exit, 1);
    assert.match(out, /orders-1 {2}5 events, numbers 1 to 7 {2}2 missing: 3, 5/);
    assert.match(out, /1 conflict/);
    const quiet = await work.run("sources status --source nobody");
    assert.equal(quiet.exit, 0);
  });

  it("keys: with a quota and an agreed silence", async () => {
    const key = "keys create --source shop --logs main --scopes write --json";
    const made = json(await work.ok(`${key} --quota 100/s,10gb/day --silent-after 15m`));
    assert.deepEqual(made["quota"], { eventsPerSecond: 100, bytesPerDay: 1e10 });
    assert.equal(made["silentAfterMs"], 900_000);
    for (const wrong of ["--quota 5", "--quota 0/s", "--silent-after soon", "--quota 1/s,x"]) {
      assert.equal((await work.run(`${key} ${wrong}`)).exit, 2, wrong);
    }
    const all = await work.run("keys create --silent-after 15m");
    assert.equal(all.exit, 2);
    assert.match(all.err, /names its logs/);
  });
});

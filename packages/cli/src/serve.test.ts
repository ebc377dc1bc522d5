/**
 * Goal: the command and its server together: what is sent arrives, what is read is right, what fails says so.
 * Method: `cairn serve` in this process on a free port of loopback; the other commands talk to it over HTTP.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const stop = new AbortController();
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const event = (n: number): string =>
  JSON.stringify({ id: `e${n}`, type: "api.call", actor: { id: "alice" }, action: `step ${n}` });

describe("cairn with a server", () => {
  let serving: Promise<Ran>;
  let env: Record<string, string> = {};

  before(async () => {
    const { key } = json(await work.ok("init --json"));
    writeFileSync(work.path("api.key"), `${String(key)}\n`);
    writeFileSync(work.path("vkeys"), await work.ok("logs show --vkeys"));
    const url = await new Promise<string>((resolve, reject) => {
      serving = work.run("serve --listen 127.0.0.1:0 --json", {
        interrupted: stop.signal,
        onOut: (piece) => resolve(String(json(piece)["url"])),
      });
      void serving.then((ran) => reject(new Error(ran.err)));
    });
    env = { CAIRN_URL: url, CAIRN_KEY_FILE: "api.key" };
  });
  after(() => work.remove());

  it("append: lines with refusals, an array, one event, full receipts", async () => {
    const stdin = `${event(1)}\n\nbad\n${event(2)}\n`;
    const { exit, out, err } = await work.run("append -", { env, stdin });
    assert.equal(exit, 2);
    assert.deepEqual(
      lines(out).map((line) => line.trim().split(" ")[0]),
      ["1", "2"],
    );
    assert.match(err, /^cairn: line 3: /m);
    const known = lines(
      await work.ok("append - --json", { env, stdin: `[${event(2)},${event(3)}]` }),
    );
    assert.deepEqual(
      known.map((line) => [json(line)["seq"], json(line)["duplicate"]]),
      [
        [2, true],
        [3, undefined],
      ],
    );
    const flags = "append --type a.b --actor x --action y --receipt full";
    writeFileSync(work.path("receipt"), await work.ok(flags, { env }));
    assert.match(await work.ok("verify receipt --vkey vkeys"), /^VERIFIED|^CONSISTENT/);
    const conflict = await work.run(["append", "-"], {
      env,
      stdin: event(1).replace("step", "other"),
    });
    assert.equal(conflict.exit, 2);
    assert.match(conflict.err, /conflict|other bytes|already|taken/);
    const all = await work.run("append -", { env, stdin: "bad\nworse\n" });
    assert.equal(all.exit, 2);
    assert.match(all.err, /refused 2/);
  });

  it("append streams thousands of lines", async () => {
    const stdin = Array.from({ length: 5000 }, (_, i) => event(1000 + i)).join("\n");
    const { exit, out, err } = await work.run("append - --json", { env, stdin });
    assert.equal(exit, 0);
    assert.equal(lines(out).length, 5000);
    assert.equal(err, "");
  });

  it("reads the same over HTTP and from the folder", async () => {
    const folder = ["--data", "cairn-data"];
    for (const line of ["tail -n 5 --json", "get 2 --json", "tail --from 1 --to 4", "logs show"]) {
      assert.equal(
        await work.ok(line, { env }),
        await work.ok([...line.split(" "), ...folder]),
        line,
      );
    }
    const consistency = "proof --consistency 2 9 --json";
    assert.equal(
      await work.ok(consistency, { env }),
      await work.ok(`${consistency} --data cairn-data`),
    );
    writeFileSync(work.path("receipt"), await work.ok("proof 2 --json", { env }));
    assert.match(await work.ok("verify receipt --vkey vkeys"), /^VERIFIED/);
    writeFileSync(work.path("proof"), await work.ok("proof 2", { env }));
    assert.match(await work.ok("verify proof --vkey vkeys"), /^VERIFIED/);
  });

  it("tail -f over HTTP shows what comes", async () => {
    const interrupt = new AbortController();
    let seen = 0;
    const { exit, out } = await work.run("tail -f -n 1", {
      env,
      interrupted: interrupt.signal,
      onOut: () => {
        if (++seen === 1) void work.ok("append -", { env, stdin: event(9000) });
        else interrupt.abort();
      },
    });
    assert.equal(exit, 0);
    assert.match(lines(out).at(-1)!, /step 9000/);
  });

  it("verify checks the server, entry by entry", async () => {
    const out = await work.ok(`verify ${env["CAIRN_URL"]!} --vkey vkeys`, { env });
    assert.match(out, /^VERIFIED/);
  });

  it("keys made and revoked while it runs hold at once, or within a second", async () => {
    const key = json(await work.ok("keys create --source ops --scopes operate --json"));
    const ops = { CAIRN_URL: env["CAIRN_URL"]!, CAIRN_KEY: String(key["key"]) };
    await work.ok("logs create second --origin example.com/second", { env: ops });
    assert.match(await work.ok("logs list", { env: ops }), /^second {2}1 entries/m);
    assert.equal((await work.run("tail --log second", { env: ops })).exit, 3);
  });

  it("says what is wrong: key, log, entry, address", async () => {
    const url = env["CAIRN_URL"]!;
    const cases: readonly (readonly [string, RegExp])[] = [
      [`get 1 --url ${url}`, /Authorization.*cairn keys create/],
      [`get 1 --url ${url} --key cairn_aaaaaaaaaa_bbbb`, /Authorization/],
      [`get 1 --log nope --url ${url} --key-file api.key`, /not for this log|no log/],
      [`get 99999 --url ${url} --key-file api.key`, /no entry 99999/],
      ["get 1 --url http://127.0.0.1:1", /127\.0\.0\.1:1/],
    ];
    for (const [line, expected] of cases) {
      const { exit, err } = await work.run(line);
      assert.equal(exit, 3, line);
      assert.match(err, expected, line);
    }
  });

  it("a second server on the same folder, or the same port, refuses", async () => {
    const second = await work.run("serve --listen 0");
    assert.equal(second.exit, 3);
    assert.match(second.err, /locked for writing/);
    await work.ok("init --data elsewhere");
    const port = new URL(env["CAIRN_URL"]!).port;
    const taken = await work.run(`serve --data elsewhere --listen ${port}`);
    assert.equal(taken.exit, 3);
    assert.match(taken.err, /cannot listen/);
    // The refusal let go of the log.
    await work.ok("append --data elsewhere --type a.b --actor x --action y");
  });

  it("stops when it is asked to, and the log verifies", async () => {
    stop.abort();
    assert.equal((await serving).exit, 0);
    await work.ok("verify cairn-data");
    await work.ok("append --type a.b --actor x --action y");
  });
});

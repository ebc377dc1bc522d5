/**
 * Goal: the commands do what their help says, in a data folder, and their exit statuses are right.
 * Method: run them in this process, one after the other, in a folder of their own.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import { filesStore } from "@cairnlog/store";
import { openLog } from "@cairnlog/log";
import { Workplace } from "./run-command.testing.ts";

const work = new Workplace();
after(() => work.remove());

const event = (n: number): string =>
  JSON.stringify({ id: `e${n}`, type: "api.call", actor: { id: "alice" }, action: `step ${n}` });
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

/** Characters that a terminal would act upon, but the ends of lines. */
function dangerousIn(text: string): string[] {
  return [...text].filter(
    (character) => character !== "\n" && /[\p{C}\p{Zl}\p{Zp}]/u.test(character),
  );
}

describe("cairn in a data folder", () => {
  let made: Record<string, unknown> = {};

  before(async () => {
    made = json(await work.ok("init --origin audit.example.com/logs/main --json"));
    writeFileSync(work.path("events.ndjson"), [1, 2, 3, 4].map(event).join("\n"));
  });

  it("init makes a log, keys and an API key, and a second one refuses", async () => {
    assert.equal(made["origin"], "audit.example.com/logs/main");
    assert.match(String(made["key"]), /^cairn_[a-z0-9]+_/);
    assert.equal(statSync(work.path("cairn-data/api-keys.json")).mode % 0o1000, 0o600);
    const again = await work.run("init");
    assert.equal(again.exit, 3);
    assert.match(again.err, /^cairn: there is a log "main" already/);
    assert.equal((await work.run("init --log b --origin +")).exit, 2);
  });

  it("init tells people what was made, with a default origin from the machine's name", async () => {
    const out = await work.ok("init --log other --no-key");
    assert.match(out, /origin +test-machine\/logs\/other/);
    assert.match(out, /fingerprint [0-9a-f]{64}/);
    assert.doesNotMatch(out, /API key/);
  });

  it("init --succeeds points back to the log that it follows", async () => {
    const checkpoint = "cairn-data/main/checkpoint";
    assert.equal((await work.run(`init --log next --succeeds ${checkpoint}`)).exit, 2);
    await work.ok(`init --log next --no-key --succeeds ${checkpoint} --reason "disk lost"`);
    const entry = json(await work.ok("get 0 --log next --json"));
    const { details } = entry["event"] as { details: { succeeds: { reason: string } } };
    assert.equal(details.succeeds.reason, "disk lost");
  });

  it("append records a file, and again: the same entries", async () => {
    const first = await work.ok("append events.ndjson --json");
    assert.deepEqual(
      lines(first).map((line) => json(line)["seq"]),
      [1, 2, 3, 4],
    );
    const { exit, out, err } = await work.run("append events.ndjson");
    assert.equal(exit, 0);
    assert.match(out, /^ +1 {2}\S{44} {2}recorded before/);
    assert.match(err, /Recorded 4, 4 of them before, entries 1 to 4\./);
  });

  it("append names the line of each refused event, records the others, and ends with 2", async () => {
    const stdin = `${event(5)}\n\nnot json\r\n{"type":"x"}\n${event(6)}`;
    const { exit, out, err } = await work.run("append -", { stdin });
    assert.equal(exit, 2);
    assert.equal(lines(out).length, 2);
    assert.match(err, /^cairn: line 3: .*expected '\{'/m);
    assert.match(err, /^cairn: line 4: \/type/m);
    assert.match(err, /refused 2\./);
    const machine = await work.run("append - --json", { stdin: "{}" });
    const { error } = json(machine.out) as { error: { code: string } };
    assert.equal(error.code, "invalid");
  });

  it("append takes an array, an object over several lines, and flags", async () => {
    await work.ok("append -", { stdin: `[${event(7)},\n ${event(8)}]` });
    const pretty = JSON.stringify(JSON.parse(event(9)), undefined, 2);
    await work.ok("append -", { stdin: pretty });
    const flags =
      "--type a.b --actor bob --action go --target db:x:y --outcome denied --detail k=v=w";
    const receipt = json(await work.ok(`append ${flags} --time 2026-11-23 --receipt full`));
    assert.ok(Array.isArray(receipt["proof"]));
    assert.match(String(receipt["checkpoint"]), /^audit\.example\.com\/logs\/main\n/);
    const entry = json(await work.ok(`get ${String(receipt["seq"])} --json`));
    const { id, ...rest } = entry["event"] as Record<string, unknown>;
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, {
      type: "a.b",
      time: "2026-11-23T00:00:00.000Z",
      actor: { id: "bob" },
      action: "go",
      targets: [{ type: "db", id: "x:y" }],
      outcome: "denied",
      details: { k: "v=w" },
    });
  });

  it("append refuses what it cannot understand", async () => {
    for (const line of [
      "append --type a.b",
      "append events.ndjson --type a.b --actor x --action y",
      "append none.ndjson",
      "append --type a.b --actor x --action y --target nocolon",
      "append events.ndjson --receipt long",
      "append events.ndjson --url ftp://x",
      "append events.ndjson --url http://127.0.0.1:1 --data cairn-data",
    ]) {
      assert.equal((await work.run(line)).exit, 2, line);
    }
    assert.equal((await work.run("append -", { stdin: "x".repeat(300_000) })).exit, 2);
  });

  it("append lets nothing half-written when it is interrupted", async () => {
    const stdin = new PassThrough();
    const interrupt = new AbortController();
    const running = work.run("append -", {
      stdin,
      interrupted: interrupt.signal,
      onOut: () => interrupt.abort(),
    });
    stdin.write(`${event(20)}\n${event(21).slice(0, 20)}`);
    const { exit, out, err } = await running;
    assert.equal(exit, 3);
    assert.equal(lines(out).length, 1);
    assert.match(err, /interrupted\. Recorded 1/);
    assert.equal((await work.run("verify")).exit, 0);
  });

  it("says who holds the log, and what to do", async () => {
    const log = await openLog(filesStore({ folder: work.path("cairn-data") }), "main");
    try {
      const { exit, err } = await work.run("append events.ndjson");
      assert.equal(exit, 3);
      assert.match(err, /locked for writing by this process.*--url and --key/);
      assert.match(await work.ok("tail -n 1"), /api\.call/);
    } finally {
      await log.close();
    }
  });

  it("tail shows the last entries, ranges by seq and by time, and NDJSON byte for byte", async () => {
    assert.equal(lines(await work.ok("tail")).length, 10);
    assert.equal(lines(await work.ok("tail -n 3")).length, 3);
    const range = lines(await work.ok("tail --from 1 --to 3"));
    assert.match(range[0]!, /^ +1 {2}\S+Z {2}cli +api\.call {2}alice {2}step 1$/);
    assert.equal(range.length, 2);
    assert.equal(lines(await work.ok("tail --since 1h --until 30m")).length, 0);
    const all = lines(await work.ok("tail --since 1h --json"));
    assert.equal(json(all[0]!)["seq"], 0);
    assert.equal(`${all[4]}\n`, await work.ok("get 4 --json"));
    assert.equal((await work.run("tail --from 3 --to 1")).exit, 2);
    assert.equal((await work.run("tail --from 1000000")).exit, 3);
    assert.equal((await work.run("tail --since yesterday")).exit, 2);
  });

  it("tail -f goes on with what comes, until it is interrupted", async () => {
    const interrupt = new AbortController();
    let seen = 0;
    const running = work.run("tail -f -n 1", {
      interrupted: interrupt.signal,
      onOut: () => {
        seen++;
        if (seen === 1) void work.ok("append -", { stdin: event(30) });
        else interrupt.abort();
      },
    });
    const { exit, out } = await running;
    assert.equal(exit, 0);
    assert.match(lines(out).at(-1)!, /step 30/);
  });

  it("shows hostile events harmlessly, on a terminal even as JSON", async () => {
    const nasty = "ev\u001b[2J\u202e\u0007il\u2028";
    const hostile = {
      type: "api.call",
      actor: { id: nasty },
      action: nasty,
      targets: [{ type: nasty, id: nasty }],
    };
    await work.ok("append -", { stdin: JSON.stringify(hostile) });
    for (const line of ["tail -n 1", "tail -n 1 --json"]) {
      const out = await work.ok(`${line} --color never`, { isTerminal: true });
      assert.match(out, /ev/);
      assert.deepEqual(dangerousIn(out), []);
    }
    const seq = lines(await work.ok("tail -n 1"))[0]!
      .trim()
      .split(" ")[0]!;
    const shown = await work.ok(`get ${seq} --color never`, { isTerminal: true });
    assert.deepEqual(dangerousIn(shown), []);
  });

  it("proof and verify: a proof, a receipt, a consistency proof", async () => {
    await work.ok("logs show --vkeys").then((text) => writeFileSync(work.path("vkeys"), text));
    await work.ok("proof 3 --out 3.proof");
    assert.equal((await work.run("proof 3 --out 3.proof")).exit, 2);
    const proven = json(await work.ok("verify 3.proof --vkey vkeys --json"));
    assert.equal(proven["verdict"], "verified");
    writeFileSync(work.path("3.json"), await work.ok("proof 3 --json"));
    assert.match(await work.ok("verify 3.json --vkey vkeys"), /^VERIFIED/);
    const full = await work.ok("append - --receipt full", { stdin: event(40) });
    writeFileSync(work.path("r.json"), full);
    writeFileSync(work.path("e.json"), await work.ok(`get ${String(json(full)["seq"])} --json`));
    assert.match(await work.ok("verify r.json --entry e.json --vkey vkeys"), /^VERIFIED/);
    assert.equal((await work.run("verify r.json --entry 3.json --vkey vkeys")).exit, 1);
    const consistency = json(await work.ok("proof --consistency 1 3 --json"));
    assert.deepEqual([consistency["from"], consistency["to"]], [1, 3]);
    for (const bad of [
      "proof",
      "proof 1 --consistency 1 2",
      "proof --consistency 3 1",
      "proof x",
    ]) {
      assert.equal((await work.run(bad)).exit, 2, bad);
    }
    assert.equal((await work.run("proof 1000000")).exit, 3);
  });

  it("keys: created, listed without secrets, revoked", async () => {
    const line = "keys create --source ci --scopes write --logs main --expires 90d --json";
    const key = json(await work.ok(line));
    assert.ok(!("secretHash" in key));
    const list = await work.ok("keys list");
    assert.match(list, /ci {2}write {2}main {2}made .* expires /);
    assert.doesNotMatch(list, new RegExp(String(key["key"])));
    await work.ok(["keys", "revoke", String(key["key"])]);
    assert.doesNotMatch(await work.ok("keys list"), / ci /);
    assert.equal((await work.run(`keys revoke ${String(key["id"])}`)).exit, 3);
    for (const bad of ["--scopes admin", "--source cairn", "--expires 2020-01-01", "--logs ../x"]) {
      assert.equal((await work.run(`keys create ${bad}`)).exit, 2, bad);
    }
  });

  it("logs: created, listed, shown", async () => {
    await work.ok("logs create extra --origin example.com/extra --public");
    assert.match(
      await work.ok("logs list"),
      /^extra {2}1 entries {2}example\.com\/extra {2}public$/m,
    );
    const shown = json(await work.ok("logs show extra --json"));
    assert.equal((shown["keys"] as { fingerprint: string }[])[0]!.fingerprint.length, 64);
    assert.equal((await work.run("logs show nothing")).exit, 3);
    assert.equal((await work.run("logs create ../x")).exit, 2);
    assert.ok(!existsSync(work.path("x")));
  });

  it("config: prints values with their places, hides secrets, prints the schema", async () => {
    const env = { CAIRN_KEY: "cairn_secret", CAIRN_LISTEN: "[::1]:80" };
    const out = await work.ok("config print", { env });
    assert.match(out, /^listen +\[::1\]:80 +CAIRN_LISTEN$/m);
    assert.match(out, /^log +main +default$/m);
    assert.doesNotMatch(out, /secret/);
    assert.equal(json(await work.ok("config schema"))["title"], "cairn.yaml");
    writeFileSync(work.path("bad.yaml"), "lisen: 80\n");
    const { exit, err } = await work.run("tail --config bad.yaml --json");
    assert.equal(exit, 2);
    assert.match(String(json(err)["detail"]), /bad\.yaml, line 1, column 1: unknown key "lisen"/);
  });

  it("tells where there is no data folder", async () => {
    for (const line of ["tail", "append events.ndjson", "keys list", "logs list", "serve"]) {
      const { exit, err } = await work.run(`${line} --data nowhere`);
      assert.equal(exit, 3, line);
      assert.match(err, /cairn init/, line);
    }
    assert.ok(!existsSync(work.path("nowhere")));
  });

  it("verify that is interrupted proves nothing", async () => {
    const { exit, err } = await work.run("verify", { interrupted: AbortSignal.abort() });
    assert.equal(exit, 3);
    assert.match(err, /interrupted: nothing is proven/);
  });

  it("verify finds a changed byte, says where, and ends with 1", async () => {
    const path = work.path("cairn-data/extra/tail/0000000000000000");
    const bytes = readFileSync(path);
    bytes[200]! ^= 1;
    writeFileSync(path, bytes);
    const { exit, out } = await work.run("verify cairn-data/extra");
    assert.equal(exit, 1);
    assert.match(out, /^NOT VERIFIED/);
    assert.match(out, /problem entry 0, tail\/0000000000000000, byte [0-9]+/);
    assert.equal((await work.run("serve --listen 0")).exit, 1);
    assert.equal((await work.run("verify nowhere")).exit, 3);
    assert.equal((await work.run("verify --vkey nonsense")).exit, 2);
  });
});

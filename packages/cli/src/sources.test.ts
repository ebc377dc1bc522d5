/**
 * Goal: plugging a source in takes one command, and what it prints is what the sender needs; lines of any log become
 * events, and none that was read is lost.
 * Method: `cairn serve` in this process; sources are added, tried, rotated and removed while it runs; deliveries go to
 * the addresses that were printed; a pipe is interrupted.
 */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const stop = new AbortController();
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

interface Added {
  readonly name: string;
  readonly url: string;
  readonly secret: string;
}

async function deliver({ url, secret }: Added, body: string): Promise<number> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body,
  });
  await answer.text();
  return answer.status;
}

/** Resolves when the server has noticed, which takes it a second at most. */
async function refused(source: Added, body: string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while ((await deliver(source, body)) !== 401) {
    assert.ok(performance.now() < endMs, "it is still taken");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("cairn sources", () => {
  let serving: Promise<Ran>;
  let address = "";

  before(async () => {
    await work.ok("init");
    address = await new Promise<string>((resolve, reject) => {
      serving = work.run("serve --listen 127.0.0.1:0 --json", {
        interrupted: stop.signal,
        onOut: (piece) => resolve(String(json(piece)["url"])),
      });
      void serving.then((ran) => reject(new Error(ran.err)));
    });
    const map =
      'type: api.call\nactor.id: [$.user, nobody]\naction: "{$.method} {$.path}"\ntime: $.ts\n';
    writeFileSync(work.path("app.map.yaml"), `${map}outcome: $.status\n`);
  });
  after(async () => {
    stop.abort();
    await serving;
    work.remove();
  });

  const add = async (line: string): Promise<Added> =>
    json(await work.ok(`sources add ${line} --address ${address} --json`)) as unknown as Added;

  it("add: prints what to paste, waits for the first event, and shows it", async () => {
    let source: Added | undefined;
    const line = `sources add json --name shop --wait --address ${address} --silent-after 2h --quota 100/s`;
    const shown = await work.ok(`${line} --json`, {
      onOut: (piece) => {
        if (source !== undefined) return;
        source = json(lines(piece)[0]!) as unknown as Added;
        void deliver(source, '{"type":"api.call","actor":{"id":"alice"},"action":"GET /"}');
      },
    });
    assert.equal(source!.url, `${address}/v1/logs/main/sources/shop`);
    const entry = json(lines(shown)[1]!);
    assert.deepEqual(
      [entry["source"], (entry["event"] as { action: string }).action],
      ["shop", "GET /"],
    );
    assert.equal(statSync(work.path("cairn-data/sources.json")).mode % 0o1000, 0o600);
    const about = json(await work.ok("sources show shop --json"));
    assert.deepEqual(
      [about["silentAfterMs"], about["quota"], about["secrets"]],
      [7_200_000, { eventsPerSecond: 100 }, 1],
    );
    for (const line of ["sources list", "sources list --json", "sources show shop"]) {
      const out = await work.ok(line);
      assert.match(out, /shop/);
      assert.ok(!out.includes(source!.secret), line);
    }
  });

  it("add for people: instructions with the address and the secret", async () => {
    const out = await work.ok("sources add cloudevents --host-name audit.example.com --tls-cert x");
    assert.match(out, /https:\/\/audit\.example\.com:8080\/v1\/logs\/main\/sources\/cloudevents/);
    const secret = /secret +([A-Za-z0-9_-]{43})/.exec(out)?.[1];
    assert.ok(out.includes(`Authorization: Bearer ${secret}`));
    await work.ok("sources remove cloudevents");
  });

  it("add on a terminal: asks for what was not given", async () => {
    const stdin = new PassThrough();
    const asked = work.run(`sources add standard-webhooks --name hooks --address ${address}`, {
      stdin,
      isTerminal: true,
      isStdinTerminal: true,
      onErr: (piece) => {
        if (piece.includes("Mapping")) stdin.write("app.map.yaml\n");
        else if (piece.includes("Secret")) stdin.write("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
      },
    });
    const { exit, err } = await asked;
    assert.equal(exit, 0, err);
    const { options } = json(await work.ok("sources show hooks --json"));
    assert.match((options as { map: string }).map, /"type":"api.call"/);
    const ended = new PassThrough();
    ended.end();
    const line = "sources add standard-webhooks --name hooks2";
    const ran = await work.run(line, { stdin: ended, isTerminal: true, isStdinTerminal: true });
    assert.equal(ran.exit, 2);
    assert.match(ran.err, /there was no answer/);
  });

  it("rotate: both secrets are good until --finish; remove: none is", async () => {
    const old = await add("ocsf --name finds");
    const event = '{"class_uid":3002}';
    const line = `sources rotate finds --address ${address} --json`;
    const next = json(await work.ok(line)) as unknown as Added;
    assert.deepEqual([await deliver(old, event), await deliver(next, event)], [200, 200]);
    await work.ok("sources rotate finds --finish");
    await refused(old, event);
    assert.equal(await deliver(next, event), 200);
    await work.ok("sources remove finds");
    await refused(next, event);
  });

  it("a source with a mapping maps", async () => {
    const source = await add("json --name app --map app.map.yaml");
    const record = '{"user":"bob","method":"GET","path":"/x","status":403,"ts":1764000000}';
    assert.equal(await deliver(source, record), 200);
    const [entry] = lines(await work.ok("tail -n 1 --json")).map(json);
    const { details: _, ...event } = entry!["event"] as Record<string, unknown>;
    assert.deepEqual(event, {
      id: event["id"],
      type: "api.call",
      time: "2025-11-24T16:00:00.000Z",
      actor: { id: "bob" },
      action: "GET /x",
      outcome: "denied",
    });
  });

  const mistakes: readonly (readonly [string, number, RegExp])[] = [
    ["sources add josn", 2, /Did you mean json\?/],
    ["sources add json --name shop", 3, /there is a source shop already/],
    ["sources add json --name a/b", 2, /--name/],
    ["sources add json --name api", 3, /alias of an API key/],
    ["sources add json --name x --log nope", 3, /no log "nope"/],
    ["sources add json --name x --set colour=red", 2, /has no setting "colour"/],
    ["sources add json --name x --quota 7", 2, /--quota/],
    ["sources add json --name x --silent-after soon", 2, /--silent-after/],
    ["sources add json --name x --map nothing.yaml", 2, /cannot be read/],
    ["sources add standard-webhooks --name x", 2, /give it with --secret-file/],
    ["sources add json --name x --secret a --secret-file b", 2, /not both/],
    ["sources show nobody", 3, /there is no source "nobody"/],
    ["sources remove nobody", 3, /there is no source "nobody"/],
    ["sources rotate nobody", 3, /there is no source "nobody"/],
    ["sources rotate shop --finish --secret x", 2, /takes no new secret/],
  ];
  for (const [line, exit, expected] of mistakes) {
    it(`says what is wrong with: cairn ${line}`, async () => {
      const ran = await work.run(line);
      assert.equal(ran.exit, exit, ran.err);
      assert.match(ran.err, expected);
    });
  }

  it("kinds: every adapter, for people and machines", async () => {
    const people = await work.ok("sources kinds");
    const machines = lines(await work.ok("sources kinds --json")).map(json);
    assert.equal(lines(people).length, machines.length);
    assert.ok(machines.some(({ kind }) => kind === "standard-webhooks"));
  });

  it("map: shows the events of a body and of a fixture, and what would be refused", async () => {
    const good = '{"user":"al","method":"PUT","path":"/y"}';
    writeFileSync(work.path("sample.ndjson"), `${good}\n{broken\n${good}\n`);
    const ran = await work.run("map --test sample.ndjson --map app.map.yaml --json");
    assert.equal(ran.exit, 2);
    assert.match(ran.err, /line 2/);
    assert.deepEqual(
      lines(ran.out).map((line) => json(line)["action"]),
      ["PUT /y", "PUT /y"],
    );
    const headers = { "Content-Type": "application/cloudevents+json" };
    const body = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
    writeFileSync(work.path("fixture.json"), JSON.stringify({ delivery: { headers, body } }));
    assert.match(await work.ok("map --test fixture.json --kind cloudevents"), /"action": "t"/);
    writeFileSync(work.path("event.json"), body);
    const bare = ["map", "--test", "event.json", "--kind", "cloudevents", "--header"];
    assert.match(await work.ok([...bare, "content-type: application/cloudevents+json"]), /"t"/);
    assert.equal((await work.run("map --test event.json --kind cloudevents")).exit, 2);
    assert.equal((await work.run("map")).exit, 2);
  });
});

describe("cairn append --map", () => {
  const home = new Workplace();
  after(() => home.remove());
  before(async () => {
    await home.ok("init");
    writeFileSync(home.path("map.yaml"), 'action: [$.msg, $.line]\nactor: { id: "$.user" }\n');
  });

  it("records JSON and plain lines, also one that begins like an array", async () => {
    const stdin = '{"msg":"one","user":"alice"}\n\n[2026-11-24] plain text\n"text"\n';
    const out = await home.ok("append - --map map.yaml --json", { stdin });
    assert.equal(lines(out).length, 3);
    const events = lines(await home.ok("tail -n 3 --json")).map((line) => {
      const { action, actor, details } = json(line)["event"] as Record<string, unknown>;
      return [action, actor, details];
    });
    const machine = { id: "Test Machine", type: "source" };
    assert.deepEqual(events, [
      ["one", { id: "alice" }, { msg: "one", user: "alice" }],
      ["[2026-11-24] plain text", machine, { line: "[2026-11-24] plain text" }],
      ["record", machine, { value: "text" }],
    ]);
  });

  it("keeps what is larger than an entry in a blob", async () => {
    const stdin = `${JSON.stringify({ msg: "large", text: "x".repeat(100_000) })}\n`;
    await home.ok("append - --map map.yaml", { stdin });
    const [entry] = lines(await home.ok("tail -n 1 --json")).map(json);
    const { blobs } = entry!["event"] as { blobs: { sha256: string; role: string }[] };
    assert.equal(blobs[0]!.role, "details");
    await home.ok("verify cairn-data");
  });

  it("Ctrl-C: what the pipe still holds is recorded before it ends", async () => {
    const stdin = new PassThrough();
    const interrupt = new AbortController();
    stdin.write('{"msg":"first"}\n');
    const ran = await home.run("append - --map map.yaml --json", {
      stdin,
      interrupted: interrupt.signal,
      onOut: (piece) => {
        if (!piece.includes('"seq"') || interrupt.signal.aborted) return;
        interrupt.abort();
        stdin.write('{"msg":"second"}\n{"msg":"third"}\n');
      },
    });
    assert.equal(ran.exit, 0, ran.err);
    const shown = lines(await home.ok("tail -n 3 --json"));
    const actions = shown.map((line) => (json(line)["event"] as { action: string }).action);
    assert.deepEqual(actions, ["first", "second", "third"]);
  });

  it("says what is wrong with a mapping, and where", async () => {
    const bad: readonly (readonly [string, RegExp])[] = [
      ["actoin: x", /actoin: unknown field/],
      ["action: $.a b", /action: not a path from its character 3 on/],
      ["action: []", /action: expected a text/],
      ["targets: [{ id: x }]", /targets\[0\]: expected an object with type and id/],
      ["action: x\naction: y", /unique/],
      ["- a", /expected an object/],
      ["action: [", /sequence|collection/i],
    ];
    for (const [text, expected] of bad) {
      writeFileSync(home.path("bad.yaml"), text);
      const ran = await home.run("append - --map bad.yaml", { stdin: "x\n" });
      assert.equal(ran.exit, 2, text);
      assert.match(ran.err, expected);
    }
  });
});

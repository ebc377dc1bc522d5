/**
 * Goal: how a client ends. `flush` and `close` wait for what was handed over; a process that runs
 * out of work stays for its events, for a bounded time; a promise that nobody awaits never ends the
 * process.
 *
 * Method: the scripted log and a clock that does not wait; for the process itself, real child
 * processes.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { CairnClient, type CairnEvent } from "./index.ts";
import { FastClock, ScriptedLog, until } from "./scripted-log.testing.ts";

let log: ScriptedLog;
let clock: FastClock;
let errors: string[];

beforeEach(async () => {
  log = await ScriptedLog.open();
  clock = new FastClock();
  errors = [];
});
afterEach(() => log.close());

function open(): CairnClient {
  return new CairnClient({
    url: log.url,
    clock,
    onError: (error, { eventId, willRetry }) => {
      errors.push(willRetry ? "retry" : `${eventId} ${error.code}`);
    },
  });
}

function event(id: string): CairnEvent {
  return { id, type: "api.call", actor: { id: "alice" }, action: "GET" };
}

test("flush waits for what was handed over before it, not for what comes later", async () => {
  const cairn = open();
  await cairn.flush();
  log.script.push("hold", "hold");
  void cairn.log(event("a"));
  let isFlushed = false;
  const flushed = cairn.flush().then(() => (isFlushed = true));
  await until(() => log.requests.length === 1);
  void cairn.log(event("b"));
  assert.equal(isFlushed, false);
  log.release();
  await flushed;
  assert.deepEqual(log.recordedIds, ["a"]);
  await until(() => log.requests.length === 2);
  log.release();
  await cairn.close();
  assert.deepEqual(log.recordedIds, ["a", "b"]);
});

test("flush also ends when events are refused", async () => {
  const cairn = open();
  void cairn.log({ ...event("a"), action: log.refusedAction });
  await cairn.flush();
  assert.deepEqual(errors, ["a invalid"]);
});

test("close delivers through an outage, and then takes nothing more", async () => {
  const cairn = open();
  log.script.push({ status: 503 }, "drop after");
  void cairn.log(event("a"));
  await cairn.close();
  assert.deepEqual(log.recordedIds, ["a"]);
  await assert.rejects(cairn.log(event("b")), { code: "usage" });
  await cairn.close();
  assert.deepEqual(clock.heldDelays, [], "no timer keeps the process");
});

test("await using closes", async () => {
  {
    await using cairn = open();
    void cairn.log(event("a"));
  }
  assert.deepEqual(log.recordedIds, ["a"]);
});

test("close gives up after its time, tells of every event, and rejects", async () => {
  const cairn = open();
  log.script.push("hang");
  const under = cairn.log(event("under way"));
  await until(() => log.requests.length === 1);
  const queued = cairn.log(event("queued"));
  const closed = cairn.close({ timeoutMs: 25_000 });
  clock.expire(25_000);
  await assert.rejects(closed, { code: "unavailable", message: /2 events/ });
  await assert.rejects(under, { code: "unavailable" });
  await assert.rejects(queued, { code: "unavailable" });
  assert.deepEqual(errors, ["under way unavailable", "queued unavailable"]);
  assert.equal(cairn.status().queuedEvents, 0);
  await until(() => log.connectionsLost === 1);
  await assert.rejects(cairn.log(event("later")), { code: "usage" });
});

async function run(body: string): Promise<{ stdout: string; stderr: string; code: number }> {
  const sdk = JSON.stringify(new URL("./index.ts", import.meta.url).href);
  const script = `import { CairnClient } from ${sdk}; const url = ${JSON.stringify(log.url)};
    const event = (id) => ({ id, type: "api.call", actor: { id: "a" }, action: "GET" }); ${body}`;
  const args = ["--input-type=module", "-e", script];
  try {
    return { ...(await promisify(execFile)(process.execPath, args)), code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

test("a process that has nothing else to do stays until its events are recorded", async () => {
  log.script.push({ status: 503 }, "drop after");
  const { code, stderr } = await run(`
    const cairn = new CairnClient({ url, retryDelayMs: 5, onError: () => {} });
    for (let i = 0; i < 20; i++) cairn.log(event("e" + i));`);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.equal(log.recordedIds.length, 20);
});

test("lingering ends at once when the process has nothing else to do", async () => {
  const { code } = await run(`
    const cairn = new CairnClient({ url, lingerMs: 3_600_000 });
    cairn.log(event("a"));`);
  assert.equal(code, 0);
  assert.deepEqual(log.recordedIds, ["a"]);
});

test("a process does not stay for ever; whoever awaits is told", async () => {
  await log.close();
  const { code, stdout, stderr } = await run(`
    const cairn = new CairnClient({ url, retryDelayMs: 5, exitFlushMs: 40,
      onError: (e, r) => console.log(r.willRetry ? "waits" : r.eventId + " " + e.code) });
    cairn.log(event("ignored"));
    try { await cairn.log(event("awaited")); } catch (e) { console.log("caught " + e.code); }
    cairn.log(event("late"));`);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.deepEqual(stdout.trim().split("\n"), [
    "waits",
    "ignored unavailable",
    "awaited unavailable",
    "caught unavailable",
    "late unavailable",
  ]);
  log = await ScriptedLog.open();
});

test("a rejection that nobody awaits does not end the process, and is printed", async () => {
  log.script.push({ status: 403, code: "forbidden" });
  const { code, stderr } = await run(`
    const cairn = new CairnClient({ url });
    cairn.log(event("a"));
    await cairn.flush();
    cairn.log({ value: 1n });
    console.error("still here");`);
  assert.equal(code, 0);
  assert.match(stderr, /^cairn: event a was not recorded: forbidden: .*\nstill here\n$/);
});

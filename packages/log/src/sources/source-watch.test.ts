/**
 * Goal: what a log says of its sources beyond their numbers: heartbeats that name what never came, silence, clocks that
 * run backwards, refusals. Each said once, bounded, and not forgotten by a restart.
 * Method: small logs in memory with a clock that the test winds, closed and opened again in the middle.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEntry, utf8 } from "@cairnlog/core";
import { memoryStore, type Store } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import { createLog, openLog, readNdjson, type Log } from "../index.ts";
import { heartbeatGraceMs } from "./heartbeats.ts";
import { identitiesMax } from "./refusals.ts";

const name = "main";
const newLog = { name, origin: "example.com/logs/main" };
const minuteMs = 60_000;

function event(number?: number, more: object = {}): string {
  const sequence = number === undefined ? {} : { sequence: { stream: "s", number } };
  return JSON.stringify({
    ...{ type: "a.b", actor: { id: "c" }, action: "d", ...sequence, ...more },
  });
}

async function send(log: Log, events: readonly string[], source = "api"): Promise<void> {
  const answer = await log.append(readNdjson(utf8(`${events.join("\n")}\n`)), source);
  assert.equal(answer.refused, 0);
}

interface Own {
  readonly type: string;
  readonly [detail: string]: unknown;
}

/** The log's own entries about its sources, once all that is to be told now is told. */
async function told(log: Log): Promise<Own[]> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  const own: Own[] = [];
  for await (const { bytes } of log.entries(0, log.status().size)) {
    const { type, details } = JSON.parse(new TextDecoder().decode(parseEntry(bytes).event)) as {
      readonly type: string;
      readonly details: object;
    };
    if (type.startsWith("source.")) own.push({ type, ...details });
  }
  return own;
}

async function reopened(store: Store, log: Log, clock: ManualClock): Promise<Log> {
  await log.close();
  return openLog(store, name, { clock });
}

describe("heartbeats", () => {
  it("tell of what was counted and never came, after the grace, once", async (t) => {
    const clock = new ManualClock();
    const store = memoryStore();
    let log = await createLog(store, newLog, { clock });
    t.after(() => log.close());
    await send(log, [event(1), event(2)]);
    const { size } = log.status();
    await log.sources.heartbeat("api", [{ stream: "s", number: 2 }]);
    clock.advance(2 * heartbeatGraceMs);
    assert.deepEqual(await told(log), []);
    assert.equal(log.status().size, size, "a heartbeat is no entry");
    await log.sources.heartbeat("api", [{ stream: "s", number: 5 }]);
    clock.advance(heartbeatGraceMs - 1);
    await send(log, [event(3)]);
    await log.sources.heartbeat("api", [{ stream: "s", number: 5 }]);
    assert.deepEqual(await told(log), [], "they may be under way");
    clock.advance(1);
    const [gap, ...more] = await told(log);
    assert.deepEqual(more, []);
    const missing = [{ from: 4, to: 5, after: size }];
    assert.deepEqual(gap?.["streams"], [
      { stream: "s", missing, filled: [], forgotten: 0, open: 2 },
    ]);
    log = await reopened(store, log, clock);
    await log.sources.heartbeat("api", [{ stream: "s", number: 5 }]);
    clock.advance(heartbeatGraceMs);
    assert.equal((await told(log)).length, 1, "told once, also after a restart");
    await send(log, [event(5), event(4)]);
    const last = (await told(log)).at(-1);
    const filled = [{ from: 4, to: 5 }];
    assert.deepEqual(last?.["streams"], [
      { stream: "s", missing: [], filled, forgotten: 0, open: 0 },
    ]);
  });
});

describe("a source that agreed to speak", () => {
  it("is told to be silent once, and when it is heard again", async (t) => {
    const clock = new ManualClock();
    const store = memoryStore();
    let log = await createLog(store, newLog, { clock });
    t.after(() => log.close());
    const agreed = new Map([["api", minuteMs]]);
    await log.sources.agreeSilences(agreed);
    await send(log, [event(), event()]);
    clock.advance(minuteMs);
    assert.deepEqual(await told(log), []);
    clock.advance(2);
    const [silent] = await told(log);
    assert.deepEqual(silent, {
      ...{ type: "source.silent", source: "api", since: "2026-01-01T00:00:00.000Z" },
      silentAfterMs: minuteMs,
    });
    clock.advance(10 * minuteMs);
    log = await reopened(store, log, clock);
    await log.sources.agreeSilences(agreed);
    clock.advance(10 * minuteMs);
    assert.equal((await told(log)).length, 1, "told once, also after a restart");
    await send(log, [event()], "db");
    await send(log, [event()]);
    const heard = (await told(log)).at(-1);
    assert.equal(heard?.type, "source.heard");
    assert.equal(heard["silentMs"], 21 * minuteMs + 2);
    // Heartbeats are a sign of life.
    for (let i = 0; i < 4; i++) {
      clock.advance(minuteMs / 2);
      await log.sources.heartbeat("api", []);
    }
    assert.equal((await told(log)).length, 2);
    clock.advance(2 * minuteMs);
    assert.equal((await told(log)).length, 3);
  });

  it("counts its silence from its last entry when the log opens again", async (t) => {
    const clock = new ManualClock();
    const store = memoryStore();
    let log = await createLog(store, newLog, { clock });
    t.after(() => log.close());
    await send(log, [event()]);
    clock.advance(minuteMs - 10);
    log = await reopened(store, log, clock);
    await log.sources.agreeSilences(
      new Map([
        ["api", minuteMs],
        ["never", 2 * minuteMs],
      ]),
    );
    clock.advance(15);
    assert.deepEqual(
      (await told(log)).map(({ source }) => source),
      ["api"],
    );
    clock.advance(2 * minuteMs);
    assert.deepEqual(
      (await told(log)).map(({ source }) => source),
      ["api", "never"],
    );
    await log.sources.agreeSilences(new Map());
    clock.advance(100 * minuteMs);
    assert.equal((await told(log)).length, 2);
  });
});

describe("a source's clock", () => {
  it("that runs backwards is told at most once a minute, and summed", async (t) => {
    const clock = new ManualClock();
    const log = await createLog(memoryStore(), newLog, { clock });
    t.after(() => log.close());
    const at = (second: number): object => ({
      time: `2026-05-01T10:${String(10 + Math.floor(second / 60))}:${String(second % 60).padStart(2, "0")}+02:00`,
    });
    // Within the tolerance; late; and without a time.
    await send(log, [event(1, at(30)), event(3, at(26)), event(2, at(1)), event(4)]);
    assert.deepEqual(
      (await told(log)).filter(({ type }) => type === "source.clock"),
      [],
    );
    await send(log, [event(5, at(10))]);
    const step = (await told(log)).find(({ type }) => type === "source.clock");
    const { firstSeq: _, lastSeq: __, ...rest } = step!;
    assert.deepEqual(rest, {
      ...{ type: "source.clock", source: "api", stream: "s", count: 1, backwardsMs: 16_000 },
      ...{ from: "2026-05-01T08:10:26.000Z", to: "2026-05-01T08:10:10.000Z" },
    });
    await send(log, [event(6, at(50)), event(7, at(20)), event(8, at(50)), event(9, at(5))]);
    assert.equal((await told(log)).length, 1);
    clock.advance(minuteMs);
    const last = (await told(log)).at(-1)!;
    assert.deepEqual([last["count"], last["backwardsMs"]], [2, 45_000]);
    clock.advance(5 * minuteMs);
    assert.equal((await told(log)).length, 2);
  });
});

describe("refusals", () => {
  it("are one entry for each identity and minute", async (t) => {
    const clock = new ManualClock();
    const log = await createLog(memoryStore(), newLog, { clock });
    t.after(() => log.close());
    for (let i = 0; i < 1000; i++) {
      log.sources.refused({ identity: "anonymous", code: "unauthenticated" });
    }
    log.sources.refused({ identity: "k3q7", source: "api", code: "invalid", count: 5 });
    log.sources.refused({ identity: "k3q7", source: "api", code: "overloaded" });
    assert.deepEqual(await told(log), []);
    clock.advance(minuteMs);
    const own = await told(log);
    const times = { first: "2026-01-01T00:00:00.000Z", last: "2026-01-01T00:00:00.000Z" };
    assert.deepEqual(own, [
      {
        ...{ type: "source.refused", identity: "anonymous", codes: { unauthenticated: 1000 } },
        ...{ count: 1000, ...times },
      },
      {
        ...{ type: "source.refused", identity: "k3q7", source: "api" },
        ...{ codes: { invalid: 5, overloaded: 1 }, count: 6, ...times },
      },
    ]);
    clock.advance(10 * minuteMs);
    assert.equal((await told(log)).length, 2, "a minute without refusals is no entry");
    for (let i = 0; i < 1000; i++) log.sources.refused({ identity: `id-${i}`, code: "forbidden" });
    clock.advance(minuteMs);
    const many = (await told(log)).slice(2);
    assert.equal(many.length, identitiesMax + 1);
    assert.deepEqual(many.at(-1)?.["codes"], { forbidden: 1000 - identitiesMax });
    assert.equal(many.at(-1)?.["identity"], "others");
  });
});

/**
 * Goal: whatever a numbered source delivers, and however often the log is closed, killed and opened again: each number
 * is recorded once, what comes again gets its first place, another event under a taken number is refused and told, and
 * what is missing is what the log's own entries say is missing.
 * Method: random deliveries with loss, repetition, disorder and restarts into a log, against an oracle that is a list;
 * the streams' states after an opening against those before it.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEntry, utf8 } from "@cairnlog/core";
import { filesStore, memoryStore, processLock, type Store } from "@cairnlog/store";
import { ManualClock, SimulatedDisk, withSeed, type SeededRandom } from "@cairnlog/testing";
import { auditLog } from "../audit.testing.ts";
import { createLog, openLog, readNdjson, type Appended, type Log } from "../index.ts";
import { simulatedCrypto, simulatedKeys } from "../simulated-keys.testing.ts";

const name = "main";
const newLog = { name, origin: "example.com/logs/main" };

interface Sent {
  readonly stream: string;
  readonly number: number;
  readonly text: string;
}

function numbered(stream: string, number: number, more: object = {}): Sent {
  const event = {
    ...{ type: "a.b", actor: { id: "c" }, action: "d", sequence: { stream, number } },
    ...more,
  };
  return { stream, number, text: JSON.stringify(event) };
}

function send(log: Log, sent: readonly Sent[], source = "api"): Promise<Appended> {
  return log.append(readNdjson(utf8(sent.map(({ text }) => `${text}\n`).join(""))), source);
}

interface OwnEvent {
  readonly type: string;
  readonly seq: number;
  readonly details: {
    readonly source: string;
    readonly streams: readonly {
      readonly stream: string;
      readonly missing: readonly { from: number; to: number; after?: number; before?: number }[];
      readonly filled: readonly { from: number; to: number }[];
      readonly open: number;
    }[];
    readonly [more: string]: unknown;
  };
}

/** The log's own entries about its sources. */
async function ownEvents(log: Log): Promise<OwnEvent[]> {
  const own: OwnEvent[] = [];
  for await (const { seq, bytes } of log.entries(0, log.status().size)) {
    const entry = parseEntry(bytes);
    if (entry.source !== "cairn") continue;
    const event = JSON.parse(new TextDecoder().decode(entry.event)) as OwnEvent;
    if (event.type.startsWith("source.")) own.push({ ...event, seq });
  }
  return own;
}

/** What the entries say is missing, by stream. */
function missingByEntries(own: readonly OwnEvent[]): Map<string, Set<number>> {
  const byStream = new Map<string, Set<number>>();
  for (const { type, details } of own) {
    if (type !== "source.gap") continue;
    for (const { stream, missing, filled, open } of details.streams) {
      const numbers = byStream.get(stream) ?? new Set<number>();
      byStream.set(stream, numbers);
      for (const { from, to } of missing) for (let n = from; n <= to; n++) numbers.add(n);
      for (const { from, to } of filled) for (let n = from; n <= to; n++) numbers.delete(n);
      assert.ok(numbers.size <= open || filled.length > 0, "what is open is said");
    }
  }
  return byStream;
}

/** Lets everything run that waits for nothing but its turn. */
async function settled(log: Log): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(log.status().failure, undefined);
}

function states(log: Log): unknown {
  return [...log.sources.streams()].sort((a, b) => (a.stream < b.stream ? -1 : 1));
}

/** A log on a simulated disk, which may be killed or lose its power. */
class Machine {
  readonly #random: SeededRandom;
  #disk: SimulatedDisk;
  readonly clock = new ManualClock();
  log: Log | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#disk = new SimulatedDisk({ random: random.fork() });
  }

  async open(): Promise<Log> {
    const store: Store = filesStore({ folder: "/data", disk: this.#disk, lock: processLock() });
    this.log = await openLog(store, name, {
      ...{ clock: this.clock, crypto: simulatedCrypto, createWith: newLog },
      ...{ readKey: simulatedKeys(() => undefined), randomBytes: (n) => this.#random.bytes(n) },
    });
    return this.log;
  }

  /** Ends the log in one of three ways, and opens it again. */
  async restart(): Promise<Log> {
    const way = this.#random.below(3);
    if (way === 0) await this.log!.close();
    else if (way === 1) this.#disk = this.#disk.kill();
    else this.#disk = this.#disk.powerLoss(this.#random.fork());
    this.clock.advance(this.#random.below(90_000));
    return this.open();
  }
}

describe("a log with numbered sources", () => {
  it("gives a number that comes again its first place, and tells of another event under it", async (t) => {
    const log = await createLog(memoryStore(), newLog, { clock: new ManualClock() });
    t.after(() => log.close());
    const first = await send(log, [numbered("s", 1), numbered("s", 2), numbered("t", 1)]);
    const again = await send(log, [
      numbered("s", 2),
      numbered("s", 1, { action: "forged" }),
      numbered("s", 3),
      numbered("s", 3),
    ]);
    assert.equal(again.seq(0), first.seq(1));
    assert.ok(again.isDuplicate(0));
    assert.equal(again.refusal(1)?.code, "conflict");
    assert.equal(again.refusal(1)?.place.seq, first.seq(0));
    assert.equal(again.seq(3), again.seq(2), "twice in one batch");
    // Another source has numbers of its own.
    const other = await send(log, [numbered("s", 1, { action: "other" })], "db");
    assert.ok(other.seq(0) > again.seq(2) && !other.isDuplicate(0));
    const [conflict, ...more] = await ownEvents(log);
    assert.deepEqual(more, []);
    assert.equal(conflict?.type, "source.conflict");
    const { source, stream, number, seq } = conflict.details;
    assert.deepEqual([source, stream, number, seq], ["api", "s", 1, first.seq(0)]);
    await auditLog(log);
  });

  it("holds both rules for an event with an id and a number", async (t) => {
    const log = await createLog(memoryStore(), newLog, { clock: new ManualClock() });
    t.after(() => log.close());
    const first = await send(log, [numbered("s", 1, { id: "a" }), numbered("s", 2, { id: "b" })]);
    const again = await send(log, [
      numbered("s", 1, { id: "a" }),
      numbered("s", 1, { id: "c" }),
      numbered("s", 3, { id: "a" }),
      numbered("s", 2),
      numbered("s", 3, { id: "c" }),
    ]);
    assert.equal(again.seq(0), first.seq(0));
    for (const i of [1, 2, 3]) assert.equal(again.refusal(i)?.code, "conflict", `event ${i}`);
    assert.equal(again.refusal(2)?.place.pointer, "/id");
    assert.equal(again.refusal(1)?.place.pointer, "/sequence/number");
    assert.ok(again.seq(4) > first.seq(1), "an id of a refused event is free");
    assert.equal(log.status().counters.conflicts, 3);
  });

  it("tells of a gap with the next commit, and of its end", async (t) => {
    const clock = new ManualClock();
    const log = await createLog(memoryStore(), newLog, { clock });
    t.after(() => log.close());
    const first = await send(log, [numbered("s", 1), numbered("s", 5)]);
    await settled(log);
    const [gap] = await ownEvents(log);
    assert.equal(gap?.type, "source.gap");
    const [after, before] = [first.seq(0), first.seq(1)];
    assert.deepEqual(gap.details.streams, [
      {
        stream: "s",
        missing: [{ from: 2, to: 4, after, before }],
        filled: [],
        forgotten: 0,
        open: 3,
      },
    ]);
    // A part of it waits, so that it is no entry for each event.
    await send(log, [numbered("s", 3)]);
    await settled(log);
    assert.equal((await ownEvents(log)).length, 1);
    clock.advance(60_000);
    await settled(log);
    const told = (await ownEvents(log)).at(-1)!;
    assert.deepEqual(told.details.streams[0]?.filled, [{ from: 3, to: 3 }]);
    assert.equal(told.details.streams[0]?.open, 2);
    await send(log, [numbered("s", 4), numbered("s", 2)]);
    await settled(log);
    const closed = (await ownEvents(log)).at(-1)!;
    assert.equal(closed.details.streams[0]?.open, 0);
    assert.equal(missingByEntries(await ownEvents(log)).get("s")?.size, 0);
  });

  it("says nothing of disorder within what it takes at once", async (t) => {
    const log = await createLog(memoryStore(), newLog, { clock: new ManualClock() });
    t.after(() => log.close());
    await send(
      log,
      [3, 1, 2, 5, 4].map((n) => numbered("s", n)),
    );
    await settled(log);
    assert.deepEqual(await ownEvents(log), []);
  });

  it("does not flood itself with gaps", async (t) => {
    const clock = new ManualClock();
    const log = await createLog(memoryStore(), newLog, { clock });
    t.after(() => log.close());
    for (let i = 1; i <= 60; i++) {
      await send(log, [numbered(`s${i % 3}`, 3 * i)]);
      await settled(log);
    }
    assert.equal((await ownEvents(log)).length, 6);
    clock.advance(60_000);
    await settled(log);
    const own = await ownEvents(log);
    assert.equal(own.length, 7, "what was beyond is told together");
    const missing = missingByEntries(own);
    for (const { stream, gaps } of log.sources.streams()) {
      const numbers = gaps.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i),
      );
      assert.deepEqual(
        [...missing.get(stream)!].sort((a, b) => a - b),
        numbers,
      );
    }
  });

  it("is right about every random delivery, with restarts", async () => {
    await withSeedAsync(12, async (random) => {
      const machine = new Machine(random.fork());
      let log = await machine.open();
      const recorded = new Map<string, { readonly seq: number; readonly text: string }>();
      const streams = ["s", "t", "u"];
      const marks = new Map<string, number>();
      for (let step = 0; step < 40; step++) {
        const batch = Array.from({ length: 1 + random.below(5) }, () => {
          const stream = random.pick(streams);
          const mark = marks.get(stream) ?? 0;
          const isEarlier = random.chance(0.4) && mark > 0;
          const skip = random.chance(0.2) ? random.below(4) : 0;
          const number = isEarlier ? 1 + random.below(mark) : mark + 1 + skip;
          marks.set(stream, Math.max(mark, number));
          const hasId = random.chance(0.3) ? { id: `${stream}${number}` } : {};
          const isForged = random.chance(0.1) ? { details: random.below(1e9) } : {};
          return numbered(stream, number, { ...hasId, ...isForged });
        });
        const answer = await send(log, batch);
        for (const [i, { stream, number, text }] of batch.entries()) {
          const key = `${stream} ${number}`;
          const known = recorded.get(key);
          if (known === undefined) {
            assert.equal(answer.refusal(i), undefined);
            assert.ok(!answer.isDuplicate(i), `${key} is new`);
            recorded.set(key, { seq: answer.seq(i), text });
          } else if (known.text === text) assert.equal(answer.seq(i), known.seq);
          else assert.equal(answer.refusal(i)?.code, "conflict");
        }
        if (random.chance(0.3)) await settled(log);
        if (random.chance(0.2)) machine.clock.advance(random.below(70_000));
        if (random.chance(0.15)) {
          // Where a gap entry may be under way, the opening tells what was not told, and only that is compared at the
          // end.
          const isSettled = random.chance(0.5);
          if (isSettled) await settled(log);
          const before = states(log);
          log = await machine.restart();
          if (isSettled) assert.deepEqual(states(log), before);
        }
      }
      for (let minute = 0; minute < 3; minute++) {
        await settled(log);
        machine.clock.advance(60_000);
      }
      await settled(log);
      await auditLog(log, simulatedCrypto);
      const missing = missingByEntries(await ownEvents(log));
      for (const { stream, mark, gaps } of log.sources.streams()) {
        const lost: number[] = [];
        for (let n = 1; n < mark; n++) if (!recorded.has(`${stream} ${n}`)) lost.push(n);
        const told = [...(missing.get(stream) ?? [])].sort((a, b) => a - b);
        assert.deepEqual(told, lost, `what is missing of ${stream} is what the entries say`);
        assert.ok(gaps.every(({ isTold }) => isTold));
      }
      await log.close();
    });
  });
});

async function withSeedAsync(
  rounds: number,
  run: (random: SeededRandom) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) await withSeed(7000 + round, run);
}

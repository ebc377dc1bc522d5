/**
 * Goal: a story is the same each time, is made of valid events, has the length that was asked for, looks like a week at
 * a company, and has the attack in it, whole and in order.
 * Method: tell stories of fixed seeds, look at each line; a hash pins the bytes of one of them. Whoever changes the
 * story on purpose writes down the new hash.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import { readNdjson } from "@cairnlog/log";
import { dayMs } from "./calendar.ts";
import { sources, workflows } from "./happening.ts";
import { Random } from "./random.ts";
import { Story, type StoryOptions, type ToldEvent } from "./story.ts";

const untilMs = Date.UTC(2026, 10, 24, 2);
const week: StoryOptions = { seed: 7, days: 7, events: 4000, untilMs };

interface ReadEvent {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly actor: { readonly id: string; readonly ip?: string; readonly session?: string };
  readonly targets: readonly { readonly id: string }[];
  readonly trace?: string;
  readonly sequence?: { readonly stream: string; readonly number: number };
}

function tell(options: Partial<StoryOptions> = {}): { story: Story; told: ToldEvent[] } {
  const story = new Story({ ...week, ...options });
  return { story, told: [...story.tell()] };
}

const read = ({ line }: ToldEvent): ReadEvent => JSON.parse(line) as ReadEvent;
const bytesOf = (told: readonly ToldEvent[]): string =>
  told.map(({ source, line }) => `${source} ${line}\n`).join("");
const hashOf = (told: readonly ToldEvent[]): string =>
  createHash("sha256").update(bytesOf(told)).digest("hex");

const whole = tell();
const events = whole.told.map(read);

describe("a story", () => {
  it("is the same bytes for the same seed, period and number of events", () => {
    assert.equal(hashOf(tell().told), hashOf(whole.told));
    assert.equal(
      hashOf(whole.told),
      "4a467f2e022026a2eab2746104d362d503301294eb15b33718e4b0a758e6b933",
    );
  });

  it("is another one for another seed, and for another end", () => {
    assert.notEqual(hashOf(tell({ seed: 8 }).told), hashOf(whole.told));
    assert.notEqual(hashOf(tell({ untilMs: untilMs - dayMs }).told), hashOf(whole.told));
  });

  it("has exactly the events that were asked for, each of them valid, in the order of time, within the period", () => {
    for (const [options, count] of [
      [week, 4000],
      [{ ...week, seed: 3, days: 2, events: 500 }, 500],
      [{ ...week, seed: 4, days: 31, events: 1501 }, 1501],
    ] as const) {
      const { told } = tell(options);
      assert.equal(told.length, count);
      const batch = readNdjson(utf8(told.map(({ line }) => line).join("\n")));
      assert.deepEqual([batch.count, [...batch.refusals.values()]], [count, []]);
      const times = told.map(({ timeMs }) => timeMs);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      assert.ok(times[0]! >= untilMs - options.days * dayMs && times.at(-1)! < untilMs);
      assert.equal(new Set(told.map(({ id }) => id)).size, count);
    }
  });

  it("has all four workflows and their neighbours, from all sources", () => {
    const shares = workflows.map(
      (workflow) => whole.told.filter((event) => event.workflow === workflow).length / 4000,
    );
    const atLeast = [0.12, 0.2, 0.3, 0.02, 0.02, 0.01];
    for (const [i, share] of shares.entries()) {
      assert.ok(share >= atLeast[i]! && share < 0.6, `${workflows[i]}: ${share}`);
    }
    assert.deepEqual(
      [...new Set(whole.told.map(({ source }) => source))].sort(),
      [...sources].sort(),
    );
  });

  it("sleeps at night and at the weekend, but never quite", () => {
    // The 16th to the 20th of November 2026 are Monday to Friday.
    const within = (day: number, from: number, to: number): number =>
      events.filter(({ time }) => {
        const hour = Number(time.slice(11, 13));
        return Number(time.slice(8, 10)) === day && hour >= from && hour < to;
      }).length;
    assert.ok(within(20, 8, 16) > 4 * within(20, 0, 6));
    assert.ok(within(20, 8, 16) > 1.6 * within(22, 8, 16));
    assert.ok(within(20, 0, 6) > 20);
  });

  it("uses no address and no name that could be somebody's", () => {
    const ip =
      /^(?:192\.0\.2|198\.51\.100|203\.0\.113)\.(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-4])$|^2001:db8:/;
    const strange = events.filter(({ actor }) => actor.ip !== undefined && !ip.test(actor.ip));
    assert.deepEqual(strange, []);
    const hosts = bytesOf(whole.told).match(/(?:https?:\/\/|@)[a-z0-9.-]+\.[a-z]+/g) ?? [];
    assert.deepEqual(
      hosts.filter(
        (host) => !/(?:^|[/@.])[a-z0-9-]+\.example$|\.?example\.(?:com|net|org)$/.test(host),
      ),
      [],
    );
  });

  it("ties each statement to its call by the trace, which comes first", () => {
    const calls = new Map<string, number>();
    let tied = 0;
    for (const [i, { type, trace }] of events.entries()) {
      if (trace === undefined) continue;
      if (type === "api.request") calls.set(trace, i);
      if (type !== "database.query") continue;
      assert.ok((calls.get(trace) ?? Infinity) < i, `entry ${i}`);
      tied++;
    }
    assert.ok(tied > 500, `only ${tied}`);
  });

  it("refuses what it cannot tell", () => {
    const bad: Partial<StoryOptions>[] = [
      { days: 1 },
      { events: 499 },
      { events: 10_000_001 },
      { days: 2.5 },
      { seed: -1 },
      { untilMs: -1e15 },
    ];
    for (const options of bad) {
      assert.throws(
        () => tell(options),
        (error) => isCairnError(error, "usage"),
      );
    }
  });
});

describe("the attack", () => {
  it("is all there, in order, whatever the seed, and fits into the shortest story", () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      // Ends at any hour: a short story still has a whole night.
      const { story, told } = tell({
        seed,
        days: 2,
        events: 600,
        untilMs: untilMs + seed * 11_000_000,
      });
      const seen = told.flatMap(({ step }) => (step === undefined ? [] : [step]));
      const meant = story.attack.filter(({ happening }) => happening.isLost !== true);
      assert.deepEqual(seen, meant, `seed ${seed}`);
      assert.equal(meant.length, 56, `seed ${seed}`);
    }
  });

  it("holds together: one account, one session, one address, one pipeline", () => {
    const steps = whole.told.filter(({ step }) => step !== undefined).map(read);
    const signedIn = steps.find(({ type, actor }) => type === "identity.login" && actor.session);
    const { id, session, ip } = signedIn!.actor;
    // The session is the attack's alone, and so is the address.
    const strangers = events.filter(({ actor }) => actor.session === session || actor.ip === ip);
    for (const event of strangers) assert.ok(steps.some((step) => step.id === event.id));
    assert.ok(strangers.length > 35, `only ${strangers.length}`);
    assert.ok(events.some((event) => event.actor.id === id && event.actor.ip !== ip));
    const traces = new Set(
      steps.filter(({ type }) => type.startsWith("deployment.")).map(({ trace }) => trace),
    );
    assert.equal(traces.size, 1);
  });

  it("hides among its like: no type of event but its own words gives it away", () => {
    const { told } = tell({ events: 20_000 });
    const others = new Set(
      told.filter(({ step }) => step === undefined).map((event) => read(event).type),
    );
    const own = told.filter(({ step }) => step !== undefined).map((event) => read(event).type);
    assert.deepEqual(
      own.filter((type) => !others.has(type)),
      [],
    );
  });

  it("leaves a gap in the numbers of one stream, and nowhere else", () => {
    const numbers = new Map<string, number[]>();
    for (const { sequence } of events) {
      if (sequence === undefined) continue;
      numbers.set(sequence.stream, [...(numbers.get(sequence.stream) ?? []), sequence.number]);
    }
    assert.equal(numbers.size, 7);
    for (const [stream, counted] of numbers) {
      assert.deepEqual(
        counted,
        counted.toSorted((a, b) => a - b),
      );
      const missing = counted.at(-1)! - counted.length;
      assert.equal(counted[0], 1);
      if (stream.startsWith("customers-prod/")) assert.ok(missing >= 5, `${missing}`);
      else assert.equal(missing, 0, stream);
    }
  });
});

describe("its randomness", () => {
  it("draws what MRG32k3a draws", () => {
    // Against the recurrences as the paper writes them, in whole numbers of any size.
    const [m1, m2] = [4294967087n, 4294944443n];
    let [x, y] = [
      [43n, 12345n, 67890n],
      [43n, 12345n, 67890n],
    ];
    const random = new Random(42);
    for (let i = 0; i < 1020; i++) {
      const p = (((1403580n * x[1]! - 810728n * x[0]!) % m1) + m1) % m1;
      const q = (((527612n * y[2]! - 1370589n * y[0]!) % m2) + m2) % m2;
      [x, y] = [
        [x[1]!, x[2]!, p],
        [y[1]!, y[2]!, q],
      ];
      if (i < 20) continue;
      assert.equal(random.next(), Number((p - q + m1) % m1) / Number(m1));
    }
  });
});

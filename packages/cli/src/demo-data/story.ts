/**
 * The whole story, event by event in the order of its time: the same seed, period and number of events give the same
 * bytes. It is told from one short slot of time to the next, so that a story of any length needs as much memory as its
 * busiest hour, and no more.
 *
 * Invariants: exactly `events` lines; none before the beginning, none at or after the end; each numbered stream counts
 * from 1 and leaves out only what was lost.
 */
import { assert, CairnError, formatLogTime } from "@cairnlog/core";
import { makeAttack } from "./attack.ts";
import { blindedPod } from "./attack-night.ts";
import type { Step } from "./intruder.ts";
import { dayMs, minuteMs } from "./calendar.ts";
import { idAt } from "./event-id.ts";
import type { Happening, SourceName, Workflow } from "./happening.ts";
import { makePeople, type Person } from "./people.ts";
import { filler, plan, sceneWeights } from "./plan.ts";
import { Random, seedLimit } from "./random.ts";
import type { World } from "./world.ts";

export interface StoryOptions {
  readonly seed: number;
  readonly days: number;
  readonly events: number;
  /** When it ends, in milliseconds since 1970. */
  readonly untilMs: number;
}

/** An event as its source sends it. */
export interface ToldEvent {
  readonly source: SourceName;
  readonly workflow: Workflow;
  readonly timeMs: number;
  /** The event as JSON, without a line end. */
  readonly line: string;
  /** The step of the attack that it is; undefined for what is not the attack's. */
  readonly step: Step | undefined;
  readonly id: string;
}

export const storyLimits = {
  days: { min: 2, max: 366 },
  events: { min: 500, max: 10_000_000 },
} as const;
const slotMs = 5 * minuteMs;

export class Story {
  readonly options: StoryOptions;
  readonly people: readonly Person[];
  readonly attack: readonly Step[];
  readonly #fromMs: number;
  readonly #world: World;
  readonly #ids: Random;
  /** What tells the streams of this story from those of another: sources that begin anew count anew. */
  readonly #run: string;
  readonly #numbers = new Map<string, number>();
  readonly #steps = new Map<Happening, Step>();
  /** What is known to happen in slots to come, by their index. */
  readonly #waiting = new Map<number, Happening[]>();

  constructor(options: StoryOptions) {
    checkOptions(options);
    this.options = options;
    const random = new Random(options.seed);
    this.people = makePeople(random.fork());
    this.#fromMs = options.untilMs - options.days * dayMs;
    const period = { fromMs: this.#fromMs, untilMs: options.untilMs };
    this.attack = makeAttack(random.fork(), this.people, period);
    this.#world = { random: random.fork(), people: this.people };
    this.#ids = random.fork();
    this.#run = runOf(options);
    for (const step of this.attack) this.#steps.set(step.happening, step);
  }

  /** All of it, once: the people have gone on with their lives afterwards. */
  *tell(): Generator<ToldEvent, void> {
    const { events } = this.options;
    const attack = this.attack.map(({ happening }) => happening);
    const background = events - attack.filter(({ isLost }) => isLost !== true).length;
    this.#wait(attack);
    const slots = Math.ceil((this.options.untilMs - this.#fromMs) / slotMs);
    const total = this.#levels(slots);
    let [level, made] = [0, 0];
    for (let slot = 0; slot < slots; slot++) {
      const weights = sceneWeights(this.#fromMs + slot * slotMs);
      level += weights.total;
      // The last slot takes what rounding has left.
      const due = slot === slots - 1 ? background : Math.floor((background * level) / total);
      made += this.#fill(slot, weights.scenes, due - made, background - made);
      yield* this.#tellSlot(slot);
    }
    assert(this.#waiting.size === 0, "something happens after the end of the story");
  }

  #levels(slots: number): number {
    let sum = 0;
    for (let slot = 0; slot < slots; slot++)
      sum += sceneWeights(this.#fromMs + slot * slotMs).total;
    return sum;
  }

  /** Lets things happen in a slot until `quota` events are made. Returns how many were, of `rest` at most. */
  #fill(slot: number, weights: readonly number[], quota: number, rest: number): number {
    const { random } = this.#world;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const beginMs = this.#fromMs + slot * slotMs;
    const lengthMs = Math.min(slotMs, this.options.untilMs - beginMs);
    let made = 0;
    while (made < quota) {
      const atMs = beginMs + Math.floor((lengthMs * (made + random.next())) / quota);
      const scene = plan[random.weighted(weights, total)]!.scene;
      let happenings = scene(this.#world, atMs).map((happening) => this.#blinded(happening));
      const isLate = happenings.some(({ timeMs }) => timeMs >= this.options.untilMs);
      let count = countTold(happenings);
      if (isLate || count > rest - made) {
        happenings = [filler(this.#world, atMs)];
        count = 1;
      }
      this.#wait(happenings);
      made += count;
    }
    return made;
  }

  /** While the audit of a pod is filtered, what others ask by way of that pod is lost as well. */
  #blinded(happening: Happening): Happening {
    if (happening.actor.application !== blindedPod) return happening;
    if (happening.source !== "pgaudit") return happening;
    const [from, until] = this.#blind();
    const isLost = happening.timeMs >= from && happening.timeMs < until;
    return isLost ? { ...happening, isLost } : happening;
  }

  #blindMs: readonly [number, number] | undefined;
  #blind(): readonly [number, number] {
    const filters = this.attack.filter(
      ({ happening: { targets, outcome } }) =>
        targets[0]!.id.startsWith("prod/pgaudit/") && outcome === "success",
    );
    return (this.#blindMs ??= [filters[0]!.happening.timeMs, filters[1]!.happening.timeMs]);
  }

  #wait(happenings: readonly Happening[]): void {
    for (const happening of happenings) {
      const slot = Math.floor((happening.timeMs - this.#fromMs) / slotMs);
      const waiting = this.#waiting.get(slot);
      if (waiting === undefined) this.#waiting.set(slot, [happening]);
      else waiting.push(happening);
    }
  }

  *#tellSlot(slot: number): Generator<ToldEvent, void> {
    const happenings = this.#waiting.get(slot) ?? [];
    this.#waiting.delete(slot);
    // Sorting is stable: what happens in the same millisecond keeps the order in which it was made.
    for (const happening of happenings.sort((a, b) => a.timeMs - b.timeMs)) {
      const told = this.#tellOne(happening);
      if (told !== undefined) yield told;
    }
  }

  #tellOne(happening: Happening): ToldEvent | undefined {
    const { source, stream, type, timeMs, actor, action, targets, outcome } = happening;
    const { trace, details, isLost } = happening;
    let sequence: { stream: string; number: number } | undefined;
    if (stream !== undefined) {
      const number = (this.#numbers.get(stream) ?? 0) + 1;
      this.#numbers.set(stream, number);
      sequence = { stream: `${stream}/${this.#run}`, number };
    }
    if (isLost === true) return undefined;
    const id = idAt(timeMs, this.#ids);
    const time = formatLogTime(timeMs);
    // What is undefined is left out.
    const event = { id, type, time, actor, action, targets, outcome, trace, sequence, details };
    const line = JSON.stringify(event);
    const workflow = type.slice(0, type.indexOf(".")) as Workflow;
    return { source, workflow, timeMs, line, step: this.#steps.get(happening), id };
  }
}

/** Another number of events, or another end, is another story: its sources must not go on with the same count. */
function runOf({ seed, days, events, untilMs }: StoryOptions): string {
  const mixed = (seed + days * 7_919 + events * 104_729 + untilMs) % seedLimit;
  return new Random(mixed).base32(8).toLowerCase();
}

function countTold(happenings: readonly Happening[]): number {
  let count = 0;
  for (const { isLost } of happenings) if (isLost !== true) count++;
  return count;
}

function checkOptions({ days, events, untilMs }: StoryOptions): void {
  for (const [name, value] of Object.entries({ days, events }) as ["days" | "events", number][]) {
    const { min, max } = storyLimits[name];
    if (Number.isSafeInteger(value) && value >= min && value <= max) continue;
    throw new CairnError("usage", `--${name}: from ${min} to ${max}, not ${value}`);
  }
  // Throws where there is no such time, or none so long before.
  formatLogTime(untilMs);
  formatLogTime(untilMs - (days + 1) * dayMs);
}

/**
 * Records a story in an open log, as its sources would: each sends what it has in small batches, many of them under
 * way at a time. Every event is durable before this says so.
 */
import { setImmediate as breathe } from "node:timers/promises";
import { CairnError, utf8 } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { dayMs } from "./calendar.ts";
import type { SourceName, Workflow } from "./happening.ts";
import type { Step } from "./intruder.ts";
import type { Story, ToldEvent } from "./story.ts";

/**
 * A source sends what happened within so long a time together: so much may stand out of order among sources. In a
 * story of many events that is longer, for a log takes few large batches faster than many small ones.
 */
const windowMs = { min: 2000, max: 20_000 };
const eventsMany = 100_000;
const eventsInWindow = 32;
const batchBytesMax = 256 * 1024;
/** What may be under way: enough for the log to share its syncs, little enough for it not to refuse any. */
const bytesUnderWayMax = 6 * 1024 * 1024;
/** So many events are told in one go, before signals and the disk have their turn. */
const eventsAtOnce = 1000;

export interface Filled {
  /** New events in the log, by workflow. */
  readonly recorded: ReadonlyMap<Workflow, number>;
  /** Those that had been recorded before, by an earlier run of the same story. */
  readonly duplicates: number;
  /** Where the attack is. */
  readonly seqs: ReadonlyMap<Step, number>;
  readonly isWhole: boolean;
}

interface Batch {
  readonly source: SourceName;
  readonly events: ToldEvent[];
  byteLength: number;
}

export async function fillLog(
  log: Log,
  story: Story,
  interrupted: AbortSignal,
  progress: (recorded: number) => void,
): Promise<Filled> {
  const filling = new Filling(log, windowOf(story), progress);
  let told = 0;
  for (const event of story.tell()) {
    if (interrupted.aborted) break;
    await filling.take(event);
    if (++told % eventsAtOnce === 0) await breathe();
  }
  await filling.end();
  return { ...filling.result, isWhole: !interrupted.aborted };
}

function windowOf({ options: { days, events } }: Story): number {
  if (events < eventsMany) return windowMs.min;
  const ms = Math.ceil((eventsInWindow * days * dayMs) / events);
  return Math.min(windowMs.max, Math.max(windowMs.min, ms));
}

class Filling {
  readonly #log: Log;
  readonly #windowMs: number;
  readonly #progress: (recorded: number) => void;
  readonly #recorded = new Map<Workflow, number>();
  readonly #seqs = new Map<Step, number>();
  #duplicates = 0;
  #done = 0;
  /** What each source has collected since the window began, in the order in which they first spoke. */
  #window = new Map<SourceName, Batch>();
  #windowFromMs = 0;
  #bytesUnderWay = 0;
  /** Oldest first: the log answers in this order. */
  readonly #underWay: { readonly answer: Promise<void>; readonly byteLength: number }[] = [];

  constructor(log: Log, windowMs: number, progress: (recorded: number) => void) {
    this.#log = log;
    this.#windowMs = windowMs;
    this.#progress = progress;
  }

  get result(): Omit<Filled, "isWhole"> {
    return { recorded: this.#recorded, duplicates: this.#duplicates, seqs: this.#seqs };
  }

  async take(event: ToldEvent): Promise<void> {
    if (event.timeMs - this.#windowFromMs >= this.#windowMs) {
      this.#send();
      this.#windowFromMs = event.timeMs;
    }
    let batch = this.#window.get(event.source);
    if (batch === undefined) {
      batch = { source: event.source, events: [], byteLength: 0 };
      this.#window.set(event.source, batch);
    }
    batch.events.push(event);
    batch.byteLength += event.line.length + 1;
    if (batch.byteLength > batchBytesMax) this.#send();
    while (this.#bytesUnderWay > bytesUnderWayMax) await this.#waitForOldest();
  }

  async end(): Promise<void> {
    // What the log has noticed of gaps it tells with the next commit: the last events are one of their own.
    while (this.#underWay.length > 0) await this.#waitForOldest();
    this.#send();
    while (this.#underWay.length > 0) await this.#waitForOldest();
  }

  #send(): void {
    for (const { source, events, byteLength } of this.#window.values()) {
      const bytes = utf8(events.map(({ line }) => line).join("\n"));
      const answer = this.#log.appendNdjson(bytes, source).then((appended) => {
        for (const [i, event] of events.entries()) {
          const refusal = appended.refusal(i);
          if (refusal !== undefined) throw refused(event, refusal);
          if (event.step !== undefined) this.#seqs.set(event.step, appended.seq(i));
          if (appended.isDuplicate(i)) this.#duplicates++;
          else this.#recorded.set(event.workflow, (this.#recorded.get(event.workflow) ?? 0) + 1);
        }
        this.#done += events.length;
      });
      // It is waited for later, in its turn: until then nobody else must call it unhandled.
      answer.catch(() => undefined);
      this.#bytesUnderWay += byteLength;
      this.#underWay.push({ answer, byteLength });
    }
    this.#window = new Map();
  }

  async #waitForOldest(): Promise<void> {
    const { answer, byteLength } = this.#underWay.shift()!;
    this.#bytesUnderWay -= byteLength;
    await answer;
    this.#progress(this.#done);
  }
}

function refused({ line }: ToldEvent, cause: CairnError): CairnError {
  const what = `the log refused an event of the story: ${cause.message} (${line.slice(0, 200)})`;
  return new CairnError(cause.code, what, { cause });
}

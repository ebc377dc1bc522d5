/** `LogSources`, put together: what the server tells a log about those who write to it. */
import type { Clock } from "../clock.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Heartbeat, LogSources, RefusedRequest, StreamStatus } from "./log-sources.ts";
import { Refusals } from "./refusals.ts";
import { Silences } from "./silences.ts";
import type { Sources } from "./sources.ts";

export class SourceWatch implements LogSources {
  readonly #sources: Sources;
  readonly #clock: Clock;
  readonly #heartbeats: Heartbeats;
  readonly #silences: Silences;
  readonly #refusals: Refusals;
  /** Reads of the index that are under way. */
  readonly #asking = new Set<Promise<void>>();

  constructor(sources: Sources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    this.#heartbeats = new Heartbeats(sources, clock);
    this.#silences = new Silences(sources, clock);
    this.#refusals = new Refusals(clock, (event) => sources.tell(event));
  }

  streams(): readonly StreamStatus[] {
    return this.#sources.streams();
  }

  heartbeat(source: string, streams: readonly Heartbeat[]): Promise<void> {
    this.#silences.heard(source, Math.floor(this.#clock.now()));
    return this.#noted(this.#heartbeats.beat(source, streams));
  }

  agreeSilences(agreed: ReadonlyMap<string, number>): Promise<void> {
    return this.#noted(this.#silences.agree(agreed));
  }

  refused(request: RefusedRequest): void {
    this.#refusals.note(request);
  }

  /** Ends all timers, and hands over what there is to tell. */
  async close(): Promise<void> {
    this.#silences.close();
    this.#refusals.flush();
    await this.#heartbeats.close();
    await Promise.allSettled(this.#asking);
  }

  #noted(work: Promise<void>): Promise<void> {
    this.#asking.add(work);
    return work.finally(() => this.#asking.delete(work));
  }
}

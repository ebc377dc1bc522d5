/**
 * What was refused, summed for each identity and minute, which begins with the first refusal: a thousand keys that are
 * tried are one entry, and while nothing is refused there is none. Of more identities than `identitiesMax` in a minute
 * the rest is summed as "others": whoever can invent identities must not be able to fill the log with them.
 */
import type { Clock, Timer } from "../clock.ts";
import type { RefusedRequest } from "./log-sources.ts";
import { refusedEvent } from "./source-events.ts";

/** Entries in a minute, less the one for all others. */
export const identitiesMax = 20;
const codesMax = 20;
const minuteMs = 60_000;
const identityLengthMax = 80;

interface Sum {
  readonly source: string | undefined;
  readonly codes: Map<string, number>;
  count: number;
  readonly firstMs: number;
  lastMs: number;
}

export class Refusals {
  readonly #clock: Clock;
  readonly #tell: (event: Uint8Array) => void;
  readonly #sums = new Map<string, Sum>();
  #timer: Timer | undefined;

  constructor(clock: Clock, tell: (event: Uint8Array) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  note({ identity, source, code, count = 1 }: RefusedRequest): void {
    const nowMs = Math.floor(this.#clock.now());
    const sum = this.#sumOf(identity.slice(0, identityLengthMax).toWellFormed(), source, nowMs);
    sum.count += count;
    sum.lastMs = Math.max(sum.firstMs, nowMs);
    const name = sum.codes.has(code) || sum.codes.size < codesMax ? code.slice(0, 40) : "others";
    sum.codes.set(name, (sum.codes.get(name) ?? 0) + count);
    this.#timer ??= this.#clock.setTimer(() => this.flush(), minuteMs);
  }

  #sumOf(identity: string, source: string | undefined, firstMs: number): Sum {
    const known = this.#sums.get(identity);
    if (known !== undefined) return known;
    const isRest = this.#sums.size >= identitiesMax;
    const others = isRest ? this.#sums.get("others") : undefined;
    if (others !== undefined) return others;
    const sum = {
      codes: new Map<string, number>(),
      count: 0,
      firstMs,
      lastMs: firstMs,
      source: isRest ? undefined : source,
    };
    this.#sums.set(isRest ? "others" : identity, sum);
    return sum;
  }

  /** Tells of what there is now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const [identity, { source, codes, ...rest }] of this.#sums) {
      this.#tell(
        refusedEvent({
          identity,
          ...(source === undefined ? {} : { source }),
          codes: Object.fromEntries(codes),
          ...rest,
        }),
      );
    }
    this.#sums.clear();
  }
}

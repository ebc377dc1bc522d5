/**
 * The question at the start: what do the witnesses hold? Before a log accepts anything it sends them its newest
 * durable checkpoint, with `old 0`: the 409 names the size that a witness holds, and the consistency proof from there
 * says whether its history is ours. More than ours, or another root: the log was rolled back or rewritten, and it
 * does not start.
 *
 * Where too few answer, nobody knows. The gate stays shut: the log is read, and nothing new is signed, until a quorum
 * has cosigned what it has. A witness that does not know the log has not answered.
 */
import { CairnError } from "@cairnlog/core";
import type { Clock } from "./clock.ts";
import type { SignedCheckpoint } from "./log.ts";
import type { Witnessing } from "./witnessing.ts";

/** Once there is a quorum, slower witnesses have so long to object before the log starts. */
const objectionMs = 1000;

/**
 * Resolves to why the gate stays shut, or undefined where a quorum has cosigned `durable`. Rejects with "tampered"
 * where a witness holds something else.
 */
export async function askAtStart(
  witnessing: Witnessing,
  clock: Clock,
  durable: SignedCheckpoint,
): Promise<CairnError | undefined> {
  const round = witnessing.round(durable);
  if (await round.decided) {
    const { promise: isTime, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(resolve, objectionMs);
    await Promise.race([round.settled, isTime]);
    timer.cancel();
  } else {
    await round.settled;
  }
  const [conflict] = witnessing.conflicts;
  if (conflict !== undefined) throw conflict.error;
  return round.isQuorum ? undefined : round.refusal();
}

/** Whether the log accepts events, and what was held back until it does. */
export class WitnessGate {
  readonly #logName: string;
  #shutBecause: CairnError | undefined;
  #opening: (() => void)[] = [];

  /** `shutBecause` undefined: open from the start. */
  constructor(logName: string, shutBecause: CairnError | undefined) {
    this.#logName = logName;
    this.#shutBecause = shutBecause;
  }

  /** Why nothing can be appended; undefined once the gate is open. */
  get refusal(): CairnError | undefined {
    const cause = this.#shutBecause;
    if (cause === undefined) return undefined;
    return new CairnError(
      "unavailable",
      `the log ${this.#logName} is open for reading only, until a quorum of its witnesses says that nothing was ` +
        `rolled back: ${cause.message}. It goes on asking; --start-without-witnesses starts without them`,
      { cause, place: { log: this.#logName }, retryAfterMs: 5000 },
    );
  }

  /** Runs `run` once the gate is open: now, or later. */
  whenOpen(run: () => void): void {
    if (this.#shutBecause === undefined) run();
    else this.#opening.push(run);
  }

  /** What the witnesses say by now. */
  stillShut(because: CairnError): void {
    if (this.#shutBecause !== undefined) this.#shutBecause = because;
  }

  open(): void {
    this.#shutBecause = undefined;
    for (const run of this.#opening.splice(0)) run();
  }
}

/**
 * Acknowledgements that wait for a quorum (`requireQuorum`): an append is answered only once a published checkpoint,
 * cosigned by a quorum, covers it, and its receipts carry that checkpoint. The entries are durable meanwhile. Whoever
 * hears that the quorum did not come sends the same events again: they have their seqs, and the wait begins anew.
 */
import { assert, CairnError } from "@cairnlog/core";
import { AppendResult } from "./appended.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Appended, SignedCheckpoint } from "./log.ts";

export interface QuorumWaitParts {
  readonly logName: string;
  readonly clock: Clock;
  readonly waitMs: number;
  /** Events that may wait. */
  readonly eventsMax: number;
  readonly published: () => SignedCheckpoint;
  /** Why there is no quorum right now, if that is so. */
  readonly refusal: () => CairnError | undefined;
}

interface Waiting {
  readonly result: AppendResult;
  readonly deadlineMs: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: CairnError) => void;
}

export class QuorumWait {
  readonly #parts: QuorumWaitParts;
  /** In order of arrival, and so of size and of deadline. */
  readonly #waiting: Waiting[] = [];
  #events = 0;
  #timer: Timer | undefined;

  constructor(parts: QuorumWaitParts) {
    this.#parts = parts;
  }

  /** "overloaded" if `count` more events cannot wait. */
  shortage(count: number): CairnError | undefined {
    const { eventsMax, logName } = this.#parts;
    if (this.#events === 0 || this.#events + count <= eventsMax) return undefined;
    return new CairnError(
      "overloaded",
      `${this.#events} events of the log ${logName} already wait for its witnesses; nothing of this was recorded`,
      { place: { log: logName }, retryAfterMs: 1000 },
    );
  }

  /** Resolves when the append is covered, with that checkpoint in it. */
  of(appended: Appended): Promise<Appended> {
    assert(appended instanceof AppendResult, "a writer gives results of its own making");
    const published = this.#parts.published();
    if (appended.refused === appended.count) return Promise.resolve(appended);
    if (published.size >= appended.checkpoint.size) {
      return Promise.resolve(appended.seal(published));
    }
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#parts.clock.monotonic() + this.#parts.waitMs;
      this.#waiting.push({ result: appended, deadlineMs, resolve, reject });
      this.#events += appended.count;
      this.#watch();
    });
  }

  /** A quorum has cosigned `checkpoint`. */
  published(checkpoint: SignedCheckpoint): void {
    const covered = this.#waiting.findIndex(
      ({ result }) => result.checkpoint.size > checkpoint.size,
    );
    for (const { result, resolve } of this.#take(covered < 0 ? this.#waiting.length : covered)) {
      resolve(result.seal(checkpoint));
    }
  }

  /** No quorum will come any more. */
  fail(error: CairnError): void {
    for (const { reject } of this.#take(this.#waiting.length)) reject(error);
  }

  #take(count: number): Waiting[] {
    const taken = this.#waiting.splice(0, count);
    for (const { result } of taken) this.#events -= result.count;
    if (this.#waiting.length === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    return taken;
  }

  #watch(): void {
    const [first] = this.#waiting;
    if (this.#timer !== undefined || first === undefined) return;
    const { clock } = this.#parts;
    this.#timer = clock.setTimer(
      () => {
        this.#timer = undefined;
        const now = clock.monotonic();
        const left = this.#waiting.findIndex(({ deadlineMs }) => deadlineMs > now);
        const error = this.#tooLate();
        for (const { reject } of this.#take(left < 0 ? this.#waiting.length : left)) reject(error);
        this.#watch();
      },
      Math.max(0, first.deadlineMs - clock.monotonic()),
    );
  }

  #tooLate(): CairnError {
    const { logName, waitMs, refusal } = this.#parts;
    const cause = refusal();
    return new CairnError(
      "unavailable",
      `the events are recorded in the log ${logName}, but no quorum of its witnesses has cosigned them within ` +
        `${waitMs} ms${cause === undefined ? "" : ` (${cause.message})`}; send them again with the same ids`,
      { place: { log: logName }, retryAfterMs: 5000, ...(cause === undefined ? {} : { cause }) },
    );
  }
}

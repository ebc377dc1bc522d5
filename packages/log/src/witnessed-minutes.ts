/**
 * Each minute of activity, the last cosigned note becomes an entry of the log, `system.witnessed`: what comes after
 * that entry is provably later than the witnesses' timestamps in it. The entry itself is no activity, else an idle
 * log would grow for ever.
 */
import type { Clock, Timer } from "./clock.ts";
import type { SignedCheckpoint } from "./log.ts";
import { witnessed } from "./system-events.ts";

const minuteMs = 60_000;

export class WitnessedMinutes {
  readonly #clock: Clock;
  readonly #record: (event: Uint8Array) => void;
  /** Entries, without those of ours, of which some minute's note has told. */
  #told: number;
  /** Entries of ours since the log was opened, from the moment that they are queued. */
  #own = 0;
  #last: SignedCheckpoint | undefined;
  #timer: Timer | undefined;
  #closed = false;

  /** `size`: entries when the log was opened. */
  constructor(clock: Clock, size: number, record: (event: Uint8Array) => void) {
    this.#clock = clock;
    this.#told = size;
    this.#record = record;
  }

  /** A note with a quorum is public. */
  published(checkpoint: SignedCheckpoint): void {
    if (this.#closed) return;
    // One of ours may be queued and not yet in the checkpoint. Then this is too small by one, and the next
    // checkpoint, which its commit brings, is looked at again.
    const others = checkpoint.size - this.#own;
    if (this.#timer === undefined && others <= this.#told) return;
    this.#last = checkpoint;
    this.#timer ??= this.#clock.setTimer(
      () => this.#tell(),
      minuteMs - (Math.floor(this.#clock.now()) % minuteMs),
    );
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #tell(): void {
    this.#timer = undefined;
    const last = this.#last;
    if (last === undefined) return;
    this.#last = undefined;
    this.#told = last.size - this.#own;
    this.#own++;
    this.#record(witnessed(last.note));
  }
}

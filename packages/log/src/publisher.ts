/**
 * Publishes checkpoints at a slow beat: signs the durable size with all the log's keys, puts the note where readers
 * and a restart find it, and only then calls it published. It never goes backwards.
 */
import { utf8 } from "@cairnlog/core";
import type { LogStore } from "@cairnlog/store";
import type { Clock, Timer } from "./clock.ts";
import type { SignedCheckpoint } from "./log.ts";

/** Where the published note lies in a log. */
export const checkpointPath = "checkpoint";

export interface PublisherParts {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly intervalMs: number;
  durable(): SignedCheckpoint;
  /** The checkpoint of that size under all the log's signatures. */
  signAll(size: number, root: Uint8Array): Promise<string>;
}

export class Publisher {
  readonly #parts: PublisherParts;
  #published: SignedCheckpoint;
  #publishing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: PublisherParts, published: SignedCheckpoint) {
    this.#parts = parts;
    this.#published = published;
  }

  get published(): SignedCheckpoint {
    return this.#published;
  }

  /** A commit happened: the next beat has something to publish. */
  committed(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#parts.clock.setTimer(() => {
      this.#timer = undefined;
      // A note that could not be written (a full disk) is tried again with the next beat; the log itself goes on.
      this.publish().catch(() => this.committed());
    }, this.#parts.intervalMs);
  }

  /** Publishes what is durable now. */
  async publish(): Promise<SignedCheckpoint> {
    const { size } = this.#parts.durable();
    while (this.#published.size < size) {
      this.#publishing ??= this.#publishOnce().finally(() => {
        this.#publishing = undefined;
      });
      await this.#publishing;
    }
    return this.#published;
  }

  /** Stops the beat. `publish` still works, for the last time. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #publishOnce(): Promise<void> {
    const { size, root } = this.#parts.durable();
    const note = await this.#parts.signAll(size, root);
    await this.#parts.store.replace(checkpointPath, utf8(note));
    this.#published = { size, root, note };
  }
}

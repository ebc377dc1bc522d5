/**
 * Publishes checkpoints at a slow beat: signs the durable size with all the log's keys, has it cosigned where the log
 * has witnesses, puts the note where readers and a restart find it, and only then calls it published. It never goes
 * backwards, and it never shows two roots for one size.
 *
 * Witnesses are asked in rounds, one after another. While there is no quorum the published checkpoint stays as it is,
 * and the next beat tries again. A witness that comes after the quorum is added to the note if that is still the
 * newest. An idle log is cosigned again from time to time: a log that was stopped, or that is kept from its
 * witnesses, shows outside as a note that grows old.
 */
import { CairnError, isCairnError, isSameBytes, utf8 } from "@cairnlog/core";
import type { LogStore } from "@cairnlog/store";
import type { Clock, Timer } from "./clock.ts";
import type { SignedCheckpoint } from "./log.ts";
import type { Round } from "./witness-round.ts";

/** Where the published note lies in a log. */
export const checkpointPath = "checkpoint";

export interface PublisherParts {
  readonly logName: string;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly durable: () => SignedCheckpoint;
  /** The checkpoint of that size under all the log's signatures. */
  readonly signAll: (size: number, root: Uint8Array) => Promise<string>;
  /** Why nothing must be signed any more. */
  readonly stopped: () => CairnError | undefined;
  /** Undefined for a log without witnesses. */
  readonly witnesses: PublisherWitnesses | undefined;
}

export interface PublisherWitnesses {
  readonly idleMs: number;
  /** True where acknowledgements wait: then rounds follow one another without a beat. */
  readonly isAwaited: boolean;
  readonly round: (signed: SignedCheckpoint) => Round;
  /** A note with a quorum was published. */
  readonly published: (checkpoint: SignedCheckpoint) => void;
  /** A round brought no quorum, or its note could not be published. */
  readonly failed: (error: unknown) => void;
}

export class Publisher {
  readonly #parts: PublisherParts;
  #published: SignedCheckpoint;
  /** The newest that was signed: it is sent again while it is the newest. */
  #signed: SignedCheckpoint | undefined;
  #newestRound: Round | undefined;
  #publishing: Promise<void> | undefined;
  /** One note is written at a time. */
  #writing: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #idleTimer: Timer | undefined;
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
    if (this.#closed) return;
    if (this.#parts.witnesses?.isAwaited !== true) this.#schedule();
    // A round that is under way looks again when it ends; after one that failed, a beat is waited.
    else if (this.#publishing === undefined && this.#timer === undefined) this.#beat();
  }

  /** Of a log with witnesses: they are asked, whether there is anything new or not. */
  start(): void {
    if (this.#parts.witnesses?.isAwaited === true) this.#beat();
    else this.#schedule();
  }

  /** Publishes what is durable now. "unavailable" where no quorum of witnesses cosigns it. */
  async publish(): Promise<SignedCheckpoint> {
    const { size } = this.#parts.durable();
    while (this.#published.size < size) await this.#publishAll();
    return this.#published;
  }

  /** Stops the beat. `publish` still works, for the last time. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
  }

  /** Resolves when nothing is being written any more; after `close`. */
  async settled(): Promise<void> {
    await this.#publishing?.catch(() => {});
    await this.#writing;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#parts.clock.setTimer(() => {
      this.#timer = undefined;
      this.#beat();
    }, this.#parts.intervalMs);
  }

  #beat(): void {
    const publishing = this.#parts.witnesses === undefined ? this.publish() : this.#publishAll();
    // A note that could not be written (a full disk), or has no quorum, is tried again with the next beat; the log
    // itself goes on.
    publishing.catch((error: unknown) => {
      if (!isCairnError(error)) throw error;
      this.#schedule();
    });
  }

  #publishAll(): Promise<void> {
    this.#publishing ??= this.#publishOnce().then(
      () => {
        this.#publishing = undefined;
        this.#succeeded();
      },
      (error: unknown) => {
        this.#publishing = undefined;
        this.#parts.witnesses?.failed(error);
        this.#schedule();
        throw error;
      },
    );
    return this.#publishing;
  }

  #succeeded(): void {
    const { witnesses, clock, durable } = this.#parts;
    if (witnesses === undefined) return;
    witnesses.published(this.#published);
    if (this.#closed) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = clock.setTimer(() => this.#beat(), witnesses.idleMs);
    if (witnesses.isAwaited && durable().size > this.#published.size) this.#beat();
  }

  async #publishOnce(): Promise<void> {
    const { witnesses, durable } = this.#parts;
    this.#checkStopped();
    const { size, root } = durable();
    const signed = await this.#sign(size, root);
    if (witnesses === undefined) return this.#show(signed);
    const round = witnesses.round(signed);
    this.#newestRound = round;
    if (!(await round.decided)) throw round.refusal();
    // A witness may have proved meanwhile that there are two histories.
    this.#checkStopped();
    const { count } = round;
    await this.#show({ size, root, note: round.note() });
    void round.settled.then(() => this.#addLate(round, count));
    return undefined;
  }

  async #sign(size: number, root: Uint8Array): Promise<SignedCheckpoint> {
    if (this.#signed?.size !== size) {
      this.#signed = { size, root, note: await this.#parts.signAll(size, root) };
    }
    return this.#signed;
  }

  /** Adds the cosignatures that came after the quorum. */
  async #addLate(round: Round, count: number): Promise<void> {
    if (round.count === count || this.#newestRound !== round || this.#closed) return;
    if (this.#parts.stopped() !== undefined) return;
    const { size, root } = round.target;
    try {
      await this.#show({ size, root, note: round.note() });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      // The note with the quorum is there: nothing is lost where this one cannot be written.
      return;
    }
    this.#parts.witnesses?.published(this.#published);
  }

  #show(checkpoint: SignedCheckpoint): Promise<void> {
    const shown = this.#writing.then(async () => {
      this.#checkGrows(checkpoint);
      await this.#parts.store.replace(checkpointPath, utf8(checkpoint.note));
      this.#published = checkpoint;
    });
    this.#writing = shown.catch(() => {});
    return shown;
  }

  #checkStopped(): void {
    const stopped = this.#parts.stopped();
    if (stopped !== undefined) throw stopped;
  }

  /** The last look before anything is shown: the one thing that must never happen is a second root for a size. */
  #checkGrows({ size, root }: SignedCheckpoint): void {
    const { size: before, root: rootBefore } = this.#published;
    if (size > before || (size === before && isSameBytes(root, rootBefore))) return;
    const { logName } = this.#parts;
    throw new CairnError(
      "tampered",
      `the log ${logName} has published ${before} entries, and was about to publish ${size} that contradict them`,
      { place: { log: logName } },
    );
  }
}

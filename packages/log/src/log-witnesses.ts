/**
 * Everything about witnesses that one open log has, behind one face: the question at the start, the gate, rounds for
 * the publisher, entries about witnesses, acknowledgements that wait.
 *
 * It is made before the log's state is read, because the witnesses are asked before a byte is changed; `begin` gives it
 * the writer and the publisher.
 */
import { assert, isCairnError, type CairnError } from "@cairnlog/core";
import type { Appended, SignedCheckpoint } from "./log.ts";
import type { PublisherWitnesses } from "./publisher.ts";
import { QuorumWait } from "./quorum-wait.ts";
import { witnessConflict, witnessOverride } from "./system-events.ts";
import type { WitnessHealth } from "./witness-client.ts";
import { askAtStart, WitnessGate } from "./witness-gate.ts";
import { WitnessedMinutes } from "./witnessed-minutes.ts";
import { Witnessing, type RecordedConflict, type WitnessingParts } from "./witnessing.ts";

const idleMs = 60_000;
const quorumWaitMs = 30_000;

export interface LogWitnessesParts extends Omit<WitnessingParts, "durableSize"> {
  readonly signAll: (size: number, root: Uint8Array) => Promise<string>;
  readonly alarm: (error: CairnError) => void;
  /** Events whose acknowledgements may wait for a quorum. */
  readonly waitingEventsMax: number;
}

/** What it needs of the log around it. */
export interface WitnessedLog {
  durable(): SignedCheckpoint;
  published(): SignedCheckpoint;
  appendSystem(event: Uint8Array): void;
  /** Stops the log for good. */
  fail(error: CairnError): void;
}

export class LogWitnesses {
  readonly #parts: LogWitnessesParts;
  readonly #witnessing: Witnessing;
  readonly #wait: QuorumWait | undefined;
  #gate: WitnessGate;
  #overridden = false;
  #minutes: WitnessedMinutes | undefined;
  #log: WitnessedLog | undefined;
  /** Durable entries, as long as there is no log around yet. */
  #openedSize = 0;
  #quorumFailure: CairnError | undefined;
  #isClosing = false;

  constructor(parts: LogWitnessesParts) {
    const { options, settings, clock } = parts;
    this.#parts = parts;
    this.#gate = new WitnessGate(settings.name, undefined);
    this.#witnessing = new Witnessing({
      ...parts,
      durableSize: () => this.#log?.durable().size ?? this.#openedSize,
    });
    if (options.requireQuorum === true) {
      this.#wait = new QuorumWait({
        logName: settings.name,
        clock,
        waitMs: options.quorumWaitMs ?? quorumWaitMs,
        eventsMax: parts.waitingEventsMax,
        published: () => this.#around.published(),
        refusal: () => this.#quorumFailure,
      });
    }
  }

  /** Asks what the witnesses hold, before anything is accepted. "tampered" where it is not what the log has. */
  async ask(size: number, root: Uint8Array): Promise<void> {
    const { clock, options, settings, signAll } = this.#parts;
    this.#openedSize = size;
    const note = await signAll(size, root);
    const refusal = await askAtStart(this.#witnessing, clock, { size, root, note });
    this.#quorumFailure = refusal;
    if (refusal === undefined) return;
    if (options.startWithoutQuorum === true) this.#overridden = true;
    else this.#gate = new WitnessGate(settings.name, refusal);
  }

  /** The log around it is put together. */
  begin(log: WitnessedLog): void {
    this.#log = log;
    const { size } = log.durable();
    this.#minutes = new WitnessedMinutes(this.#parts.clock, size, (event) =>
      log.appendSystem(event),
    );
    if (this.#overridden) log.appendSystem(witnessOverride(size, this.health()));
    // A slow witness may have objected just now.
    for (const recorded of this.#witnessing.conflicts) this.#conflict(recorded);
    this.#witnessing.onConflict = (recorded) => this.#conflict(recorded);
  }

  /** What the publisher needs. */
  forPublisher(): PublisherWitnesses {
    return {
      idleMs: this.#parts.options.idleMs ?? idleMs,
      isAwaited: this.#wait !== undefined,
      round: (signed) => this.#witnessing.round(signed),
      published: (checkpoint) => {
        this.#quorumFailure = undefined;
        if (!this.#isClosing) this.#gate.open();
        this.#minutes?.published(checkpoint);
        this.#wait?.published(checkpoint);
      },
      failed: (error) => {
        if (!isCairnError(error)) return;
        if (error.code === "tampered") this.#around.fail(error);
        this.#quorumFailure = error;
        this.#gate.stillShut(error);
      },
    };
  }

  /** Runs `run` once a quorum has said what it holds: now, or later. */
  whenOpen(run: () => void): void {
    this.#gate.whenOpen(run);
  }

  /** True while the log is open for reading only. */
  get isShut(): boolean {
    return this.#gate.refusal !== undefined;
  }

  /** Why `count` events cannot be taken, if that is so. */
  refusal(count: number): CairnError | undefined {
    return this.#gate.refusal ?? this.#wait?.shortage(count);
  }

  /** Resolves when the append may be answered: at once, or when a quorum has cosigned it. */
  answer(appended: Appended): Appended | Promise<Appended> {
    return this.#wait === undefined ? appended : this.#wait.of(appended);
  }

  /** Why nothing can be appended, or nothing would be answered. */
  get failure(): CairnError | undefined {
    return this.#gate.refusal ?? (this.#wait === undefined ? undefined : this.#quorumFailure);
  }

  get quorumFailure(): CairnError | undefined {
    return this.#quorumFailure;
  }

  health(): WitnessHealth[] {
    return this.#witnessing.health();
  }

  alarms(): CairnError[] {
    return this.#witnessing.conflicts.map(({ error }) => error);
  }

  /** From now on the log takes no entry, not even one of ours. */
  close(): void {
    this.#isClosing = true;
    this.#minutes?.close();
  }

  /** The log has failed, or closes: nobody waits any longer. */
  stop(error: CairnError): void {
    this.close();
    this.#wait?.fail(error);
    this.#witnessing.close();
  }

  get #around(): WitnessedLog {
    assert(this.#log !== undefined, "the log around its witnesses was put together");
    return this.#log;
  }

  /**
   * Two histories under our key: the log stops before it signs anything more. A mere claim is an entry and an alarm,
   * and the other witnesses decide; but not before the start, when nobody relies on the log yet.
   */
  #conflict(recorded: RecordedConflict): void {
    const isFatal = recorded.conflict.proof !== undefined || this.#gate.refusal !== undefined;
    if (isFatal) {
      this.#around.fail(recorded.error);
      return;
    }
    this.#parts.alarm(recorded.error);
    if (!this.#isClosing) this.#around.appendSystem(witnessConflict(recorded));
  }
}

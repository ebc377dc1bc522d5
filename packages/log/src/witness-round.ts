/**
 * One round: one checkpoint, sent to all witnesses at once, and the cosignatures that come back. A round is *decided*
 * as soon as there is a quorum, or once every witness was heard without one; it is *settled* when all were heard.
 */
import {
  CairnError,
  formatNote,
  isQuorum,
  parseNote,
  utf8,
  type Note,
  type Policy,
} from "@cairnlog/core";
import type { SignedCheckpoint } from "./log.ts";
import type { Cosignature, WitnessAnswer, WitnessClient } from "./witness-client.ts";
import type { WitnessConflict } from "./witness-conflict.ts";

export interface RoundParts {
  readonly logName: string;
  readonly policy: Policy;
  readonly clients: readonly WitnessClient[];
  /** Waited for before the round goes on: evidence comes first. */
  conflict(conflict: WitnessConflict): Promise<void>;
}

export class Round {
  /** What was sent: a size, its root, and the note with the log's own signatures. */
  readonly target: SignedCheckpoint;
  /** True if there is a quorum. */
  readonly decided: Promise<boolean>;
  readonly settled: Promise<void>;
  readonly #parts: RoundParts;
  readonly #signed: Note;
  /** By the witness's name in the policy. */
  readonly #cosignatures = new Map<string, Cosignature>();
  readonly #errors: string[] = [];

  constructor(target: SignedCheckpoint, parts: RoundParts) {
    this.target = target;
    this.#parts = parts;
    this.#signed = parseNote(utf8(target.note));
    const quorum = Promise.withResolvers<void>();
    if (this.isQuorum) quorum.resolve();
    const heard = parts.clients.map(async (client) => {
      await this.#take(client, await client.cosign(target));
      if (this.isQuorum) quorum.resolve();
    });
    this.settled = Promise.all(heard).then(() => undefined);
    this.decided = Promise.race([quorum.promise, this.settled]).then(() => this.isQuorum);
    // Who waits for one of the two need not wait for the other.
    this.settled.catch(() => {});
    this.decided.catch(() => {});
  }

  get isQuorum(): boolean {
    return isQuorum(this.#parts.policy, this.#cosignatures.keys());
  }

  /** How many cosignatures there are by now. */
  get count(): number {
    return this.#cosignatures.size;
  }

  /** The note as it is by now: the log's signatures, then cosignatures in the order of the policy. */
  note(): string {
    const cosignatures = this.#parts.policy.witnesses.flatMap(
      ({ name }) => this.#cosignatures.get(name)?.signature ?? [],
    );
    return formatNote(this.#signed.text, [...this.#signed.signatures, ...cosignatures]);
  }

  /** Why there is no quorum. */
  refusal(): CairnError {
    const { logName, policy } = this.#parts;
    const why = this.#errors.length === 0 ? "" : `: ${this.#errors.join("; ")}`;
    return new CairnError(
      "unavailable",
      `${this.count} of the ${policy.witnesses.length} witnesses of the log ${logName} have cosigned ` +
        `${this.target.size} entries, which is no quorum${why}`,
      { place: { log: logName } },
    );
  }

  async #take(client: WitnessClient, answer: WitnessAnswer): Promise<void> {
    if (answer.kind === "cosigned") {
      for (const cosignature of answer.cosignatures) {
        this.#cosignatures.set(cosignature.witness.name, cosignature);
      }
      return;
    }
    if (answer.kind === "failed") {
      this.#errors.push(`${client.name}: ${answer.error}`);
      return;
    }
    this.#errors.push(`${client.name}: it holds another history of this log`);
    await this.#parts.conflict(answer.conflict);
  }
}

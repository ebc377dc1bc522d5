/**
 * What a caller gets for one event: where it stands in the log, and the signed checkpoint that
 * covers it. Plain data (`JSON.stringify` keeps it); the inclusion proof is fetched when it is
 * asked for, as few ever need it.
 */
import type { FullReceipt, WitnessedProof } from "./trust.ts";

export interface ReceiptFields {
  /** The log's identity, as its checkpoint names it. */
  readonly origin: string;
  readonly seq: number;
  /** Standard base64. */
  readonly leafHash: string;
  /** Signed note, verbatim. It covers `seq`. */
  readonly checkpoint: string;
  /**
   * True if the very same event had been recorded before, for instance by an attempt whose answer
   * was lost.
   */
  readonly duplicate: boolean;
  /** The event's `id`, its own or the one that it was given. */
  readonly eventId: string;
}

/** Where the rest of a receipt comes from. `event` is the JSON text that was sent. */
export interface ReceiptSource {
  full(receipt: ReceiptFields, event: string): Promise<FullReceipt>;
  witnessed(receipt: ReceiptFields, event: string): Promise<WitnessedProof>;
}

export class LoggedReceipt implements ReceiptFields {
  readonly origin: string;
  readonly seq: number;
  readonly leafHash: string;
  readonly checkpoint: string;
  readonly duplicate: boolean;
  readonly eventId: string;
  readonly #source: ReceiptSource;
  readonly #event: string;

  constructor(fields: ReceiptFields, source: ReceiptSource, event: string) {
    this.origin = fields.origin;
    this.seq = fields.seq;
    this.leafHash = fields.leafHash;
    this.checkpoint = fields.checkpoint;
    this.duplicate = fields.duplicate;
    this.eventId = fields.eventId;
    this.#source = source;
    this.#event = event;
  }

  /**
   * Fetches the entry and its inclusion proof and verifies them: the entry holds the event that was
   * sent, its hash is `leafHash`, the proof leads to the checkpoint's root, and a pinned key signed
   * that checkpoint. Rejects with "unverified" if not. Without pinned keys nobody's signature is
   * checked.
   */
  full(): Promise<FullReceipt> {
    return this.#source.full(this, this.#event);
  }

  /**
   * Fetches what the receipt has become: a tlog-proof under the published checkpoint, with its
   * cosignatures. Waits for it some seconds; "unavailable" where it is not published yet. Verifies
   * the event and its place, the log's signature, the quorum of the client's policy, and that the
   * published checkpoint and the receipt's are of one history. "unverified" if not; then an alarm is
   * raised too where the two contradict each other. "usage" without a policy or pinned keys.
   */
  witnessed(): Promise<WitnessedProof> {
    return this.#source.witnessed(this, this.#event);
  }
}

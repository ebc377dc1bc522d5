/** The result of an append while it is made, and what the caller gets of it. */
import { assert, hashByteLength, type CairnError, type Hash } from "@cairnlog/core";
import type { EventBatch } from "./event-batch.ts";
import type { Appended, SignedCheckpoint } from "./log.ts";
import type { LogTree } from "./log-tree.ts";

export type Prove = (seq: number, size: number) => Promise<readonly Hash[]>;

export class AppendResult implements Appended {
  readonly count: number;
  readonly #seqs: Float64Array;
  /** One run: an array for each would outlive the commit, and collecting them cost more than making them. */
  readonly #leafHashes: Uint8Array;
  readonly #refusals: Map<number, CairnError>;
  #duplicates: Set<number> | undefined;
  readonly #tree: LogTree;
  readonly #prove: Prove;
  #checkpoint: SignedCheckpoint | undefined;

  constructor(batch: EventBatch, tree: LogTree, prove: Prove) {
    this.count = batch.count;
    this.#seqs = new Float64Array(batch.count).fill(-1);
    this.#leafHashes = new Uint8Array(batch.count * hashByteLength);
    this.#refusals = new Map(batch.refusals);
    this.#tree = tree;
    this.#prove = prove;
  }

  /** Event `i` became entry `seq`. The hash is copied. */
  recorded(i: number, seq: number, leafHash: Hash): void {
    this.#seqs[i] = seq;
    this.#leafHashes.set(leafHash, i * hashByteLength);
  }

  duplicate(i: number, seq: number, leafHash: Hash): void {
    this.recorded(i, seq, leafHash);
    this.#duplicates ??= new Set();
    this.#duplicates.add(i);
  }

  refuse(i: number, error: CairnError): void {
    this.#refusals.set(i, error);
  }

  /** The last step: `checkpoint` covers all that was recorded. */
  seal(checkpoint: SignedCheckpoint): this {
    this.#checkpoint = checkpoint;
    return this;
  }

  get refused(): number {
    return this.#refusals.size;
  }

  get checkpoint(): SignedCheckpoint {
    assert(this.#checkpoint !== undefined, "an append is answered after its commit");
    return this.#checkpoint;
  }

  seq(i: number): number {
    return this.#seqs[i] ?? -1;
  }

  leafHash(i: number): Hash {
    assert(this.seq(i) >= 0, `event ${i} has a seq`);
    return this.#leafHashes.subarray(i * hashByteLength, (i + 1) * hashByteLength);
  }

  isDuplicate(i: number): boolean {
    return this.#duplicates?.has(i) ?? false;
  }

  refusal(i: number): CairnError | undefined {
    return this.#refusals.get(i);
  }

  /** From memory while the entry's segment is open, which is all but always; from the store after that. */
  inclusionProof(i: number): Promise<readonly Hash[]> {
    const seq = this.seq(i);
    const { size } = this.checkpoint;
    if (seq < this.#tree.openFrom) return this.#prove(seq, size);
    return Promise.resolve(this.#tree.at(size).inclusionProof(seq));
  }
}

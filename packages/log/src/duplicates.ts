/**
 * Decides what an event is whose id or number may have been seen before: the same event again, another one under a
 * taken id or number, or a new one after all (its id's hash merely collided; its number was in a gap that was
 * forgotten). Where an event has both, both rules hold.
 */
import {
  CairnError,
  hashLeaf,
  isSameBytes,
  parseEntryHead,
  parseUtf8,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import type { Prove } from "./appended.ts";
import { findIdRange, findSequence, type EventBatch } from "./event-batch.ts";
import type { StoredEntry } from "./log.ts";
import { isSameEvent } from "./same-event.ts";
import { sourceConflict } from "./system-events.ts";

export type Verdict =
  | { readonly kind: "new" }
  | { readonly kind: "duplicate"; readonly seq: number; readonly leafHash: Hash }
  | { readonly kind: "conflict"; readonly error: CairnError; readonly event: Uint8Array };

/** Seq of the entry that is said to have this number, or -1. */
export type FindNumber = (source: string, stream: string, number: number) => Promise<number>;

export class Duplicates {
  readonly #sha256: Sha256;
  readonly #logName: string;
  readonly #findNumber: FindNumber;
  readonly #entry: (seq: number) => Promise<StoredEntry>;
  readonly prove: Prove;

  constructor(
    sha256: Sha256,
    logName: string,
    entry: (seq: number) => Promise<StoredEntry>,
    prove: Prove,
    findNumber: FindNumber,
  ) {
    this.#findNumber = findNumber;
    this.#sha256 = sha256;
    this.#logName = logName;
    this.#entry = entry;
    this.prove = prove;
  }

  /**
   * Judges event `i` of the batch. `seq`: the entry that may have its id, which is durable; -1 where it is its number
   * that may have been seen.
   */
  async judge(batch: EventBatch, i: number, source: string, seq: number): Promise<Verdict> {
    if (seq >= 0) {
      const verdict = await this.#compareId(batch, i, source, seq);
      if (verdict.kind !== "new") return verdict;
    }
    const { numbered } = batch;
    const streamAt = numbered?.streamOf[i] ?? 0;
    if (numbered === undefined || streamAt === 0) return { kind: "new" };
    const stream = numbered.streams[streamAt - 1]!;
    const found = await this.#findNumber(source, stream, numbered.numbers[i]!);
    return found < 0 ? { kind: "new" } : this.#compareNumber(batch, i, source, found);
  }

  async #compareId(batch: EventBatch, i: number, source: string, seq: number): Promise<Verdict> {
    const { bytes } = await this.#entry(seq);
    const entry = parseEntryHead(bytes);
    const event = batch.bytes.subarray(batch.start[i], batch.end[i]);
    if (entry.source !== source) return { kind: "new" };
    if (isSameEvent(entry.event, event)) {
      return { kind: "duplicate", seq, leafHash: hashLeaf(this.#sha256, bytes) };
    }
    const id = batch.bytes.subarray(batch.idStart[i], batch.idEnd[i]);
    const range = findIdRange(entry.event, 0, entry.event.length);
    if (range === undefined || !isSameBytes(entry.event.subarray(range.start, range.end), id)) {
      return { kind: "new" };
    }
    const idText = parseUtf8(id);
    const refused = this.#sha256(event);
    return {
      kind: "conflict",
      event: sourceConflict({ source, id: idText, seq, refused }),
      error: new CairnError(
        "conflict",
        `the id ${JSON.stringify(idText)} is taken by entry ${seq}, which holds another event; ` +
          "give this event an id of its own",
        { place: { log: this.#logName, seq, pointer: "/id" } },
      ),
    };
  }

  /** Compares event `i`, which has a number, with the entry at `seq`, which is durable and said to have the same. */
  async #compareNumber(
    batch: EventBatch,
    i: number,
    source: string,
    seq: number,
  ): Promise<Verdict> {
    const { bytes } = await this.#entry(seq);
    const entry = parseEntryHead(bytes);
    const event = batch.bytes.subarray(batch.start[i], batch.end[i]);
    if (entry.source !== source) return { kind: "new" };
    if (isSameEvent(entry.event, event)) {
      return { kind: "duplicate", seq, leafHash: hashLeaf(this.#sha256, bytes) };
    }
    const { streams, streamOf, numbers } = batch.numbered!;
    const sequence = { stream: streams[streamOf[i]! - 1]!, number: numbers[i]! };
    const recorded = findSequence(entry.event);
    const isSame = recorded?.stream === sequence.stream && recorded.number === sequence.number;
    if (!isSame) return { kind: "new" };
    const refused = this.#sha256(event);
    return {
      kind: "conflict",
      event: sourceConflict({ source, ...sequence, seq, refused }),
      error: new CairnError(
        "conflict",
        `number ${sequence.number} of the stream ${sequence.stream} is taken by entry ${seq}, which holds another ` +
          "event; begin a stream of another name where the source has lost its count",
        { place: { log: this.#logName, seq, pointer: "/sequence/number" } },
      ),
    };
  }
}

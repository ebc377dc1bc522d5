/**
 * Decides what an event is whose id may have been seen before: the same event again, another one under a taken id,
 * or a new one after all (its id's hash merely collided).
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
import { findIdRange, type EventBatch } from "./event-batch.ts";
import type { StoredEntry } from "./log.ts";
import { sourceConflict } from "./system-events.ts";

export type Verdict =
  | { readonly kind: "new" }
  | { readonly kind: "duplicate"; readonly leafHash: Hash }
  | { readonly kind: "conflict"; readonly error: CairnError; readonly event: Uint8Array };

export class Duplicates {
  readonly #sha256: Sha256;
  readonly #logName: string;
  readonly #entry: (seq: number) => Promise<StoredEntry>;
  readonly prove: Prove;

  constructor(
    sha256: Sha256,
    logName: string,
    entry: (seq: number) => Promise<StoredEntry>,
    prove: Prove,
  ) {
    this.#sha256 = sha256;
    this.#logName = logName;
    this.#entry = entry;
    this.prove = prove;
  }

  /** Compares event `i` of the batch with the entry at `seq`, which is durable. */
  async compare(batch: EventBatch, i: number, source: string, seq: number): Promise<Verdict> {
    const { bytes } = await this.#entry(seq);
    const entry = parseEntryHead(bytes);
    const event = batch.bytes.subarray(batch.start[i], batch.end[i]);
    if (entry.source !== source) return { kind: "new" };
    if (isSameBytes(entry.event, event)) {
      return { kind: "duplicate", leafHash: hashLeaf(this.#sha256, bytes) };
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
}

/**
 * Finds in entries that are recorded already what the streams' states follow from: numbers, who spoke, and what the
 * log itself told. First all entries are read; then, when the states that they continue are in memory, they are taken
 * in order.
 */
import { eventFields, isCairnError, jsonKinds, parseUtf8, type EventScanner } from "@cairnlog/core";
import { segmentEntries } from "@cairnlog/store";
import { systemSource } from "../system-events.ts";
import { NumberedEvents } from "./numbered-events.ts";
import { gapType, heardType, readOwnEntry, silentType, type OwnEntry } from "./source-events.ts";
import { streamKey } from "./segment-streams.ts";
import type { StreamState } from "./stream-state.ts";
import type { StreamTable } from "./stream-table.ts";

interface Run {
  readonly source: string;
  readonly seq: number;
  count: number;
  timeMs: number;
}

interface ReadEntry {
  readonly seq: number;
  readonly source: string;
  readonly timeMs: number;
}

const ownPrefix = new TextEncoder().encode('{"type":"source.');

export class StreamReader {
  readonly #numbered = new NumberedEvents(16);
  readonly #seqs: number[] = [];
  readonly #sources: string[] = [];
  readonly #runs: Run[] = [];
  readonly #own: { readonly seq: number; readonly entry: OwnEntry }[] = [];

  /** Entries come in order. `scanner` has just scanned the event, which lies at [from, to) of `bytes`. */
  read(entry: ReadEntry, scanner: EventScanner, bytes: Uint8Array, from: number, to: number): void {
    const { seq, source, timeMs } = entry;
    if (source === systemSource) {
      this.#readOwn(seq, bytes.subarray(from, to));
      return;
    }
    const last = this.#runs.at(-1);
    const continues = last?.source === source && last.seq + last.count === seq;
    if (continues && seq % segmentEntries !== 0) {
      last.count++;
      last.timeMs = timeMs;
    } else this.#runs.push({ source, seq, count: 1, timeMs });
    if (scanner.kinds[eventFields.sequence] === jsonKinds.absent) return;
    try {
      this.#numbered.note(this.#seqs.length, scanner, bytes);
    } catch (error) {
      // Recorded before `sequence` meant anything.
      if (isCairnError(error, "invalid")) return;
      throw error;
    }
    this.#seqs.push(seq);
    this.#sources.push(source);
  }

  #readOwn(seq: number, event: Uint8Array): void {
    for (let i = 0; i < ownPrefix.length; i++) if (event[i] !== ownPrefix[i]) return;
    const entry = readOwnEntry(parseUtf8(event));
    if (entry !== undefined) this.#own.push({ seq, entry });
  }

  /** Every stream whose state is needed, as source and stream, each once. */
  streams(): readonly (readonly [source: string, stream: string])[] {
    const streams = new Map<string, readonly [string, string]>();
    const { streamOf } = this.#numbered;
    for (const [i, source] of this.#sources.entries()) {
      const stream = this.#numbered.streams[streamOf[i]! - 1]!;
      streams.set(streamKey(source, stream), [source, stream]);
    }
    for (const { entry } of this.#own) {
      if (entry.type !== gapType) continue;
      for (const { stream } of entry.details.streams) {
        streams.set(streamKey(entry.details.source, stream), [entry.details.source, stream]);
      }
    }
    return [...streams.values()];
  }

  /** Takes everything into the table, which holds the states of all `streams()`. */
  takeInto(table: StreamTable): void {
    let run = 0;
    let own = 0;
    const runs = this.#runs;
    const owns = this.#own;
    const upTo = (seq: number): void => {
      for (;;) {
        const runAt = runs[run]?.seq ?? Infinity;
        const ownAt = owns[own]?.seq ?? Infinity;
        const next = Math.min(runAt, ownAt);
        if (next > seq || next === Infinity) return;
        if (runAt < ownAt) {
          const { source, count, timeMs } = runs[run++]!;
          table.spoke(source, runAt, count, timeMs);
        } else takeOwn(table, owns[own++]!.entry, ownAt);
      }
    };
    const { streamOf, streams, numbers, timesMs } = this.#numbered;
    for (const [i, seq] of this.#seqs.entries()) {
      upTo(seq);
      const state = table.get(this.#sources[i]!, streams[streamOf[i]! - 1]!);
      if (state !== undefined) table.take(state, numbers[i]!, seq, timesMs[i]!);
    }
    upTo(Infinity);
  }
}

/** What an entry of the log's own about its sources changes. Its streams' states are in the table. */
export function takeOwn(table: StreamTable, entry: OwnEntry, seq: number): void {
  const { details } = entry;
  if (entry.type === gapType) {
    for (const telling of entry.details.streams) {
      const state: StreamState | undefined = table.get(details.source, telling.stream);
      if (state !== undefined) table.toldGaps(state, telling, seq);
    }
  } else if (entry.type === silentType) {
    table.toldSilence(details.source, true, entry.details.sinceMs, seq);
  } else if (entry.type === heardType) {
    table.toldSilence(details.source, false, entry.details.atMs, seq);
  }
}

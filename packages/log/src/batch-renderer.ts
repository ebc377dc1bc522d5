/**
 * Takes a batch's events into a commit, one by one: recognises those whose id or number may have been seen, and renders
 * the others. The hot path of the writer; nothing here waits.
 */
import { headByteLengthMax } from "@cairnlog/core";
import type { AppendQueue, Pending } from "./append-queue.ts";
import type { StreamState } from "./sources/stream-state.ts";
import type { WriterParts } from "./writer-parts.ts";

/** Length field, head and closing brace of an entry. */
export const entryOverheadMax = 2 + headByteLengthMax + 1;

/**
 * Renders what is due of a batch, from where it stands. True if nothing of it is left; false where the commit is full,
 * the tail has no room, or what is known of a stream must be loaded first. `timeMs`: the commit's.
 */
export function renderBatch(
  parts: WriterParts,
  queue: AppendQueue,
  pending: Pending,
  timeMs: number,
): boolean {
  const { builder, idHasher, limits, tree, tailRoom, sources } = parts;
  const { batch, source, result } = pending;
  const { numbered } = batch;
  const states = numbered && sources.resolve(source, numbered.streams);
  if (numbered !== undefined && states === undefined) return false;
  const from = tree.size;
  let isDone = true;
  for (; pending.next < batch.count; pending.next++) {
    const i = pending.next;
    if (!queue.isDue(pending, i)) continue;
    const start = batch.start[i]!;
    const end = batch.end[i]!;
    isDone =
      builder.byteLength < limits.commitBytesMax &&
      tailRoom.hasRoomFor(entryOverheadMax + end - start);
    if (!isDone) break;
    queue.took(pending, i);
    const streamAt = numbered === undefined ? 0 : numbered.streamOf[i]!;
    const state = streamAt === 0 ? undefined : states![streamAt - 1];
    if (!isNew(parts, pending, i, state)) continue;
    const seq = tree.size;
    const high = batch.idEnd[i] === 0 ? 0 : idHasher.high;
    const low = batch.idEnd[i] === 0 ? 0 : idHasher.low;
    result.recorded(i, seq, builder.append(source, batch.bytes, start, end, high, low));
    if (state !== undefined) sources.take(state, numbered!, i, seq);
  }
  if (tree.size > from) sources.spoke(source, from, tree.size - from, timeMs);
  return isDone;
}

/**
 * Whether neither id nor number of event `i` was seen: then its id is remembered, and its hash is the hasher's last.
 * Else the event is a candidate for a duplicate.
 */
function isNew(
  parts: WriterParts,
  pending: Pending,
  i: number,
  state: StreamState | undefined,
): boolean {
  const { ids, idHasher, sources, tree } = parts;
  const { batch, source, sourceSeed, candidates, known } = pending;
  const hasId = batch.idEnd[i] !== 0;
  if (hasId) {
    idHasher.hash(sourceSeed, batch.bytes, batch.idStart[i]!, batch.idEnd[i]!);
    const seq = known === undefined ? ids.find(idHasher.high, idHasher.low) : -1;
    if (seq >= 0) {
      candidates.push({ i, seq });
      return false;
    }
  }
  if (state !== undefined) {
    const number = batch.numbered!.numbers[i]!;
    // What was compared and found new may have been recorded since, by another batch.
    const isSeen =
      state.hasSeen(number) &&
      (known === undefined || sources.findOpen(source, state.stream, number) >= 0);
    if (isSeen) {
      candidates.push({ i, seq: -1 });
      return false;
    }
  }
  if (hasId) ids.insert(idHasher.high, idHasher.low, tree.size);
  return true;
}

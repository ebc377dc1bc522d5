/** The short way for an app that runs the log in its own process: an object goes in, its receipt comes out. */
import { CairnError, utf8, type CairnEvent, type Receipt } from "@cairnlog/core";
import { EventBatch, readEvent } from "./event-batch.ts";
import type { Appended, Log } from "./log.ts";

/**
 * Records one event, durably, and returns its full receipt. Throws what `Log.append` throws, and "invalid", "malformed"
 * or "conflict" if the event itself is refused.
 */
export async function record(log: Log, event: CairnEvent, source = "app"): Promise<Receipt> {
  const appended = await log.append(readEvent(utf8(JSON.stringify(event))), source);
  const refusal = appended.refusal(0);
  if (refusal !== undefined) throw refusal;
  return receiptOf(log, appended, 0);
}

/** A batch of events that are objects still. What can't be recorded is a refusal in the result of the append. */
export function toBatch(events: readonly CairnEvent[]): EventBatch {
  const texts = events.map((event) => utf8(JSON.stringify(event)));
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  const batch = new EventBatch(bytes, texts.length);
  let at = 0;
  for (const text of texts) {
    bytes.set(text, at);
    batch.add(at, at + text.length);
    at += text.length;
  }
  return batch;
}

/** The full receipt of event `i` of an append. Throws the refusal if there is none. */
export async function receiptOf(log: Log, appended: Appended, i: number): Promise<Receipt> {
  const refusal = appended.refusal(i);
  if (refusal !== undefined) throw refusal;
  const seq = appended.seq(i);
  if (seq < 0) throw new CairnError("usage", `the batch has no event ${i}`);
  return {
    origin: log.origin,
    seq,
    leafHash: appended.leafHash(i),
    proof: await appended.inclusionProof(i),
    checkpoint: appended.checkpoint.note,
  };
}

/**
 * From a delivery to durable entries: authenticated, captured, its blobs put, its events committed; only then an
 * answer.
 *
 * What must hold: a sender hears that all is well only if all that it sent is durable. Nothing is recorded about a
 * delivery itself, whether it was let in or not.
 */
import { createHash } from "node:crypto";
import { assert, CairnError } from "@cairnlog/core";
import {
  renderCaptured,
  type Adapter,
  type Answer,
  type Captured,
  type Delivery,
} from "@cairnlog/capture";
import { EventBatch, type Appended, type Log } from "@cairnlog/log";
import type { ServerContext } from "../context.ts";
import type { RefusalNotes } from "../refusal-notes.ts";
import type { Quotas } from "./quotas.ts";
import type { Source } from "./source-file.ts";

/** A source with what the server needs to serve it. */
export interface KnownSource {
  readonly source: Source;
  readonly adapter: Adapter;
}

type Context = Pick<ServerContext, "logs" | "limits" | "metrics" | "refusals">;

const defaultAnswer: Answer = { status: 200, body: "{}" };

/** `delivery` was found to be of this source. Rejects with why not all of it could be recorded. */
export async function takeIn(
  { source, adapter }: KnownSource,
  delivery: Delivery,
  { logs, limits, metrics, refusals: notes }: Context,
  quotas: Quotas,
): Promise<Answer> {
  const log = logs.get(source.log);
  if (log === undefined) {
    throw new CairnError("unavailable", `the log of this source is not served: ${source.log}`);
  }
  quotas.check(source);
  const captured = adapter.capture(delivery, source);
  const { events, ndjson } = captured;
  if (events.length > limits.eventsPerRequestMax) {
    const message = `a delivery has at most ${limits.eventsPerRequestMax} events`;
    throw new CairnError("too_large", message);
  }
  const giveBack = quotas.charge(source, events.length, delivery.body.length);
  let refusals: readonly CairnError[] = [];
  try {
    // The log is not asked to record nothing.
    if (ndjson !== undefined && ndjson.length > 0) {
      refusals = refusalsOf(await log.appendNdjson(ndjson, source.name));
    } else if (events.length > 0) refusals = await record(log, source, captured);
  } catch (error) {
    giveBack();
    throw error;
  }
  for (const refusal of refusals) {
    metrics.refused(log, refusal.code);
    notes.note(log, { source: source.name }, refusal);
  }
  return answerTo(captured, refusals, notes);
}

async function record(
  log: Log,
  source: Source,
  { events }: Captured,
): Promise<readonly CairnError[]> {
  const rendered = events.map((event) => renderCaptured(event, sha256));
  const put = new Set<string>();
  // Durable before an event names them.
  for (const { blobs } of rendered) {
    for (const { sha256: digest, bytes } of blobs) {
      if (put.has(digest)) continue;
      const name = await log.putBlob(bytes);
      assert(name === digest, "a blob is found under the name that its event gives it");
      put.add(digest);
    }
  }
  const byteLength = rendered.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const batch = new EventBatch(new Uint8Array(byteLength), events.length);
  let end = 0;
  for (const { bytes } of rendered) {
    batch.bytes.set(bytes, end);
    batch.add(end, (end += bytes.length));
  }
  if (batch.accepted === 0) return [...batch.refusals.values()];
  return refusalsOf(await log.append(batch, source.name));
}

/** Those of the events' own shape are among them. */
function refusalsOf(appended: Appended): readonly CairnError[] {
  const refusals: CairnError[] = [];
  for (let i = 0; appended.refused > refusals.length && i < appended.count; i++) {
    const refusal = appended.refusal(i);
    if (refusal !== undefined) refusals.push(refusal);
  }
  return refusals;
}

/** The others of the delivery are durable: sent again, they are recognised by their ids. */
function answerTo(
  captured: Captured,
  refusals: readonly CairnError[],
  notes: RefusalNotes,
): Answer {
  const refused = [...(captured.refused ?? []), ...refusals.map(({ message }) => message)];
  if (refused.length === 0) return captured.answer ?? defaultAnswer;
  if (captured.answerRefused !== undefined) return captured.answerRefused(refused);
  const [first] = refusals;
  const count = refused.length === 1 ? "one record" : `${refused.length} records`;
  const refusal = new CairnError(
    first?.code ?? "invalid",
    `${count} of the delivery could not be recorded, the first because: ${refused[0]}`,
    first === undefined ? {} : { place: first.place },
  );
  if (first !== undefined) notes.isKnown(refusal);
  throw refusal;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

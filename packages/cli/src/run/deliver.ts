/**
 * Brings the end of a run into the log, or keeps it for the next one. The command has ended and its status is passed on
 * whatever becomes of this; so what goes wrong here is said, never thrown.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError, isCairnError, utf8 } from "@cairnlog/core";
import type { BlobFile } from "../blob-file.ts";
import type { CommandContext } from "../command.ts";
import type { LogSink } from "../log-view.ts";
import { openSink } from "../open-target.ts";
import { describeError } from "../report-error.ts";
import type { KeptRun } from "./kept-runs.ts";

export interface Delivery {
  readonly source: string;
  readonly kept: KeptRun | undefined;
  readonly blob: BlobFile | undefined;
  /** The events, with the blob if it is in the log; else why not. */
  readonly events: (blob: BlobFile | undefined, blobRefused?: string) => readonly object[];
}

/** A server that restarts, or a folder that another run holds for a moment. */
const delaysMs = [0, 250, 1000, 2500];

export async function deliver(context: CommandContext, delivery: Delivery): Promise<void> {
  let last: unknown;
  for (const delayMs of delaysMs) {
    if (delayMs > 0) await sleep(delayMs);
    try {
      await attempt(context, delivery);
      delivery.kept?.remove();
      return;
    } catch (error) {
      last = error;
      if (!isCairnError(error, "unavailable") && !isCairnError(error, "locked")) break;
    }
  }
  await keep(context, delivery, last);
}

async function attempt(context: CommandContext, delivery: Delivery): Promise<void> {
  const sink = await openSink(context, delivery.source);
  try {
    const refused = await putBlob(sink, delivery.blob);
    const events = delivery.events(refused === undefined ? delivery.blob : undefined, refused);
    // Whoever finds the file after this process was killed sends the same events, not that nobody knows the end.
    keepQuietly(delivery.kept, events);
    for (const event of events) {
      const body = { form: "one", bytes: utf8(JSON.stringify(event)) } as const;
      const [outcome] = (await sink.append(body, "short")).outcomes;
      if (outcome === undefined) throw new CairnError("unavailable", "the log gave no receipt");
      if ("error" in outcome) throw outcome.error;
    }
  } finally {
    await sink.close();
  }
}

/** The log is to have them in a moment: a folder that cannot be written is no reason to wait. */
function keepQuietly(kept: KeptRun | undefined, events: readonly object[]): void {
  try {
    kept?.keep(events);
  } catch {
    // If the log cannot be reached either, that is said.
  }
}

/** Why the log does not take the blob, for good: the end is recorded without it then. */
async function putBlob(sink: LogSink, blob: BlobFile | undefined): Promise<string | undefined> {
  if (blob === undefined) return undefined;
  try {
    await sink.putBlob(blob);
    return undefined;
  } catch (error) {
    if (isCairnError(error, "too_large") || isCairnError(error, "forbidden")) return error.message;
    throw error;
  }
}

async function keep(context: CommandContext, delivery: Delivery, error: unknown): Promise<void> {
  const { kept, blob, events } = delivery;
  const why = isCairnError(error) ? describeError(error) : `cairn: ${String(error)}`;
  const say = (what: string): void =>
    context.output.error(`cairn: the END of this run is NOT RECORDED yet: ${why.slice(7)} ${what}`);
  if (kept === undefined) return say("It is lost.");
  try {
    if (blob === undefined) kept.keep(events(undefined));
    else await kept.keepWithBlob(events(blob), blob);
    say("It is kept, and the next `cairn run` records it.");
  } catch (cause) {
    say(`It could not be kept either: ${String(cause)}`);
  }
}

/**
 * From the files of a log folder to the log, each line once.
 *
 * What is about to be sent is saved first, together with the place in the files that it brings us to and the lines that
 * wait for the end of their transaction. So a crash at any time has one cure: send what was saved again, byte for byte
 * (the log recognises it by its ids), and read on from there. What is sent never depends on when it is sent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseBase64 } from "@cairnlog/core";
import { eventFrom, type CapturedEvent } from "@cairnlog/capture";
import { readLogFolder, type LogPosition } from "./log-folder.ts";
import {
  LogTransactions,
  type TransactionRules,
  type TransactionsState,
} from "./log-transactions.ts";
import type { CaptureSink } from "./sink.ts";
import { StateFile } from "./state-file.ts";

export interface LogCaptureOptions extends Partial<TransactionRules> {
  readonly folder: string;
  /** Where to remember. Its folder must be there. */
  readonly stateFile: string;
  readonly sink: CaptureSink;
  /** Ends the capture between two commits. */
  readonly signal: AbortSignal;
  /** Ends when all lines that are there are read, instead of waiting for more. */
  readonly isOnce?: boolean;
  readonly pollMs?: number;
  readonly now?: () => number;
}

interface LogCaptureState {
  readonly files: LogPosition;
  readonly transactions: TransactionsState;
  /** Sent, or about to be: whether it arrived is not known. */
  readonly outbox: readonly SavedEvent[];
}

/** Blobs as base64. */
interface SavedEvent {
  readonly event: CapturedEvent["event"];
  readonly blobs?: readonly {
    readonly base64: string;
    readonly mediaType: string;
    readonly role: string;
  }[];
}

const defaults: TransactionRules = {
  name: "",
  windowMs: 5000,
  heldBytesMax: 8 * 1024 * 1024,
  isControlLogged: true,
};
const pollDefaultMs = 200;

export async function captureLogFolder(options: LogCaptureOptions): Promise<void> {
  const { folder, sink, signal, pollMs = pollDefaultMs, now = Date.now } = options;
  const file = new StateFile<LogCaptureState>(options.stateFile, "cairn-capture-jsonlog/1");
  const saved = await file.load();
  if (saved !== undefined && saved.outbox.length > 0) await sink.record(saved.outbox.map(restored));
  let files = saved?.files ?? {};
  const transactions = new LogTransactions({ ...defaults, ...given(options) }, saved?.transactions);
  const send = async (events: readonly CapturedEvent[]): Promise<void> => {
    const outbox = events.map(packed);
    await file.save({ files, transactions: transactions.state, outbox });
    if (events.length > 0) await sink.record(events);
  };
  while (!signal.aborted) {
    const { lines, position, lost } = await readLogFolder(folder, files);
    files = position;
    const nowMs = now();
    const events = [
      ...lost.map((gone) => lostEvent(gone, options.name ?? "")),
      ...lines.flatMap((line) => transactions.add(line, nowMs)),
      ...transactions.release(nowMs),
    ];
    if (events.length > 0) await send(events);
    if (lines.length > 0) continue;
    if (options.isOnce === true) break;
    const due = transactions.dueMs ?? Infinity;
    await sleep(Math.max(1, Math.min(pollMs, due - now())), undefined, { signal }).catch(() => {});
  }
  // The files may be gone before the next run: what waits lies in the state.
  await send([]);
}

function given({ name, windowMs, heldBytesMax, isControlLogged }: LogCaptureOptions): object {
  const all = { name, windowMs, heldBytesMax, isControlLogged };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A file was removed before it was read to its end: that is all that can still be said. */
function lostEvent(gone: LogPosition[string], server: string): CapturedEvent {
  const event = eventFrom({
    id: `lost/${gone.name}/${gone.offset}-${gone.size}`,
    type: "database.log_lost",
    actor: { id: "postgres", type: "system" },
    action: "log file removed before it was read",
    targets: [{ type: "postgres", id: server === "" ? gone.name : `${server}/${gone.name}` }],
    outcome: "failure",
    details: { file: gone.name, fromByte: gone.offset, toByte: gone.size },
  });
  return { event };
}

function packed({ event, blobs = [] }: CapturedEvent): SavedEvent {
  if (blobs.length === 0) return { event };
  const saved = blobs.map(({ bytes, mediaType, role }) => ({
    base64: Buffer.from(bytes).toString("base64"),
    mediaType,
    role,
  }));
  return { event, blobs: saved };
}

function restored({ event, blobs = [] }: SavedEvent): CapturedEvent {
  if (blobs.length === 0) return { event };
  return {
    event,
    blobs: blobs.map(({ base64, mediaType, role }) => ({
      bytes: parseBase64(base64),
      mediaType,
      role,
    })),
  };
}

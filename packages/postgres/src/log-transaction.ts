/**
 * One transaction as PostgreSQL's log shows it: the lines that belong to it, what is known of its end, and what that
 * makes of each line.
 */
import {
  eventFrom,
  postgresLogEvent,
  textAt,
  transactionId,
  type CapturedEvent,
  type PostgresLogLine,
  type TransactionEnd,
} from "@cairnlog/capture";
import type { CairnEvent } from "@cairnlog/core";
import { readLogText, type LogText } from "./log-line.ts";

/** One line of a transaction. Without `held` it has left already. */
export interface Line {
  readonly id: string;
  held?: LogText;
  readonly isAudit: boolean;
  mark?: NonNullable<TransactionEnd["statement"]>;
  durationMs?: string;
}

export interface Transaction {
  readonly vxid: string;
  /** By the reader's clock. */
  readonly sinceMs: number;
  hasBegun: boolean;
  ended?: "commit" | "rollback" | "prepare";
  isAborted: boolean;
  /** It may have ended, or begun, in a way that the log does not show. */
  isDoubtful: boolean;
  readonly savepoints: { readonly name: string; readonly at: number }[];
  lines: Line[];
  /** Lines that left before the end was known and are not in `lines` any more. */
  forgotten: number;
  readonly head: Pick<CairnEvent, "actor" | "targets">;
}

/** Ids that a closing event names; it counts the others. */
const namedMax = 500;
/** How a transaction was left: by a line from outside, the session's end, its death, the server's. */
export type Ending = "left" | "disconnected" | "broken" | "crashed";

export function endOf(line: PostgresLogLine): Ending {
  return line.kind === "connection/disconnection" ? "disconnected" : "left";
}

export function stateOf(
  { ended, isAborted, isDoubtful, hasBegun }: Transaction,
  how: Ending,
  isControlLogged: boolean,
): TransactionEnd["state"] {
  if (ended === "rollback") return "rolled back";
  // What a server wrote last before it crashed may be missing from its log, though not from its data.
  if (how === "crashed") return isAborted && !isDoubtful ? "rolled back" : "unknown";
  if (how === "broken") {
    return ended === undefined && (hasBegun || isAborted) && !isDoubtful
      ? "rolled back"
      : "unknown";
  }
  if (isAborted) return isDoubtful && ended === undefined ? "unknown" : "rolled back";
  if (ended === "commit") return "committed";
  if (isDoubtful || ended === "prepare") return "unknown";
  // It was left, so it ended; that nobody asked for a commit is known only where the session is over.
  if (hasBegun) return how === "disconnected" ? "rolled back" : "unknown";
  return isControlLogged ? "committed" : "unknown";
}

export function isHeld(line: Line): boolean {
  return line.held !== undefined;
}

export function isFatal({ record, isError }: PostgresLogLine): boolean {
  return isError && /^(?:FATAL|PANIC)$/.test(textAt(record, "error_severity") ?? "");
}

export function lineCount({ lines, forgotten }: Transaction): number {
  return lines.length + forgotten;
}

export function addDuration(transaction: Transaction | undefined, line: PostgresLogLine): void {
  const ps = textAt(line.record, "ps");
  if (ps === "PARSE" || ps === "BIND") return;
  const last = transaction?.lines.findLast(({ isAudit, held }) => isAudit && held !== undefined);
  const text = /^duration: ([0-9.]+) ms$/.exec(line.message)?.[1];
  if (last !== undefined && text !== undefined) last.durationMs ??= text;
}

/** The statement that an error quotes, where it is the last one audited with these words. */
export function markFailed({ lines }: Transaction, { statement }: PostgresLogLine): void {
  let failed: string | undefined;
  for (const line of lines.toReversed()) {
    if (!line.isAudit || line.held === undefined) continue;
    const { audit } = readLogText(line.held).line;
    if (failed !== undefined && audit!.statementId !== failed) return;
    if (audit!.statement !== statement) continue;
    failed = audit!.statementId;
    line.mark = "failed";
  }
}

/** Back to a savepoint that was not named to us: surely not to one before the first, nor beyond the last. */
export function recover(transaction: Transaction): void {
  transaction.isAborted = false;
  const [first, last] = [transaction.savepoints[0], transaction.savepoints.at(-1)];
  if (first === undefined || last === undefined) {
    transaction.isDoubtful = true;
    return;
  }
  undo(transaction, last.at, "undone");
  undo(transaction, first.at, "perhaps undone");
}

export function undo(
  transaction: Transaction,
  from: number,
  mark: "undone" | "perhaps undone",
): void {
  const { lines, forgotten } = transaction;
  // SAVEPOINT itself stays.
  for (const line of lines.slice(Math.max(0, from + 1 - forgotten))) {
    if (line.isAudit) line.mark ??= mark;
  }
}

export function gap(
  line: PostgresLogLine,
  last: number,
  next: number,
  name: string,
): CapturedEvent {
  const { actor, targets } = postgresLogEvent({ ...line, audit: undefined }, name);
  const event = eventFrom({
    id: `${line.session}/lost/${last + 1}-${next - 1}`,
    type: "database.log_lost",
    time: textAt(line.record, "timestamp"),
    actor: actor as { id: string },
    targets: targets as [],
    action: "lines of the log are missing",
    outcome: "failure",
    details: { session: line.session, from: last + 1, to: next - 1 },
  });
  return { event };
}

export function closing(
  session: string,
  { vxid, head, forgotten }: Transaction,
  state: TransactionEnd["state"],
  early: readonly Line[],
  by: PostgresLogLine,
): CapturedEvent {
  const marked = (mark: Line["mark"]): string[] =>
    early.filter((line) => line.mark === mark).map(({ id }) => id);
  const actions = { committed: "COMMIT", "rolled back": "ROLLBACK", open: "end", unknown: "end" };
  const outcomes = { committed: "success", "rolled back": "failure" } as const;
  const event = eventFrom({
    id: `${session}/${vxid}`,
    type: "database.transaction",
    time: textAt(by.record, "timestamp"),
    actor: head.actor as { id: string },
    targets: head.targets as [],
    action: actions[state],
    outcome: state === "committed" || state === "rolled back" ? outcomes[state] : "unknown",
    details: {
      transaction: { id: transactionId(session, vxid), state },
      recordedWhileOpen: early.length + forgotten,
      entries: early.slice(0, namedMax).map(({ id }) => id),
      failed: marked("failed").slice(0, namedMax),
      undone: marked("undone").slice(0, namedMax),
      perhapsUndone: marked("perhaps undone").slice(0, namedMax),
    },
  });
  return { event };
}

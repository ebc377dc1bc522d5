/**
 * Says of each line of PostgreSQL's log how the transaction around it ended.
 *
 * pgaudit writes a line when a statement runs, and nobody knows then whether it will count. So the lines of a
 * transaction wait here until its end is known: by COMMIT or ROLLBACK, an error, the end of the session, and in the end
 * always by a further line of the same session that is outside of this transaction. What waits longer than the window
 * leaves with the state `open`, and a `database.transaction` event tells the rest when it is known.
 *
 * Never says `committed` without having seen it: COMMIT (or a statement of its own transaction), and then, without an
 * error, a line from outside. What it cannot know is `unknown`: a transaction that it saw from its middle, one that a
 * procedure may have ended by itself, a server that crashed while it committed.
 *
 * The state is plain JSON: it lies in a file between two runs. There is no clock here; times are arguments.
 */
import {
  postgresLogEvent,
  transactionId,
  transactionStepOf,
  type CapturedEvent,
  type PostgresLogLine,
  type TransactionEnd,
} from "@cairnlog/capture";
import { parseDecimal } from "@cairnlog/core";
import { readLogText, type LogText } from "./log-line.ts";
import {
  addDuration,
  closing,
  endOf,
  gap,
  isFatal,
  isHeld,
  lineCount,
  markFailed,
  recover,
  stateOf,
  undo,
  type Ending,
  type Transaction,
} from "./log-transaction.ts";

export interface TransactionRules {
  /** What the operator calls the server. */
  readonly name: string;
  /** How long lines wait for the end of their transaction. */
  readonly windowMs: number;
  /** How many bytes of lines may wait; beyond, the oldest leave early. */
  readonly heldBytesMax: number;
  /**
   * That `pgaudit.log` has `misc`, so that a transaction without BEGIN is a statement by itself. Where that is not so,
   * such transactions are `unknown`.
   */
  readonly isControlLogged: boolean;
}

interface Session {
  /** We have not seen its beginning, nor yet the end of the transaction that it was in. */
  isJoined: boolean;
  /** The number of its last line. */
  last?: number;
  /** The statement that may end transactions by itself: CALL or DO. */
  procedure?: string;
  transaction?: Transaction;
}

export type TransactionsState = Readonly<Record<string, Session>>;

const linesMax = 10_000;
const sessionsMax = 20_000;
const serverStarted =
  /^(?:starting PostgreSQL |all server processes terminated|database system was (?:interrupted|not properly))/;

export class LogTransactions {
  readonly #rules: TransactionRules;
  readonly #sessions: Map<string, Session>;
  #heldBytes = 0;

  constructor(rules: TransactionRules, state: TransactionsState = {}) {
    this.#rules = rules;
    this.#sessions = new Map(Object.entries(structuredClone(state)));
    for (const { transaction } of this.#sessions.values()) {
      for (const { held } of transaction?.lines ?? []) this.#heldBytes += held?.text.length ?? 0;
    }
  }

  get state(): TransactionsState {
    return Object.fromEntries(this.#sessions);
  }

  /** When something must leave at the latest, by the reader's clock; undefined if nothing waits. */
  get dueMs(): number | undefined {
    let due: number | undefined;
    for (const { transaction } of this.#sessions.values()) {
      if (transaction === undefined || !transaction.lines.some(isHeld)) continue;
      due = Math.min(due ?? Infinity, transaction.sinceMs + this.#rules.windowMs);
    }
    return due;
  }

  /** The next line, and what leaves because of it, in order. */
  add(source: LogText, nowMs: number): CapturedEvent[] {
    const { line, blobs } = readLogText(source);
    const { name } = this.#rules;
    if (line.id === undefined) return [{ event: postgresLogEvent(line, name), blobs }];
    const out: CapturedEvent[] = serverStarted.test(line.message) ? this.#settleAll(line) : [];
    const session = this.#sessionOf(line);
    out.push(...this.#findGap(session, line));
    const before = session.transaction;
    if (line.kind === "duration") addDuration(before, line);
    if (before !== undefined && before.vxid !== line.transaction) {
      out.push(...this.#settle(line.session!, session, line, endOf(line)));
    }
    // A bare duration says that a statement is over, and is kept with it. By itself it says nothing.
    if (line.kind === "duration") return out;
    if (line.transaction === undefined) {
      out.push({ event: postgresLogEvent(line, name), blobs });
      if (line.kind === "connection/disconnection") this.#sessions.delete(line.session!);
      return out;
    }
    const transaction = (session.transaction ??= this.#begin(session, line, nowMs));
    this.#follow(session, transaction, line);
    transaction.lines.push({ id: line.id, held: source, isAudit: line.audit !== undefined });
    this.#heldBytes += source.text.length;
    if (isFatal(line)) out.push(...this.#settle(line.session!, session, line, "broken"));
    else if (this.#isOverBy(line, transaction)) {
      out.push(...this.#settle(line.session!, session, line, "left"));
    }
    return [...out, ...this.#leaveEarly()];
  }

  /** What has waited for longer than the window leaves; with `Infinity` all does. */
  release(nowMs: number): CapturedEvent[] {
    const out: CapturedEvent[] = [];
    for (const [id, { transaction }] of this.#sessions) {
      if (transaction === undefined || nowMs - transaction.sinceMs < this.#rules.windowMs) continue;
      out.push(...this.#letGo(id, transaction, "open"));
    }
    return out;
  }

  #sessionOf(line: PostgresLogLine): Session {
    const known = this.#sessions.get(line.session!);
    if (known !== undefined) return known;
    const session: Session = { isJoined: line.number !== "1" };
    this.#sessions.set(line.session!, session);
    return session;
  }

  /** A session counts its lines. What is missing may have ended a transaction, or begun one. */
  #findGap(session: Session, line: PostgresLogLine): CapturedEvent[] {
    if (line.number === undefined || !/^[0-9]{1,15}$/.test(line.number)) return [];
    const number = parseDecimal(line.number, "line_num");
    const { last } = session;
    session.last = number;
    if (last === undefined || number === last + 1) return [];
    session.isJoined = true;
    if (session.transaction !== undefined) session.transaction.isDoubtful = true;
    return number < last ? [] : [gap(line, last, number, this.#rules.name)];
  }

  #begin(session: Session, line: PostgresLogLine, nowMs: number): Transaction {
    const { actor, targets } = postgresLogEvent({ ...line, audit: undefined }, this.#rules.name);
    const transaction: Transaction = {
      vxid: line.transaction!,
      sinceMs: nowMs,
      hasBegun: false,
      isAborted: false,
      isDoubtful: session.isJoined,
      savepoints: [],
      lines: [],
      forgotten: 0,
      head: { actor, ...(targets === undefined ? {} : { targets }) },
    };
    session.isJoined = false;
    return transaction;
  }

  /** An error ends the transaction of a single statement: nothing of it is left to wait for. */
  #isOverBy({ isError }: PostgresLogLine, { hasBegun, isDoubtful }: Transaction): boolean {
    return isError && !hasBegun && !isDoubtful && this.#rules.isControlLogged;
  }

  /** What a line tells about the transaction that it is in. */
  #follow(session: Session, transaction: Transaction, line: PostgresLogLine): void {
    const { audit } = line;
    if (line.isError) {
      markFailed(transaction, line);
      transaction.isAborted = true;
    }
    if (audit === undefined) return;
    // pgaudit is silent in a transaction that an error has aborted, also about ROLLBACK TO: it must have been there.
    if (transaction.isAborted) recover(transaction);
    if (audit.command === "DO" || audit.command === "CALL") session.procedure = audit.statementId;
    if (session.procedure === audit.statementId) transaction.isDoubtful = true;
    const step = transactionStepOf(audit);
    if (step === undefined) return;
    switch (step.step) {
      case "begin":
        transaction.hasBegun = true;
        transaction.isDoubtful = false;
        return;
      case "savepoint":
        transaction.savepoints.push({ name: step.name, at: lineCount(transaction) });
        return;
      case "release":
      case "rollback to": {
        const at = transaction.savepoints.findLastIndex(({ name }) => name === step.name);
        if (at < 0) return;
        if (step.step === "rollback to")
          undo(transaction, transaction.savepoints[at]!.at, "undone");
        transaction.savepoints.length = step.step === "release" ? at : at + 1;
        return;
      }
      default:
        transaction.ended = step.step;
    }
  }

  #settle(id: string, session: Session, by: PostgresLogLine, how: Ending): CapturedEvent[] {
    const transaction = session.transaction!;
    delete session.transaction;
    const state = stateOf(transaction, how, this.#rules.isControlLogged);
    const early = transaction.lines.filter((line) => !isHeld(line));
    const count = early.length + transaction.forgotten;
    const out = this.#letGo(id, transaction, state);
    if (count > 0) out.push(closing(id, transaction, state, early, by));
    return out;
  }

  /** The server began anew: every session is over, and of those that were committing nobody knows. */
  #settleAll(by: PostgresLogLine): CapturedEvent[] {
    const out: CapturedEvent[] = [];
    for (const [id, session] of this.#sessions) {
      if (id === by.session) continue;
      if (session.transaction !== undefined) out.push(...this.#settle(id, session, by, "crashed"));
      this.#sessions.delete(id);
    }
    return out;
  }

  #letGo(
    session: string,
    transaction: Transaction,
    state: TransactionEnd["state"],
  ): CapturedEvent[] {
    const out: CapturedEvent[] = [];
    for (const line of transaction.lines) {
      const { held, mark, durationMs } = line;
      if (held === undefined) continue;
      const end: TransactionEnd = {
        id: transactionId(session, transaction.vxid),
        state,
        ...(mark === undefined ? {} : { statement: mark }),
        ...(durationMs === undefined ? {} : { durationMs }),
      };
      const read = readLogText(held);
      const event = postgresLogEvent(read.line, this.#rules.name, end);
      out.push({ event, blobs: read.blobs });
      this.#heldBytes -= held.text.length;
      delete line.held;
    }
    const surplus = Math.max(0, transaction.lines.length - linesMax);
    transaction.lines.splice(0, surplus);
    transaction.forgotten += surplus;
    return out;
  }

  #leaveEarly(): CapturedEvent[] {
    const out: CapturedEvent[] = [];
    for (const [id, { transaction }] of this.#sessions) {
      const isFull = this.#heldBytes > this.#rules.heldBytesMax;
      if (!isFull && this.#sessions.size <= sessionsMax) break;
      if (transaction !== undefined) out.push(...this.#letGo(id, transaction, "open"));
      // It is seen from its middle, if ever it speaks again.
      if (this.#sessions.size > sessionsMax) this.#sessions.delete(id);
    }
    return out;
  }
}

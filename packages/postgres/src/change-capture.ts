/**
 * From a database's write-ahead log to the log: every committed transaction, once.
 *
 * The server keeps what we have not confirmed and sends it again after any crash, theirs or ours. We confirm a position
 * only when all before it is durable in the log; what is sent again has the ids that it had, and the log recognises it.
 * The state file adds two things to that: of a transaction that was cut in its middle the recorded rows are not
 * sent again, however many they are; and a slot that has moved without us is noticed, and becomes an event.
 */
import type { ClientConfig } from "pg";
import { CairnError } from "@cairnlog/core";
import { eventFrom, type CapturedEvent } from "@cairnlog/capture";
import { ChangeEvents } from "./change-events.ts";
import { prepareChanges, type ChangeSetup, type ChangeSource } from "./change-setup.ts";
import { parseLsn, showLsn, zeroLsn, type Lsn } from "./lsn.ts";
import { ReplicationStream } from "./replication-stream.ts";
import type { CaptureSink } from "./sink.ts";
import { StateFile } from "./state-file.ts";

export interface ChangeCaptureOptions {
  readonly connection: ClientConfig;
  readonly sink: CaptureSink;
  /** Where to remember. Its folder must be there. */
  readonly stateFile: string;
  /** Ends the capture between two commits. */
  readonly signal: AbortSignal;
  /** Default: `cairn`, both. */
  readonly slot?: string;
  readonly publication?: string;
  readonly tables?: readonly string[];
  /** What to call the database in targets; its own name by default. */
  readonly name?: string;
  readonly isActorApplication?: boolean;
  /** Told when changes begin to flow. */
  readonly onStart?: (setup: ChangeSetup) => void;
}

interface ChangeState {
  readonly system: string;
  readonly slot: string;
  /** All transactions that ended before are recorded. */
  readonly lsn: string;
  /** Of the transaction behind it so many rows are recorded. */
  readonly partial?: { readonly lsn: string; readonly xid: number; readonly rows: number };
}

const batchEventsMax = 500;

/** Returns when `signal` aborts. "unavailable" when the connection is lost: call it again. */
export async function captureChanges(options: ChangeCaptureOptions): Promise<void> {
  const { slot = "cairn", publication = "cairn", tables = [], connection, sink, signal } = options;
  if (signal.aborted) return;
  const source: ChangeSource = { connection, slot, publication, tables };
  const file = new StateFile<ChangeState>(options.stateFile, "cairn-capture-postgres/1");
  const saved = await file.load();
  const setup = await prepareChanges(source);
  if (saved !== undefined && (saved.system !== setup.system || saved.slot !== slot)) {
    const message = `${options.stateFile} is the state of another cluster or slot (${saved.system}, ${saved.slot})`;
    throw new CairnError("usage", message, { place: { path: options.stateFile } });
  }
  const { system, database } = setup;
  const name = options.name ?? database;
  await sink.record(beginning(setup, slot, name, saved));
  const stream = await ReplicationStream.open(connection, slot, publication);
  const stop = (): void => void stream.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) return;
    options.onStart?.(setup);
    const { isActorApplication = false } = options;
    const events = new ChangeEvents({ system, slot, name, isActorApplication });
    await new ChangeRun(stream, events, sink, file, { system, slot, saved, setup }).run();
  } finally {
    signal.removeEventListener("abort", stop);
    await stream.close();
  }
}

interface RunStart {
  readonly system: string;
  readonly slot: string;
  readonly saved: ChangeState | undefined;
  readonly setup: ChangeSetup;
}

class ChangeRun {
  readonly #stream: ReplicationStream;
  readonly #events: ChangeEvents;
  readonly #sink: CaptureSink;
  readonly #file: StateFile<ChangeState>;
  readonly #start: RunStart;
  #batch: CapturedEvent[] = [];
  /** The end of the last transaction that was received whole, or a position between two. */
  #reached: Lsn = zeroLsn;
  #confirmed: Lsn = zeroLsn;

  constructor(
    stream: ReplicationStream,
    events: ChangeEvents,
    sink: CaptureSink,
    file: StateFile<ChangeState>,
    start: RunStart,
  ) {
    this.#stream = stream;
    this.#events = events;
    this.#sink = sink;
    this.#file = file;
    this.#start = start;
    this.#confirmed = this.#reached = start.setup.confirmed;
  }

  async run(): Promise<void> {
    await this.#save();
    this.#stream.confirm(this.#confirmed);
    for await (const item of this.#stream.items()) {
      if (item.kind === "keepalive") {
        // Between two transactions everything before it has come to us. Within one it speaks of what is still to come.
        if (this.#events.open === undefined && item.end > this.#reached) this.#reached = item.end;
        await this.#flush();
        if (item.isReplyAsked) this.#stream.confirm(this.#confirmed);
        continue;
      }
      const { message } = item;
      for (const event of this.#events.add(message)) {
        if (!this.#isRecorded()) this.#batch.push(event);
      }
      if (message.tag === "commit" && message.commitEndLsn !== null) {
        this.#reached = parseLsn(message.commitEndLsn);
      }
      if (this.#stream.isEmpty || this.#batch.length >= batchEventsMax) await this.#flush();
    }
  }

  /** Whether the row that was just read was recorded before its transaction was cut. */
  #isRecorded(): boolean {
    const { open } = this.#events;
    const partial = this.#start.saved?.partial;
    if (open === undefined || partial === undefined) return false;
    return open.lsn === partial.lsn && open.xid === partial.xid && open.rows <= partial.rows;
  }

  /** First the log, then our own memory, last the server: each may forget only what the one before has. */
  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0 && this.#reached === this.#confirmed) return;
    this.#batch = [];
    if (batch.length > 0) await this.#sink.record(batch);
    this.#confirmed = this.#reached;
    await this.#save();
    this.#stream.confirm(this.#confirmed);
  }

  async #save(): Promise<void> {
    const { system, slot, saved } = this.#start;
    const { open } = this.#events;
    const before = saved?.partial;
    // Until the cut transaction has come again, what is known of it stays.
    const isAhead = before !== undefined && before.lsn > this.#confirmed;
    const rows = open && { lsn: open.lsn, xid: open.xid, rows: open.rows };
    const kept = isAhead && before.lsn === rows?.lsn && before.rows > rows.rows ? before : rows;
    const partial = kept ?? (isAhead ? before : undefined);
    const state = { system, slot, lsn: this.#confirmed };
    await this.#file.save(partial === undefined ? state : { ...state, partial });
  }
}

/** What the log is told before the first change: that it begins, or that something is missing. */
function beginning(
  setup: ChangeSetup,
  slot: string,
  name: string,
  saved: ChangeState | undefined,
): CapturedEvent[] {
  const { system, confirmed, database } = setup;
  const at = { slot, database, position: showLsn(confirmed), system };
  const tables = {
    tables: setup.tableCount,
    withoutFullIdentity: setup.notFull,
    unpublished: setup.unpublished,
  };
  const draft = {
    actor: { id: "postgres", type: "system" },
    targets: [{ type: "postgres", id: name }],
  };
  if (saved === undefined) {
    const event = eventFrom({
      ...draft,
      id: `${system}/${slot}/started/${showLsn(confirmed)}`,
      type: "database.capture_started",
      action: "capture started",
      outcome: "success",
      // What was found may differ if it is asked again; the id names the position, so it is told once.
      details: at,
    });
    return [{ event }, ...tablesEvent()];
  }
  if (parseLsn(saved.lsn) >= confirmed) return tablesEvent();
  const event = eventFrom({
    ...draft,
    id: `${system}/${slot}/gap/${showLsn(parseLsn(saved.lsn))}-${showLsn(confirmed)}`,
    type: "database.capture_gap",
    action: "changes were not captured",
    outcome: "failure",
    details: { ...at, recordedUpTo: showLsn(parseLsn(saved.lsn)), goesOnFrom: showLsn(confirmed) },
  });
  return [{ event }, ...tablesEvent()];

  /** Told whenever it is another than before, for its id is made of what it says. */
  function tablesEvent(): CapturedEvent[] {
    return setup.notFull.length === 0 && setup.unpublished.length === 0
      ? []
      : [
          {
            event: eventFrom({
              ...draft,
              id: `${system}/${slot}/incomplete/${JSON.stringify(tables)}`.padEnd(129, " "),
              type: "database.capture_incomplete",
              action: "capture is incomplete",
              outcome: "unknown",
              details: { slot, database, ...tables },
            }),
          },
        ];
  }
}

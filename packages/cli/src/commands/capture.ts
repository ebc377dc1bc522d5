/** `cairn capture`: programs of ours that go and get what no sender brings: PostgreSQL's log files, and its changes. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError, isCairnError } from "@cairnlog/core";
import type { CaptureSink, ChangeSetup } from "@cairnlog/postgres";
import { captureSink } from "../capture-sink.ts";
import type { CommandContext, CommandSpec, OptionSpec } from "../command.ts";
import { chooseTarget, openSink } from "../open-target.ts";
import { safeText } from "../safe-text.ts";
import { parseDuration } from "../time-argument.ts";

const commonOptions: readonly OptionSpec[] = [
  { flags: "--name <name>", about: "what to call the database in targets, as orders-prod" },
  { flags: "--memory <path>", about: "the folder to remember in (default: cairn-capture)" },
  {
    flags: "--source <alias>",
    about: "with a data folder: the alias to record under (default: postgres)",
  },
];

export const captureJsonlogCommand: CommandSpec = {
  name: "capture jsonlog",
  parameters: [{ usage: "<folder>", about: "where PostgreSQL's .json log files lie" }],
  summary: "record PostgreSQL's log: pgaudit, connections, errors",
  description:
    "Reads the files that PostgreSQL writes with log_destination = jsonlog, through rotation and restarts, and records each line once. " +
    "A statement is recorded when its transaction has ended, and says whether it was committed or rolled back; what takes longer than the window is recorded as open, and a further entry tells the end.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    ...commonOptions,
    {
      flags: "--window <duration>",
      about: "how long a statement waits for the end of its transaction (default: 5s)",
    },
    {
      flags: "--no-misc",
      about:
        "pgaudit.log is without misc: what has no BEGIN is not taken for a statement by itself",
    },
    { flags: "--once", about: "end when all that is there is recorded" },
  ],
  examples: [
    {
      line: "cairn capture jsonlog /var/log/postgresql --name orders-prod --url https://audit.example.com --key-file db.key",
      about: "until Ctrl-C; a service manager starts it again",
    },
    { line: "cairn capture jsonlog ./log --once", about: "what is there, into a data folder" },
  ],
  run: runJsonlog,
};

export const capturePostgresCommand: CommandSpec = {
  name: "capture postgres",
  parameters: [
    {
      usage: "[url]",
      about: "postgres://user@host/database; without it, or for what it lacks, PGHOST, PGUSER …",
    },
  ],
  summary: "record every change of a PostgreSQL database",
  description:
    "Follows a database by logical replication: one entry for each row that a committed transaction changed, with the row before and after, and one for the transaction. " +
    "Makes its replication slot and publication where they are missing. What was recorded is confirmed to the server, and nothing else, so that each transaction is recorded once whatever crashes. " +
    "Remove the slot when you stop for good: the server keeps its write-ahead log for it. Passwords belong in PGPASSWORD or ~/.pgpass.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    ...commonOptions,
    { flags: "--slot <name>", about: "the replication slot (default: cairn)" },
    { flags: "--publication <name>", about: "the publication (default: cairn)" },
    {
      flags: "--table <schema.table>",
      about: "of a publication that is made: only these; may be repeated (default: all tables)",
      isList: true,
    },
    {
      flags: "--actor-application",
      about: "where nobody said who: the application_name is the actor, not the database's user",
    },
    {
      flags: "--print-sql",
      about: "print the SQL that makes the --table tables say who changes them, and end",
    },
  ],
  examples: [
    {
      line: "cairn capture postgres postgres://cairn@db.example.com/orders --url https://audit.example.com --key-file db.key",
      about: "until Ctrl-C",
    },
    {
      line: "cairn capture postgres --print-sql --table public.orders | psql orders",
      about: "who changed a row, from the database itself",
    },
  ],
  run: runPostgres,
};

async function runJsonlog(context: CommandContext): Promise<0> {
  const { io, options, output, parameters } = context;
  const { captureLogFolder } = await import("@cairnlog/postgres");
  const folder = resolve(io.cwd, parameters[0]!);
  const window = options.text("window");
  const windowMs = window === undefined ? undefined : parseDuration(window, "--window");
  const stateFile = memoryFile(context, `jsonlog${folder.replace(/[^A-Za-z0-9.-]+/g, "_")}`);
  const name = options.text("name");
  await withSink(context, async (sink) => {
    output.note(`Reading ${folder}. Ctrl-C stops it.`);
    await captureLogFolder({
      folder,
      stateFile,
      sink,
      signal: io.interrupted,
      isOnce: options.has("once"),
      isControlLogged: options.isOn("misc"),
      ...(windowMs === undefined ? {} : { windowMs }),
      ...(name === undefined ? {} : { name }),
    });
  });
  return 0;
}

const retryFirstMs = 1000;
const retryMsMax = 30_000;

async function runPostgres(context: CommandContext): Promise<0> {
  const { io, options, output, parameters } = context;
  const { captureChanges, whoSql } = await import("@cairnlog/postgres");
  const tables = options.list("table");
  if (options.has("printSql")) {
    await output.raw(whoSql(tables));
    return 0;
  }
  const slot = options.text("slot") ?? "cairn";
  const [url] = parameters;
  const stateFile = memoryFile(context, `postgres-${slot}`);
  const name = options.text("name");
  const signal = io.interrupted;
  await withSink(context, async (sink) => {
    let waitMs = retryFirstMs;
    while (!signal.aborted) {
      try {
        await captureChanges({
          connection: {
            application_name: "cairn",
            ...(url === undefined ? {} : { connectionString: url }),
          },
          sink,
          stateFile,
          signal,
          slot,
          publication: options.text("publication") ?? "cairn",
          tables,
          isActorApplication: options.has("actorApplication"),
          ...(name === undefined ? {} : { name }),
          onStart: (setup) => {
            waitMs = retryFirstMs;
            tellStart(context, slot, setup);
          },
        });
      } catch (error) {
        // The database is away: it keeps what we have not confirmed.
        if (!isCairnError(error, "unavailable") || isSinkFailure(error)) throw error;
        output.note(`${error.message}. Trying again in ${waitMs / 1000} s.`);
        await sleep(waitMs, undefined, { signal }).catch(() => {});
        waitMs = Math.min(2 * waitMs, retryMsMax);
      }
    }
  });
  return 0;
}

function tellStart({ output }: CommandContext, slot: string, setup: ChangeSetup): void {
  const { database, tableCount, notFull, unpublished } = setup;
  output.note(
    `Following ${safeText(database)}, ${tableCount} tables, by the slot ${slot}. Ctrl-C stops it.`,
  );
  if (notFull.length > 0) {
    const names = safeText(notFull.slice(0, 5).join(", "));
    output.note(
      `Rows as they were will be incomplete in ${names}${notFull.length > 5 ? " …" : ""}: ` +
        "ALTER TABLE … REPLICA IDENTITY FULL",
    );
  }
  if (unpublished.length > 0) output.note(`The publication leaves out: ${unpublished.join(", ")}`);
}

const sinkFailures = new WeakSet<object>();

function isSinkFailure(error: object): boolean {
  return sinkFailures.has(error);
}

/** Whatever the log itself refuses ends the capture, but a server that is away for a while. */
async function withSink(
  context: CommandContext,
  work: (sink: CaptureSink) => Promise<void>,
): Promise<void> {
  const { io, options, output, config } = context;
  const sink = await openSink(context, options.text("source") ?? "postgres");
  let recorded = 0;
  const inner = captureSink({
    sink,
    isServer: chooseTarget(config).kind === "server",
    interrupted: io.interrupted,
    warn: (text) => output.note(text),
    onRecorded: (count) => {
      recorded += count;
      output.progress(`Recorded ${recorded}.`);
    },
  });
  try {
    await work({
      record: async (events) => {
        try {
          await inner.record(events);
        } catch (error) {
          if (error instanceof CairnError) sinkFailures.add(error);
          throw error;
        }
      },
    });
  } catch (error) {
    // What was under way when somebody interrupted is sent again by the next run.
    if (!io.interrupted.aborted) throw error;
  } finally {
    await sink.close();
  }
  output.note(`Recorded ${recorded}.`);
}

function memoryFile({ io, options }: CommandContext, name: string): string {
  const folder = resolve(io.cwd, options.text("memory") ?? "cairn-capture");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${name}.json`);
}

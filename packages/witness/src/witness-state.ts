/**
 * What a witness remembers, in SQLite: `witness.db` of its data folder. Three tables, each with one kind of writer:
 *
 * - `logs`: whom to cosign for, and by which keys. Written by `cairn witness add-log` and `remove-log`, from other
 *   processes, at any time. It is read for each request, so a change holds from the next request on.
 * - `heads`: the last checkpoint that was cosigned for each log. Written by the running witness alone. A log that is
 *   removed keeps its row: were it forgotten, adding the log again would let it begin anew with another history.
 * - `evidence`: signed checkpoints that do not agree with a head, the last few of each log and kind.
 *
 * Rows are found by the SHA-256 of the origin, which is also how the monitoring interface names a log. Nothing is held
 * in memory but SQLite's bounded page cache.
 *
 * Invariants: a head changes only from the very head that the new one was checked against, in one transaction with
 * the look at `logs` (`commit`); when that call returns, it is durable (WAL, synchronous=FULL).
 */
import fs from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert, CairnError, isCairnError, type Hash } from "@cairnlog/core";

/** The last checkpoint that was cosigned for a log. */
export interface Head {
  readonly size: number;
  readonly root: Hash;
  /** Of its cosignatures: seconds since 1970. */
  readonly timestamp: number;
}

/** A log that is cosigned for. */
export interface KnownLog {
  readonly origin: string;
  /** Verifier keys, one a line. */
  readonly vkeys: string;
  /** Undefined if nothing of this log was ever cosigned. */
  readonly head: Head | undefined;
}

/** Why a signed checkpoint is kept as evidence. */
export type EvidenceKind =
  /** It gives a size that we cosigned another root: two signatures of the log that cannot both be honest. */
  | "split"
  /** No proof ties it to the head. The log has forked, or whoever sent it sent a wrong proof. */
  | "unproven";

export interface Evidence {
  readonly kind: EvidenceKind;
  /** Milliseconds since 1970, when it was first seen. */
  readonly timeMs: number;
  readonly size: number;
  readonly root: Hash;
  /** The checkpoint as it came, with the log's signature. */
  readonly note: string;
  /** What had been cosigned when it came, as the witness serves it; "" for nothing. */
  readonly held: string;
}

/** One thing that a commit makes durable. */
export type Change =
  | {
      readonly kind: "head";
      readonly hash: Hash;
      /** The keys that the checkpoint was verified with. */
      readonly vkeys: string;
      /** The head that the new one was checked against. */
      readonly before: Head | undefined;
      readonly head: Head;
      /** The cosigned checkpoint that monitors will be served. */
      readonly note: string;
    }
  | { readonly kind: "evidence"; readonly hash: Hash; readonly evidence: Omit<Evidence, "held"> };

const fileName = "witness.db";
const version = 1;
/** Of each log and kind. Only the log's key makes new ones of kind "split", so nobody else can push those out. */
const evidenceMax = 16;
/** How long a commit waits for the command line to finish writing. */
const busyTimeoutMs = 5000;
const sqliteBusy = 5;
const sqliteFull = 13;

const schema = `
CREATE TABLE logs (
  hash BLOB PRIMARY KEY,
  origin TEXT NOT NULL,
  vkeys TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE heads (
  hash BLOB PRIMARY KEY,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  timestamp INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,
  kind TEXT NOT NULL,
  time INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  note TEXT NOT NULL,
  held TEXT NOT NULL,
  UNIQUE (hash, kind, size, root)
) STRICT;
PRAGMA user_version=${version};
`;

/** The statement that is the witness's whole promise: from this head to that one, for a log that is still listed. */
const setHead = `
INSERT INTO heads
  SELECT :hash, :size, :root, :timestamp, :note FROM logs WHERE hash = :hash AND vkeys = :vkeys
  ON CONFLICT (hash) DO UPDATE
    SET size = excluded.size, root = excluded.root, timestamp = excluded.timestamp, note = excluded.note
    WHERE heads.size = :beforeSize AND heads.root = :beforeRoot`;

export class WitnessState {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #find: StatementSync;
  readonly #note: StatementSync;
  readonly #head: StatementSync;
  readonly #keepEvidence: StatementSync;
  readonly #trimEvidence: StatementSync;
  readonly #isListed: StatementSync;
  #failure: CairnError | undefined;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#find = database.prepare(
      "SELECT origin, vkeys, size, root, timestamp FROM logs LEFT JOIN heads USING (hash) WHERE hash = ?",
    );
    this.#note = database.prepare("SELECT note FROM heads WHERE hash = ?");
    this.#head = database.prepare(setHead);
    this.#keepEvidence = database.prepare(
      "INSERT INTO evidence (hash, kind, time, size, root, note, held) " +
        "VALUES (?, ?, ?, ?, ?, ?, coalesce((SELECT note FROM heads WHERE hash = ?), '')) " +
        "ON CONFLICT DO NOTHING",
    );
    this.#trimEvidence = database.prepare(
      "DELETE FROM evidence WHERE hash = :hash AND kind = :kind AND id NOT IN " +
        `(SELECT id FROM evidence WHERE hash = :hash AND kind = :kind ORDER BY id DESC LIMIT ${evidenceMax})`,
    );
    this.#isListed = database.prepare("SELECT 1 AS yes FROM logs WHERE hash = ? AND vkeys = ?");
  }

  /** Opens the memory of the witness in `folder`, which is there already; makes it where it is new. */
  static open(folder: string): WitnessState {
    const path = join(folder, fileName);
    try {
      createFile(path);
      const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
      try {
        prepare(database, path);
        return new WitnessState(database, path);
      } catch (error) {
        database.close();
        throw error;
      }
    } catch (error) {
      throw stateError(error, "open", path);
    }
  }

  /** The log whose origin has this hash, if it is listed, with its head. */
  find(hash: Hash): KnownLog | undefined {
    const row = this.#reading(() => this.#find.get(hash));
    if (row === undefined) return undefined;
    const { origin, vkeys, size, root, timestamp } = row;
    assert(typeof origin === "string" && typeof vkeys === "string", "the table is strict");
    if (size === null) return { origin, vkeys, head: undefined };
    return { origin, vkeys, head: headOf(size, root, timestamp) };
  }

  /** The last cosigned checkpoint of the log, listed or not. */
  findNote(hash: Hash): string | undefined {
    const note = this.#reading(() => this.#note.get(hash))?.["note"];
    return typeof note === "string" ? note : undefined;
  }

  /**
   * Makes the changes durable, all or none. True for each one that was made; false for a head of a log that is not
   * listed with those keys any more.
   *
   * A failed write or sync is never tried again (`failure`): the kernel may have dropped the bytes and report success
   * the next time, and then a head that we signed for would be gone after the next crash.
   */
  commit(changes: readonly Change[]): boolean[] {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
    } catch (error) {
      throw stateError(error, "write", this.#path);
    }
    try {
      const made = changes.map((change) => this.#apply(change));
      this.#database.exec("COMMIT");
      return made;
    } catch (error) {
      const failure = stateError(error, "write", this.#path);
      if (isCairnError(failure)) this.#failure = failure;
      this.#letGo();
      throw failure;
    }
  }

  /** Why nothing can be cosigned any more, until the witness is started again. */
  get failure(): CairnError | undefined {
    return this.#failure;
  }

  /** For administration and metrics: any statement, outside of the path of a request. */
  query(sql: string, ...values: readonly (string | number | Uint8Array)[]): readonly Row[] {
    try {
      return this.#database.prepare(sql).all(...values);
    } catch (error) {
      throw stateError(error, "read", this.#path);
    }
  }

  /** Ends a transaction that failed, so that the command line can still read and write. */
  #letGo(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    } catch {
      // Why it failed is known already; closing ends it at the latest.
    }
  }

  /** Runs `work` as one durable transaction. */
  transaction(work: () => void): void {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#letGo();
      throw stateError(error, "write", this.#path);
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #apply(change: Change): boolean {
    const { hash } = change;
    if (change.kind === "evidence") {
      const { kind, timeMs, size, root, note } = change.evidence;
      const { changes } = this.#keepEvidence.run(hash, kind, timeMs, size, root, note, hash);
      if (changes === 1) this.#trimEvidence.run({ hash, kind });
      return true;
    }
    const { vkeys, before, head, note } = change;
    const { changes } = this.#head.run({
      hash,
      vkeys,
      note,
      ...head,
      // Where there is no row, nothing is compared.
      beforeSize: before?.size ?? 0,
      beforeRoot: before?.root ?? new Uint8Array(),
    });
    if (changes === 1) return true;
    assert(this.#isListed.get(hash, vkeys) === undefined, "nobody else writes heads");
    return false;
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw stateError(error, "read", this.#path);
    }
  }
}

export type Row = Readonly<Record<string, unknown>>;

/** Reads the three columns of a head. */
export function headOf(size: unknown, root: unknown, timestamp: unknown): Head {
  assert(typeof size === "number" && typeof timestamp === "number", "the table is strict");
  assert(root instanceof Uint8Array, "the table is strict");
  return { size, root, timestamp };
}

function createFile(path: string): void {
  try {
    // SQLite would let everybody read it.
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

function prepare(database: DatabaseSync, path: string): void {
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  const versionOf = (): unknown => database.prepare("PRAGMA user_version").get()?.["user_version"];
  if (versionOf() === 0) {
    database.exec("BEGIN IMMEDIATE");
    // Another process may have been faster.
    if (versionOf() === 0) database.exec(schema);
    database.exec("COMMIT");
  }
  const found = versionOf();
  if (found === version) return;
  throw new CairnError(
    "unsupported_version",
    `${path} has version ${String(found)}; this release knows ${version}`,
    { place: { path } },
  );
}

/** What a failure of SQLite becomes. Broken invariants pass as they are. */
function stateError(error: unknown, doing: string, path: string): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") {
    return error;
  }
  if (error.errcode % 256 === sqliteBusy) {
    return new CairnError(
      "unavailable",
      `another process has been writing to ${path} for ${busyTimeoutMs} ms`,
      { cause: error, place: { path }, retryAfterMs: 1000 },
    );
  }
  const code = error.errcode % 256 === sqliteFull ? "storage_full" : "unavailable";
  return new CairnError(
    code,
    `cannot ${doing} ${path} (${error.message}): look at the medium and the room on it, then start the witness again`,
    { cause: error, place: { path } },
  );
}
